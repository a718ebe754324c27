local function number_text(n) return string.format('%.0f', n) end

local function now_ms()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end

-- Calls in chunks: unpack has a bounded stack. The chunk is even, for pairs.
local function call_all(command, key, list, from, to)
  for i = from, to, 4000 do
    redis.call(command, key, unpack(list, i, math.min(i + 3999, to)))
  end
end

-- An inbox, open for entries within one script. Four keys from k: inbox, clock, waiting, ids_order.
local function open_box(k, window)
  local now, clock = now_ms(), tonumber(redis.call('GET', KEYS[k + 1]) or 0)
  return { k = k, window = window, stamp = math.max(now, clock), length = redis.call('LLEN', KEYS[k]),
    ids = redis.call('LLEN', KEYS[k + 3]), waiting = {}, known = {}, values = {}, order = {}, fields = {} }
end

-- Whether an entry may come in, and if so, notes it. Twin of `ordered::accept::decide`. Rules: 0 accept, 1 relay, 2 commit.
-- Six arguments from a: index of its context's ids key (0: no id), context, id, digest, 1 if from outside, bytes.
local function put(box, a, rule, inbox_max, context_max, ids_max, reserve)
  local ids_key, context, id, digest = tonumber(ARGV[a]), ARGV[a + 1], ARGV[a + 2], ARGV[a + 3]
  local outside = ARGV[a + 4] == '1'
  if ids_key > 0 then
    local value = (box.known[ids_key] or {})[id] or redis.call('HGET', KEYS[ids_key], id)
    if value then
      local colon = string.find(value, ':', 1, true)
      local stamp = tonumber(string.sub(value, 1, colon - 1))
      if stamp + box.window > box.stamp then
        if string.sub(value, colon + 1) == digest then return 'D' .. number_text(stamp) end
        return 'C'
      end
    end
  end
  if rule ~= 2 then
    local max = inbox_max
    if not outside then max = max + reserve end
    if box.length >= max then return 'I' end
  end
  local waiting
  if context ~= '' then
    waiting = box.waiting[context]
    if not waiting then
      waiting = { stored = tonumber(redis.call('HGET', KEYS[box.k + 2], context) or 0), added = 0 }
      box.waiting[context] = waiting
    end
  end
  if rule == 0 and outside then
    if waiting and waiting.stored + waiting.added >= context_max then return 'X' end
    if ids_key > 0 and box.ids >= ids_max then return 'S' end
  end
  local stamp = number_text(box.stamp)
  box.length = box.length + 1
  box.values[#box.values + 1] = stamp .. ':' .. ARGV[a + 5]
  if waiting then waiting.added = waiting.added + 1 end
  if ids_key > 0 then
    box.ids = box.ids + 1
    box.known[ids_key] = box.known[ids_key] or {}
    box.fields[ids_key] = box.fields[ids_key] or {}
    local value, fields = stamp .. ':' .. digest, box.fields[ids_key]
    box.known[ids_key][id] = value
    fields[#fields + 1] = id
    fields[#fields + 1] = value
    box.order[#box.order + 1] = stamp .. ':' .. #context .. ':' .. context .. id
  end
  return 'A' .. stamp
end

-- Writes what was noted; 1 if ids have expired, so that the caller may forget them.
local function close_box(box)
  if #box.values > 0 then
    call_all('RPUSH', KEYS[box.k], box.values, 1, #box.values)
    redis.call('SET', KEYS[box.k + 1], number_text(box.stamp))
    for context, waiting in pairs(box.waiting) do
      if waiting.added > 0 then redis.call('HINCRBY', KEYS[box.k + 2], context, waiting.added) end
    end
    for key, fields in pairs(box.fields) do call_all('HSET', KEYS[key], fields, 1, #fields) end
    if #box.order > 0 then call_all('RPUSH', KEYS[box.k + 3], box.order, 1, #box.order) end
  end
  local oldest = redis.call('LINDEX', KEYS[box.k + 3], 0)
  if oldest and tonumber(string.match(oldest, '^%d+')) + box.window <= box.stamp then return 1 end
  return 0
end
