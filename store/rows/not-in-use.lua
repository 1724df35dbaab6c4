-- set_not_in_use: which NHS numbers of a partition were replaced or withdrawn, instead of those before.
-- KEYS  numbers not in use    ARGV  NHS number ...

-- As many as Lua unpacks at once, and some to spare.
local NUMBERS_AT_ONCE = 4000

local function set_not_in_use(keys, args)
  redis.call('DEL', keys[1])
  for from = 1, #args, NUMBERS_AT_ONCE do
    redis.call('SADD', keys[1], unpack(args, from, math.min(from + NUMBERS_AT_ONCE - 1, #args)))
  end
end

redis.register_function('cpf_set_not_in_use_' .. VERSION, set_not_in_use)
