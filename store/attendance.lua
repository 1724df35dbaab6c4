-- attendance: records what came of a look, for the user who made it.
--
-- Guarantee: it is recorded only if the list of accesses has an unscheduled look of this user at a flagged child within
-- the time given. The event also has the child's plans, by which their authorities are notified.
--
-- KEYS  children, accesses, audit (one partition)
-- ARGV  dataset, least generation, NHS number, user key, audit id of the look, how long a look counts (ms), event
--       (opaque)
-- reply { 'recorded', clock (ms), the codes of the authorities to notify, joined by US }
--       { 'no-look' }                 no such look is listed
--       { 'could-not-record', cause } the partition is not whole, or what is held for the child cannot be read

local function attendance(keys, args)
  local clock = now_ms()
  local number, user_key, look_id, counts_ms = args[3], args[4], args[5], tonumber(args[6])
  local packed = redis.call('HGET', keys[2], number)
  if not packed then return { 'no-look' } end
  local readable, list = pcall(read_list, packed, clock + counts_ms)
  if not readable then return { 'could-not-record', 'corrupt' } end
  local own = nil
  for _, access in ipairs(list) do
    -- Several looks within a day are one entry, which has the ids of the latest.
    local is_named = access[2] == look_id or (#look_id == 36 and string.find(access[7] or '', look_id, 1, true))
    if access[3] == user_key and is_named and clock - access[1] < counts_ms then own = access end
  end
  if not own then return { 'no-look' } end
  local sound, generation, visible, councils = pcall(
    read_visible, keys[1], args[1], tonumber(args[2]), number, nil, math.floor(clock / 1000), args[7])
  if not sound or not generation or #visible > PLANS_AT_MOST then
    return { 'could-not-record', 'incomplete' }
  end
  local shown, sources, authorities = {}, {}, {}
  for i, row in ipairs(visible) do
    shown[i] = row[4]
    sources[i] = row[5]
    authorities[i] = string.match(row[1], '^([A-Z0-9]+)')
  end
  local fields = { 'event', args[7], 'at', clock }
  if #visible > 0 then
    for _, field in ipairs({ 'shown', table.concat(shown, RS), 'sources', table.concat(sources, RS) }) do
      fields[#fields + 1] = field
    end
  end
  if councils then
    fields[#fields + 1] = 'whereabouts'
    fields[#fields + 1] = councils
  end
  append(keys[3], unpack(fields))
  return { 'recorded', clock, table.concat(authorities, US) }
end

redis.register_function('cpf_attendance_' .. VERSION, attendance)
