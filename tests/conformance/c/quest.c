// The conformance quest (tests/conformance/README.md), in C: it does what it is told.
#include <math.h>
#include <quest_sdk.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A call: its name, what it takes, and where what it gives is put.
typedef struct {
  q_value given;
  q_value answer;
} call_t;

static q_value value(call_t *call, uint32_t n) { return q_at(call->given, n); }
static const char *text(call_t *call, uint32_t n) { return q_as_text(value(call, n), ""); }
static uint64_t number(call_t *call, uint32_t n) { return (uint64_t)q_as_integer(value(call, n), 0); }

static bool gives(call_t *call, q_value answer) {
  call->answer = answer;
  return true;
}
static bool gives_text(call_t *call, const char *answer) { return gives(call, answer == NULL ? q_null() : q_text(answer)); }
static bool gives_names(call_t *call, const char *const *names) {
  q_list list = {0};
  while (*names != NULL) q_push(&list, q_text(*names++));
  return gives(call, q_array(list.count, list.items));
}
static bool gives_whether(call_t *call, bool is_done, const bool *was) {
  return is_done && gives(call, q_boolean(*was));
}

static bool current(call_t *call, const char *name) {
  if (strcmp(name, "quest") == 0) return gives_text(call, q_quest_name());
  if (strcmp(name, "action") == 0) return gives_text(call, q_action_name());
  if (strcmp(name, "context") == 0) return gives_text(call, q_context());
  if (strcmp(name, "event-name") == 0) return gives_text(call, q_event_name());
  if (strcmp(name, "cause") == 0) return gives_text(call, q_cause());
  if (strcmp(name, "accepted-at") == 0) return gives(call, q_integer((int64_t)q_accepted_at()));
  if (strcmp(name, "attempt") == 0) return gives(call, q_integer(q_attempt()));
  if (strcmp(name, "missed") == 0) return gives(call, q_integer((int64_t)q_missed()));
  if (strcmp(name, "field") == 0) return gives(call, q_field(text(call, 1)));
  if (strcmp(name, "has-ids") == 0) {
    return gives(call, q_boolean(*q_instance() != 0 && *q_event_id() != 0 && q_processed_at() >= q_accepted_at()));
  }
  return q_fail("unknown-call", name);
}

static bool set_bytes(const char *name, q_value list) {
  uint8_t *bytes = q_alloc(list.count + 1);
  for (uint32_t i = 0; i < list.count; i++) bytes[i] = (uint8_t)q_as_integer(q_at(list, i), 0);
  return q_set(name, q_binary(bytes, list.count));
}

static q_value get_bytes(const char *name) {
  q_value bytes = q_get(name);
  q_list list = {0};
  for (size_t i = 0; i < bytes.size; i++) q_push(&list, q_integer((uint8_t)bytes.at[i]));
  return q_array(list.count, list.items);
}

static bool variables(call_t *call, const char *name) {
  bool was;
  if (strcmp(name, "get") == 0) return gives(call, q_get(text(call, 1)));
  if (strcmp(name, "set") == 0) return q_set(text(call, 1), value(call, 2));
  if (strcmp(name, "remove") == 0) return gives_whether(call, q_remove(text(call, 1), &was), &was);
  if (strcmp(name, "names") == 0) return gives_names(call, q_names());
  if (strcmp(name, "set-bytes") == 0) return set_bytes(text(call, 1), value(call, 2));
  if (strcmp(name, "get-bytes") == 0) return gives(call, get_bytes(text(call, 1)));
  if (strcmp(name, "set-nan") == 0) return q_set(text(call, 1), q_number(NAN));
  return q_fail("unknown-call", name);
}

static bool timers(call_t *call, const char *name) {
  bool was;
  uint64_t due;
  const char *timer = text(call, 1);
  if (strcmp(name, "at") == 0) return q_timer_at(timer, text(call, 2), number(call, 3), value(call, 4));
  if (strcmp(name, "after") == 0) return q_timer_after(timer, text(call, 2), number(call, 3), value(call, 4));
  if (strcmp(name, "every") == 0) return q_timer_every(timer, text(call, 2), text(call, 3), value(call, 4));
  if (strcmp(name, "cancel") == 0) return gives_whether(call, q_timer_cancel(timer, &was), &was);
  if (strcmp(name, "names") == 0) return gives_names(call, q_timer_names());
  if (strcmp(name, "due") == 0) return gives(call, q_timer_due(timer, &due) ? q_integer((int64_t)due) : q_null());
  if (strcmp(name, "payload") == 0) return gives(call, q_timer_payload(timer));
  if (strcmp(name, "schedule") == 0) return gives_text(call, q_timer_schedule(timer));
  return q_fail("unknown-call", name);
}

static bool patterns(call_t *call, const char *name) {
  bool was;
  if (strcmp(name, "start") == 0) return q_pattern_start(text(call, 1), value(call, 2));
  if (strcmp(name, "cancel") == 0) return gives_whether(call, q_pattern_cancel(text(call, 1), &was), &was);
  if (strcmp(name, "names") == 0) return gives_names(call, q_pattern_names());
  if (strcmp(name, "state") == 0) return gives(call, q_pattern_state(text(call, 1)));
  return q_fail("unknown-call", name);
}

static bool clocks(call_t *call, const char *name) {
  uint64_t time;
  if (strcmp(name, "zone") == 0) return gives_text(call, q_zone());
  if (strcmp(name, "set-zone") == 0) return q_set_zone(text(call, 1));
  if (strcmp(name, "local") == 0) return gives_text(call, q_local(number(call, 1)));
  if (strcmp(name, "instant") == 0) return q_instant(text(call, 1), &time) && gives(call, q_integer((int64_t)time));
  return q_fail("unknown-call", name);
}

static bool causes(call_t *call, const char *name) {
  if (strcmp(name, "events.emit") == 0) return q_emit(text(call, 1), text(call, 2), value(call, 3));
  if (strcmp(name, "events.send") == 0) return q_send(text(call, 1), text(call, 2), text(call, 3), value(call, 4));
  if (strcmp(name, "events.broadcast") == 0) return q_broadcast(text(call, 1), value(call, 2));
  if (strcmp(name, "quests.add") == 0) return q_add_quest(text(call, 1), text(call, 2));
  if (strcmp(name, "quests.remove") == 0) return q_remove_quest(text(call, 1), text(call, 2));
  if (strcmp(name, "quests.active") == 0) return gives_names(call, q_active_quests());
  if (strcmp(name, "messages.publish") == 0) return q_publish(text(call, 1), value(call, 2));
  return q_fail("unknown-call", name);
}

static bool write_log(const char *level, const char *line) {
  static const char *const levels[] = {"debug", "info", "warn", "error"};
  for (int i = 0; i < 4; i++) if (strcmp(level, levels[i]) == 0) q_log((q_level)i, line);
  return true;
}

static q_value random_bytes(size_t count) {
  uint8_t *bytes = q_alloc(count + 1);
  q_random_bytes(bytes, count);
  return q_integer((int64_t)count);
}

static int deeper(int n) {
  volatile char here[64] = {(char)n};
  return n < 0 ? 0 : deeper(n + 1) + here[n % 64];
}

// Where all of it is seen from, so that none is left out.
static char *volatile filled;

static void fill(void) {
  for (;;) {
    filled = malloc(1 << 20);
    if (filled == NULL) abort();
    memset(filled, 1, 1 << 20);
  }
}

// What was remembered before; none at first.
static q_value remember(const char *text) {
  static char remembered[64];
  q_value before = remembered[0] ? q_text(Q_JOIN(remembered, "")) : q_null();
  snprintf(remembered, sizeof remembered, "%s", text);
  return before;
}

static bool others(call_t *call, const char *name) {
  if (strcmp(name, "config.get") == 0) return gives_text(call, q_config(text(call, 1)));
  if (strcmp(name, "log.write") == 0) return write_log(text(call, 1), text(call, 2));
  if (strcmp(name, "print") == 0) return printf("%s\n", text(call, 1)) > 0;
  if (strcmp(name, "random.below") == 0) return gives(call, q_integer(q_random_below((uint32_t)number(call, 1))));
  if (strcmp(name, "random.bytes") == 0) return gives(call, random_bytes(number(call, 1)));
  if (strcmp(name, "random.unit") == 0) {
    double drawn = q_random_unit();
    return gives(call, q_boolean(drawn >= 0 && drawn < 1));
  }
  if (strcmp(name, "remember") == 0) return gives(call, remember(text(call, 1)));
  if (strcmp(name, "fail") == 0) return q_fail(text(call, 1), text(call, 2));
  if (strcmp(name, "transient") == 0) return q_transient(text(call, 1));
  if (strcmp(name, "trap") == 0) abort();
  volatile bool is_on = true;
  if (strcmp(name, "loop") == 0) while (is_on) {}
  if (strcmp(name, "recurse") == 0) return gives(call, q_integer(deeper(1)));
  if (strcmp(name, "fill") == 0) fill();
  return q_fail("unknown-call", name);
}

static bool make(call_t *call) {
  const char *name = text(call, 0);
  call->answer = q_null();
  if (strncmp(name, "current.", 8) == 0) return current(call, name + 8);
  if (strncmp(name, "variables.", 10) == 0) return variables(call, name + 10);
  if (strncmp(name, "timers.", 7) == 0) return timers(call, name + 7);
  if (strncmp(name, "patterns.", 9) == 0) return patterns(call, name + 9);
  if (strncmp(name, "clock.", 6) == 0) return clocks(call, name + 6);
  if (strncmp(name, "events.", 7) == 0 || strncmp(name, "quests.", 7) == 0 || strncmp(name, "messages.", 9) == 0) return causes(call, name);
  return others(call, name);
}

// Makes the calls of the payload; a refusal is what one gave, where it is caught.
static bool each(q_value *answer, bool is_caught) {
  q_list given = {0};
  q_value payload = q_payload();
  q_walk walk = q_begin(payload);
  call_t call;
  while (q_next(&walk, &call.given)) {
    const char *name = text(&call, 0);
    if (!make(&call)) {
      if (!is_caught || strcmp(name, "fail") == 0 || strcmp(name, "transient") == 0) return false;
      call.answer = Q_MAP({"error", q_text(q_refusal().code)});
    }
    q_push(&given, call.answer);
  }
  *answer = q_array(given.count, given.items);
  return true;
}

static bool act(void) {
  q_value answer;
  Q_TRY(each(&answer, true));
  return q_publish("did", answer) && q_reply(answer);
}

static bool raise_(void) {
  q_value answer;
  Q_TRY(each(&answer, false));
  return q_publish("did", answer) && q_reply(answer);
}

static bool ask(void) {
  q_value answer;
  return each(&answer, true) && q_reply(answer);
}

static bool note(void) {
  return q_publish("noted", Q_MAP({"name", q_text(q_event_name())}, {"cause", q_text(q_cause())}, {"payload", q_payload()},
                                  {"missed", q_integer((int64_t)q_missed())}));
}

static bool init(void) { return q_publish("init", q_null()); }
static bool dealloc(void) { return q_publish("gone", q_null()); }
static bool upgrade(uint32_t from) { return q_publish("upgraded", q_integer(from)); }

static const q_quest conformance = {
    .name = "conformance",
    .description = "does what it is told",
    .version = 2,
    .add_on = Q_NAMES("begin"),
    .actions = (const q_action[]){
        {"do", act, .on = Q_NAMES("do")},
        {"raise", raise_, .on = Q_NAMES("raise")},
        {"note", note, .on = Q_NAMES("note"), .every = "every day at 09:00"},
        {0},
    },
    .queries = (const q_action[]){{"ask", ask}, {0}},
    .patterns = (const q_pattern[]){
        {"pair", "{\"kind\": \"within\", \"after\": \"a\", \"expect\": \"b\", \"within\": \"10 minutes\", \"action\": \"note\", \"else\": \"note\"}"},
        {0},
    },
    .init = init,
    .dealloc = dealloc,
    .upgrade = upgrade,
};

static const q_quest two = {
    .name = "conformance-two",
    .add_on = Q_NAMES("two"),
    .actions = (const q_action[]){{"do", act, .on = Q_NAMES("two")}, {0}},
    .init = init,
};

const q_quest *const q_module[] = {&conformance, &two, NULL};
