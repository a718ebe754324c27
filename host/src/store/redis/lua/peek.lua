-- KEYS: list, base. ARGV: count.
local entries = {}
if tonumber(ARGV[1]) > 0 then entries = redis.call('LRANGE', KEYS[1], '-' .. ARGV[1], -1) end
return { redis.call('GET', KEYS[2]) or '0', entries }
