-- Shared by every function of the library. Instants are whole seconds, days are days since 1970-01-01.
-- functions.ts replaces @PLAN_LETTERS@ and @DUE_LETTERS@ from PLAN_TYPES: by the letters of all plan types, and of
-- those whose end date may be the day on which a baby is due.
-- A child's value is its packed rows, joined by RS; a row is its fields, joined by US; the field `_` of a
-- partition's hash is the stamp: dataset id, generation, number of children.

local RS, US = '\30', '\31'
local STAMP = '_'
-- In the set of numbers not in use, comes before a number whose record is sensitive, whether it is in use or not.
local SENSITIVE = 'S'

-- authority, type, start, end or '', deleted or '', visible from, current until, visible until,
-- date of birth (with a 0 before its day if it is in doubt), local id, sequence
local ROW = '^([A-Z0-9]+)\31([@PLAN_LETTERS@])\31(%-?%d+)\31(%-?%d*)\31(%-?%d*)\31(%-?%d+)\31(%-?%d+)\31(%-?%d+)\31(%-?%d+)\31([^\30\31]*)\31(%d+)$'
-- The same without captures, which cost more than the match itself.
local ROW_FORM = '^[A-Z0-9]+\31[@PLAN_LETTERS@]\31%-?%d+\31%-?%d*\31%-?%d*\31%-?%d+\31%-?%d+\31%-?%d+\31%-?%d+\31[^\30\31]*\31%d+$'
-- What a council keeps back about a child, as a row of its own: authority; W (where the child was looked up) or B (from
-- one user); for B the SHA-1 of the user's id. Versions that do not know these rows can read nothing about the child.
local RESTRICTION = '^([A-Z0-9]+)\31([WB])\31(%x*)$'
local STAMP_FORM = '^([^\31]+)\31(%d+)\31(%d+)$'

-- How a restriction names a user: the same under every issuer, and in any mix of capitals.
local function user_mark(event)
  return redis.sha1hex(string.lower(cjson.decode(event).caller.user))
end

-- The store's clock in milliseconds.
local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- Reads one child together with the stamp of its partition.
-- Returns generation, children and the child's value (false if none is held); or nil if the
-- partition is not known to be whole: its stamp is absent, unreadable, of another dataset, older than one that the
-- caller has seen, or does not agree with the number of fields.
local function read_child(children_key, dataset, least_generation, number)
  local held = redis.call('HMGET', children_key, STAMP, number)
  if not held[1] then return nil end
  local id, generation, count = string.match(held[1], STAMP_FORM)
  if id ~= dataset then return nil end
  generation, count = tonumber(generation), tonumber(count)
  if generation < least_generation then return nil end
  if redis.call('HLEN', children_key) ~= count + 1 then return nil end
  return generation, count, held[2]
end

local function write_child(children_key, dataset, generation, count, number, value)
  redis.call('HSET', children_key, number, value, STAMP, dataset .. US .. generation .. US .. count)
end

local function event_number(id)
  return tonumber(string.sub(id, 3))
end

-- Appends to a stream whose ids are 0-1, 0-2, ...: the numbering has no gaps, and the stream itself
-- continues it after it is trimmed. Returns the event's number.
local function append(stream_key, ...)
  return event_number(redis.call('XADD', stream_key, '0-*', ...))
end
