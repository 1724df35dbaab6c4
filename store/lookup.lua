-- lookup: what is held for up to 64 NHS numbers, each recorded before it is answered.
--
-- Guarantee: an element is answered only if its partition is whole, every row of the child is readable and
-- its audit event was written by this call. Elements are independent: each is read and checked under
-- pcall, and written only if it is sound. So a bad one neither affects others nor is written in part.
--
-- KEYS  per element: children, access lists, audit, numbers not in use (one partition)
-- ARGV  dataset, caller's clock (ms), clock tolerance (ms), how long repeats are one entry (ms), accesses
--       listed; then per element: NHS number, audit id, event (opaque), least generation, day of birth or
--       '', access ('unscheduled' | 'silent-read'), negatives allowed ('1' | '0'), accesses shown
--       ('1' | '0'), user key, access entry (JSON: name, role, roleCode, organisation), the highest event
--       number of the partition that the caller has seen, 0 for none
-- reply clock (ms), then per element one of
--       { 'flagged', audit id, number, generation, event number, rows, accesses }
--           rows: { packed row, status, date of birth result }
--           accesses: { at (ms), own (0|1), since (ms), count, entry, name, role, role code or '',
--               organisation's code, its name }
--               if a council keeps back where the child was, all names and codes of other users are ''
--             or 'unreadable', if somebody else has written to the list, which is left as it is
--             or 'withheld', if the record of the child has become sensitive
--       { 'not-flagged', audit id, number, generation, event number }
--       { 'could-not-check', audit id, number, cause, by }
--           some causes: 'not-in-use': nothing is held, and the number was replaced or withdrawn;
--           'events-missing': the stream has gone, and the caller has seen events of it; 'barred': councils bar this
--           user from the child. Then `by` has their codes, joined by commas, followed by the codes of councils that
--           keep back where the child was, if any

local PER_ELEMENT = 11
local BEFORE_ELEMENTS = 5
local ELEMENTS_AT_MOST = 64
-- As many plans as an event of 64 KiB in the sealed log has room for. No child has as many.
local PLANS_AT_MOST = 120
local EVENT_BYTES_AT_MOST = 16384
-- Longer than any real list of accesses, even with the longest names.
local LIST_BYTES_AT_MOST = 131072
local LISTED_AT_MOST = 100
-- More than one user can ask in a day, and still a whole number in a reply.
local COUNT_AT_MOST = 1000000000
-- How many earlier looks of an entry keep their ids: 36 characters and a comma for each.
local EARLIER_BYTES_AT_MOST = 4 * 37

-- Phase one reads and checks, and changes nothing. Returns the generation, the visible rows and any councils that keep
-- back where the child was looked up; or nil and a cause. With 'barred', the councils that bar the user come before
-- these.
local function read_visible(children_key, dataset, least_generation, number, day_of_birth, now, event)
  local generation, _, value = read_child(children_key, dataset, least_generation, number)
  if not generation then return nil, 'incomplete' end
  local visible, barred, whereabouts = {}, nil, nil
  if not value then return generation, visible end
  if value == '' then return nil, 'corrupt' end
  for row in string.gmatch(value .. RS, '([^\30]*)\30') do
    local authority, plan, start, _, _, from, current, till, birth, local_id, sequence =
      string.match(row, ROW)
    if not authority then
      local by, kind, user = string.match(row, RESTRICTION)
      if not by then return nil, 'corrupt' end
      if kind == 'W' then
        whereabouts = whereabouts and whereabouts .. ',' .. by or by
      elseif user == user_mark(event) then
        barred = barred and barred .. ',' .. by or by
      end
    elseif tonumber(from) <= now and now < tonumber(till) then
      local status = 'current'
      if now >= tonumber(current) then
        status = string.find('@DUE_LETTERS@', plan, 1, true) and 'due-date-passed' or 'ended'
      end
      local birth_result = 'not-checked'
      -- A date of birth in doubt has a 0 before its day.
      if day_of_birth and not string.find(birth, '^%-?0%d') then
        birth_result = tonumber(birth) == day_of_birth and 'match' or 'mismatch'
      end
      visible[#visible + 1] = {
        row, status, birth_result,
        authority .. US .. plan .. US .. start .. US .. status .. US .. birth_result,
        local_id .. US .. sequence,
      }
    end
  end
  if barred then return nil, 'barred', barred, whereabouts end
  return generation, visible, whereabouts
end

-- What tokens may hold, in bytes: names of 120 characters of three bytes, codes of one.
local NAME_BYTES_AT_MOST = 360
local CODE_BYTES_AT_MOST = 40
local USER_BYTES_AT_MOST = 200
-- Line and paragraph separators, other controls, and characters that change the direction of text beside them.
local NEVER_IN_NAMES = { '%c', '\194[\128-\159]', '\226\128[\168-\174]', '\226\129[\166-\169]' }

-- The letters and digits among the characters that begin with byte 194: ª ² ³ µ ¹ º ¼ ½ ¾.
local SEEN_AFTER_194 = '\194[\170\178\179\181\185\186\188-\190]'

-- The rule for names in tokens, as far as bytes show it: at least one letter or digit, and none of the above.
local function check_name(name)
  assert(type(name) == 'string' and #name <= NAME_BYTES_AT_MOST)
  assert(string.find(name, '[%w\195-\244]') or string.find(name, SEEN_AFTER_194))
  if not string.find(name, '[%c\194\226]') then return end
  for _, never in ipairs(NEVER_IN_NAMES) do assert(not string.find(name, never)) end
end

-- Anybody who has the password of a lookup process can write anything into a list of accesses.
local function check_access(access, latest)
  local at, audit_id, user_key, entry, count, since = unpack(access, 1, 6)
  assert(type(at) == 'number' and at % 1 == 0 and 0 <= at and at <= latest)
  -- Earlier versions wrote neither, and list only a user's first look.
  if count == nil then count, since = 1, at end
  assert(type(count) == 'number' and count % 1 == 0 and 1 <= count and count <= COUNT_AT_MOST)
  assert(type(since) == 'number' and since % 1 == 0 and 0 <= since and since <= at)
  assert(#audit_id == 36 and string.find(audit_id, '^[%x-]+$'))
  local earlier = access[7]
  assert(earlier == nil or type(earlier) == 'string' and #earlier <= EARLIER_BYTES_AT_MOST
    and #earlier % 37 == 0 and string.find(earlier, '^[%x,-]*$'))
  assert(type(user_key) == 'string' and 1 <= #user_key and #user_key <= USER_BYTES_AT_MOST)
  local who = cjson.decode(entry)
  local role_code, organisation = who.roleCode or '', who.organisation
  check_name(who.name)
  check_name(who.role)
  check_name(organisation.name)
  assert(type(role_code) == 'string' and #role_code <= CODE_BYTES_AT_MOST)
  assert(string.find(role_code, '^[%w:._-]*$'))
  assert(type(organisation.code) == 'string' and string.find(organisation.code, '^[A-Z0-9]+$'))
  assert(3 <= #organisation.code and #organisation.code <= 12)
  return { since, count, entry, who.name, who.role, role_code, organisation.code, organisation.name }
end

-- Reads a list of accesses: the accesses, latest first, and who made each. Fails if it is not
-- in the form that list_access writes.
local function read_list(packed, latest)
  assert(#packed <= LIST_BYTES_AT_MOST)
  local list, who, count = cmsgpack.unpack(packed), {}, 0
  for _ in pairs(list) do count = count + 1 end
  assert(count <= LISTED_AT_MOST)
  for i = 1, count do who[i] = check_access(list[i], latest) end
  return list, who
end

-- Adds an access to the list, latest first. A user's looks are one entry until collapse_ms after the first of them.
-- The entry has the time, the event and the role of the latest look, and their count. New members are added at the end
-- of an entry, where the version before ignores and keeps them. They have the ids of the few looks before the latest,
-- so that the user can still record what came of those.
-- Returns the list and who made each access.
local function list_access(lists_key, number, now, tolerance, audit_id, user_key, entry, collapse_ms, most)
  local packed = redis.call('HGET', lists_key, number)
  local list, who = {}, {}
  if packed then list, who = read_list(packed, now + tolerance) end
  local since, count, earlier = now, 1, nil
  for i, access in ipairs(list) do
    local first = who[i][1]
    if access[3] == user_key and now - first < collapse_ms then
      since, count = math.min(first, now), who[i][2] + 1
      earlier = string.sub(access[2] .. ',' .. (access[7] or ''), 1, EARLIER_BYTES_AT_MOST)
      table.remove(list, i)
      table.remove(who, i)
      break
    end
  end
  local own = { now, audit_id, user_key, entry, count, since, earlier }
  table.insert(list, 1, own)
  table.insert(who, 1, check_access(own, now))
  while #list > most do table.remove(list) end
  return list, who
end

-- Appends the event of a lookup. If its stream has gone, returns nil and writes nothing. A stream that was trimmed
-- still exists. If a stream went back, the number shows it to the caller: the caller's Redis user may not read
-- streams, so this function cannot compare either.
local function append_event_of_lookup(audit_key, seen, ...)
  if seen == 0 then return append(audit_key, ...) end
  local id = redis.call('XADD', audit_key, 'NOMKSTREAM', '0-*', ...)
  return id and event_number(id) or nil
end

-- How refusals for lack of a right begin, in Redis 7.0, later versions and Valkey.
local NO_RIGHT = { 'ERR The user executing the script', 'ERR ACL failure', 'NOPERM' }

-- Whether a number was replaced or withdrawn, or is marked as sensitive. During an upgrade, the Redis user may still
-- be that of an earlier version, which may not ask. The answer is then that version's, and readiness warns.
local function is_member(not_in_use_key, member)
  local found = redis.pcall('SISMEMBER', not_in_use_key, member)
  if type(found) ~= 'table' then return found == 1 end
  for _, words in ipairs(NO_RIGHT) do
    if string.sub(found.err, 1, #words) == words then return false end
  end
  error(found.err)
end

local function look(keys, args, element, clock)
  -- Anybody who has the password of a lookup process can call this with any arguments, and a loop that never ends
  -- would stop Redis for good.
  local most = tonumber(args[5])
  assert(most and 1 <= most and most <= LISTED_AT_MOST)
  local children_key, lists_key, audit_key, not_in_use_key =
    keys[4 * element - 3], keys[4 * element - 2], keys[4 * element - 1], keys[4 * element]
  local first = BEFORE_ELEMENTS + PER_ELEMENT * (element - 1)
  local number, audit_id, event = args[first + 1], args[first + 2], args[first + 3]
  local silent = args[first + 6] ~= 'unscheduled'
  local show_accesses = args[first + 8] == '1'
  local user_key, entry = args[first + 9], args[first + 10]
  local seen = tonumber(args[first + 11])

  local generation, visible, councils, protecting = read_visible(
    children_key, args[1], tonumber(args[first + 4]), number, tonumber(args[first + 5]),
    math.floor(clock / 1000), event)
  if not generation then return { 'could-not-check', audit_id, number, visible, councils, protecting } end
  if #visible > PLANS_AT_MOST or #event > EVENT_BYTES_AT_MOST then
    return { 'could-not-check', audit_id, number, 'corrupt' }
  end
  if #visible == 0 then
    if is_member(not_in_use_key, number) then
      return { 'could-not-check', audit_id, number, 'not-in-use' }
    end
    if args[first + 7] ~= '1' then return { 'could-not-check', audit_id, number, 'coverage' } end
    local written = append_event_of_lookup(
      audit_key, seen, 'event', event, 'at', clock, 'outcome', 'not-flagged')
    if not written then return { 'could-not-check', audit_id, number, 'events-missing' } end
    return { 'not-flagged', audit_id, number, generation, written }
  end

  local shown, sources, rows = {}, {}, {}
  for i, row in ipairs(visible) do
    shown[i] = row[4]
    sources[i] = row[5]
    rows[i] = { row[1], row[2], row[3] }
  end
  local list, accesses, access_ids = nil, {}, {}
  if not silent then
    local readable, listed, who = pcall(list_access, lists_key, number, clock, tonumber(args[3]),
      audit_id, user_key, entry, tonumber(args[4]), most)
    if not readable then
      accesses = 'unreadable'
    elseif show_accesses and is_member(not_in_use_key, SENSITIVE .. number) then
      accesses = 'withheld'
    elseif show_accesses then
      for i, access in ipairs(listed) do
        local own, known = access[3] == user_key, who[i]
        if councils and not own then known = { known[1], known[2], '', '', '', '', '', '' } end
        accesses[i] = { access[1], own and 1 or 0, unpack(known) }
        access_ids[i] = access[2]
      end
    end
    list = readable and cmsgpack.pack(listed)
  end

  -- Phase two writes, the audit event first. Nothing is disclosed unless event and list were both written.
  local fields = { 'event', event, 'at', clock, 'outcome', 'flagged',
    'shown', table.concat(shown, RS), 'accesses', table.concat(access_ids, ',') }
  if councils then
    fields[#fields + 1] = 'whereabouts'
    fields[#fields + 1] = councils
  end
  -- An authority is notified of an access by these. It is not notified of a silent read.
  if not silent then
    fields[#fields + 1] = 'sources'
    fields[#fields + 1] = table.concat(sources, RS)
  end
  local written = append_event_of_lookup(audit_key, seen, unpack(fields))
  if not written then return { 'could-not-check', audit_id, number, 'events-missing' } end
  if list then redis.call('HSET', lists_key, number, list) end
  return { 'flagged', audit_id, number, generation, written, rows, accesses }
end

local function lookup(keys, args)
  assert(#keys <= 4 * ELEMENTS_AT_MOST)
  local clock = now_ms()
  local reply = { clock }
  local skewed = math.abs(clock - tonumber(args[2])) > tonumber(args[3])
  for element = 1, #keys / 4 do
    local first = BEFORE_ELEMENTS + PER_ELEMENT * (element - 1)
    local result
    if skewed then
      result = { 'could-not-check', args[first + 2], args[first + 1], 'clock' }
    else
      local sound, outcome = pcall(look, keys, args, element, clock)
      result = sound and outcome
        or { 'could-not-check', args[first + 2], args[first + 1], 'corrupt' }
    end
    reply[element + 1] = result
  end
  return reply
end

redis.register_function('cpf_lookup_' .. VERSION, lookup)

-- unreadable_lists: finds the lists of accesses of a partition that cannot be read.
-- KEYS  access lists    ARGV  cursor, about how many to look at, clock tolerance (ms)
-- reply next cursor ('0' at the end), how many were looked at, then the fields found

local function unreadable_lists(keys, args)
  local found = redis.call('HSCAN', keys[1], args[1], 'COUNT', args[2])
  local latest = now_ms() + tonumber(args[3])
  local reply = { found[1], #found[2] / 2 }
  for i = 1, #found[2], 2 do
    local number, packed = found[2][i], found[2][i + 1]
    if not string.find(number, '^%d%d%d%d%d%d%d%d%d%d$') or not pcall(read_list, packed, latest) then
      reply[#reply + 1] = number
    end
  end
  return reply
end

redis.register_function {
  function_name = 'cpf_unreadable_lists_' .. VERSION,
  callback = unreadable_lists,
  flags = { 'no-writes' },
}

-- remove_unreadable_lists: as unreadable_lists, and removes them in the same step.

local function remove_unreadable_lists(keys, args)
  local reply = unreadable_lists(keys, args)
  for i = 3, #reply do redis.call('HDEL', keys[1], reply[i]) end
  return reply
end

redis.register_function('cpf_remove_unreadable_lists_' .. VERSION, remove_unreadable_lists)
