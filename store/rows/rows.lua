-- A group is the rows of one partition: its stamp is read, checked and written once for all of them.

-- Reads the stamp and some children of a partition, as read_child does for one.
-- Returns generation, count and the values by NHS number (false if none is held); or nil.
local function read_children(children_key, dataset, numbers)
  local held = redis.call('HMGET', children_key, STAMP, unpack(numbers))
  if not held[1] then return nil end
  local id, generation, count = string.match(held[1], STAMP_FORM)
  if id ~= dataset then return nil end
  if redis.call('HLEN', children_key) ~= tonumber(count) + 1 then return nil end
  local values = {}
  for i, number in ipairs(numbers) do values[number] = held[i + 1] end
  return tonumber(generation), tonumber(count), values
end

-- read_rows: the rows held for some NHS numbers.
-- KEYS  per group: children    ARGV  dataset; then per group: how many, the NHS numbers
-- reply per number: its packed rows, '' if none are held, or 0 if the partition is not whole

local function read_rows(keys, args)
  local reply, at = {}, 2
  for _, children_key in ipairs(keys) do
    local numbers = {}
    for i = 1, math.min(tonumber(args[at]), #args - at) do numbers[i] = args[at + i] end
    at = at + #numbers + 1
    local sound, generation, _, values = pcall(read_children, children_key, args[1], numbers)
    for _, number in ipairs(numbers) do
      reply[#reply + 1] = sound and generation and (values[number] or '') or 0
    end
  end
  return reply
end

redis.register_function {
  function_name = 'cpf_read_rows_' .. VERSION,
  callback = read_rows,
  flags = { 'no-writes' },
}

-- apply_rows: writes rows of one authority, each on its own.
--
-- Guarantee: a row is written only if the partition is whole, the caller's fence is not older than one the
-- partition has seen, and the row's sequence is above the stored one's. Rows and stamp of a partition change
-- in one command.
--
-- KEYS  per group: children, fence
-- ARGV  dataset, authority, fence, again ('1': the file's number is processed again, so that a row of the
--       same sequence and other content is replaced); then per group its rows, each NHS number, packed row
--       and RS
-- reply a letter for each row, in order, and why Redis refused some of them, or ''. The letters:
--       a added, c changed, u unchanged, s superseded (a newer file counts), x conflict (same
--       sequence, other content), f fenced, i incomplete, v invalid, r refused by Redis. Something was
--       written at most for the first three

local function same_but_sequence(one, other)
  return string.match(one, '^(.*)\31%d+$') == string.match(other, '^(.*)\31%d+$')
end

-- Applies a row to a child's value. Returns the effect, and the new value if it has to be written.
local function place_row(value, authority, row, again)
  if not string.find(row, ROW_FORM) or string.sub(row, 1, #authority + 1) ~= authority .. US then return 'v' end
  if not value then return 'a', row end
  local plan, start, sequence = string.match(row, '^[^\31]+\31(%u)\31(%-?%d+)\31.*\31(%d+)$')
  local identity = authority .. US .. plan .. US .. start .. US
  local rows, effect = {}, 'a'
  for held in string.gmatch(value .. RS, '([^\30]*)\30') do
    if not string.find(held, ROW_FORM) and not string.find(held, RESTRICTION) then return 'i' end
    if string.sub(held, 1, #identity) == identity then
      local held_sequence = string.match(held, '\31(%d+)$')
      if tonumber(held_sequence) > tonumber(sequence) then return 's' end
      if held == row then return 'u' end
      if held_sequence == sequence and not again then return 'x' end
      effect = same_but_sequence(held, row) and 'u' or 'c'
      rows[#rows + 1] = row
    else
      rows[#rows + 1] = held
    end
  end
  if effect == 'a' then rows[#rows + 1] = row end
  return effect, table.concat(rows, RS)
end

local function apply_group(children_key, fence_key, args, numbers, rows, effects)
  local dataset, authority, fence, again = args[1], args[2], tonumber(args[3]), args[4] == '1'
  local function all(effect)
    for i = 1, #rows do effects[i] = effect end
  end
  local seen_fence = tonumber(redis.call('HGET', fence_key, authority)) or 0
  if seen_fence > fence then return all('f') end
  local generation, count, values = read_children(children_key, dataset, numbers)
  if not generation then return all('i') end

  local written = {}
  for i, number in ipairs(numbers) do
    local sound, effect, value = pcall(place_row, values[number], authority, rows[i], again)
    effects[i] = sound and effect or 'v'
    if sound and value then
      if not values[number] then count = count + 1 end
      values[number] = value
      written[number] = value
    end
  end
  local fields = {}
  for number, value in pairs(written) do
    fields[#fields + 1] = number
    fields[#fields + 1] = value
  end
  if #fields > 0 then
    fields[#fields + 1] = STAMP
    fields[#fields + 1] = dataset .. US .. (generation + 1) .. US .. count
    redis.call('HSET', children_key, unpack(fields))
  end
  if seen_fence < fence then redis.call('HSET', fence_key, authority, fence) end
end

local function apply_rows(keys, args)
  local letters, failure = {}, ''
  for i = 1, #keys, 2 do
    local numbers, rows, effects = {}, {}, {}
    for number, row in string.gmatch(args[4 + (i + 1) / 2], '(%d%d%d%d%d%d%d%d%d%d)([^\30]*)\30') do
      numbers[#numbers + 1] = number
      rows[#rows + 1] = row
    end
    local sound, why = pcall(apply_group, keys[i], keys[i + 1], args, numbers, rows, effects)
    if not sound then
      failure = tostring(type(why) == 'table' and why.err or why)
      for row = 1, #rows do effects[row] = 'r' end
    end
    letters[#letters + 1] = table.concat(effects)
  end
  return { table.concat(letters), failure }
end

redis.register_function('cpf_apply_rows_' .. VERSION, apply_rows)

-- remove_rows: removes rows of one authority, each only if it is still what the caller saw.
--
-- Guarantee: as for apply_rows. A row that has changed since, or is another authority's, stays. If a child's last row
-- is removed, so are its list of accesses and the child, unless a council keeps something back about it. Removing
-- again changes nothing.
--
-- KEYS  per row: children, fence, access lists (one partition)
-- ARGV  dataset, authority, fence; then per row: NHS number, packed row
-- reply per row: removed, absent, changed, fenced, incomplete or invalid; only for removed was anything written

-- Writes what is left of a child: its rows, and how many of them are plans.
local function write_rows(children_key, lists_key, dataset, generation, count, number, rows, plans)
  if #rows > 0 then
    write_child(children_key, dataset, generation + 1, count, number, table.concat(rows, RS))
  else
    -- The stamp first: if the second command never runs, the partition counts as not whole.
    redis.call('HSET', children_key, STAMP, dataset .. US .. (generation + 1) .. US .. (count - 1))
    redis.call('HDEL', children_key, number)
  end
  if plans == 0 then redis.call('HDEL', lists_key, number) end
end

local function remove_row(children_key, fence_key, lists_key, dataset, authority, fence, number, row)
  local owner, plan, start = string.match(row, ROW)
  if owner ~= authority then return 'invalid' end
  if (tonumber(redis.call('HGET', fence_key, authority)) or 0) > fence then return 'fenced' end
  local generation, count, value = read_child(children_key, dataset, 0, number)
  if not generation then return 'incomplete' end
  if not value then return 'absent' end

  local rows, plans, outcome = {}, 0, 'absent'
  for held in string.gmatch(value .. RS, '([^\30]*)\30') do
    local held_authority, held_plan, held_start = string.match(held, ROW)
    if not held_authority and not string.find(held, RESTRICTION) then return 'incomplete' end
    if held == row then
      outcome = 'removed'
    else
      if held_authority == authority and held_plan == plan and held_start == start then
        outcome = 'changed'
      end
      if held_authority then plans = plans + 1 end
      rows[#rows + 1] = held
    end
  end
  if outcome == 'removed' then
    write_rows(children_key, lists_key, dataset, generation, count, number, rows, plans)
  end
  return outcome
end

local function remove_rows(keys, args)
  local fence = tonumber(args[3])
  local reply = {}
  for i = 1, #keys / 3 do
    local sound, outcome = pcall(remove_row, keys[3 * i - 2], keys[3 * i - 1], keys[3 * i], args[1],
      args[2], fence, args[2 * i + 2], args[2 * i + 3])
    reply[i] = sound and outcome or 'invalid'
  end
  return reply
end

redis.register_function('cpf_remove_rows_' .. VERSION, remove_rows)

-- restrict: sets what one authority keeps back about a child, and replaces what it kept back before.
--
-- Guarantee: as for apply_rows. Other rows stay as they are, and new restrictions come after those that stay. A child
-- without rows is removed. Doing it again changes nothing.
--
-- KEYS  children, fence, access lists
-- ARGV  dataset, authority, fence, NHS number; then a row for each thing that is kept back
-- reply changed, unchanged, absent (nothing is held for the child), fenced, incomplete or invalid

local function restrict(keys, args)
  local children_key, fence_key = keys[1], keys[2]
  local dataset, authority, fence, number = args[1], args[2], tonumber(args[3]), args[4]
  local seen_fence = tonumber(redis.call('HGET', fence_key, authority)) or 0
  if seen_fence > fence then return 'fenced' end
  local generation, count, value = read_child(children_key, dataset, 0, number)
  if not generation then return 'incomplete' end
  if not value then return 'absent' end
  local kept = {}
  for i = 5, #args do
    if string.match(args[i], RESTRICTION) ~= authority then return 'invalid' end
    kept[args[i]] = true
  end
  local rows, plans = {}, 0
  for held in string.gmatch(value .. RS, '([^\30]*)\30') do
    local by = string.match(held, RESTRICTION)
    if not by then plans = plans + 1 end
    if not by and not string.find(held, ROW_FORM) then return 'incomplete' end
    -- A restriction that stays keeps its place: of the councils that keep back where the child was looked up, only the
    -- first is told.
    if by ~= authority or kept[held] then rows[#rows + 1] = held end
    kept[held] = nil
  end
  for i = 5, #args do
    if kept[args[i]] then rows[#rows + 1] = args[i] end
  end
  if seen_fence < fence then redis.call('HSET', fence_key, authority, fence) end
  if table.concat(rows, RS) == value then return 'unchanged' end
  write_rows(children_key, keys[3], dataset, generation, count, number, rows, plans)
  return 'changed'
end

redis.register_function('cpf_restrict_' .. VERSION, restrict)

-- stamps: the generation of each partition, or -1 if it is not whole.
-- KEYS  children ...    ARGV  dataset

local function stamps(keys, args)
  local reply = {}
  for i, children_key in ipairs(keys) do
    local sound, generation = pcall(read_child, children_key, args[1], 0, STAMP)
    reply[i] = sound and generation or -1
  end
  return reply
end

redis.register_function {
  function_name = 'cpf_stamps_' .. VERSION,
  callback = stamps,
  flags = { 'no-writes' },
}

-- create_partitions: stamps the empty partitions of a new dataset. A partition that holds anything is left alone.
-- KEYS  children ...    ARGV  dataset    reply  how many now have this dataset's stamp

local function create_partitions(keys, args)
  local stamped = 0
  for _, children_key in ipairs(keys) do
    if redis.call('EXISTS', children_key) == 0 then
      redis.call('HSET', children_key, STAMP, args[1] .. US .. '0' .. US .. '0')
    end
    if read_child(children_key, args[1], 0, STAMP) then stamped = stamped + 1 end
  end
  return stamped
end

redis.register_function('cpf_create_partitions_' .. VERSION, create_partitions)
