-- lock_authority: gives the authority's lock to one loader, with a fence above every earlier one.
-- KEYS  lock, fence counter    ARGV  token, lease (ms)    reply  the fence, or 0 if another holds it

local function lock_authority(keys, args)
  if redis.call('EXISTS', keys[1]) == 1 then return 0 end
  local fence = redis.call('INCR', keys[2])
  redis.call('SET', keys[1], args[1], 'PX', args[2])
  return fence
end

redis.register_function('cpf_lock_authority_' .. VERSION, lock_authority)

-- renew_lock: KEYS lock    ARGV token, lease (ms); a lease of 0 releases    reply 1, or 0 if lost

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

-- begin_work: records that the worker that has the lease is at work, if its lease never ran out.
-- KEYS  lock, fence counter, number of the worker at work    ARGV  token, fence    reply  1, or 0 if it ran out

local function begin_work(keys, args)
  if redis.call('GET', keys[1]) ~= args[1] or redis.call('GET', keys[2]) ~= args[2] then return 0 end
  redis.call('SET', keys[3], args[2])
  return 1
end

redis.register_function('cpf_begin_work_' .. VERSION, begin_work)

-- change_if: changes a hash, if one of its fields still has this value.
-- KEYS  hash    ARGV  that field, its value or '' for none; then 'set', field, value ..., 'remove', field ..., or 'remove' for the hash
-- reply 1, or 0 if it has another value and nothing was written

local function change_if(keys, args)
  if (redis.call('HGET', keys[1], args[1]) or '') ~= args[2] then return 0 end
  if args[3] == 'remove' and #args > 3 then
    redis.call('HDEL', keys[1], unpack(args, 4))
  elseif args[3] == 'remove' then
    redis.call('DEL', keys[1])
  elseif #args > 3 then
    redis.call('HSET', keys[1], unpack(args, 4))
  end
  return 1
end

redis.register_function('cpf_change_if_' .. VERSION, change_if)
