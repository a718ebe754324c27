// The library for quests in C (docs/languages/c.md): the contract (wit/quest.wit) in a form that suits C. It knows nothing of the host.
//
// Memory: what a function here gives lives until the action ends, and is never freed by hand; q_alloc gives more of the same.
// Refusals: what the host may refuse gives false; `return false` then ends the action as that refusal, and Q_TRY does so at once.
#ifndef QUEST_SDK_H
#define QUEST_SDK_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

// ── Values: what variables, payloads and answers hold.

typedef enum {
  Q_NONE, // nothing is there: an absent variable, a field that the payload has not
  Q_NULL,
  Q_BOOLEAN,
  Q_INTEGER,
  Q_NUMBER,
  Q_TEXT,   // UTF-8
  Q_BINARY, // bytes that nobody looks into
  Q_ARRAY,
  Q_MAP,
  Q_JSON, // JSON text that the host makes a value of: may be given wherever a value is taken, and never comes back
} q_kind;

typedef struct {
  q_kind kind;
  uint32_t count; // the items of an array, the pairs of a map
  union {
    bool boolean;
    int64_t integer;
    double number;
  };
  const char *at; // of a text and bytes: what they are; of an array and a map: it, as MessagePack
  size_t size;
} q_value;

typedef struct {
  const char *key;
  q_value value;
} q_pair;

q_value q_null(void);
q_value q_boolean(bool value);
q_value q_integer(int64_t value); // portable between all languages within ±(2^53 - 1)
q_value q_number(double value);   // finite
q_value q_text(const char *text);
q_value q_text_of(const char *at, size_t size);
q_value q_binary(const void *at, size_t size);
q_value q_json(const char *json);
q_value q_array(size_t count, const q_value *items);
q_value q_map(size_t count, const q_pair *pairs);
// Q_ARRAY(q_integer(1), q_text("two")); Q_MAP({"name", q_text("Ada")}, {"age", q_integer(36)})
#ifndef __cplusplus
#define Q_ARRAY(...) q_array(sizeof((q_value[]){__VA_ARGS__}) / sizeof(q_value), (q_value[]){__VA_ARGS__})
#define Q_MAP(...) q_map(sizeof((q_pair[]){__VA_ARGS__}) / sizeof(q_pair), (q_pair[]){__VA_ARGS__})
#endif

// An array that grows: q_list list = {0}; q_push(&list, q_integer(1)); q_set("list", q_array(list.count, list.items));
typedef struct {
  q_value *items;
  size_t count, room;
} q_list;
void q_push(q_list *list, q_value item);

// The item of an array, the value of a map's key; Q_NONE where there is none, or where it is no array or map.
q_value q_at(q_value array, uint32_t index);
q_value q_in(q_value map, const char *key);

// One after the other: q_walk walk = q_begin(value); q_value item; while (q_next(&walk, &item)) …
typedef struct {
  q_value key; // of a map's pair; Q_NONE in an array
  const uint8_t *at, *end;
  uint32_t left;
  bool is_map;
} q_walk;
q_walk q_begin(q_value array_or_map);
bool q_next(q_walk *walk, q_value *item);

// What a value is as C has it; `otherwise` where it is of another kind.
bool q_as_boolean(q_value value, bool otherwise);
int64_t q_as_integer(q_value value, int64_t otherwise);
double q_as_number(q_value value, double otherwise); // of an integer too
const char *q_as_text(q_value value, const char *otherwise); // ends with a zero; a text that holds zeros: use at and size

// ── Refusals and failures.

typedef struct {
  const char *code, *message;
} q_error;
q_error q_refusal(void); // the last one of this action
// `return q_fail("out-of-stock", "there is none left");` ends the action with it, and nothing of the action is kept.
bool q_fail(const char *code, const char *message);
// As q_fail; but the action is tried again later.
bool q_transient(const char *message);
#define Q_TRY(what) \
  do { \
    if (!(what)) return false; \
  } while (0)

// ── What a module is: a file of quests defines `q_module`.

typedef bool (*q_handler)(void);
#ifndef __cplusplus
#define Q_NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})
#endif

typedef struct {
  const char *name;
  q_handler run;
  const char *const *on; // events: Q_NAMES("visited", "seen")
  const char *every;     // a schedule, as a timer of the action's name: "every day at 09:00"
} q_action;

typedef struct {
  const char *name, *spec; // the spec is JSON text: docs/patterns.md
} q_pattern;

typedef struct {
  const char *name, *description;
  uint32_t version; // 1 where it is 0
  const char *const *add_on;
  const q_action *actions; // the last one has no name
  const q_action *queries; // likewise; they only read
  const q_pattern *patterns;
  q_handler init, dealloc;
  bool (*upgrade)(uint32_t from);
} q_quest;

// const q_quest *const q_module[] = {&counter, NULL};
extern const q_quest *const q_module[];

// ── The event in hand.

const char *q_quest_name(void);
const char *q_action_name(void);
const char *q_context(void);
const char *q_instance(void);
const char *q_event_name(void);
const char *q_event_id(void);
const char *q_cause(void);
uint64_t q_accepted_at(void); // Unix time in milliseconds, as all times; time() of the C library stands at it too
uint64_t q_processed_at(void);
uint32_t q_attempt(void);
uint64_t q_missed(void);
q_value q_payload(void);
const char *q_payload_json(void);    // NULL: refused
q_value q_field(const char *pointer); // "/items/0/name"
const char *q_field_json(const char *pointer); // NULL: refused, or it is not there (then the refusal's code is "")

// ── State.

q_value q_get(const char *name);
bool q_set(const char *name, q_value value);
bool q_remove(const char *name, bool *was_there); // was_there may be NULL
const char *const *q_names(void);                 // the last one is NULL
const char *q_get_json(const char *name);         // as q_field_json

// ── Time.

bool q_timer_at(const char *name, const char *action, uint64_t time, q_value payload);
bool q_timer_after(const char *name, const char *action, uint64_t delay, q_value payload);
bool q_timer_every(const char *name, const char *action, const char *schedule, q_value payload);
bool q_timer_cancel(const char *name, bool *was_there);
const char *const *q_timer_names(void);
bool q_timer_due(const char *name, uint64_t *time); // false: it is not set
q_value q_timer_payload(const char *name);
const char *q_timer_payload_json(const char *name);
const char *q_timer_schedule(const char *name); // NULL: it is not set, or comes once
#define Q_SECONDS(n) ((uint64_t)(n) * 1000u)
#define Q_MINUTES(n) ((uint64_t)(n) * 60000u)
#define Q_HOURS(n) ((uint64_t)(n) * 3600000u)
#define Q_DAYS(n) ((uint64_t)(n) * 86400000u)

bool q_pattern_start(const char *name, q_value spec);
bool q_pattern_cancel(const char *name, bool *was_there);
const char *const *q_pattern_names(void);
q_value q_pattern_state(const char *name);
const char *q_pattern_state_json(const char *name);

const char *q_zone(void);
bool q_set_zone(const char *zone);
const char *q_local(uint64_t time);
bool q_instant(const char *civil, uint64_t *time);

// ── What an action causes.

bool q_emit(const char *context, const char *event, q_value payload); // q_emit(q_context(), …): here
bool q_send(const char *context, const char *quest, const char *action, q_value payload);
bool q_broadcast(const char *event, q_value payload);
bool q_add_quest(const char *quest, const char *context);
bool q_remove_quest(const char *quest, const char *context);
const char *const *q_active_quests(void);
bool q_publish(const char *topic, q_value payload);
bool q_reply(q_value answer);

// ── The rest.

const char *q_config(const char *name); // NULL: the operator did not give it
typedef enum { Q_DEBUG, Q_INFO, Q_WARN, Q_ERROR } q_level;
void q_log(q_level level, const char *text);
uint32_t q_random_below(uint32_t bound);
double q_random_unit(void);
void q_random_bytes(void *to, size_t count);

// Memory until the action ends; never NULL: where there is none the action ends with a trap.
void *q_alloc(size_t size);
char *q_join(size_t count, const char *const *texts);
#ifndef __cplusplus
#define Q_JOIN(...) q_join(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *[]){__VA_ARGS__})
#endif

#ifdef __cplusplus
}
// The same for C++, where an array that is written in place does not last.
#include <initializer_list>
inline q_value q_array_of(std::initializer_list<q_value> items) { return q_array(items.size(), items.begin()); }
inline q_value q_map_of(std::initializer_list<q_pair> pairs) { return q_map(pairs.size(), pairs.begin()); }
inline char *q_join_of(std::initializer_list<const char *> texts) { return q_join(texts.size(), texts.begin()); }
#define Q_ARRAY(...) q_array_of({__VA_ARGS__})
#define Q_MAP(...) q_map_of({__VA_ARGS__})
#define Q_JOIN(...) q_join_of({__VA_ARGS__})
#define Q_NAMES(...) ([]() consteval { static constexpr const char *names[] = {__VA_ARGS__, nullptr}; return &names[0]; }())
#endif
#endif
