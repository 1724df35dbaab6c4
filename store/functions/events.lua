-- append_event: one event that is not a lookup's.
-- KEYS  audit stream    ARGV  event (opaque)    reply  its number in the stream

local function append_event(keys, args)
  return append(keys[1], 'event', args[1], 'at', now_ms())
end

redis.register_function('cpf_append_event_' .. VERSION, append_event)

-- audit_numbers: of each stream, the number of the last event it was ever given and how many it holds.
-- KEYS  audit stream ...    reply  last, held, last, held ...; 0, 0 where there is no stream

local function audit_numbers(keys)
  local reply = {}
  for i, stream_key in ipairs(keys) do
    reply[2 * i - 1], reply[2 * i] = 0, 0
    if redis.call('EXISTS', stream_key) == 1 then
      local information = redis.call('XINFO', 'STREAM', stream_key)
      for j = 1, #information, 2 do
        if information[j] == 'last-generated-id' then
          reply[2 * i - 1] = tonumber(string.sub(information[j + 1], 3))
        elseif information[j] == 'length' then
          reply[2 * i] = information[j + 1]
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

-- trim_audit: takes away the events that are sealed, and never more: up to and with the numbers given.
-- KEYS  audit stream ...    ARGV  number ... (by stream)    reply  how many went

local function trim_audit(keys, args)
  local trimmed = 0
  for i, stream_key in ipairs(keys) do
    trimmed = trimmed + redis.call('XTRIM', stream_key, 'MINID', '0-' .. string.format('%.0f', tonumber(args[i]) + 1))
  end
  return trimmed
end

redis.register_function('cpf_trim_audit_' .. VERSION, trim_audit)
