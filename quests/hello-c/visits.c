// A quest in C, without an SDK: counts the visits of a context, says hello at the first, and notices when they stop.
//
// Its job is to show the bare contract (wit/quest.wit). Three rules of its C bindings (quest-sdk/c/bindings/quest.h):
// - a text is a pointer and a length, not terminated by a zero;
// - what the host gives (texts, values, errors) is ours to free, or an instance that is kept grows;
// - a function that can be refused returns false and fills an error, which an action may simply hand on.

#include <stdlib.h>
#include <string.h>

#include <quest.h>

#define MS_PER_DAY (24ull * 60 * 60 * 1000)
#define ABSENT_DAYS 30

typedef exports_quest_host_guest_error_t error_t;
typedef quest_host_types_value_t value_t;

// A text that lives as long as the module. The host reads it and frees nothing.
static quest_string_t text(const char *literal) {
  return (quest_string_t){(uint8_t *)literal, strlen(literal)};
}

static bool is(const quest_string_t *name, const char *literal) {
  return name->len == strlen(literal) && memcmp(name->ptr, literal, name->len) == 0;
}

// An error of our own. It is freed after it was read, so its parts are copies.
static bool fail(error_t *error, const char *code, const char *message) {
  quest_string_dup(&error->code, code);
  quest_string_dup(&error->message, message);
  return false;
}

// The variable `visits`; 0 if it was never set or holds no integer.
static int64_t visits(void) {
  quest_string_t name = text("visits");
  value_t value;
  if (!quest_host_variables_get(&name, &value)) return 0;
  int64_t count = value.tag == QUEST_HOST_TYPES_VALUE_INTEGER ? value.val.integer : 0;
  quest_host_types_value_free(&value);
  return count;
}

static bool set_visits(int64_t count, error_t *error) {
  quest_string_t name = text("visits");
  value_t value = {.tag = QUEST_HOST_TYPES_VALUE_INTEGER, .val.integer = count};
  return quest_host_variables_set(&name, &value, error);
}

// Publishes "hello, CONTEXT" for the world outside.
static bool say_hello(error_t *error) {
  static const char greeting[] = "hello, ";
  const size_t before = sizeof greeting - 1;
  quest_string_t context;
  quest_host_current_context(&context);
  uint8_t *line = malloc(before + context.len);
  if (line == NULL) abort();
  memcpy(line, greeting, before);
  memcpy(line + before, context.ptr, context.len);

  quest_string_t topic = text("hello");
  value_t payload = {.tag = QUEST_HOST_TYPES_VALUE_TEXT, .val.text = {line, before + context.len}};
  bool published = quest_host_messages_publish(&topic, &payload, error);
  quest_host_types_value_free(&payload);
  quest_string_free(&context);
  return published;
}

static bool visit(error_t *error) {
  int64_t count = visits() + 1;
  if (!set_visits(count, error)) return false;
  if (count == 1 && !say_hello(error)) return false;
  // The timer of this name is moved by each visit, so it fires only when they stop.
  quest_string_t timer = text("absent"), action = text("miss");
  value_t nothing = {.tag = QUEST_HOST_TYPES_VALUE_NULL};
  return quest_host_timers_after(&timer, &action, ABSENT_DAYS * MS_PER_DAY, &nothing, error);
}

static bool miss(error_t *error) {
  quest_string_t topic = text("missed");
  value_t payload = {.tag = QUEST_HOST_TYPES_VALUE_INTEGER, .val.integer = visits()};
  return quest_host_messages_publish(&topic, &payload, error);
}

static bool total(error_t *error) {
  value_t answer = {.tag = QUEST_HOST_TYPES_VALUE_INTEGER, .val.integer = visits()};
  return quest_host_reply_set(&answer, error);
}

// What the module's quests are.
bool exports_quest_host_guest_define(error_t *error) {
  quest_string_t quest = text("visits"), about = text("Counts visits, says hello at the first, misses who stays away.");
  quest_string_t visited = text("visited"), visit = text("visit"), miss = text("miss"), total = text("total");
  return quest_host_definition_quest(&quest, error) && quest_host_definition_describe(&about, error) &&
         quest_host_definition_add_on(&visited, error) && quest_host_definition_on(&visit, &visited, error) &&
         quest_host_definition_action(&miss, error) && quest_host_definition_query(&total, error);
}

// The quest was added to a context.
bool exports_quest_host_guest_init(error_t *error) {
  return set_visits(0, error);
}

bool exports_quest_host_guest_perform(quest_string_t *action, error_t *error) {
  bool done;
  if (is(action, "visit")) done = visit(error);
  else if (is(action, "miss")) done = miss(error);
  else if (is(action, "total")) done = total(error);
  else done = fail(error, "unknown-action", "visits has the actions visit and miss, and the query total");
  quest_string_free(action);
  return done;
}
