//! The library for quests in Zig: docs/languages/zig.md. A quest is a struct: its fields are its variables, its functions its actions.

const std = @import("std");
const c = @import("c.zig");
const values = @import("values.zig");

pub const Value = values.Value;
/// Bytes that nobody looks into, as a variable or inside of a value.
pub const Bytes = values.Bytes;
/// A map whose keys show only as it runs: `Pairs{ .items = &.{ .{ "a", Value.of(1) } } }`.
pub const Pairs = values.Pairs;
/// The host refused, or the quest failed; `refusal()` tells why. An action that ends with it ends as that.
pub const Error = values.Error;
/// Memory until the action ends: nothing of it is freed by hand.
pub const allocator = values.allocator;

const z = values.z;
const span = values.span;

// What a quest declares: `pub const spec = quest.Spec{ .name = "counter", .actions = &.{.{ .name = "visit", .on = &.{"visited"} }} };`

pub const Spec = struct {
    name: [:0]const u8,
    description: ?[:0]const u8 = null,
    version: u32 = 1,
    add_on: []const [:0]const u8 = &.{},
    actions: []const Action = &.{},
    queries: []const Query = &.{},
    patterns: []const Pattern = &.{},
};

pub const Action = struct {
    name: [:0]const u8,
    /// The function's name; the action's, unless it is said.
    run: ?[:0]const u8 = null,
    on: []const [:0]const u8 = &.{},
    /// A schedule (docs/schedules.md): a timer of the action's name.
    every: ?[:0]const u8 = null,
};

pub const Query = struct { name: [:0]const u8, run: ?[:0]const u8 = null };

/// `spec` is JSON text: docs/patterns.md.
pub const Pattern = struct { name: [:0]const u8, spec: [:0]const u8 };

// Refusals and failures.

pub const Refusal = struct { code: []const u8, message: []const u8 };

pub fn refusal() Refusal {
    const last = c.q_refusal();
    return .{ .code = std.mem.span(last.code), .message = std.mem.span(last.message) };
}

/// `return quest.fail("out-of-stock", "there is none left");` ends the action, and nothing of it is kept.
pub fn fail(code: []const u8, message: []const u8) Error {
    _ = c.q_fail(z(code), z(message));
    return error.Refused;
}

/// As `fail`; but the action is tried again later.
pub fn transient(message: []const u8) Error {
    return fail("transient", message);
}

const done = values.done;

// The event in hand.

pub fn questName() []const u8 {
    return span(c.q_quest_name());
}
pub fn actionName() []const u8 {
    return span(c.q_action_name());
}
pub fn context() []const u8 {
    return span(c.q_context());
}
pub fn instance() []const u8 {
    return span(c.q_instance());
}
pub fn eventName() []const u8 {
    return span(c.q_event_name());
}
pub fn eventId() []const u8 {
    return span(c.q_event_id());
}
pub fn cause() []const u8 {
    return span(c.q_cause());
}
/// Unix time in milliseconds, as all times.
pub fn acceptedAt() u64 {
    return c.q_accepted_at();
}
pub fn processedAt() u64 {
    return c.q_processed_at();
}
pub fn attempt() u32 {
    return c.q_attempt();
}
pub fn missed() u64 {
    return c.q_missed();
}
pub fn payload() Value {
    return .{ .raw = c.q_payload() };
}
/// "/items/0/name"; `null` if it is not there.
pub fn field(pointer: []const u8) ?Value {
    return values.found(c.q_field(z(pointer)));
}

/// Variables by name, beside those that are the struct's fields.
pub const variables = struct {
    pub fn get(name: []const u8) ?Value {
        return values.found(c.q_get(z(name)));
    }
    pub fn set(name: []const u8, value: anytype) Error!void {
        return done(c.q_set(z(name), values.of(value)));
    }
    pub fn remove(name: []const u8) Error!bool {
        var was = false;
        try done(c.q_remove(z(name), &was));
        return was;
    }
    pub fn names() []const []const u8 {
        return values.names(c.q_names());
    }
};

pub const second = 1000;
pub const minute = 60 * second;
pub const hour = 60 * minute;
pub const day = 24 * hour;

pub const timers = struct {
    pub fn at(name: []const u8, time: u64, action: []const u8, given: anytype) Error!void {
        return done(c.q_timer_at(z(name), z(action), time, values.of(given)));
    }
    /// `quest.timers.after("reminder", 10 * quest.minute, "remind", null)`
    pub fn after(name: []const u8, delay: u64, action: []const u8, given: anytype) Error!void {
        return done(c.q_timer_after(z(name), z(action), delay, values.of(given)));
    }
    pub fn every(name: []const u8, rule: []const u8, action: []const u8, given: anytype) Error!void {
        return done(c.q_timer_every(z(name), z(action), z(rule), values.of(given)));
    }
    pub fn cancel(name: []const u8) Error!bool {
        var was = false;
        try done(c.q_timer_cancel(z(name), &was));
        return was;
    }
    pub fn names() []const []const u8 {
        return values.names(c.q_timer_names());
    }
    pub fn due(name: []const u8) ?u64 {
        var time: u64 = 0;
        return if (c.q_timer_due(z(name), &time)) time else null;
    }
    pub fn payload(name: []const u8) ?Value {
        return values.found(c.q_timer_payload(z(name)));
    }
    pub fn schedule(name: []const u8) ?[]const u8 {
        return if (c.q_timer_schedule(z(name))) |text| std.mem.span(text) else null;
    }
};

pub const patterns = struct {
    /// The spec is a struct, a value, or `Value.json(text)`.
    pub fn start(name: []const u8, spec: anytype) Error!void {
        return done(c.q_pattern_start(z(name), values.of(spec)));
    }
    pub fn cancel(name: []const u8) Error!bool {
        var was = false;
        try done(c.q_pattern_cancel(z(name), &was));
        return was;
    }
    pub fn names() []const []const u8 {
        return values.names(c.q_pattern_names());
    }
    pub fn state(name: []const u8) ?Value {
        return values.found(c.q_pattern_state(z(name)));
    }
};

pub const clock = struct {
    pub fn zone() []const u8 {
        return span(c.q_zone());
    }
    pub fn setZone(name: []const u8) Error!void {
        return done(c.q_set_zone(z(name)));
    }
    pub fn local(time: u64) []const u8 {
        return span(c.q_local(time));
    }
    pub fn instant(civil: []const u8) Error!u64 {
        var time: u64 = 0;
        try done(c.q_instant(z(civil), &time));
        return time;
    }
};

// What an action causes.

pub fn emit(to: []const u8, event: []const u8, given: anytype) Error!void {
    return done(c.q_emit(z(to), z(event), values.of(given)));
}
pub fn send(to: []const u8, quest: []const u8, action: []const u8, given: anytype) Error!void {
    return done(c.q_send(z(to), z(quest), z(action), values.of(given)));
}
pub fn broadcast(event: []const u8, given: anytype) Error!void {
    return done(c.q_broadcast(z(event), values.of(given)));
}
pub fn publish(topic: []const u8, given: anytype) Error!void {
    return done(c.q_publish(z(topic), values.of(given)));
}
/// The answer of a call or a query; what a function gives is one too.
pub fn reply(answer: anytype) Error!void {
    return done(c.q_reply(values.of(answer)));
}
pub fn addQuest(quest: []const u8, to: []const u8) Error!void {
    return done(c.q_add_quest(z(quest), z(to)));
}
pub fn removeQuest(quest: []const u8, from: []const u8) Error!void {
    return done(c.q_remove_quest(z(quest), z(from)));
}
pub fn activeQuests() []const []const u8 {
    return values.names(c.q_active_quests());
}

/// A setting that the operator gave.
pub fn config(name: []const u8) ?[]const u8 {
    return if (c.q_config(z(name))) |text| std.mem.span(text) else null;
}

/// Random numbers: the same at each try.
pub const random = struct {
    pub fn below(bound: u32) u32 {
        return c.q_random_below(bound);
    }
    pub fn unit() f64 {
        return c.q_random_unit();
    }
    pub fn bytes(to: []u8) void {
        c.q_random_bytes(to.ptr, to.len);
    }
};

// What root.zig needs.
pub const module = @import("module.zig");
