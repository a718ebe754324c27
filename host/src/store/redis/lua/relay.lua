-- KEYS: inbox, clock, waiting, ids_order, relay_in, ids of contexts... ARGV: window, four bounds, channel, bell, source, stream, expected or '', entries of seven (number first).
local window = tonumber(ARGV[1])
local m1, m2, m3, m4 = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local source, stream, expected = ARGV[8], ARGV[9], ARGV[10]
local stored = redis.call('HGET', KEYS[5], source)
local known_stream, next = '', 0
if stored then
  local colon = string.find(stored, ':', 1, true)
  next, known_stream = tonumber(string.sub(stored, 1, colon - 1)), string.sub(stored, colon + 1)
end
local known = stored and known_stream == stream
local upto = known and next or 0
if expected ~= '' and tonumber(expected) ~= upto then return { 'at', known_stream, number_text(next) } end
local box = open_box(1, window)
local full = '0'
for a = 11, #ARGV, 7 do
  local n = tonumber(ARGV[a])
  if n >= upto then
    if put(box, a + 1, 1, m1, m2, m3, m4) == 'I' then full = '1' break end
    upto = n + 1
  end
end
local expired = close_box(box)
if not known or upto ~= next then redis.call('HSET', KEYS[5], source, number_text(upto) .. ':' .. stream) end
if #box.values > 0 then redis.call('PUBLISH', ARGV[6], ARGV[7]) end
return { 'upto', number_text(upto), full, expired .. ':' .. number_text(box.stamp) }
