-- read_endings: what ended between two moments, unless it is more than is asked for.
-- What is longer than any ending ends nothing: it is taken away instead of being sent to whoever reads.
-- KEYS  the set of endings    ARGV  from, to (as of ZRANGEBYSCORE), how many at most
-- reply 1 where there are more, otherwise 0 and member, score of each

-- Two SHA-256 digests in base64url, and the dot between them.
local LONGEST_ENDING = 87
local ENDINGS_AT_ONCE = 1000

local function read_endings(keys, args)
  local ended, from, to, most = keys[1], args[1], args[2], args[3]
  if #redis.call('ZRANGEBYSCORE', ended, from, to, 'LIMIT', most, 1) > 0 then return { 1 } end
  local reply, wrong = { 0 }, {}
  local at, found = 0, nil
  repeat
    found = redis.call('ZRANGEBYSCORE', ended, from, to, 'WITHSCORES', 'LIMIT', at, ENDINGS_AT_ONCE)
    for i = 1, #found, 2 do
      if #found[i] <= LONGEST_ENDING then
        reply[#reply + 1] = found[i]
        reply[#reply + 1] = found[i + 1]
      else
        wrong[#wrong + 1] = found[i]
      end
    end
    at = at + ENDINGS_AT_ONCE
  until #found < 2 * ENDINGS_AT_ONCE
  for _, member in ipairs(wrong) do redis.call('ZREM', ended, member) end
  return reply
end

redis.register_function('cpf_read_endings_' .. VERSION, read_endings)
