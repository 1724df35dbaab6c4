-- set_not_in_use: sets which NHS numbers of a partition were replaced or withdrawn, and which are in use again. What is
-- known about other numbers stays, and so does which records are sensitive, because it may be known from elsewhere.
-- KEYS  numbers not in use    ARGV  how many are not in use, those, then those in use

-- Fewer than Lua can unpack at once.
local NUMBERS_AT_ONCE = 4000

local function set_not_in_use(keys, args)
  local last = 1 + tonumber(args[1])
  for from = 2, #args, NUMBERS_AT_ONCE do
    local to = math.min(from + NUMBERS_AT_ONCE - 1, #args)
    local middle = math.max(from - 1, math.min(to, last))
    if middle >= from then redis.call('SADD', keys[1], unpack(args, from, middle)) end
    if to > middle then redis.call('SREM', keys[1], unpack(args, middle + 1, to)) end
  end
end

redis.register_function('cpf_set_not_in_use_' .. VERSION, set_not_in_use)

-- mark_number: sets what is known about one number: in use, 'not-in-use', or 'sensitive'.
-- KEYS  numbers not in use    ARGV  NHS number, its state ('?' only asks), 1 if those concerned are
--       not notified yet
-- reply the state before, or 'untold'

local MARKS = { ['not-in-use'] = '', sensitive = SENSITIVE }
-- Comes before a number if nobody was notified of its last change yet. Lookups do not read it.
local UNTOLD = 'U'

local function mark_number(keys, args)
  local number, state = args[1], args[2]
  local before = 'in-use'
  for name, prefix in pairs(MARKS) do
    local member = prefix .. number
    if redis.call('SISMEMBER', keys[1], member) == 1 then before = name end
    if state == name then redis.call('SADD', keys[1], member) elseif state ~= '?' then redis.call('SREM', keys[1], member) end
  end
  local untold = UNTOLD .. number
  if redis.call('SISMEMBER', keys[1], untold) == 1 then before = 'untold' end
  if args[3] == '1' then redis.call('SADD', keys[1], untold) elseif state ~= '?' then redis.call('SREM', keys[1], untold) end
  return before
end

redis.register_function('cpf_mark_number_' .. VERSION, mark_number)
