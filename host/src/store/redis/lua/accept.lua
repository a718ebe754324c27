-- KEYS: inbox, clock, waiting, ids_order, answer of this call, ids of contexts... ARGV: window, four bounds, channel, bell, how long the
-- answer is kept or 0, entries of six.
-- A cluster's client sends a call again by itself when its answer was lost: then the answer is given again, and nothing is done.
if ARGV[8] ~= '0' then
  local answer = redis.call('GET', KEYS[5])
  if answer then
    local again = {}
    for word in string.gmatch(answer, '%S+') do again[#again + 1] = word end
    return again
  end
end
local window = tonumber(ARGV[1])
local m1, m2, m3, m4 = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local box = open_box(1, window)
local answers = { 0 }
for a = 9, #ARGV, 6 do answers[#answers + 1] = put(box, a, 0, m1, m2, m3, m4) end
answers[1] = close_box(box) .. ':' .. number_text(box.stamp)
if #box.values > 0 then redis.call('PUBLISH', ARGV[6], ARGV[7]) end
if ARGV[8] ~= '0' then redis.call('SET', KEYS[5], table.concat(answers, ' '), 'PX', ARGV[8]) end
return answers
