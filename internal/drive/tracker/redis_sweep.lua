-- Takes swarms that nobody has joined for a lifetime off the books; their own keys have expired by then.
--
-- KEYS: 1 swarms, 2 peers booked by swarm, 3 peers booked in all. ARGV: 1 lifetime in seconds.
-- Returns: how many were taken, peers in all, swarms.
local call = redis.call
local time = call('TIME')
local stale = call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. (tonumber(time[1]) - tonumber(ARGV[1])), 'LIMIT', 0, 1000)
for _, hash in ipairs(stale) do
  call('DECRBY', KEYS[3], tonumber(call('HGET', KEYS[2], hash) or 0))
  call('HDEL', KEYS[2], hash)
  call('ZREM', KEYS[1], hash)
end
return {#stale, tonumber(call('GET', KEYS[3]) or 0), call('ZCARD', KEYS[1])}
