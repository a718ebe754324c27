//! The root of each module in Zig: the author's file is imported as `main`, and says `pub const quests = .{ Counter, … };`.

const std = @import("std");
const quest = @import("quest");

pub const std_options: std.Options = .{ .logFn = quest.module.log, .log_level = .debug };
pub const panic = std.debug.FullPanic(quest.module.panic);

comptime {
    @export(&quest.module.Tables(@import("main").quests).list, .{ .name = "q_module" });
}
