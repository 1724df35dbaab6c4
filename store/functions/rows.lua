-- read_rows: the rows held for some NHS numbers.
-- KEYS  per number: children    ARGV  dataset, then per number: NHS number
-- reply per number: its packed rows, '' where none are held, or 0 where the partition is not whole

local function read_rows(keys, args)
  local reply = {}
  for i, children_key in ipairs(keys) do
    local generation, _, value = read_child(children_key, args[1], 0, args[i + 1])
    reply[i] = generation and (value or '') or 0
  end
  return reply
end

redis.register_function {
  function_name = 'cpf_read_rows_' .. VERSION,
  callback = read_rows,
  flags = { 'no-writes' },
}

-- apply_rows: writes rows of one authority, each by itself.
--
-- Guarantee: a row is written only if the partition is whole, the caller's fence is not older than one the
-- partition has seen, and the row's sequence is above the stored one's. Row and seal change in one command.
--
-- KEYS  per row: children, fence (one partition)
-- ARGV  dataset, authority, fence; then per row: NHS number, packed row
-- reply per row: { effect, the row it replaced or '' } where the effect is added, changed, unchanged,
--       superseded (a newer file's word stands), conflict (same sequence, other content), fenced,
--       incomplete or invalid; only added, changed and unchanged can have written

local function same_but_sequence(one, other)
  return string.match(one, '^(.*)\31%d+$') == string.match(other, '^(.*)\31%d+$')
end

local function apply_row(children_key, fence_key, dataset, authority, fence, number, row)
  local owner, plan, start, _, _, _, _, _, _, _, sequence = string.match(row, ROW)
  if owner ~= authority then return { 'invalid', '' } end
  if (tonumber(redis.call('HGET', fence_key, authority)) or 0) > fence then
    return { 'fenced', '' }
  end
  local generation, count, value = read_child(children_key, dataset, 0, number)
  if not generation then return { 'incomplete', '' } end

  local rows, effect, replaced = {}, 'added', ''
  if value then
    for held in string.gmatch(value .. RS, '([^\30]*)\30') do
      local held_authority, held_plan, held_start, _, _, _, _, _, _, _, held_sequence =
        string.match(held, ROW)
      if not held_authority then return { 'incomplete', '' } end
      if held_authority == authority and held_plan == plan and held_start == start then
        if tonumber(held_sequence) > tonumber(sequence) then return { 'superseded', held } end
        if held == row then return { 'unchanged', held } end
        if held_sequence == sequence then return { 'conflict', held } end
        effect = same_but_sequence(held, row) and 'unchanged' or 'changed'
        replaced = held
        rows[#rows + 1] = row
      else
        rows[#rows + 1] = held
      end
    end
  else
    count = count + 1
  end
  if effect == 'added' then rows[#rows + 1] = row end
  write_child(children_key, dataset, generation + 1, count, number, table.concat(rows, RS))
  return { effect, replaced }
end

local function apply_rows(keys, args)
  local fence = tonumber(args[3])
  local reply, fences = {}, {}
  for i = 1, #keys / 2 do
    local children_key, fence_key = keys[2 * i - 1], keys[2 * i]
    local sound, outcome = pcall(apply_row, children_key, fence_key, args[1], args[2], fence,
      args[2 * i + 2], args[2 * i + 3])
    reply[i] = sound and outcome or { 'invalid', '' }
    fences[fence_key] = true
  end
  for fence_key in pairs(fences) do
    if (tonumber(redis.call('HGET', fence_key, args[2])) or 0) < fence then
      redis.call('HSET', fence_key, args[2], fence)
    end
  end
  return reply
end

redis.register_function('cpf_apply_rows_' .. VERSION, apply_rows)

-- remove_rows: takes rows of one authority away, each only if it still is what the caller saw.
--
-- Guarantee: as for apply_rows; a row that has changed since, or is another authority's, stays. A child
-- without rows left goes, and with it its list of accesses. Removing again changes nothing.
--
-- KEYS  per row: children, fence, seen (one partition)
-- ARGV  dataset, authority, fence; then per row: NHS number, packed row
-- reply per row: removed, absent, changed, fenced, incomplete or invalid; only removed has written

local function remove_row(children_key, fence_key, seen_key, dataset, authority, fence, number, row)
  local owner, plan, start = string.match(row, ROW)
  if owner ~= authority then return 'invalid' end
  if (tonumber(redis.call('HGET', fence_key, authority)) or 0) > fence then return 'fenced' end
  local generation, count, value = read_child(children_key, dataset, 0, number)
  if not generation then return 'incomplete' end
  if not value then return 'absent' end

  local rows, outcome = {}, 'absent'
  for held in string.gmatch(value .. RS, '([^\30]*)\30') do
    local held_authority, held_plan, held_start = string.match(held, ROW)
    if not held_authority then return 'incomplete' end
    if held == row then
      outcome = 'removed'
    else
      if held_authority == authority and held_plan == plan and held_start == start then
        outcome = 'changed'
      end
      rows[#rows + 1] = held
    end
  end
  if outcome ~= 'removed' then return outcome end
  if #rows > 0 then
    write_child(children_key, dataset, generation + 1, count, number, table.concat(rows, RS))
    return outcome
  end
  -- The seal first: were the second command never to run, the partition would count as not whole.
  redis.call('HSET', children_key, SEAL, dataset .. US .. (generation + 1) .. US .. (count - 1))
  redis.call('HDEL', children_key, number)
  redis.call('HDEL', seen_key, number)
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

-- read_partition: every child of a partition, for verification and reconciliation.
-- KEYS  children    ARGV  dataset
-- reply { generation, { number, packed rows, ... } }, or { -1, {} } where the partition is not whole

local function read_partition(keys, args)
  local generation = read_child(keys[1], args[1], 0, SEAL)
  if not generation then return { -1, {} } end
  local fields, reply = redis.call('HGETALL', keys[1]), {}
  for i = 1, #fields, 2 do
    if fields[i] ~= SEAL then
      reply[#reply + 1] = fields[i]
      reply[#reply + 1] = fields[i + 1]
    end
  end
  return { generation, reply }
end

redis.register_function {
  function_name = 'cpf_read_partition_' .. VERSION,
  callback = read_partition,
  flags = { 'no-writes' },
}

-- seals: the generation of each partition, or -1 where it is not whole.
-- KEYS  children ...    ARGV  dataset

local function seals(keys, args)
  local reply = {}
  for i, children_key in ipairs(keys) do
    local sound, generation = pcall(read_child, children_key, args[1], 0, SEAL)
    reply[i] = sound and generation or -1
  end
  return reply
end

redis.register_function {
  function_name = 'cpf_seals_' .. VERSION,
  callback = seals,
  flags = { 'no-writes' },
}

-- create_partitions: seals empty partitions of a new dataset; one that holds anything is left alone.
-- KEYS  children ...    ARGV  dataset    reply  how many now bear this dataset's seal

local function create_partitions(keys, args)
  local sealed = 0
  for _, children_key in ipairs(keys) do
    if redis.call('EXISTS', children_key) == 0 then
      redis.call('HSET', children_key, SEAL, args[1] .. US .. '0' .. US .. '0')
    end
    if read_child(children_key, args[1], 0, SEAL) then sealed = sealed + 1 end
  end
  return sealed
end

redis.register_function('cpf_create_partitions_' .. VERSION, create_partitions)
