-- append_event: appends an event other than that of a lookup.
-- KEYS  audit stream    ARGV  event (opaque)    reply  its number in the stream

local function append_event(keys, args)
  return append(keys[1], 'event', args[1], 'at', now_ms())
end

redis.register_function('cpf_append_event_' .. VERSION, append_event)

-- The largest number that TypeScript can distinguish from the next.
local LARGEST = 9007199254740991

-- The number of the last event that was added to a stream, how many it holds, and how many were ever added: as many as
-- that number says, unless somebody has set the numbers ahead.
local function stream_state(stream_key)
  if redis.call('EXISTS', stream_key) == 0 then return 0, 0, 0 end
  local information, by_name = redis.call('XINFO', 'STREAM', stream_key), {}
  for i = 1, #information, 2 do by_name[information[i]] = information[i + 1] end
  local time, number = string.match(by_name['last-generated-id'], '^(%d+)-(%d+)$')
  local last = time == '0' and math.min(tonumber(number), LARGEST) or LARGEST
  return last, by_name['length'], by_name['entries-added']
end

-- audit_numbers: for each stream, the number of the last event ever added to it, how many it holds, and how many were
-- ever added.
-- KEYS  audit stream ...    reply  last, held, added, last, held, added ...; 0, 0, 0 if there is no stream

local function audit_numbers(keys)
  local reply = {}
  for i, stream_key in ipairs(keys) do
    reply[3 * i - 2], reply[3 * i - 1], reply[3 * i] = stream_state(stream_key)
  end
  return reply
end

redis.register_function {
  function_name = 'cpf_audit_numbers_' .. VERSION,
  callback = audit_numbers,
  flags = { 'no-writes' },
}

-- fill_stream: gives a stream the events that it lacks up to a number, at most so many. Doing it again, or from two
-- places at once, gives it no more than that.
-- KEYS  audit stream    ARGV  event (opaque), number, most    reply  how many it was given

local function fill_stream(keys, args)
  local last = stream_state(keys[1])
  local given = math.max(0, math.min(tonumber(args[2]) - last, tonumber(args[3]), 1000))
  for _ = 1, given do append(keys[1], 'event', args[1], 'at', now_ms()) end
  return given
end

redis.register_function('cpf_fill_stream_' .. VERSION, fill_stream)

-- trim_audit: removes the events that are sealed, up to and including the numbers given, and no others. If a token is
-- given, only while it is that of the lease.
-- KEYS  audit stream ..., lease    ARGV  number ... (by stream), token or ''
-- reply how many were removed, or -1 if somebody else, or nobody, has the lease

local function trim_audit(keys, args)
  local token = args[#args]
  if token ~= '' and redis.call('GET', keys[#keys]) ~= token then return -1 end
  local trimmed = 0
  for i = 1, #keys - 1 do
    trimmed = trimmed + redis.call('XTRIM', keys[i], 'MINID', '0-' .. string.format('%.0f', tonumber(args[i]) + 1))
  end
  return trimmed
end

redis.register_function('cpf_trim_audit_' .. VERSION, trim_audit)

-- repair_stream: renumbers a stream whose numbers were set ahead. Each entry gets the number that it should have had,
-- in the order in which entries were added.
--
-- Guarantee: no entry is lost, and none that was numbered correctly changes its number. The new stream is
-- made beside the old one and replaces it in one command. If an entry has more fields than any event, the first hundred
-- are kept.
--
-- KEYS  audit stream, a key for the new stream    ARGV  look (changes nothing) or repair
-- reply sound (nothing is wrong), unclear (nothing was done), or how many entries get another number

local FIELDS_KEPT = 100

local function repair_stream(keys, args)
  local stream_key, new_key = keys[1], keys[2]
  local repairs = args[1] == 'repair'
  local last, held, added = stream_state(stream_key)
  if last <= added then return 'sound' end
  local entries = redis.call('XRANGE', stream_key, '-', '+')
  local moved = 0
  if repairs then redis.call('DEL', new_key) end
  for i, entry in ipairs(entries) do
    local id = string.format('0-%.0f', added - held + i)
    local time, number = string.match(entry[1], '^(%d+)-(%d+)$')
    if entry[1] ~= id then
      if time == '0' and tonumber(number) < added - held + i then
        if repairs then redis.call('DEL', new_key) end
        return 'unclear'
      end
      moved = moved + 1
    end
    if repairs then
      local fields = entry[2]
      redis.call('XADD', new_key, id, unpack(fields, 1, math.min(#fields, FIELDS_KEPT)))
    end
  end
  if not repairs then return moved end
  local id = string.format('0-%.0f', added)
  if held == 0 then
    redis.call('XADD', new_key, id, 'event', '')
    redis.call('XDEL', new_key, id)
  end
  redis.call('XSETID', new_key, id, 'ENTRIESADDED', added)
  redis.call('RENAME', new_key, stream_key)
  return moved
end

redis.register_function('cpf_repair_stream_' .. VERSION, repair_stream)
