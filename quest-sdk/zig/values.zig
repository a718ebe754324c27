//! Values of Zig as the contract's, and back, by their types. It knows nothing of quests.

const std = @import("std");
const c = @import("c.zig");

pub const Error = error{Refused};

pub const Bytes = struct { at: []const u8 };
pub const Pairs = struct { items: []const struct { []const u8, Value } };

pub fn done(is_done: bool) Error!void {
    if (!is_done) return error.Refused;
}

/// A value of any kind.
pub const Value = struct {
    raw: c.q_value,

    /// Of null, a boolean, an integer, a float, text, a slice, a struct (a map), an optional, another value.
    pub fn of(value: anytype) Value {
        return .{ .raw = toRaw(value) };
    }

    /// JSON text, of which the host makes a value. It may be given wherever a value is, but not inside of another.
    pub fn json(text: []const u8) Value {
        return .{ .raw = c.q_json(z(text)) };
    }

    /// As a type of Zig; refused with `wrong-type` where it is of another kind.
    pub fn as(self: Value, comptime T: type) Error!T {
        return fromRaw(T, self.raw);
    }

    pub fn kind(self: Value) c.Kind {
        return self.raw.kind;
    }

    /// How many items an array has, or pairs a map.
    pub fn count(self: Value) usize {
        return self.raw.count;
    }

    pub fn at(self: Value, index: usize) ?Value {
        return found(c.q_at(self.raw, @intCast(index)));
    }

    pub fn get(self: Value, key: []const u8) ?Value {
        return found(c.q_in(self.raw, z(key)));
    }

    pub fn walk(self: Value) Walk {
        return .{ .raw = c.q_begin(self.raw) };
    }
};

/// One item after the other: `var walk = value.walk(); while (walk.next()) |item| …`
pub const Walk = struct {
    raw: c.q_walk,

    pub fn next(self: *Walk) ?Value {
        var item: c.q_value = .{};
        return if (c.q_next(&self.raw, &item)) .{ .raw = item } else null;
    }

    /// Of a map's pair.
    pub fn key(self: Walk) Value {
        return .{ .raw = self.raw.key };
    }
};

pub fn found(raw: c.q_value) ?Value {
    return if (raw.kind == .none) null else .{ .raw = raw };
}

pub fn of(value: anytype) c.q_value {
    return toRaw(value);
}

fn textOf(value: []const u8) c.q_value {
    return c.q_text_of(value.ptr, value.len);
}

fn integerOf(value: anytype) c.q_value {
    const whole = std.math.cast(i64, value) orelse {
        // What holds this byte no value can be: the host refuses it.
        return .{ .kind = .array, .at = "\xc1", .size = 1 };
    };
    return c.q_integer(whole);
}

fn toRaw(value: anytype) c.q_value {
    const T = @TypeOf(value);
    if (T == Value) return value.raw;
    if (T == c.q_value) return value;
    if (T == Bytes) return c.q_binary(value.at.ptr, value.at.len);
    if (T == Pairs) {
        const pairs = make(c.q_pair, value.items.len);
        for (value.items, pairs) |item, *pair| pair.* = .{ .key = z(item[0]), .value = item[1].raw };
        return c.q_map(pairs.len, pairs.ptr);
    }
    switch (@typeInfo(T)) {
        .null, .void => return c.q_null(),
        .bool => return c.q_boolean(value),
        .int, .comptime_int => return integerOf(value),
        .float, .comptime_float => return c.q_number(value),
        .optional => return if (value) |some| toRaw(some) else c.q_null(),
        .@"enum", .enum_literal => return textOf(@tagName(value)),
        .array => return toRaw(value[0..]),
        .pointer => |pointer| switch (pointer.size) {
            .one => switch (@typeInfo(pointer.child)) {
                .array => |array| return toRaw(@as([]const array.child, value)),
                else => return toRaw(value.*),
            },
            .many, .c => return toRaw(std.mem.span(value)),
            .slice => {
                if (pointer.child == u8) return textOf(value);
                const items = make(c.q_value, value.len);
                for (value, items) |item, *to| to.* = toRaw(item);
                return c.q_array(items.len, items.ptr);
            },
        },
        .@"struct" => |info| {
            if (info.is_tuple) {
                var items: [info.field_names.len]c.q_value = undefined;
                inline for (info.field_names, &items) |name, *to| to.* = toRaw(@field(value, name));
                return c.q_array(items.len, &items);
            }
            var pairs: [info.field_names.len]c.q_pair = undefined;
            inline for (info.field_names, &pairs) |name, *pair| pair.* = .{ .key = name, .value = toRaw(@field(value, name)) };
            return c.q_map(pairs.len, &pairs);
        },
        else => @compileError("a " ++ @typeName(T) ++ " is no value"),
    }
}

fn wrong(comptime T: type, raw: c.q_value) Error {
    const message = std.fmt.allocPrint(allocator, "there is {t} where {s} is wanted", .{ raw.kind, @typeName(T) }) catch "of another kind";
    _ = c.q_fail("wrong-type", z(message));
    return error.Refused;
}

fn fromRaw(comptime T: type, raw: c.q_value) Error!T {
    if (T == Value) return .{ .raw = raw };
    if (T == Bytes) return if (raw.kind == .binary) .{ .at = slice(raw) } else wrong(T, raw);
    switch (@typeInfo(T)) {
        .bool => return if (raw.kind == .boolean) raw.in.boolean else wrong(T, raw),
        .int => {
            if (raw.kind != .integer) return wrong(T, raw);
            return std.math.cast(T, raw.in.integer) orelse wrong(T, raw);
        },
        .float => return switch (raw.kind) {
            .number => @floatCast(raw.in.number),
            .integer => @floatFromInt(raw.in.integer),
            else => wrong(T, raw),
        },
        .optional => |optional| return if (raw.kind == .null or raw.kind == .none) null else try fromRaw(optional.child, raw),
        .@"enum" => {
            if (raw.kind != .text) return wrong(T, raw);
            return std.meta.stringToEnum(T, slice(raw)) orelse wrong(T, raw);
        },
        .pointer => |pointer| {
            if (pointer.size != .slice) @compileError("of a value comes a slice, not a " ++ @typeName(T));
            if (pointer.child == u8) return if (raw.kind == .text) slice(raw) else wrong(T, raw);
            if (raw.kind != .array) return wrong(T, raw);
            const items = make(pointer.child, raw.count);
            var walk = (Value{ .raw = raw }).walk();
            for (items) |*item| item.* = try fromRaw(pointer.child, (walk.next() orelse return wrong(T, raw)).raw);
            return items;
        },
        .@"struct" => |info| {
            if (raw.kind != .map) return wrong(T, raw);
            var made: T = undefined;
            inline for (info.field_names, info.field_types, info.field_attrs) |name, Field, attrs| {
                const given = c.q_in(raw, name);
                if (given.kind != .none) {
                    @field(made, name) = try fromRaw(Field, given);
                } else if (comptime attrs.defaultValue(Field)) |default| {
                    @field(made, name) = default;
                } else {
                    @field(made, name) = try fromRaw(Field, given);
                }
            }
            return made;
        },
        else => @compileError("no value becomes a " ++ @typeName(T)),
    }
}

pub fn slice(raw: c.q_value) []const u8 {
    return if (raw.at) |at| at[0..raw.size] else "";
}

/// Whether both are the same to the host.
pub fn same(a: c.q_value, b: c.q_value) bool {
    if (a.kind != b.kind) return false;
    return switch (a.kind) {
        .none, .null => true,
        .boolean => a.in.boolean == b.in.boolean,
        .integer => a.in.integer == b.in.integer,
        .number => @as(u64, @bitCast(a.in.number)) == @as(u64, @bitCast(b.in.number)),
        else => std.mem.eql(u8, slice(a), slice(b)),
    };
}

// Memory of the action.

fn make(comptime T: type, count: usize) []T {
    const at: [*]T = @ptrCast(@alignCast(c.q_alloc(count * @sizeOf(T))));
    return at[0..count];
}

/// A text as C has it.
pub fn z(value: []const u8) [*:0]const u8 {
    const copy = make(u8, value.len + 1);
    @memcpy(copy[0..value.len], value);
    copy[value.len] = 0;
    return @ptrCast(copy.ptr);
}

pub fn span(value: ?[*:0]const u8) []const u8 {
    return if (value) |at| std.mem.span(at) else "";
}

pub fn names(list: [*:null]const ?[*:0]const u8) []const []const u8 {
    const given = std.mem.span(list);
    const all = make([]const u8, given.len);
    for (given, all) |name, *to| to.* = span(name);
    return all;
}

fn allocate(_: *anyopaque, len: usize, alignment: std.mem.Alignment, _: usize) ?[*]u8 {
    if (alignment.toByteUnits() > 8) return null;
    return c.q_alloc(len);
}

pub const allocator = std.mem.Allocator{
    .ptr = undefined,
    .vtable = &.{
        .alloc = allocate,
        .resize = std.mem.Allocator.noResize,
        .remap = std.mem.Allocator.noRemap,
        .free = std.mem.Allocator.noFree,
    },
};
