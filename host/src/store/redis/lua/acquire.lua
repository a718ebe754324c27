-- KEYS: lease, epoch, head, consumed, clock. ARGV: nonce, ttl.
if redis.call('EXISTS', KEYS[1]) == 1 then return false end
local epoch = redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[1], number_text(epoch) .. ':' .. ARGV[1], 'PX', ARGV[2])
return { number_text(epoch), redis.call('GET', KEYS[3]) or '', redis.call('GET', KEYS[4]) or '0', redis.call('GET', KEYS[5]) or '0' }
