//! The C library (quest-sdk/c/quest_sdk.h) as Zig sees it. What authors use is quest.zig.

pub const Kind = enum(c_uint) { none, null, boolean, integer, number, text, binary, array, map, json };

pub const q_value = extern struct {
    kind: Kind = .none,
    count: u32 = 0,
    in: extern union { boolean: bool, integer: i64, number: f64 } = .{ .integer = 0 },
    at: ?[*]const u8 = null,
    size: usize = 0,
};
pub const q_pair = extern struct { key: [*:0]const u8, value: q_value };
pub const q_walk = extern struct { key: q_value, at: ?[*]const u8, end: ?[*]const u8, left: u32, is_map: bool };
pub const q_error = extern struct { code: [*:0]const u8, message: [*:0]const u8 };
pub const q_handler = ?*const fn () callconv(.c) bool;
pub const q_action = extern struct {
    name: ?[*:0]const u8 = null,
    run: q_handler = null,
    on: ?[*:null]const ?[*:0]const u8 = null,
    every: ?[*:0]const u8 = null,
};
pub const q_pattern = extern struct { name: ?[*:0]const u8 = null, spec: ?[*:0]const u8 = null };
pub const q_quest = extern struct {
    name: [*:0]const u8,
    description: ?[*:0]const u8 = null,
    version: u32 = 0,
    add_on: ?[*:null]const ?[*:0]const u8 = null,
    actions: ?[*]const q_action = null,
    queries: ?[*]const q_action = null,
    patterns: ?[*]const q_pattern = null,
    init: q_handler = null,
    dealloc: q_handler = null,
    upgrade: ?*const fn (from: u32) callconv(.c) bool = null,
};

pub extern fn q_null() q_value;
pub extern fn q_boolean(value: bool) q_value;
pub extern fn q_integer(value: i64) q_value;
pub extern fn q_number(value: f64) q_value;
pub extern fn q_text_of(at: [*]const u8, size: usize) q_value;
pub extern fn q_binary(at: [*]const u8, size: usize) q_value;
pub extern fn q_array(count: usize, items: [*]const q_value) q_value;
pub extern fn q_map(count: usize, pairs: [*]const q_pair) q_value;
pub extern fn q_at(array: q_value, index: u32) q_value;
pub extern fn q_in(map: q_value, key: [*:0]const u8) q_value;
pub extern fn q_begin(array_or_map: q_value) q_walk;
pub extern fn q_next(walk: *q_walk, item: *q_value) bool;
pub extern fn q_refusal() q_error;
pub extern fn q_fail(code: [*:0]const u8, message: [*:0]const u8) bool;
pub extern fn q_quest_name() ?[*:0]const u8;
pub extern fn q_action_name() ?[*:0]const u8;
pub extern fn q_context() ?[*:0]const u8;
pub extern fn q_instance() ?[*:0]const u8;
pub extern fn q_event_name() ?[*:0]const u8;
pub extern fn q_event_id() ?[*:0]const u8;
pub extern fn q_cause() ?[*:0]const u8;
pub extern fn q_accepted_at() u64;
pub extern fn q_processed_at() u64;
pub extern fn q_attempt() u32;
pub extern fn q_missed() u64;
pub extern fn q_payload() q_value;
pub extern fn q_field(pointer: [*:0]const u8) q_value;
pub extern fn q_get(name: [*:0]const u8) q_value;
pub extern fn q_set(name: [*:0]const u8, value: q_value) bool;
pub extern fn q_remove(name: [*:0]const u8, was_there: ?*bool) bool;
pub extern fn q_names() [*:null]const ?[*:0]const u8;
pub extern fn q_timer_at(name: [*:0]const u8, action: [*:0]const u8, time: u64, payload: q_value) bool;
pub extern fn q_timer_after(name: [*:0]const u8, action: [*:0]const u8, delay: u64, payload: q_value) bool;
pub extern fn q_timer_every(name: [*:0]const u8, action: [*:0]const u8, schedule: [*:0]const u8, payload: q_value) bool;
pub extern fn q_timer_cancel(name: [*:0]const u8, was_there: ?*bool) bool;
pub extern fn q_timer_names() [*:null]const ?[*:0]const u8;
pub extern fn q_timer_due(name: [*:0]const u8, time: *u64) bool;
pub extern fn q_timer_payload(name: [*:0]const u8) q_value;
pub extern fn q_timer_schedule(name: [*:0]const u8) ?[*:0]const u8;
pub extern fn q_pattern_start(name: [*:0]const u8, spec: q_value) bool;
pub extern fn q_pattern_cancel(name: [*:0]const u8, was_there: ?*bool) bool;
pub extern fn q_pattern_names() [*:null]const ?[*:0]const u8;
pub extern fn q_pattern_state(name: [*:0]const u8) q_value;
pub extern fn q_zone() ?[*:0]const u8;
pub extern fn q_set_zone(zone: [*:0]const u8) bool;
pub extern fn q_local(time: u64) ?[*:0]const u8;
pub extern fn q_instant(civil: [*:0]const u8, time: *u64) bool;
pub extern fn q_emit(context: [*:0]const u8, event: [*:0]const u8, payload: q_value) bool;
pub extern fn q_send(context: [*:0]const u8, quest: [*:0]const u8, action: [*:0]const u8, payload: q_value) bool;
pub extern fn q_broadcast(event: [*:0]const u8, payload: q_value) bool;
pub extern fn q_add_quest(quest: [*:0]const u8, context: [*:0]const u8) bool;
pub extern fn q_remove_quest(quest: [*:0]const u8, context: [*:0]const u8) bool;
pub extern fn q_active_quests() [*:null]const ?[*:0]const u8;
pub extern fn q_publish(topic: [*:0]const u8, payload: q_value) bool;
pub extern fn q_reply(answer: q_value) bool;
pub extern fn q_config(name: [*:0]const u8) ?[*:0]const u8;
pub extern fn q_log(level: c_uint, text: [*:0]const u8) void;
pub extern fn q_random_below(bound: u32) u32;
pub extern fn q_random_unit() f64;
pub extern fn q_random_bytes(to: [*]u8, count: usize) void;
pub extern fn q_alloc(size: usize) [*]align(8) u8;
pub extern fn q_json(json: [*:0]const u8) q_value;
