//! A freezer that gets warm or falls silent. The context is the freezer; it sends `reading` with its temperature every few minutes.

const std = @import("std");
const quest = @import("quest");

pub const quests = .{Freezer};

/// It is warm from here, and cold again only from there: a temperature about one limit does not ring twice.
const warm_from = -15.0;
const cold_from = -17.0;
const patience = 10 * quest.minute;

const Reading = struct { celsius: f64, door_open: bool = false };

const Freezer = struct {
    pub const spec = quest.Spec{
        .name = "freezer",
        .description = "Rings when a freezer is warm for ten minutes, or silent for an hour",
        .add_on = &.{"reading"},
        .actions = &.{
            .{ .name = "reading", .on = &.{"reading"} },
            .{ .name = "ring" },
            .{ .name = "silent" },
        },
        .queries = &.{.{ .name = "state" }},
        .patterns = &.{.{
            .name = "silence",
            .spec =
            \\{"kind": "absence", "of": "reading", "for": "1 hour", "action": "silent"}
            ,
        }},
    };

    warmest: ?f64 = null,
    rings: u32 = 0,

    pub fn reading(self: *Freezer, now: Reading) !void {
        if (!(now.celsius > -273.15 and now.celsius < 100)) return quest.fail("bad-reading", "that is no temperature of a freezer");
        const warmest = self.warmest orelse {
            // Whoever opens the door knows that it gets warm.
            if (now.celsius > warm_from and !now.door_open) {
                self.warmest = now.celsius;
                try quest.timers.after("warm", patience, "ring", null);
            }
            return;
        };
        if (now.celsius < cold_from) {
            if (!try quest.timers.cancel("warm")) try quest.publish("cold-again", .{ .warmest = warmest });
            self.warmest = null;
        } else {
            self.warmest = @max(warmest, now.celsius);
        }
    }

    pub fn ring(self: *Freezer) !void {
        self.rings += 1;
        std.log.warn("warm for ten minutes, up to {d:.1} degrees", .{self.warmest.?});
        try quest.publish("warm", .{ .warmest = self.warmest, .rings = self.rings });
    }

    pub fn silent(_: *Freezer) !void {
        try quest.publish("silent", quest.context());
    }

    pub fn state(self: *const Freezer) struct { is_warm: bool, rings: u32 } {
        return .{ .is_warm = self.warmest != null, .rings = self.rings };
    }
};
