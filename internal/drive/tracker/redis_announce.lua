-- One announce, as a whole: nobody else's comes between its parts.
--
-- A swarm is, for each family, a sorted set of seeders and one of leechers, members in compact form, scored by when they
-- were last seen, and a hash that counts the members of each limited prefix; and the number of completions. Over all
-- swarms there are a sorted set of those that there are, by when they were last joined, a hash of how many peers each was
-- booked with, and the sum of those.
--
-- KEYS: 1 seeders, 2 leechers, 3 prefixes of the peer's family; 4 to 6 the same of the other; 7 completions;
--       8 swarms; 9 peers booked by swarm; 10 peers booked in all.
-- ARGV: 1 "join", "leave" or "look"; 2 the peer; 3 "1" for a seeder; 4 "1" for event=completed; 5 lifetime in seconds;
--       6 peers wanted; 7 most peers a swarm, 8 a prefix, 9 in all; 10 most swarms; 11 the peer's prefix or ""; 12 infohash.
-- Returns: 1 if a limit kept the peer out; complete, incomplete, downloaded; peers in all, swarms; the chosen peers.
local call = redis.call
local peer, seeder, life, hash = ARGV[2], ARGV[3] == '1', tonumber(ARGV[5]), ARGV[12]
local limited = ARGV[11] ~= ''
-- Redis's own clock: those of the trackers may differ.
local time = call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000

local function number(v) return tonumber(v or 0) or 0 end

-- left books that a member is gone from its prefix. Unlimited prefixes are not counted.
local function left(prefixes, member)
  local p = string.sub(member, 1, #member == 6 and 3 or 8)
  if call('HEXISTS', prefixes, p) == 1 and call('HINCRBY', prefixes, p, -1) <= 0 then call('HDEL', prefixes, p) end
end

-- forget drops stale members, so many at a time that Redis is not held up.
local function forget(set, prefixes)
  for _, member in ipairs(call('ZRANGEBYSCORE', set, '-inf', now - life, 'LIMIT', 0, 1000)) do
    call('ZREM', set, member)
    left(prefixes, member)
  end
end
forget(KEYS[1], KEYS[3])
forget(KEYS[2], KEYS[3])
forget(KEYS[4], KEYS[6])
forget(KEYS[5], KEYS[6])

local function size()
  return call('ZCARD', KEYS[1]) + call('ZCARD', KEYS[2]) + call('ZCARD', KEYS[4]) + call('ZCARD', KEYS[5])
end

-- room reports whether the limits allow another peer.
local function room()
  if number(call('GET', KEYS[10])) >= tonumber(ARGV[9]) or size() >= tonumber(ARGV[7]) then return false end
  if limited and number(call('HGET', KEYS[3], ARGV[11])) >= tonumber(ARGV[8]) then return false end
  return call('ZSCORE', KEYS[8], hash) or call('ZCARD', KEYS[8]) < tonumber(ARGV[10])
end

local full = 0
if ARGV[1] == 'join' then
  local was_seeder, was_leecher = call('ZSCORE', KEYS[1], peer), call('ZSCORE', KEYS[2], peer)
  local new = not was_seeder and not was_leecher
  if new and not room() then
    full = 1
  else
    -- A completion counts once a peer: when it turns from leecher to seeder, or was forgotten as a leecher.
    if seeder and ARGV[4] == '1' and not was_seeder then call('INCR', KEYS[7]) end
    call('ZREM', KEYS[seeder and 2 or 1], peer)
    call('ZADD', KEYS[seeder and 1 or 2], now, peer)
    if new and limited then call('HINCRBY', KEYS[3], ARGV[11], 1) end
    call('ZADD', KEYS[8], now, hash)
    -- Together, so that no set goes by itself and leaves its members in the prefixes.
    for _, k in ipairs({1, 2, 3, 7}) do call('EXPIRE', KEYS[k], life) end
  end
elseif ARGV[1] == 'leave' then
  if call('ZREM', KEYS[1], peer) + call('ZREM', KEYS[2], peer) > 0 then left(KEYS[3], peer) end
end

local seeders, leechers = call('ZCARD', KEYS[1]), call('ZCARD', KEYS[2])
local complete, incomplete = seeders + call('ZCARD', KEYS[4]), leechers + call('ZCARD', KEYS[5])
local downloaded = number(call('GET', KEYS[7]))
local peers, booked = complete + incomplete, number(call('HGET', KEYS[9], hash))
if peers == 0 and downloaded == 0 then
  call('ZREM', KEYS[8], hash)
  call('HDEL', KEYS[9], hash)
elseif peers ~= booked then
  call('HSET', KEYS[9], hash, peers)
end
if peers ~= booked then call('INCRBY', KEYS[10], peers - booked) end

-- A seeder gets leechers only; a leecher gets seeders for up to half of the list, and more if leechers are few.
local chosen = {}
local function choose(set, n)
  if n <= 0 then return end
  local self = call('ZSCORE', set, peer) and 1 or 0
  for _, member in ipairs(call('ZRANDMEMBER', set, n + self)) do
    if member ~= peer and n > 0 then
      chosen[#chosen + 1] = member
      n = n - 1
    end
  end
end
local want = tonumber(ARGV[6])
if ARGV[1] ~= 'leave' and want > 0 then
  if call('ZSCORE', KEYS[1], peer) then seeders = seeders - 1 end
  if call('ZSCORE', KEYS[2], peer) then leechers = leechers - 1 end
  if seeder then seeders = 0 end
  local from_leechers = math.min(leechers, want - math.min(seeders, math.floor((want + 1) / 2)))
  choose(KEYS[1], math.min(seeders, want - from_leechers))
  choose(KEYS[2], from_leechers)
end
return {full, complete, incomplete, downloaded, number(call('GET', KEYS[10])), call('ZCARD', KEYS[8]), table.concat(chosen)}
