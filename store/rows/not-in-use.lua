-- set_not_in_use: sets which NHS numbers of a partition were replaced or withdrawn, which are in use again, and which
-- records are sensitive. What is known about other numbers stays, and a sensitive record stays sensitive, because it may
-- be known from elsewhere.
-- KEYS  numbers not in use    ARGV  how many members are added, those, then those removed

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

-- mark_number: sets what is known about one number: 'in-use', 'not-in-use', 'sensitive', or the last two at once,
-- 'sensitive-not-in-use'. One that is no longer in use stays sensitive if it was.
-- KEYS  numbers not in use    ARGV  NHS number, its state ('?' only asks), 1 if those concerned are
--       not notified yet
-- reply the state before, or 'untold'

-- Comes before a number if nobody was notified of its last change yet. Lookups do not read it.
local UNTOLD = 'U'

local function set_member(key, member, wanted)
  local before = redis.call('SISMEMBER', key, member) == 1
  if wanted ~= nil then redis.call(wanted and 'SADD' or 'SREM', key, member) end
  return before
end

local function mark_number(keys, args)
  local key, number, state = keys[1], args[1], args[2]
  local is_over, is_sensitive, is_untold = nil, nil, nil
  if state ~= '?' then
    is_over = state == 'not-in-use' or state == 'sensitive-not-in-use'
    is_untold = false
    if state ~= 'not-in-use' then is_sensitive = state == 'sensitive' or state == 'sensitive-not-in-use' end
  end
  if args[3] == '1' then is_untold = true end
  local was_over, was_sensitive = set_member(key, number, is_over), set_member(key, SENSITIVE .. number, is_sensitive)
  if set_member(key, UNTOLD .. number, is_untold) then return 'untold' end
  if was_sensitive then return was_over and 'sensitive-not-in-use' or 'sensitive' end
  return was_over and 'not-in-use' or 'in-use'
end

redis.register_function('cpf_mark_number_' .. VERSION, mark_number)
