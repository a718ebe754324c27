-- KEYS: list, base, lease, rejected. ARGV: token, base, count, rejected texts...
if redis.call('GET', KEYS[3]) ~= ARGV[1] then return 0 end
if (redis.call('GET', KEYS[2]) or '0') ~= ARGV[2] then return 0 end
local count = tonumber(ARGV[3])
if redis.call('LLEN', KEYS[1]) < count then return 0 end
if count > 0 then redis.call('LTRIM', KEYS[1], 0, -1 - count) end
redis.call('SET', KEYS[2], number_text(tonumber(ARGV[2]) + count))
if #ARGV > 3 then call_all('LPUSH', KEYS[4], ARGV, 4, #ARGV) end
return 1
