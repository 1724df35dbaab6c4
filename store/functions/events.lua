-- append_event: one event that is not a lookup's.
-- KEYS  audit stream    ARGV  event (opaque)    reply  its number in the stream

local function append_event(keys, args)
  local id = append(keys[1], 'event', args[1], 'at', now_ms())
  return tonumber(string.sub(id, 3))
end

redis.register_function('cpf_append_event_' .. VERSION, append_event)

-- audit_numbers: the number of the last event each stream was ever given, 0 where none.
-- KEYS  audit stream ...

local function audit_numbers(keys)
  local reply = {}
  for i, stream_key in ipairs(keys) do
    reply[i] = 0
    if redis.call('EXISTS', stream_key) == 1 then
      local information = redis.call('XINFO', 'STREAM', stream_key)
      for j = 1, #information, 2 do
        if information[j] == 'last-generated-id' then
          reply[i] = tonumber(string.sub(information[j + 1], 3))
        end
      end
    end
  end
  return reply
end

redis.register_function {
  function_name = 'cpf_audit_numbers_' .. VERSION,
  callback = audit_numbers,
  flags = { 'no-writes' },
}
