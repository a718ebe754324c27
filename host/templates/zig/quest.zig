//! Greets whoever comes for the third time, and misses whoever stays away for a week.

const quest = @import("quest");

pub const quests = .{Visits};

const Visits = struct {
    pub const spec = quest.Spec{
        .name = "hello",
        .description = "Greets the third visit, misses who stays away",
        // The event that adds the quest to a context: to a user, say.
        .add_on = &.{"visited"},
        .actions = &.{ .{ .name = "visit", .on = &.{"visited"} }, .{ .name = "miss" } },
        .queries = &.{.{ .name = "total" }},
    };

    // What it remembers, of each context its own.
    visits: u32 = 0,

    pub fn visit(self: *Visits) !void {
        self.visits += 1;
        if (self.visits == 3) try quest.publish("welcome-back", self.visits);
        // A timer. Set again it moves.
        try quest.timers.after("absent", 7 * quest.day, "miss", null);
    }

    /// Called by the timer.
    pub fn miss(self: *Visits) !void {
        try quest.publish("missed-you", self.visits);
    }

    /// Reads and answers: quest-host query ada hello total
    pub fn total(self: *const Visits) u32 {
        return self.visits;
    }
};
