-- What a quest in Lua is written with: docs/languages/lua.md.
local bind = ...

-- Values that Lua has no type of its own for.
null = setmetatable({}, { __tostring = function() return "null" end, __name = "null" })
local Array, Bytes = { __name = "array" }, { __name = "bytes" }
Bytes.__tostring = function(b) return b.data end
Bytes.__eq = function(a, b) return a.data == b.data end
Bytes.__len = function(b) return #b.data end
function array(t) return setmetatable(t or {}, Array) end
function bytes(s) return setmetatable({ data = s }, Bytes) end

-- A failure: what `pcall` gives when the host refuses, and what ends an action with a code of its own.
local Failure = { __name = "failure" }
Failure.__tostring = function(f) return f.code .. ": " .. f.message end
local function raise(code, message) error(setmetatable({ code = code, message = message }, Failure), 0) end
function fail(code, message) raise(tostring(code), tostring(message == nil and "" or message)) end
function transient(message) raise("transient", tostring(message == nil and "" or message)) end

local call = bind(null, Array, Bytes, raise)

-- The functions of the contract by group: timers.after is called as "timers.after", events.set_zone as "events.set-zone".
local function group(name, functions)
  local t = {}
  for f in functions:gmatch("%S+") do
    local whole = name .. "." .. f:gsub("_", "-")
    t[f] = function(...) return call(whole, ...) end
  end
  return t
end
timers = group("timers", "at after every cancel names due payload schedule")
patterns = group("patterns", "start cancel names state")
clock = group("clock", "zone set_zone local_ instant")
clock.local_time, clock.local_ = function(time) return call("clock.local", time) end, nil
quests = group("quests", "active")
function quests.add(quest, context) return call("quests.add", quest, context or call("current.context")) end
function quests.remove(quest, context) return call("quests.remove", quest, context or call("current.context")) end
random = group("random", "below unit bytes")
variables = group("variables", "get set remove names")
function emit(name, payload, context) return call("events.emit", context or call("current.context"), name, payload) end
function send(context, quest, action, payload) return call("events.send", context, quest, action, payload) end
function broadcast(name, payload) return call("events.broadcast", name, payload) end
function publish(topic, payload) return call("messages.publish", topic, payload) end
function reply(value) return call("reply.set", value) end
function config(name) return call("config.get", name) end
log = {}
for _, level in ipairs { "debug", "info", "warn", "error" } do
  log[level] = function(text) return call("log.write", level, tostring(text)) end
end
event = setmetatable({ field = function(pointer) return call("current.field", pointer) end }, {
  __index = function(_, name) return call("current." .. name:gsub("_", "-")) end,
  __newindex = function() error("the event in hand cannot be changed", 2) end,
})

function print(...)
  local texts = {}
  for i = 1, select("#", ...) do texts[i] = tostring((select(i, ...))) end
  call("print", table.concat(texts, "\t") .. "\n")
end

-- Numbers by chance repeat at each try, and differ from event to event.
function math.random(low, high)
  if not low then return call("random.unit") end
  if not high then low, high = 1, low end
  if high < low then error("bad argument to 'random' (interval is empty)", 2) end
  local span = high - low + 1
  if span <= 0xffffffff and span > 0 then return low + call("random.below", span) end
  return low + math.floor(call("random.unit") * span)
end
math.randomseed = nil
-- The time is the event's.
os = { time = function() return call("current.accepted-at") // 1000 end }
-- A script is one file.
dofile, loadfile, collectgarbage = nil, nil, nil

-- ── The quests of the script.
local defined, by_name = {}, {}
local PARTS = { describe = "string", version = "number", add_on = true, on = "table", every = "table", patterns = "table", queries = "table" }

local function each(value)
  if value == nil then return ipairs {} end
  return ipairs(type(value) == "table" and value or { value })
end

local function sorted(t)
  local keys = {}
  for key in pairs(t or {}) do keys[#keys + 1] = key end
  table.sort(keys)
  return ipairs(keys)
end

local function check(name, parts)
  if type(parts) ~= "table" then error('a quest is written  quest "name" { … }', 3) end
  for key, value in pairs(parts) do
    local wanted = PARTS[key]
    if type(key) ~= "string" then error("the parts of a quest have names", 3) end
    if wanted and wanted ~= true and type(value) ~= wanted then
      error(("%s of quest %s is a %s, not a %s"):format(key, name, wanted, type(value)), 3)
    end
    if not wanted and type(value) ~= "function" then
      error(("quest %s has no part %s; an action is a function"):format(name, key), 3)
    end
  end
end

function quest(name)
  return function(parts)
    check(tostring(name), parts)
    local actions = {}
    for key, value in pairs(parts) do
      if not PARTS[key] then actions[key] = value end
    end
    local made = { name = name, parts = parts, actions = actions, queries = parts.queries or {} }
    defined[#defined + 1] = made
    by_name[name] = made
  end
end

local function declare(q)
  local parts = q.parts
  call("definition.quest", q.name)
  if parts.describe then call("definition.describe", parts.describe) end
  if parts.version then call("definition.version", parts.version) end
  for _, name in each(parts.add_on) do call("definition.add-on", name) end
  for _, action in sorted(q.actions) do
    if action ~= "init" then call("definition.action", action) end
  end
  for _, name in sorted(parts.on) do
    for _, action in each(parts.on[name]) do
      if not q.actions[action] then raise("unknown-action", ("quest %s has no action %s, which is on %s"):format(q.name, action, name)) end
      call("definition.on", action, name)
    end
  end
  for _, action in sorted(parts.every) do
    if not q.actions[action] then raise("unknown-action", ("quest %s has no action %s, which comes again"):format(q.name, action)) end
    call("definition.every", action, action, parts.every[action])
  end
  for _, name in sorted(parts.patterns) do call("definition.pattern", name, parts.patterns[name]) end
  for _, name in sorted(q.queries) do call("definition.query", name) end
end

local function define()
  if #defined == 0 then raise("no-quest", 'there is no quest in this script: write  quest "name" { … }') end
  for _, q in ipairs(defined) do declare(q) end
end

local function perform(name)
  local q = by_name[call("current.quest")]
  local action = q.actions[name]
  local query = not action and q.queries[name]
  if not action and not query then
    if name == "init" then return end
    raise("unknown-action", ("quest %s has no action %s"):format(q.name, name))
  end
  local self = call("variables.load")
  local answer = (action or query)(self, call("current.payload"))
  if action then call("variables.store", self) end
  if answer ~= nil then call("reply.set", answer) end
end

return define, perform
