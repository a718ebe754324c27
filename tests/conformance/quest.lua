-- The conformance quest (README.md), in Lua: it does what it is told.

local function deeper(n) return 1 + deeper(n + 1) end

local remembered

local calls = {
  ["current.quest"] = function() return event.quest end,
  ["current.action"] = function() return event.action end,
  ["current.context"] = function() return event.context end,
  ["current.event-name"] = function() return event.event_name end,
  ["current.cause"] = function() return event.cause end,
  ["current.accepted-at"] = function() return event.accepted_at end,
  ["current.attempt"] = function() return event.attempt end,
  ["current.missed"] = function() return event.missed end,
  ["current.has-ids"] = function() return event.instance ~= "" and event.event_id ~= "" and event.processed_at >= event.accepted_at end,
  ["current.field"] = event.field,
  ["variables.get"] = variables.get,
  ["variables.set"] = variables.set,
  ["variables.remove"] = variables.remove,
  ["variables.names"] = variables.names,
  ["variables.set-bytes"] = function(name, list) variables.set(name, bytes(string.char(table.unpack(list)))) end,
  ["variables.get-bytes"] = function(name) return array { string.byte(variables.get(name).data, 1, -1) } end,
  ["variables.set-nan"] = function(name) variables.set(name, 0 / 0) end,
  ["timers.at"] = timers.at,
  ["timers.after"] = timers.after,
  ["timers.every"] = timers.every,
  ["timers.cancel"] = timers.cancel,
  ["timers.names"] = timers.names,
  ["timers.due"] = timers.due,
  ["timers.payload"] = timers.payload,
  ["timers.schedule"] = timers.schedule,
  ["patterns.start"] = patterns.start,
  ["patterns.cancel"] = patterns.cancel,
  ["patterns.names"] = patterns.names,
  ["patterns.state"] = patterns.state,
  ["clock.zone"] = clock.zone,
  ["clock.set-zone"] = clock.set_zone,
  ["clock.local"] = clock.local_time,
  ["clock.instant"] = clock.instant,
  ["events.emit"] = function(context, name, payload) emit(name, payload, context) end,
  ["events.send"] = send,
  ["events.broadcast"] = broadcast,
  ["quests.add"] = quests.add,
  ["quests.remove"] = quests.remove,
  ["quests.active"] = quests.active,
  ["messages.publish"] = publish,
  ["config.get"] = config,
  ["log.write"] = function(level, text) log[level](text) end,
  ["print"] = print,
  ["random.below"] = random.below,
  ["random.unit"] = function() local drawn = random.unit() return drawn >= 0 and drawn < 1 end,
  ["random.bytes"] = function(count) return #random.bytes(count) end,
  ["fail"] = fail,
  ["transient"] = transient,
  ["remember"] = function(text) local before = remembered; remembered = text; return before end,
  ["trap"] = function() local nothing = nil; return nothing.field end,
  ["loop"] = function() while true do end end,
  ["recurse"] = function() return deeper(1) end,
  ["fill"] = function() local all = {} while true do all[#all + 1] = ("x"):rep(1000000) .. #all end end,
}

local function make(call)
  local known = calls[call[1]]
  if not known then fail("unknown-call", call[1]) end
  local given = known(table.unpack(call, 2))
  if given == nil then return null end
  return given
end

local function each(list, is_caught)
  local given = array {}
  for _, call in ipairs(list or {}) do
    if not is_caught or call[1] == "fail" or call[1] == "transient" or call[1] == "trap" or call[1] == "recurse" or call[1] == "fill" then
      given[#given + 1] = make(call)
    else
      local done, value = pcall(make, call)
      if not done then value = { error = value.code } end
      given[#given + 1] = value
    end
  end
  return given
end

-- The variables are read and written by name here, so what an action is given of them is left alone.
local function act(_, list)
  local given = each(list, true)
  publish("did", given)
  return given
end

quest "conformance" {
  describe = "does what it is told",
  version = 2,
  add_on = "begin",
  on = { ["do"] = "do", raise = "raise", note = "note" },
  every = { note = "every day at 09:00" },
  patterns = {
    pair = { kind = "within", after = "a", expect = "b", within = "10 minutes", action = "note", ["else"] = "note" },
  },
  init = function() publish("init") end,
  ["do"] = act,
  raise = function(_, list)
    local given = each(list, false)
    publish("did", given)
    return given
  end,
  note = function(_, payload)
    if payload == nil then payload = null end
    publish("noted", { name = event.event_name, cause = event.cause, payload = payload, missed = event.missed })
  end,
  dealloc = function() publish("gone") end,
  upgrade = function(_, from) publish("upgraded", from) end,
  queries = { ask = function(_, list) return each(list, true) end },
}

quest "conformance-two" {
  add_on = "two",
  on = { two = "do" },
  init = function() publish("init") end,
  ["do"] = act,
}
