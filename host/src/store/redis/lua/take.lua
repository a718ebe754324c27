-- KEYS: lease, consumed, inbox, clock. ARGV: token, from, count, fence or ''.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local now = now_ms()
local clock = tonumber(redis.call('GET', KEYS[4]) or 0)
if ARGV[4] ~= '' then
  local fence = tonumber(ARGV[4])
  if now >= fence and clock < now then
    clock = now
    redis.call('SET', KEYS[4], number_text(now))
  end
end
local offset = math.max(0, tonumber(ARGV[2]) - tonumber(redis.call('GET', KEYS[2]) or 0))
local count, entries = tonumber(ARGV[3]), {}
if count > 0 then entries = redis.call('LRANGE', KEYS[3], number_text(offset), number_text(offset + count - 1)) end
local behind = math.max(0, redis.call('LLEN', KEYS[3]) - offset - #entries)
return { number_text(now), number_text(clock), behind, entries }
