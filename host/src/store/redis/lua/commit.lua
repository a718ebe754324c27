-- KEYS: inbox, clock, waiting, ids_order, lease, head, consumed, then those of the writes and of the accepted.
-- ARGV: token, id, previous, consumed, window, number of settled, number of writes, how the last entry begins, settled (context,
-- count)..., writes (command, key index, number of arguments, arguments)..., accepted entries of six.
if redis.call('GET', KEYS[5]) ~= ARGV[1] then return { 'fenced' } end
local head = redis.call('GET', KEYS[6]) or ''
if head == ARGV[2] then return { 'already' } end
local before, consumed = tonumber(redis.call('GET', KEYS[7]) or 0), tonumber(ARGV[4])
if head ~= ARGV[3] or consumed < before or consumed - before > redis.call('LLEN', KEYS[1]) then
  return { 'diverged', head }
end
local last = ARGV[8]
if last ~= '' then
  local there = consumed > before and redis.call('LINDEX', KEYS[1], consumed - before - 1) or ''
  if string.sub(there, 1, #last) ~= last then return { 'diverged', head } end
end
-- All checks are above: from here on nothing refuses.
if consumed > before then
  redis.call('LTRIM', KEYS[1], consumed - before, -1)
  redis.call('SET', KEYS[7], ARGV[4])
end
local a = 9
local zero = {}
for _ = 1, tonumber(ARGV[6]) do
  if redis.call('HINCRBY', KEYS[3], ARGV[a], '-' .. ARGV[a + 1]) <= 0 then zero[#zero + 1] = ARGV[a] end
  a = a + 2
end
if #zero > 0 then call_all('HDEL', KEYS[3], zero, 1, #zero) end
for _ = 1, tonumber(ARGV[7]) do
  local command, key, count = ARGV[a], KEYS[tonumber(ARGV[a + 1])], tonumber(ARGV[a + 2])
  if count == 0 then redis.call(command, key) else call_all(command, key, ARGV, a + 3, a + 2 + count) end
  a = a + 3 + count
end
if a <= #ARGV then
  local box = open_box(1, tonumber(ARGV[5]))
  for b = a, #ARGV, 6 do put(box, b, 2, 0, 0, 0, 0) end
  close_box(box)
end
redis.call('SET', KEYS[6], ARGV[2])
return { 'ok' }
