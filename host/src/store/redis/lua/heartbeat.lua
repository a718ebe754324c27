-- KEYS: alive, about. ARGV: host, about, ttl, channel, bell.
local now, changed = now_ms(), false
local gone = redis.call('ZRANGE', KEYS[1], '-inf', number_text(now), 'BYSCORE')
if ARGV[3] == '0' then gone[#gone + 1] = ARGV[1] end
for _, host in ipairs(gone) do
  if redis.call('ZREM', KEYS[1], host) == 1 and not (host == ARGV[1] and ARGV[3] ~= '0') then changed = true end
  redis.call('HDEL', KEYS[2], host)
end
if ARGV[3] ~= '0' then
  if redis.call('ZADD', KEYS[1], number_text(now + tonumber(ARGV[3])), ARGV[1]) == 1 then changed = true end
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
end
if changed then redis.call('PUBLISH', ARGV[4], ARGV[5]) end
return redis.call('HGETALL', KEYS[2])
