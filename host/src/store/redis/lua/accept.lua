-- KEYS: inbox, clock, waiting, ids_order, ids of contexts... ARGV: window, four bounds, channel, bell, entries of six.
local window = tonumber(ARGV[1])
local m1, m2, m3, m4 = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local box = open_box(1, window)
local answers = { 0 }
for a = 8, #ARGV, 6 do answers[#answers + 1] = put(box, a, 0, m1, m2, m3, m4) end
answers[1] = close_box(box) .. ':' .. number_text(box.stamp)
if #box.values > 0 then redis.call('PUBLISH', ARGV[6], ARGV[7]) end
return answers
