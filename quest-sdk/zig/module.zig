//! Quests' structs as what the C library asks for: a table of functions that load the variables, run an action and store them.

const std = @import("std");
const c = @import("c.zig");
const quest = @import("quest.zig");
const values = @import("values.zig");

const Names = ?[*:null]const ?[*:0]const u8;

fn namesOf(comptime list: []const [:0]const u8) Names {
    if (list.len == 0) return null;
    comptime var all: [list.len:null]?[*:0]const u8 = undefined;
    inline for (list, 0..) |name, i| all[i] = name.ptr;
    const fixed = all;
    return &fixed;
}

/// Gives the fields their variables; those that are not there have the defaults. What they were is kept in `was`.
fn load(comptime T: type, self: *T, was: []c.q_value) quest.Error!void {
    const info = @typeInfo(T).@"struct";
    inline for (info.field_names, info.field_types, info.field_attrs, 0..) |name, Field, attrs, i| {
        const default = comptime attrs.defaultValue(Field) orelse
            @compileError("the variable " ++ name ++ " of " ++ @typeName(T) ++ " needs a first value: `" ++ name ++ ": … = …`");
        const stored = c.q_get(name);
        @field(self, name) = if (stored.kind == .none) default else try (quest.Value{ .raw = stored }).as(Field);
        was[i] = values.of(@field(self, name));
    }
}

fn store(comptime T: type, self: *T, was: []const c.q_value) quest.Error!void {
    inline for (@typeInfo(T).@"struct".field_names, 0..) |name, i| {
        const now = values.of(@field(self, name));
        if (!values.same(now, was[i])) try values.done(c.q_set(name, now));
    }
}

/// Calls a quest's function with what its parameters ask for: the quest, by pointer or not, and the payload as its type.
fn call(comptime T: type, comptime name: [:0]const u8, self: *T) anyerror!void {
    const function = @field(T, name);
    const info = @typeInfo(@TypeOf(function)).@"fn";
    var given: std.meta.ArgsTuple(@TypeOf(function)) = undefined;
    inline for (info.param_types, 0..) |Param, i| {
        const Wanted = Param orelse @compileError(name ++ " of " ++ @typeName(T) ++ " says the types of its parameters");
        if (Wanted == *T or Wanted == *const T) {
            given[i] = self;
        } else {
            given[i] = try quest.payload().as(Wanted);
        }
    }
    const answer = @call(.auto, function, given);
    const Answer = @TypeOf(answer);
    const whole = if (@typeInfo(Answer) == .error_union) try answer else answer;
    if (@TypeOf(whole) != void) try quest.reply(whole);
}

fn handler(comptime T: type, comptime name: [:0]const u8, comptime stores: bool) c.q_handler {
    return &struct {
        fn run() callconv(.c) bool {
            whole() catch |failure| {
                if (failure != error.Refused) _ = c.q_fail("exception", values.z(@errorName(failure)));
                return false;
            };
            return true;
        }
        fn whole() anyerror!void {
            var self: T = undefined;
            var was: [@typeInfo(T).@"struct".field_names.len]c.q_value = undefined;
            try load(T, &self, &was);
            try call(T, name, &self);
            if (stores) try store(T, &self, &was);
        }
    }.run;
}

fn upgradeOf(comptime T: type) ?*const fn (from: u32) callconv(.c) bool {
    if (!@hasDecl(T, "upgrade")) return null;
    return &struct {
        fn run(_: u32) callconv(.c) bool {
            return handler(T, "upgrade", true).?();
        }
    }.run;
}

fn table(comptime T: type) c.q_quest {
    const spec: quest.Spec = T.spec;
    comptime var actions: [spec.actions.len + 1]c.q_action = @splat(.{});
    inline for (spec.actions, 0..) |action, i| {
        actions[i] = .{
            .name = action.name.ptr,
            .run = handler(T, action.run orelse action.name, true),
            .on = namesOf(action.on),
            .every = if (action.every) |rule| rule.ptr else null,
        };
    }
    comptime var queries: [spec.queries.len + 1]c.q_action = @splat(.{});
    inline for (spec.queries, 0..) |query, i| queries[i] = .{ .name = query.name.ptr, .run = handler(T, query.run orelse query.name, false) };
    comptime var patterns: [spec.patterns.len + 1]c.q_pattern = @splat(.{});
    inline for (spec.patterns, 0..) |pattern, i| patterns[i] = .{ .name = pattern.name.ptr, .spec = pattern.spec.ptr };
    const fixed_actions = actions;
    const fixed_queries = queries;
    const fixed_patterns = patterns;
    return .{
        .name = spec.name.ptr,
        .description = if (spec.description) |text| text.ptr else null,
        .version = spec.version,
        .add_on = namesOf(spec.add_on),
        .actions = &fixed_actions,
        .queries = &fixed_queries,
        .patterns = &fixed_patterns,
        .init = if (@hasDecl(T, "init")) handler(T, "init", true) else null,
        .dealloc = if (@hasDecl(T, "dealloc")) handler(T, "dealloc", false) else null,
        .upgrade = upgradeOf(T),
    };
}

/// The C library's `q_module`, of the author's structs.
pub fn Tables(comptime types: anytype) type {
    return struct {
        const quests = blk: {
            var all: [types.len]c.q_quest = undefined;
            for (&all, 0..) |*one, i| one.* = table(types[i]);
            break :blk all;
        };
        pub const list = blk: {
            var all: [types.len:null]?*const c.q_quest = undefined;
            for (&all, 0..) |*one, i| one.* = &quests[i];
            break :blk all;
        };
    };
}

/// `std.log` writes to the quest's log.
pub fn log(comptime level: std.log.Level, comptime scope: @EnumLiteral(), comptime format: []const u8, args: anytype) void {
    const prefix = if (scope == .default) "" else "(" ++ @tagName(scope) ++ ") ";
    const line = std.fmt.allocPrint(values.allocator, prefix ++ format, args) catch return;
    c.q_log(switch (level) {
        .debug => 0,
        .info => 1,
        .warn => 2,
        .err => 3,
    }, values.z(line));
}

pub fn panic(message: []const u8, _: ?usize) noreturn {
    c.q_log(3, values.z(message));
    @trap();
}
