-- KEYS: one a read. ARGV: kind and two arguments a read.
local out = {}
for i = 1, #KEYS do
  local key, kind, one, two = KEYS[i], ARGV[3 * i - 2], ARGV[3 * i - 1], ARGV[3 * i]
  if kind == 'hash' then out[i] = redis.call('HGETALL', key)
  elseif kind == 'field' then out[i] = redis.call('HGET', key, one)
  elseif kind == 'set' then out[i] = redis.call('SMEMBERS', key)
  elseif kind == 'list' then out[i] = redis.call('LRANGE', key, one, two)
  elseif kind == 'below' then out[i] = redis.call('ZRANGE', key, '-inf', '(' .. one, 'BYSCORE', 'LIMIT', 0, two, 'WITHSCORES')
  elseif kind == 'after' then out[i] = redis.call('ZRANGE', key, one, '+', 'BYLEX', 'LIMIT', 0, two)
  elseif redis.call('TYPE', key).ok == 'zset' then out[i] = redis.call('ZCARD', key)
  else out[i] = redis.call('LLEN', key) end
end
return out
