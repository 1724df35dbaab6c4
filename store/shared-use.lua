-- add_use: adds to counters of a window of time and gives their totals.
-- KEYS  counters of the window    ARGV  how long they are kept (ms), then per counter: name, amount
-- reply per counter: its total

local function add_use(keys, args)
  local reply = {}
  for i = 2, #args, 2 do
    reply[#reply + 1] = redis.call('HINCRBY', keys[1], args[i], args[i + 1])
  end
  redis.call('PEXPIRE', keys[1], args[1])
  return reply
end

redis.register_function('cpf_add_use_' .. VERSION, add_use)
