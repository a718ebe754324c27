-- KEYS: lease, consumed, inbox, clock, head. ARGV: token, from, count, fence or '', bytes.
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
local count, bytes_max, entries, bytes = tonumber(ARGV[3]), tonumber(ARGV[5]), {}, 0
-- In parts, so that no more is read than fits but for one part. Twin of `Machine::taken`.
while #entries < count and bytes < bytes_max do
  local limit, first = math.min(count - #entries, 32), offset + #entries
  local part = redis.call('LRANGE', KEYS[3], number_text(first), number_text(first + limit - 1))
  for i = 1, #part do
    if bytes >= bytes_max then break end
    entries[#entries + 1] = part[i]
    bytes = bytes + #part[i]
  end
  if #part < limit then break end
end
local behind = math.max(0, redis.call('LLEN', KEYS[3]) - offset - #entries)
return { number_text(now), number_text(clock), behind, entries, redis.call('GET', KEYS[5]) or '' }
