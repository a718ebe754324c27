-- Forgets the oldest remembered ids. KEYS: ids_order, ids of contexts... ARGV: element, its context's key index, id, stamp; ...
local done = 0
for a = 1, #ARGV, 4 do
  if redis.call('LINDEX', KEYS[1], done) ~= ARGV[a] then break end
  done = done + 1
  local key, value = KEYS[tonumber(ARGV[a + 1])], nil
  value = redis.call('HGET', key, ARGV[a + 2])
  -- The context may have been forgotten and the id given again since.
  if value and string.match(value, '^%d+') == ARGV[a + 3] then redis.call('HDEL', key, ARGV[a + 2]) end
end
if done > 0 then redis.call('LTRIM', KEYS[1], done, -1) end
return done
