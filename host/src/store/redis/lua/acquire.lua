-- KEYS: lease, epoch, head, consumed, clock. ARGV: nonce, ttl.
local held, epoch = redis.call('GET', KEYS[1]), nil
if held then
  local colon = string.find(held, ':', 1, true)
  -- The same call, sent again because its answer was lost: the same grant.
  if string.sub(held, colon + 1) ~= ARGV[1] then return false end
  epoch = string.sub(held, 1, colon - 1)
else
  epoch = number_text(redis.call('INCR', KEYS[2]))
  redis.call('SET', KEYS[1], epoch .. ':' .. ARGV[1], 'PX', ARGV[2])
end
return { epoch, redis.call('GET', KEYS[3]) or '', redis.call('GET', KEYS[4]) or '0', redis.call('GET', KEYS[5]) or '0' }
