//! The conformance quest (tests/conformance/README.md), in Zig: it does what it is told.

const std = @import("std");
const quest = @import("quest");
const Value = quest.Value;

pub const quests = .{ Conformance, Two };

const Name = enum {
    @"current.quest",
    @"current.action",
    @"current.context",
    @"current.event-name",
    @"current.cause",
    @"current.accepted-at",
    @"current.attempt",
    @"current.missed",
    @"current.has-ids",
    @"current.field",
    @"variables.get",
    @"variables.set",
    @"variables.remove",
    @"variables.names",
    @"variables.set-bytes",
    @"variables.get-bytes",
    @"variables.set-nan",
    @"timers.at",
    @"timers.after",
    @"timers.every",
    @"timers.cancel",
    @"timers.names",
    @"timers.due",
    @"timers.payload",
    @"timers.schedule",
    @"patterns.start",
    @"patterns.cancel",
    @"patterns.names",
    @"patterns.state",
    @"clock.zone",
    @"clock.set-zone",
    @"clock.local",
    @"clock.instant",
    @"events.emit",
    @"events.send",
    @"events.broadcast",
    @"quests.add",
    @"quests.remove",
    @"quests.active",
    @"messages.publish",
    @"config.get",
    @"log.write",
    print,
    @"random.below",
    @"random.unit",
    @"random.bytes",
    fail,
    transient,
    remember,
    trap,
    loop,
    recurse,
    fill,
};

const Call = struct {
    given: Value,

    fn value(self: Call, n: usize) Value {
        return self.given.at(n) orelse Value.of(null);
    }
    fn text(self: Call, n: usize) ![]const u8 {
        return self.value(n).as([]const u8);
    }
    fn number(self: Call, n: usize) !u64 {
        return self.value(n).as(u64);
    }
    fn name(self: Call) ?Name {
        return std.meta.stringToEnum(Name, self.text(0) catch return null);
    }
};

fn done(_: void) Value {
    return Value.of(null);
}

fn bytesOf(name: []const u8) !Value {
    const bytes = (try quest.variables.get(name).?.as(quest.Bytes)).at;
    const list = quest.allocator.alloc(i64, bytes.len) catch unreachable;
    for (bytes, list) |byte, *to| to.* = byte;
    return Value.of(list);
}

fn setBytes(name: []const u8, list: []const u8) !void {
    return quest.variables.set(name, quest.Bytes{ .at = list });
}

fn octets(value: Value) ![]const u8 {
    const list = try value.as([]const i64);
    const bytes = quest.allocator.alloc(u8, list.len) catch unreachable;
    for (list, bytes) |byte, *to| to.* = @intCast(byte);
    return bytes;
}

fn write(level: []const u8, text: []const u8) void {
    const Level = enum { debug, info, warn, @"error" };
    switch (std.meta.stringToEnum(Level, level) orelse .@"error") {
        .debug => std.log.debug("{s}", .{text}),
        .info => std.log.info("{s}", .{text}),
        .warn => std.log.warn("{s}", .{text}),
        .@"error" => std.log.err("{s}", .{text}),
    }
}

fn draw(count: u64) usize {
    const bytes = quest.allocator.alloc(u8, @intCast(count)) catch unreachable;
    quest.random.bytes(bytes);
    return bytes.len;
}

var remembered: [64]u8 = undefined;
var remembered_len: ?usize = null;

/// What was remembered before.
fn remember(text: []const u8) ?[]const u8 {
    const before = if (remembered_len) |len| quest.allocator.dupe(u8, remembered[0..len]) catch unreachable else null;
    @memcpy(remembered[0..text.len], text);
    remembered_len = text.len;
    return before;
}

var depth: u64 = 0;

fn deeper(n: u64) u64 {
    var here: [64]u64 = @splat(n);
    std.mem.doNotOptimizeAway(&here);
    return deeper(n + 1) + here[@intCast(n % 64)];
}

fn fill() noreturn {
    while (true) {
        const more = quest.allocator.alloc(u8, 1 << 20) catch unreachable;
        @memset(more, 1);
        std.mem.doNotOptimizeAway(more.ptr);
    }
}

fn make(call: Call) anyerror!Value {
    const name = call.name() orelse return quest.fail("unknown-call", call.text(0) catch "");
    return switch (name) {
        .@"current.quest" => Value.of(quest.questName()),
        .@"current.action" => Value.of(quest.actionName()),
        .@"current.context" => Value.of(quest.context()),
        .@"current.event-name" => Value.of(quest.eventName()),
        .@"current.cause" => Value.of(quest.cause()),
        .@"current.accepted-at" => Value.of(quest.acceptedAt()),
        .@"current.attempt" => Value.of(quest.attempt()),
        .@"current.missed" => Value.of(quest.missed()),
        .@"current.has-ids" => Value.of(quest.instance().len > 0 and quest.eventId().len > 0 and quest.processedAt() >= quest.acceptedAt()),
        .@"current.field" => Value.of(quest.field(try call.text(1))),
        .@"variables.get" => Value.of(quest.variables.get(try call.text(1))),
        .@"variables.set" => done(try quest.variables.set(try call.text(1), call.value(2))),
        .@"variables.remove" => Value.of(try quest.variables.remove(try call.text(1))),
        .@"variables.names" => Value.of(quest.variables.names()),
        .@"variables.set-bytes" => done(try setBytes(try call.text(1), try octets(call.value(2)))),
        .@"variables.get-bytes" => try bytesOf(try call.text(1)),
        .@"variables.set-nan" => done(try quest.variables.set(try call.text(1), std.math.nan(f64))),
        .@"timers.at" => done(try quest.timers.at(try call.text(1), try call.number(3), try call.text(2), call.value(4))),
        .@"timers.after" => done(try quest.timers.after(try call.text(1), try call.number(3), try call.text(2), call.value(4))),
        .@"timers.every" => done(try quest.timers.every(try call.text(1), try call.text(3), try call.text(2), call.value(4))),
        .@"timers.cancel" => Value.of(try quest.timers.cancel(try call.text(1))),
        .@"timers.names" => Value.of(quest.timers.names()),
        .@"timers.due" => Value.of(quest.timers.due(try call.text(1))),
        .@"timers.payload" => Value.of(quest.timers.payload(try call.text(1))),
        .@"timers.schedule" => Value.of(quest.timers.schedule(try call.text(1))),
        .@"patterns.start" => done(try quest.patterns.start(try call.text(1), call.value(2))),
        .@"patterns.cancel" => Value.of(try quest.patterns.cancel(try call.text(1))),
        .@"patterns.names" => Value.of(quest.patterns.names()),
        .@"patterns.state" => Value.of(quest.patterns.state(try call.text(1))),
        .@"clock.zone" => Value.of(quest.clock.zone()),
        .@"clock.set-zone" => done(try quest.clock.setZone(try call.text(1))),
        .@"clock.local" => Value.of(quest.clock.local(try call.number(1))),
        .@"clock.instant" => Value.of(try quest.clock.instant(try call.text(1))),
        .@"events.emit" => done(try quest.emit(try call.text(1), try call.text(2), call.value(3))),
        .@"events.send" => done(try quest.send(try call.text(1), try call.text(2), try call.text(3), call.value(4))),
        .@"events.broadcast" => done(try quest.broadcast(try call.text(1), call.value(2))),
        .@"quests.add" => done(try quest.addQuest(try call.text(1), try call.text(2))),
        .@"quests.remove" => done(try quest.removeQuest(try call.text(1), try call.text(2))),
        .@"quests.active" => Value.of(quest.activeQuests()),
        .@"messages.publish" => done(try quest.publish(try call.text(1), call.value(2))),
        .@"config.get" => Value.of(quest.config(try call.text(1))),
        .@"log.write" => done(write(try call.text(1), try call.text(2))),
        .print => done(std.log.info("{s}", .{try call.text(1)})),
        .@"random.below" => Value.of(quest.random.below(try call.value(1).as(u32))),
        .@"random.unit" => Value.of(quest.random.unit() < 1 and quest.random.unit() >= 0),
        .@"random.bytes" => Value.of(draw(try call.number(1))),
        .fail => quest.fail(try call.text(1), try call.text(2)),
        .transient => quest.transient(try call.text(1)),
        .remember => Value.of(remember(try call.text(1))),
        .trap => @panic("as told"),
        .loop => while (true) std.mem.doNotOptimizeAway(depth),
        .recurse => Value.of(deeper(1)),
        .fill => fill(),
    };
}

/// Makes the calls; a refusal is what one gave, where it is caught.
fn each(calls: []const Value, is_caught: bool) ![]const Value {
    const given = quest.allocator.alloc(Value, calls.len) catch unreachable;
    for (calls, given) |each_call, *to| {
        const call = Call{ .given = each_call };
        to.* = make(call) catch |failure| blk: {
            const is_end = call.name() == .fail or call.name() == .transient;
            if (failure != error.Refused or !is_caught or is_end) return failure;
            break :blk Value.of(.{ .@"error" = quest.refusal().code });
        };
    }
    return given;
}

fn told(calls: ?[]const Value, is_caught: bool) ![]const Value {
    const given = try each(calls orelse &.{}, is_caught);
    try quest.publish("did", given);
    return given;
}

const Conformance = struct {
    pub const spec = quest.Spec{
        .name = "conformance",
        .description = "does what it is told",
        .version = 2,
        .add_on = &.{"begin"},
        .actions = &.{
            .{ .name = "do", .run = "act", .on = &.{"do"} },
            .{ .name = "raise", .on = &.{"raise"} },
            .{ .name = "note", .on = &.{"note"}, .every = "every day at 09:00" },
        },
        .queries = &.{.{ .name = "ask" }},
        .patterns = &.{.{
            .name = "pair",
            .spec =
            \\{"kind": "within", "after": "a", "expect": "b", "within": "10 minutes", "action": "note", "else": "note"}
            ,
        }},
    };

    pub fn init() !void {
        try quest.publish("init", null);
    }
    pub fn dealloc() !void {
        try quest.publish("gone", null);
    }
    pub fn upgrade(from: u32) !void {
        try quest.publish("upgraded", from);
    }
    pub fn act(calls: ?[]const Value) ![]const Value {
        return told(calls, true);
    }
    pub fn raise(calls: ?[]const Value) ![]const Value {
        return told(calls, false);
    }
    pub fn note(payload: Value) !void {
        try quest.publish("noted", .{ .name = quest.eventName(), .cause = quest.cause(), .payload = payload, .missed = quest.missed() });
    }
    pub fn ask(calls: []const Value) ![]const Value {
        return each(calls, true);
    }
};

const Two = struct {
    pub const spec = quest.Spec{
        .name = "conformance-two",
        .add_on = &.{"two"},
        .actions = &.{.{ .name = "do", .run = "act", .on = &.{"two"} }},
    };

    pub fn init() !void {
        try quest.publish("init", null);
    }
    pub fn act(calls: ?[]const Value) ![]const Value {
        return told(calls, true);
    }
};
