-- Trims the broadcast log. KEYS: log, consumed. ARGV: upto.
local first = tonumber(redis.call('GET', KEYS[2]) or 0)
local drop = math.min(tonumber(ARGV[1]) - first, redis.call('LLEN', KEYS[1]))
if drop > 0 then
  redis.call('LTRIM', KEYS[1], drop, -1)
  redis.call('SET', KEYS[2], number_text(first + drop))
end
return 0
