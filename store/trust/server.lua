-- mark_server: marks this one server. The mark is on its own disk and is sent to no replica. So a replica has it only
-- if it has copied everything since, and never has the next one.
-- KEYS  mark    ARGV  mark (opaque)    reply  1

local function mark_server(keys, args)
  redis.set_repl(redis.REPL_AOF)
  redis.call('SET', keys[1], args[1])
  redis.set_repl(redis.REPL_ALL)
  return 1
end

redis.register_function('cpf_mark_server_' .. VERSION, mark_server)
