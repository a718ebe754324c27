-- A gift a day, that grows with each day in a row: by the user's own calendar.

local GIFTS = { 10, 15, 20, 30, 50 }

local function today() return clock.local_time(event.accepted_at):sub(1, 10) end

quest "daily-gift" {
  describe = "A gift a day, that grows with each day in a row",
  add_on = "opened",
  on = { opened = "open" },
  patterns = {
    days = { kind = "streak", of = "claimed", unit = "day", action = "note", broken = "lose" },
  },
  init = function(self)
    self.gift, self.coins, self.claimed = 1, 0, ""
  end,
  open = function(self)
    if self.claimed ~= today() then publish("gift-waits", GIFTS[self.gift]) end
  end,
  -- Called by the shop: one a day.
  claim = function(self)
    if self.claimed == today() then fail("claimed", "today's gift is claimed; there is another tomorrow") end
    local coins = GIFTS[self.gift]
    self.coins = self.coins + coins
    self.gift = math.min(self.gift + 1, #GIFTS)
    self.claimed = today()
    emit("claimed")
    return coins
  end,
  note = function(_, told)
    if told.current % 7 == 0 then publish("a-whole-week", told.current) end
  end,
  lose = function(self)
    self.gift = 1
    publish("gifts-begin-anew")
  end,
  queries = {
    next = function(self)
      local state = patterns.state("days")
      return { gift = GIFTS[self.gift], claimed = self.claimed == today(), days = state and state.current or 0 }
    end,
  },
}
