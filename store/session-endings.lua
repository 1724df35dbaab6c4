-- read_endings: which sessions ended between two moments. If there are more than asked for, only the first few.
-- An entry that cannot be a real one ends no session: it is removed instead of being sent to the reader, who could not
-- put it right either if it is not text.
-- KEYS  the set of endings    ARGV  from, to (as in ZRANGEBYSCORE), how many at most, how many if there are more
-- reply 1 if there are more, otherwise 0; and member, score of each

-- Two SHA-256 digests in base64url, and the dot between them.
local LONGEST_ENDING = 87
local NEVER_IN_ENDINGS = '[^%w_.-]'
local ENDINGS_AT_ONCE = 1000
-- Only an attacker asks for more than this. Each step passes over all entries before it, so ten times as many take a
-- hundred times as long, and Redis does nothing else meanwhile.
local ENDINGS_AT_MOST = 50000

local function read_endings(keys, args)
  local ended, from, to, most = keys[1], args[1], args[2], args[3]
  local is_more = #redis.call('ZRANGEBYSCORE', ended, from, to, 'LIMIT', most, 1) > 0
  local wanted = tonumber(is_more and args[4] or most)
  assert(wanted and wanted <= ENDINGS_AT_MOST, 'too many endings asked for')
  local reply, wrong = { is_more and 1 or 0 }, {}
  for at = 0, wanted - 1, ENDINGS_AT_ONCE do
    local count = math.min(ENDINGS_AT_ONCE, wanted - at)
    local found = redis.call('ZRANGEBYSCORE', ended, from, to, 'WITHSCORES', 'LIMIT', at, count)
    for i = 1, #found, 2 do
      if #found[i] <= LONGEST_ENDING and not string.find(found[i], NEVER_IN_ENDINGS) then
        reply[#reply + 1] = found[i]
        reply[#reply + 1] = found[i + 1]
      else
        wrong[#wrong + 1] = found[i]
      end
    end
    if #found < 2 * count then break end
  end
  for _, member in ipairs(wrong) do redis.call('ZREM', ended, member) end
  return reply
end

redis.register_function('cpf_read_endings_' .. VERSION, read_endings)
