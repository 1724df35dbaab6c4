-- change_authority: enters a file in the ledger, together with what is now held for the authority.
--
-- The ledger keeps only the newest files. A number that leaves it is closed: no file with that number is accepted,
-- because nobody can tell any more whether it was loaded before.
--
-- KEYS  lock, authority, files
-- ARGV  token, ledger entries kept, ledger sequence or '', ledger entry or '' to remove it; then field,
--       value ... of the authority; a value '' removes the field
-- reply 1, or 0 if the lock was lost and nothing was written

local function change_authority(keys, args)
  if redis.call('GET', keys[1]) ~= args[1] then return 0 end
  local fields = {}
  for i = 5, #args, 2 do
    if args[i + 1] == '' then
      redis.call('HDEL', keys[2], args[i])
    else
      fields[#fields + 1] = args[i]
      fields[#fields + 1] = args[i + 1]
    end
  end
  if #fields > 0 then redis.call('HSET', keys[2], unpack(fields)) end
  if args[3] == '' then return 1 end
  if args[4] == '' then
    redis.call('HDEL', keys[3], args[3])
    return 1
  end
  redis.call('HSET', keys[3], args[3], args[4])
  if redis.call('HLEN', keys[3]) > tonumber(args[2]) then
    local lowest
    for _, sequence in ipairs(redis.call('HKEYS', keys[3])) do
      if not lowest or tonumber(sequence) < lowest then lowest = tonumber(sequence) end
    end
    local entry = string.format('%.0f', lowest)
    if lowest > (tonumber(redis.call('HGET', keys[2], 'closed')) or -1) then
      redis.call('HSET', keys[2], 'closed', entry)
    end
    redis.call('HDEL', keys[3], entry)
  end
  return 1
end

redis.register_function('cpf_change_authority_' .. VERSION, change_authority)

-- keep_act: stores what an authority does, or did, about one of its children.
-- KEYS  lock, the authority's acts of this kind    ARGV  token, id, act (opaque), then the ids of those it replaces
-- reply 1, or 0 if the lock was lost and nothing was written

local function keep_act(keys, args)
  if redis.call('GET', keys[1]) ~= args[1] then return 0 end
  redis.call('HSET', keys[2], args[2], args[3])
  for i = 4, #args do redis.call('HDEL', keys[2], args[i]) end
  return 1
end

redis.register_function('cpf_keep_act_' .. VERSION, keep_act)
