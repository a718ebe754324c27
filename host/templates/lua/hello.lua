-- Greets whoever comes for the third time, and misses whoever stays away for a week.

local WEEK = 7 * 24 * 60 * 60 * 1000

quest "hello" {
  describe = "Greets the third visit, misses who stays away",
  -- The event that adds the quest to a context: to a user, say.
  add_on = "visited",
  -- By event: the action that it runs.
  on = { visited = "visit" },
  -- Runs when it is added. What is in `self` is remembered, of each context its own.
  init = function(self) self.visits = 0 end,
  visit = function(self)
    self.visits = self.visits + 1
    if self.visits == 3 then publish("welcome-back", self.visits) end
    -- A timer. Set again it moves.
    timers.after("absent", "miss", WEEK)
  end,
  -- Called by the timer.
  miss = function(self) publish("missed-you", self.visits) end,
  -- They read and answer: quest-host query ada hello total
  queries = {
    total = function(self) return self.visits end,
  },
}
