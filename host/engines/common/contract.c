#include "contract.h"

typedef quest_host_types_value_t value_t;
typedef quest_host_types_error_t refusal_t;
typedef engine_string_t text_t;

// The call in hand: its arguments as they are taken, its result, and what is wrong with the arguments.
typedef struct {
  reader_t args;
  size_t left, number, wrong;
  bytes_t *out;
  const char *wanted;
} call_t;

static text_t text_of(const char *at, size_t len) { return (text_t){(uint8_t *)at, len}; }

static bool is(text_t name, const char *literal) {
  return name.len == strlen(literal) && memcmp(name.ptr, literal, name.len) == 0;
}

static void give_refusal(bytes_t *out, text_t code, text_t message) {
  out->len = 0;
  mp_array(out, 2);
  mp_text(out, code.ptr, code.len);
  mp_text(out, message.ptr, message.len);
}

// ── What is taken.

static item_t take_item(call_t *call) {
  call->number++;
  if (call->left == 0) return (item_t){.kind = NIL};
  call->left--;
  return mp_next(&call->args);
}

static void wrong(call_t *call, const char *wanted) {
  if (call->wanted != NULL) return;
  call->wanted = wanted;
  call->wrong = call->number;
}

static text_t take_text(call_t *call) {
  item_t item = take_item(call);
  if (item.kind != TEXT) {
    wrong(call, "a text");
    item.at = "";
    item.len = 0;
  }
  return text_of(item.at, item.len);
}

// A count of milliseconds or the like. What is not whole is cut, and what is below nothing is nothing.
static uint64_t take_count(call_t *call) {
  item_t item = take_item(call);
  if (item.kind == INTEGER) return item.integer < 0 ? 0 : (uint64_t)item.integer;
  if (item.kind == NUMBER && item.number == item.number) {
    if (item.number <= 0) return 0;
    return item.number >= 18446744073709549568.0 ? UINT64_MAX : (uint64_t)item.number;
  }
  wrong(call, "a number");
  return 0;
}

static uint32_t take_small(call_t *call) {
  uint64_t count = take_count(call);
  return count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
}

static value_t take_value(call_t *call) {
  value_t value = {.tag = QUEST_HOST_TYPES_VALUE_NULL};
  const uint8_t *from = call->args.at;
  item_t item = take_item(call);
  switch (item.kind) {
    case BOOLEAN: value.tag = QUEST_HOST_TYPES_VALUE_BOOLEAN; value.val.boolean = item.integer != 0; break;
    case INTEGER: value.tag = QUEST_HOST_TYPES_VALUE_INTEGER; value.val.integer = item.integer; break;
    case NUMBER: value.tag = QUEST_HOST_TYPES_VALUE_NUMBER; value.val.number = item.number; break;
    case TEXT: value.tag = QUEST_HOST_TYPES_VALUE_TEXT; value.val.text = text_of(item.at, item.len); break;
    case BINARY:
      value.tag = QUEST_HOST_TYPES_VALUE_BINARY;
      value.val.binary.ptr = (uint8_t *)item.at;
      value.val.binary.len = item.len;
      break;
    case ARRAY:
    case MAP:
      call->args.at = from;
      if (!mp_skip(&call->args)) {
        wrong(call, "a value");
        break;
      }
      value.tag = QUEST_HOST_TYPES_VALUE_STRUCTURE;
      value.val.structure.ptr = (uint8_t *)from;
      value.val.structure.len = (size_t)(call->args.at - from);
      break;
    case NIL: break;
    case BAD: wrong(call, "a value"); break;
  }
  return value;
}

// ── What is given.

static void give_value(bytes_t *out, value_t *value) {
  switch (value->tag) {
    case QUEST_HOST_TYPES_VALUE_BOOLEAN: mp_bool(out, value->val.boolean); break;
    case QUEST_HOST_TYPES_VALUE_INTEGER: mp_int(out, value->val.integer); break;
    case QUEST_HOST_TYPES_VALUE_NUMBER: mp_number(out, value->val.number); break;
    case QUEST_HOST_TYPES_VALUE_TEXT: mp_text(out, value->val.text.ptr, value->val.text.len); break;
    case QUEST_HOST_TYPES_VALUE_BINARY: mp_binary(out, value->val.binary.ptr, value->val.binary.len); break;
    case QUEST_HOST_TYPES_VALUE_STRUCTURE: put(out, value->val.structure.ptr, value->val.structure.len); break;
    default: mp_nil(out);
  }
  quest_host_types_value_free(value);
}

static void give_text(bytes_t *out, text_t *text) {
  mp_text(out, text->ptr, text->len);
  engine_string_free(text);
}

static void give_names(bytes_t *out, engine_list_string_t *names) {
  mp_array(out, names->len);
  for (size_t i = 0; i < names->len; i++) mp_text(out, names->ptr[i].ptr, names->ptr[i].len);
  engine_list_string_free(names);
}

static bool refuse(call_t *call, refusal_t *refusal) {
  give_refusal(call->out, refusal->code, refusal->message);
  quest_host_types_error_free(refusal);
  return false;
}

static bool refuse_arguments(call_t *call, text_t name) {
  char message[160];
  char digits[12];
  size_t length = 0, count = 0;
  for (size_t n = call->wrong; n > 0 || count == 0; n /= 10) digits[count++] = (char)('0' + n % 10);
  const char *parts[] = {": argument ", NULL, " is not ", call->wanted};
  length = name.len < 60 ? name.len : 60;
  memcpy(message, name.ptr, length);
  for (int i = 0; i < 4; i++) {
    if (parts[i] == NULL) while (count > 0) message[length++] = digits[--count];
    else {
      memcpy(message + length, parts[i], strlen(parts[i]));
      length += strlen(parts[i]);
    }
  }
  give_refusal(call->out, text_of("invalid-argument", 16), text_of(message, length));
  return false;
}

// ── Variables, all at once.

typedef struct {
  size_t name, name_len, value, value_len; // places in `loaded`
} slot_t;

static bytes_t loaded;
static slot_t *slots;
static size_t slots_len, slots_room;

static void load_variables(bytes_t *out) {
  engine_list_string_t names;
  quest_host_variables_names(&names);
  loaded.len = slots_len = 0;
  mp_map(out, names.len);
  for (size_t i = 0; i < names.len; i++) {
    value_t value = {.tag = QUEST_HOST_TYPES_VALUE_NULL};
    quest_host_variables_get(&names.ptr[i], &value);
    if (slots_len == slots_room) {
      slots_room = slots_room * 2 + 16;
      slots = realloc(slots, slots_room * sizeof *slots);
      if (slots == NULL) abort();
    }
    slot_t *slot = &slots[slots_len++];
    slot->name = loaded.len;
    slot->name_len = names.ptr[i].len;
    put(&loaded, names.ptr[i].ptr, names.ptr[i].len);
    slot->value = loaded.len;
    give_value(&loaded, &value);
    slot->value_len = loaded.len - slot->value;
    mp_text(out, names.ptr[i].ptr, names.ptr[i].len);
    put(out, loaded.at + slot->value, slot->value_len);
  }
  engine_list_string_free(&names);
}

static bool store_variables(call_t *call) {
  item_t map = take_item(call);
  if (map.kind != MAP) {
    wrong(call, "a map");
    return true;
  }
  refusal_t refusal;
  uint8_t *seen = calloc(slots_len + 1, 1);
  if (seen == NULL) abort();
  call->left = 2 * map.len;
  for (size_t i = 0; i < map.len; i++) {
    text_t name = take_text(call);
    const uint8_t *from = call->args.at;
    value_t value = take_value(call);
    size_t len = (size_t)(call->args.at - from);
    bool is_same = false;
    for (size_t n = 0; n < slots_len && !is_same; n++) {
      slot_t *slot = &slots[n];
      if (slot->name_len != name.len || memcmp(loaded.at + slot->name, name.ptr, name.len) != 0) continue;
      seen[n] = 1;
      is_same = slot->value_len == len && memcmp(loaded.at + slot->value, from, len) == 0;
    }
    if (call->wanted != NULL || is_same) continue;
    if (!quest_host_variables_set(&name, &value, &refusal)) {
      free(seen);
      return refuse(call, &refusal);
    }
  }
  for (size_t n = 0; n < slots_len; n++) {
    if (seen[n]) continue;
    text_t name = text_of((char *)loaded.at + slots[n].name, slots[n].name_len);
    bool was_there;
    if (!quest_host_variables_remove(&name, &was_there, &refusal)) {
      free(seen);
      return refuse(call, &refusal);
    }
  }
  free(seen);
  return true;
}

// ── Lines that are printed.

static bytes_t line;

static void end_line(void) {
  contract_log(QUEST_HOST_LOG_LEVEL_INFO, (char *)line.at, line.len);
  line.len = 0;
}

void contract_print(const char *text, size_t len) {
  for (size_t i = 0; i < len; i++) {
    if (text[i] == '\n') end_line();
    else put_byte(&line, (uint8_t)text[i]);
  }
}

void contract_log(quest_host_log_level_t level, const char *text, size_t len) {
  text_t message = text_of(len == 0 ? "" : text, len);
  text_t shown = is_utf8((char *)message.ptr, len) ? message : text_of("(bytes that are no text)", 24);
  quest_host_log_write(level, &shown);
}

// ── The functions.

#define NONE(...) do { __VA_ARGS__; mp_nil(call->out); return true; } while (0)
// Arguments are taken first, then the call is made: not at all if one of them is wrong.
#define READY if (call->wanted != NULL) return refuse_arguments(call, name)
#define TRY(...) do { refusal_t refusal; READY; if (!(__VA_ARGS__)) return refuse(call, &refusal); mp_nil(call->out); return true; } while (0)
#define TRY_BOOL(...) do { refusal_t refusal; bool given; READY; if (!(__VA_ARGS__)) return refuse(call, &refusal); mp_bool(call->out, given); return true; } while (0)
#define TEXT_OF(f) do { text_t given; f(&given); give_text(call->out, &given); return true; } while (0)
#define TEXT_IF(...) do { text_t given; READY; if (__VA_ARGS__) give_text(call->out, &given); else mp_nil(call->out); return true; } while (0)
#define VALUE_IF(...) do { value_t given; READY; if (__VA_ARGS__) give_value(call->out, &given); else mp_nil(call->out); return true; } while (0)
#define COUNT(...) do { READY; mp_int(call->out, (int64_t)(__VA_ARGS__)); return true; } while (0)
#define NAMES_OF(f) do { engine_list_string_t given; f(&given); give_names(call->out, &given); return true; } while (0)

static bool of_definition(call_t *call, text_t name, text_t function) {
  text_t a, b, c;
  if (is(function, "quest")) { a = take_text(call); TRY(quest_host_definition_quest(&a, &refusal)); }
  if (is(function, "describe")) { a = take_text(call); TRY(quest_host_definition_describe(&a, &refusal)); }
  if (is(function, "version")) { uint32_t version = take_small(call); TRY(quest_host_definition_version(version, &refusal)); }
  if (is(function, "action")) { a = take_text(call); TRY(quest_host_definition_action(&a, &refusal)); }
  if (is(function, "on")) { a = take_text(call); b = take_text(call); TRY(quest_host_definition_on(&a, &b, &refusal)); }
  if (is(function, "add-on")) { a = take_text(call); TRY(quest_host_definition_add_on(&a, &refusal)); }
  if (is(function, "query")) { a = take_text(call); TRY(quest_host_definition_query(&a, &refusal)); }
  if (is(function, "every")) {
    a = take_text(call); b = take_text(call); c = take_text(call);
    TRY(quest_host_definition_every(&a, &b, &c, &refusal));
  }
  if (is(function, "pattern")) {
    a = take_text(call);
    value_t spec = take_value(call);
    TRY(quest_host_definition_pattern(&a, &spec, &refusal));
  }
  call->left = SIZE_MAX;
  return false;
}

static bool of_current(call_t *call, text_t name, text_t function) {
  text_t pointer;
  if (is(function, "quest")) TEXT_OF(quest_host_current_quest);
  if (is(function, "action")) TEXT_OF(quest_host_current_action);
  if (is(function, "context")) TEXT_OF(quest_host_current_context);
  if (is(function, "instance")) TEXT_OF(quest_host_current_instance);
  if (is(function, "event-name")) TEXT_OF(quest_host_current_event_name);
  if (is(function, "event-id")) TEXT_OF(quest_host_current_event_id);
  if (is(function, "cause")) TEXT_OF(quest_host_current_cause);
  if (is(function, "accepted-at")) COUNT(quest_host_current_accepted_at());
  if (is(function, "processed-at")) COUNT(quest_host_current_processed_at());
  if (is(function, "attempt")) COUNT(quest_host_current_attempt());
  if (is(function, "missed")) COUNT(quest_host_current_missed());
  if (is(function, "payload")) VALUE_IF((quest_host_current_payload(&given), true));
  if (is(function, "field")) { pointer = take_text(call); VALUE_IF(quest_host_current_field(&pointer, &given)); }
  call->left = SIZE_MAX;
  return false;
}

static bool of_variables(call_t *call, text_t name, text_t function) {
  text_t variable;
  if (is(function, "load")) { load_variables(call->out); return true; }
  if (is(function, "store")) {
    if (!store_variables(call)) return false;
    READY;
    mp_nil(call->out);
    return true;
  }
  if (is(function, "get")) { variable = take_text(call); VALUE_IF(quest_host_variables_get(&variable, &given)); }
  if (is(function, "set")) {
    variable = take_text(call);
    value_t value = take_value(call);
    TRY(quest_host_variables_set(&variable, &value, &refusal));
  }
  if (is(function, "remove")) { variable = take_text(call); TRY_BOOL(quest_host_variables_remove(&variable, &given, &refusal)); }
  if (is(function, "names")) NAMES_OF(quest_host_variables_names);
  call->left = SIZE_MAX;
  return false;
}

static bool of_timers(call_t *call, text_t name, text_t function) {
  if (is(function, "names")) NAMES_OF(quest_host_timers_names);
  bool is_at = is(function, "at"), is_after = is(function, "after"), is_every = is(function, "every");
  text_t timer = take_text(call);
  if (is_at || is_after || is_every) {
    text_t action = take_text(call), schedule = {0};
    uint64_t time = 0;
    if (is_every) schedule = take_text(call);
    else time = take_count(call);
    value_t payload = take_value(call);
    if (is_at) TRY(quest_host_timers_at(&timer, &action, time, &payload, &refusal));
    if (is_after) TRY(quest_host_timers_after(&timer, &action, time, &payload, &refusal));
    TRY(quest_host_timers_every(&timer, &action, &schedule, &payload, &refusal));
  }
  if (is(function, "cancel")) TRY_BOOL(quest_host_timers_cancel(&timer, &given, &refusal));
  if (is(function, "payload")) VALUE_IF(quest_host_timers_payload(&timer, &given));
  if (is(function, "schedule")) TEXT_IF(quest_host_timers_schedule(&timer, &given));
  if (is(function, "due")) {
    uint64_t due;
    READY;
    if (quest_host_timers_due(&timer, &due)) mp_int(call->out, (int64_t)due);
    else mp_nil(call->out);
    return true;
  }
  call->left = SIZE_MAX;
  return false;
}

static bool of_patterns(call_t *call, text_t name, text_t function) {
  if (is(function, "names")) NAMES_OF(quest_host_patterns_names);
  text_t pattern = take_text(call);
  if (is(function, "start")) {
    value_t spec = take_value(call);
    TRY(quest_host_patterns_start(&pattern, &spec, &refusal));
  }
  if (is(function, "cancel")) TRY_BOOL(quest_host_patterns_cancel(&pattern, &given, &refusal));
  if (is(function, "state")) VALUE_IF(quest_host_patterns_state(&pattern, &given));
  call->left = SIZE_MAX;
  return false;
}

static bool of_clock(call_t *call, text_t name, text_t function) {
  if (is(function, "zone")) TEXT_OF(quest_host_clock_zone);
  if (is(function, "local")) {
    uint64_t time = take_count(call);
    text_t given;
    READY;
    quest_host_clock_local(time, &given);
    give_text(call->out, &given);
    return true;
  }
  text_t text = take_text(call);
  if (is(function, "set-zone")) TRY(quest_host_clock_set_zone(&text, &refusal));
  if (is(function, "instant")) {
    uint64_t given;
    refusal_t refusal;
    READY;
    if (!quest_host_clock_instant(&text, &given, &refusal)) return refuse(call, &refusal);
    mp_int(call->out, (int64_t)given);
    return true;
  }
  call->left = SIZE_MAX;
  return false;
}

static bool of_events(call_t *call, text_t name, text_t function) {
  text_t a = take_text(call), b, c;
  value_t payload;
  if (is(function, "emit")) {
    b = take_text(call); payload = take_value(call);
    TRY(quest_host_events_emit(&a, &b, &payload, &refusal));
  }
  if (is(function, "send")) {
    b = take_text(call); c = take_text(call); payload = take_value(call);
    TRY(quest_host_events_send(&a, &b, &c, &payload, &refusal));
  }
  if (is(function, "broadcast")) {
    payload = take_value(call);
    TRY(quest_host_events_broadcast(&a, &payload, &refusal));
  }
  call->left = SIZE_MAX;
  return false;
}

static bool of_quests(call_t *call, text_t name, text_t function) {
  if (is(function, "active")) NAMES_OF(quest_host_quests_active);
  text_t quest = take_text(call), context = take_text(call);
  if (is(function, "add")) TRY(quest_host_quests_add(&quest, &context, &refusal));
  if (is(function, "remove")) TRY(quest_host_quests_remove(&quest, &context, &refusal));
  call->left = SIZE_MAX;
  return false;
}

static bool of_log(call_t *call, text_t name, text_t function) {
  if (is(function, "write")) {
    text_t level = take_text(call), message = take_text(call);
    READY;
    quest_host_log_level_t known = is(level, "debug") ? QUEST_HOST_LOG_LEVEL_DEBUG
                                   : is(level, "warn") ? QUEST_HOST_LOG_LEVEL_WARN
                                   : is(level, "error") ? QUEST_HOST_LOG_LEVEL_ERROR
                                                        : QUEST_HOST_LOG_LEVEL_INFO;
    NONE(contract_log(known, (char *)message.ptr, message.len));
  }
  call->left = SIZE_MAX;
  return false;
}

static bool of_random(call_t *call, text_t name, text_t function) {
  if (is(function, "below")) { uint32_t bound = take_small(call); COUNT(quest_host_random_below(bound)); }
  if (is(function, "unit")) { mp_number(call->out, quest_host_random_unit()); return true; }
  if (is(function, "bytes")) {
    uint32_t count = take_small(call);
    engine_list_u8_t given;
    READY;
    quest_host_random_bytes(count, &given);
    mp_binary(call->out, given.ptr, given.len);
    engine_list_u8_free(&given);
    return true;
  }
  call->left = SIZE_MAX;
  return false;
}

static bool of_the_rest(call_t *call, text_t name, text_t group, text_t function) {
  text_t text;
  value_t value;
  if (is(group, "messages") && is(function, "publish")) {
    text = take_text(call); value = take_value(call);
    TRY(quest_host_messages_publish(&text, &value, &refusal));
  }
  if (is(group, "reply") && is(function, "set")) { value = take_value(call); TRY(quest_host_reply_set(&value, &refusal)); }
  if (is(group, "config") && is(function, "get")) { text = take_text(call); TEXT_IF(quest_host_config_get(&text, &given)); }
  if (is(group, "script") && is(function, "statement")) {
    text_t kind = take_text(call), quest = take_text(call), action = take_text(call), context = take_text(call);
    text = take_text(call);
    READY;
    NONE(quest_host_script_statement(&kind, &quest, &action, &context, &text));
  }
  if (is(group, "print")) {
    text = take_text(call);
    READY;
    NONE(contract_print((char *)text.ptr, text.len));
  }
  call->left = SIZE_MAX;
  return false;
}

bool contract_call(const char *at, size_t len, const uint8_t *args, size_t args_len, bytes_t *out) {
  text_t name = text_of(at, len);
  const char *dot = memchr(at, '.', len);
  text_t group = text_of(at, dot == NULL ? len : (size_t)(dot - at));
  text_t function = dot == NULL ? text_of("", 0) : text_of(dot + 1, len - group.len - 1);
  out->len = 0;
  call_t call = {.args = {args, args + args_len}, .out = out};
  item_t array = mp_next(&call.args);
  call.left = array.kind == ARRAY ? array.len : 0;
  bool done;
  if (is(group, "definition")) done = of_definition(&call, name, function);
  else if (is(group, "current")) done = of_current(&call, name, function);
  else if (is(group, "variables")) done = of_variables(&call, name, function);
  else if (is(group, "timers")) done = of_timers(&call, name, function);
  else if (is(group, "patterns")) done = of_patterns(&call, name, function);
  else if (is(group, "clock")) done = of_clock(&call, name, function);
  else if (is(group, "events")) done = of_events(&call, name, function);
  else if (is(group, "quests")) done = of_quests(&call, name, function);
  else if (is(group, "log")) done = of_log(&call, name, function);
  else if (is(group, "random")) done = of_random(&call, name, function);
  else done = of_the_rest(&call, name, group, function);
  if (!done && call.left == SIZE_MAX) give_refusal(out, text_of("unknown-function", 16), name);
  return done;
}

// ── The run in hand.

extern bool wasi_is_in_action;

void contract_begin(void) { wasi_is_in_action = true; }

void contract_end(void) {
  if (line.len > 0) end_line();
  wasi_is_in_action = false;
}

void contract_make_room(void) {
  // In pieces that an allocator of pages, too, uses again for small ones.
  enum { PIECES = 8, PIECE = 40000 };
  // A compiler would leave out what nobody looks at.
  void *volatile pieces[PIECES];
  for (int i = 0; i < PIECES; i++) pieces[i] = malloc(PIECE);
  for (int i = 0; i < PIECES; i++) free(pieces[i]);
}

static text_t copy(const char *at, size_t len) {
  text_t text;
  engine_string_dup_n(&text, is_utf8(at, len) ? at : "(bytes that are no text)", is_utf8(at, len) ? len : 24);
  return text;
}

void contract_fail(failure_t *error, const char *code, size_t code_len, const char *message, size_t message_len) {
  error->code = copy(code, code_len);
  error->message = copy(message, message_len);
}
