// The contract's functions as quest_sdk.h has them, over the generated bindings. It knows nothing of what a module defines.
#include "bindings/quest.h"
#include "quest_inside.h"
#include <string.h>

typedef quest_host_types_value_t value_t;
typedef quest_host_types_error_t error_t;

static q_error refusal = {"failed", "the action returned false"};

q_error q_refusal(void) { return refusal; }

void q_refusal_begin(void) { refusal = (q_error){"failed", "the action returned false"}; }

bool q_fail(const char *code, const char *message) {
  refusal = (q_error){code, message};
  return false;
}

bool q_transient(const char *message) { return q_fail("transient", message); }

// ── Across the border.

static quest_string_t name_of(const char *text) { return (quest_string_t){(uint8_t *)text, strlen(text)}; }
// What the host gives is followed by a zero (cabi_realloc), but for nothing, which may stand anywhere.
static const char *text_of(quest_string_t text) { return text.len == 0 ? "" : (const char *)text.ptr; }

static bool done(bool is_done, error_t *error) { return is_done || q_fail(text_of(error->code), text_of(error->message)); }

static bool lower(q_value value, value_t *to) {
  // The host looks at where even nothing stands.
  quest_string_t bytes = {(uint8_t *)(value.size == 0 ? "" : value.at), value.size};
  switch (value.kind) {
    case Q_NONE:
    case Q_NULL: to->tag = QUEST_HOST_TYPES_VALUE_NULL; break;
    case Q_BOOLEAN: to->tag = QUEST_HOST_TYPES_VALUE_BOOLEAN, to->val.boolean = value.boolean; break;
    case Q_INTEGER: to->tag = QUEST_HOST_TYPES_VALUE_INTEGER, to->val.integer = value.integer; break;
    case Q_NUMBER: to->tag = QUEST_HOST_TYPES_VALUE_NUMBER, to->val.number = value.number; break;
    case Q_TEXT:
      if (!q_is_utf8(value.at, value.size)) return q_fail("invalid-value", "the text is not UTF-8: bytes are given with q_binary");
      to->tag = QUEST_HOST_TYPES_VALUE_TEXT, to->val.text = bytes;
      break;
    case Q_BINARY: to->tag = QUEST_HOST_TYPES_VALUE_BINARY, to->val.binary = (quest_list_u8_t){bytes.ptr, bytes.len}; break;
    default: to->tag = QUEST_HOST_TYPES_VALUE_STRUCTURE, to->val.structure = (quest_list_u8_t){bytes.ptr, bytes.len}; break;
  }
  return true;
}

static q_value lift(const value_t *value) {
  switch (value->tag) {
    case QUEST_HOST_TYPES_VALUE_BOOLEAN: return q_boolean(value->val.boolean);
    case QUEST_HOST_TYPES_VALUE_INTEGER: return q_integer(value->val.integer);
    case QUEST_HOST_TYPES_VALUE_NUMBER: return q_number(value->val.number);
    case QUEST_HOST_TYPES_VALUE_TEXT: return q_text_of(text_of(value->val.text), value->val.text.len);
    case QUEST_HOST_TYPES_VALUE_BINARY: return q_binary(value->val.binary.ptr, value->val.binary.len);
    case QUEST_HOST_TYPES_VALUE_STRUCTURE: {
      const uint8_t *at = value->val.structure.ptr;
      return q_decode(&at, at + value->val.structure.len);
    }
    default: return q_null();
  }
}

static const char *const *names_of(quest_list_string_t list) {
  const char **names = q_alloc((list.len + 1) * sizeof *names);
  for (size_t i = 0; i < list.len; i++) names[i] = text_of(list.ptr[i]);
  names[list.len] = NULL;
  return names;
}

// The forms that functions have. `CALL` gives the value to `PLAIN`, and JSON text to its twin.
#define GIVEN(value, PLAIN, TWIN, ...) \
  error_t error; \
  quest_string_t json = {(uint8_t *)(value).at, (value).size}; \
  value_t given; \
  if ((value).kind == Q_JSON) return done(TWIN(__VA_ARGS__ __VA_OPT__(, ) & json, &error), &error); \
  if (!lower(value, &given)) return false; \
  return done(PLAIN(__VA_ARGS__ __VA_OPT__(, ) & given, &error), &error)

#define TEXT(FUNCTION, SOURCE) \
  const char *FUNCTION(void) { \
    quest_string_t text; \
    SOURCE(&text); \
    return text_of(text); \
  }

#define NAMES(FUNCTION, SOURCE) \
  const char *const *FUNCTION(void) { \
    quest_list_string_t list; \
    SOURCE(&list); \
    return names_of(list); \
  }

#define FOUND(FUNCTION, SOURCE) \
  q_value FUNCTION(const char *name) { \
    quest_string_t key = name_of(name); \
    value_t value; \
    return SOURCE(&key, &value) ? lift(&value) : (q_value){.kind = Q_NONE}; \
  }

#define FOUND_JSON(FUNCTION, SOURCE) \
  const char *FUNCTION(const char *name) { \
    quest_string_t key = name_of(name); \
    quest_option_string_t json; \
    error_t error; \
    if (!done(SOURCE(&key, &json, &error), &error)) return NULL; \
    if (json.is_some) return text_of(json.val); \
    q_fail("", "it is not there"); \
    return NULL; \
  }

#define TAKEN(FUNCTION, SOURCE) \
  bool FUNCTION(const char *name, bool *was_there) { \
    quest_string_t key = name_of(name); \
    error_t error; \
    bool was; \
    return done(SOURCE(&key, was_there == NULL ? &was : was_there, &error), &error); \
  }

// ── The event in hand.

TEXT(q_quest_name, quest_host_current_quest)
TEXT(q_action_name, quest_host_current_action)
TEXT(q_context, quest_host_current_context)
TEXT(q_instance, quest_host_current_instance)
TEXT(q_event_name, quest_host_current_event_name)
TEXT(q_event_id, quest_host_current_event_id)
TEXT(q_cause, quest_host_current_cause)
uint64_t q_accepted_at(void) { return quest_host_current_accepted_at(); }
uint64_t q_processed_at(void) { return quest_host_current_processed_at(); }
uint32_t q_attempt(void) { return quest_host_current_attempt(); }
uint64_t q_missed(void) { return quest_host_current_missed(); }
FOUND(q_field, quest_host_current_field)
FOUND_JSON(q_field_json, quest_host_current_field_json)

q_value q_payload(void) {
  value_t value;
  quest_host_current_payload(&value);
  return lift(&value);
}

const char *q_payload_json(void) {
  quest_string_t json;
  error_t error;
  return done(quest_host_current_payload_json(&json, &error), &error) ? text_of(json) : NULL;
}

// ── State.

FOUND(q_get, quest_host_variables_get)
FOUND_JSON(q_get_json, quest_host_variables_get_json)
TAKEN(q_remove, quest_host_variables_remove)
NAMES(q_names, quest_host_variables_names)

bool q_set(const char *name, q_value value) {
  quest_string_t key = name_of(name);
  GIVEN(value, quest_host_variables_set, quest_host_variables_set_json, &key);
}

// ── Time.

bool q_timer_at(const char *name, const char *action, uint64_t time, q_value payload) {
  quest_string_t key = name_of(name), calls = name_of(action);
  GIVEN(payload, quest_host_timers_at, quest_host_timers_at_json, &key, &calls, time);
}

bool q_timer_after(const char *name, const char *action, uint64_t delay, q_value payload) {
  quest_string_t key = name_of(name), calls = name_of(action);
  GIVEN(payload, quest_host_timers_after, quest_host_timers_after_json, &key, &calls, delay);
}

bool q_timer_every(const char *name, const char *action, const char *schedule, q_value payload) {
  quest_string_t key = name_of(name), calls = name_of(action), when = name_of(schedule);
  GIVEN(payload, quest_host_timers_every, quest_host_timers_every_json, &key, &calls, &when);
}

TAKEN(q_timer_cancel, quest_host_timers_cancel)
NAMES(q_timer_names, quest_host_timers_names)
FOUND(q_timer_payload, quest_host_timers_payload)
FOUND_JSON(q_timer_payload_json, quest_host_timers_payload_json)

bool q_timer_due(const char *name, uint64_t *time) {
  quest_string_t key = name_of(name);
  return quest_host_timers_due(&key, time);
}

const char *q_timer_schedule(const char *name) {
  quest_string_t key = name_of(name), schedule;
  return quest_host_timers_schedule(&key, &schedule) ? text_of(schedule) : NULL;
}

bool q_pattern_start(const char *name, q_value spec) {
  quest_string_t key = name_of(name);
  GIVEN(spec, quest_host_patterns_start, quest_host_patterns_start_json, &key);
}

TAKEN(q_pattern_cancel, quest_host_patterns_cancel)
NAMES(q_pattern_names, quest_host_patterns_names)
FOUND(q_pattern_state, quest_host_patterns_state)
FOUND_JSON(q_pattern_state_json, quest_host_patterns_state_json)

TEXT(q_zone, quest_host_clock_zone)

bool q_set_zone(const char *zone) {
  quest_string_t name = name_of(zone);
  error_t error;
  return done(quest_host_clock_set_zone(&name, &error), &error);
}

const char *q_local(uint64_t time) {
  quest_string_t text;
  quest_host_clock_local(time, &text);
  return text_of(text);
}

bool q_instant(const char *civil, uint64_t *time) {
  quest_string_t text = name_of(civil);
  error_t error;
  return done(quest_host_clock_instant(&text, time, &error), &error);
}

// ── What an action causes.

bool q_emit(const char *context, const char *event, q_value payload) {
  quest_string_t to = name_of(context), name = name_of(event);
  GIVEN(payload, quest_host_events_emit, quest_host_events_emit_json, &to, &name);
}

bool q_send(const char *context, const char *quest, const char *action, q_value payload) {
  quest_string_t to = name_of(context), of = name_of(quest), name = name_of(action);
  GIVEN(payload, quest_host_events_send, quest_host_events_send_json, &to, &of, &name);
}

bool q_broadcast(const char *event, q_value payload) {
  quest_string_t name = name_of(event);
  GIVEN(payload, quest_host_events_broadcast, quest_host_events_broadcast_json, &name);
}

bool q_add_quest(const char *quest, const char *context) {
  quest_string_t name = name_of(quest), to = name_of(context);
  error_t error;
  return done(quest_host_quests_add(&name, &to, &error), &error);
}

bool q_remove_quest(const char *quest, const char *context) {
  quest_string_t name = name_of(quest), from = name_of(context);
  error_t error;
  return done(quest_host_quests_remove(&name, &from, &error), &error);
}

NAMES(q_active_quests, quest_host_quests_active)

bool q_publish(const char *topic, q_value payload) {
  quest_string_t name = name_of(topic);
  GIVEN(payload, quest_host_messages_publish, quest_host_messages_publish_json, &name);
}

bool q_reply(q_value answer) { GIVEN(answer, quest_host_reply_set, quest_host_reply_set_json); }

// ── The rest.

const char *q_config(const char *name) {
  quest_string_t key = name_of(name), setting;
  return quest_host_config_get(&key, &setting) ? text_of(setting) : NULL;
}

void q_log(q_level level, const char *text) {
  quest_string_t line = name_of(text);
  quest_host_log_write((quest_host_log_level_t)level, &line);
}

uint32_t q_random_below(uint32_t bound) { return quest_host_random_below(bound); }
double q_random_unit(void) { return quest_host_random_unit(); }

void q_random_bytes(void *to, size_t count) {
  for (uint8_t *at = to; count > 0;) {
    quest_list_u8_t drawn;
    quest_host_random_bytes(count > 65536 ? 65536 : (uint32_t)count, &drawn);
    memcpy(at, drawn.ptr, drawn.len);
    at += drawn.len;
    count -= drawn.len;
  }
}
