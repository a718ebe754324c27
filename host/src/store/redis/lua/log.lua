-- Reads the broadcast log. KEYS: log, consumed. ARGV: from, count.
local first = tonumber(redis.call('GET', KEYS[2]) or 0)
local offset, count = math.max(0, tonumber(ARGV[1]) - first), tonumber(ARGV[2])
local entries = {}
if count > 0 then entries = redis.call('LRANGE', KEYS[1], number_text(offset), number_text(offset + count - 1)) end
return { number_text(first + offset), entries, number_text(first + redis.call('LLEN', KEYS[1])) }
