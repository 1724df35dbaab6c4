-- lock_authority: gives one loader the authority, and a fence above every earlier one.
-- KEYS  lock, fence counter    ARGV  token, lease (ms)    reply  the fence, or 0 where another holds it

local function lock_authority(keys, args)
  if redis.call('EXISTS', keys[1]) == 1 then return 0 end
  local fence = redis.call('INCR', keys[2])
  redis.call('SET', keys[1], args[1], 'PX', args[2])
  return fence
end

redis.register_function('cpf_lock_authority_' .. VERSION, lock_authority)

-- renew_lock: KEYS lock    ARGV token, lease (ms); a lease of 0 releases    reply 1, or 0 where lost

local function renew_lock(keys, args)
  if redis.call('GET', keys[1]) ~= args[1] then return 0 end
  if args[2] == '0' then
    redis.call('DEL', keys[1])
  else
    redis.call('PEXPIRE', keys[1], args[2])
  end
  return 1
end

redis.register_function('cpf_renew_lock_' .. VERSION, renew_lock)

-- finish_file: enters a file in the ledger and, with it, what the authority now holds.
-- KEYS  lock, authority, files    ARGV  token, sequence, ledger entry, then field, value ... of the authority
-- reply 1, or 0 where the lock was lost and nothing was written

local function finish_file(keys, args)
  if redis.call('GET', keys[1]) ~= args[1] then return 0 end
  redis.call('HSET', keys[3], args[2], args[3])
  local fields = {}
  for i = 4, #args do fields[#fields + 1] = args[i] end
  if #fields > 0 then redis.call('HSET', keys[2], unpack(fields)) end
  return 1
end

redis.register_function('cpf_finish_file_' .. VERSION, finish_file)
