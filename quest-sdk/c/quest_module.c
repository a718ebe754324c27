// What the host asks of a module, answered from `q_module`: which quests there are, and which function an action is.
#include "bindings/quest.h"
#include "quest_inside.h"
#include <stdlib.h>
#include <string.h>

typedef exports_quest_host_guest_error_t failure_t;

static quest_string_t name_of(const char *text) { return (quest_string_t){(uint8_t *)text, strlen(text)}; }

// The bindings free what ends an action once the host has read it, so it is not of the action's memory.
static quest_string_t kept(const char *text) {
  size_t size = strlen(text);
  quest_string_t copy = {size == 0 ? NULL : malloc(size), size};
  if (size > 0 && copy.ptr == NULL) abort();
  if (size > 0) memcpy(copy.ptr, text, size);
  return copy;
}

static bool ended(bool is_done, failure_t *failure) {
  if (!is_done) *failure = (failure_t){kept(q_refusal().code), kept(q_refusal().message)};
  q_print_end();
  q_memory_end();
  return is_done;
}

// ── define

static bool told(bool is_done, quest_host_types_error_t *error) {
  return is_done || q_fail(q_terminated(error->code.ptr, error->code.len), q_terminated(error->message.ptr, error->message.len));
}

static bool define_action(const q_action *action) {
  quest_string_t name = name_of(action->name);
  quest_host_types_error_t error;
  Q_TRY(told(quest_host_definition_action(&name, &error), &error));
  for (const char *const *event = action->on; event != NULL && *event != NULL; event++) {
    quest_string_t on = name_of(*event);
    Q_TRY(told(quest_host_definition_on(&name, &on, &error), &error));
  }
  if (action->every == NULL) return true;
  quest_string_t schedule = name_of(action->every);
  return told(quest_host_definition_every(&name, &name, &schedule, &error), &error);
}

static bool define_quest(const q_quest *quest) {
  quest_string_t name = name_of(quest->name), text, spec;
  quest_host_types_error_t error;
  Q_TRY(told(quest_host_definition_quest(&name, &error), &error));
  if (quest->description != NULL) {
    text = name_of(quest->description);
    Q_TRY(told(quest_host_definition_describe(&text, &error), &error));
  }
  if (quest->version != 0) Q_TRY(told(quest_host_definition_version(quest->version, &error), &error));
  for (const char *const *event = quest->add_on; event != NULL && *event != NULL; event++) {
    text = name_of(*event);
    Q_TRY(told(quest_host_definition_add_on(&text, &error), &error));
  }
  for (const q_action *action = quest->actions; action != NULL && action->name != NULL; action++) Q_TRY(define_action(action));
  if (quest->dealloc != NULL) Q_TRY(define_action(&(q_action){.name = "dealloc"}));
  if (quest->upgrade != NULL) Q_TRY(define_action(&(q_action){.name = "upgrade"}));
  for (const q_action *query = quest->queries; query != NULL && query->name != NULL; query++) {
    text = name_of(query->name);
    Q_TRY(told(quest_host_definition_query(&text, &error), &error));
  }
  for (const q_pattern *pattern = quest->patterns; pattern != NULL && pattern->name != NULL; pattern++) {
    text = name_of(pattern->name), spec = name_of(pattern->spec);
    Q_TRY(told(quest_host_definition_pattern_json(&text, &spec, &error), &error));
  }
  return true;
}

bool exports_quest_host_guest_define(failure_t *failure) {
  bool is_done = true;
  for (const q_quest *const *quest = q_module; *quest != NULL && is_done; quest++) is_done = define_quest(*quest);
  return ended(is_done, failure);
}

// ── init, perform

static const q_quest *current(void) {
  const char *name = q_quest_name();
  for (const q_quest *const *quest = q_module; *quest != NULL; quest++) if (strcmp((*quest)->name, name) == 0) return *quest;
  return NULL;
}

static q_handler find(const q_action *action, const char *name) {
  for (; action != NULL && action->name != NULL; action++) if (strcmp(action->name, name) == 0) return action->run;
  return NULL;
}

static bool perform(const char *name) {
  const q_quest *quest = current();
  if (quest != NULL) {
    if (strcmp(name, "upgrade") == 0 && quest->upgrade != NULL) return quest->upgrade((uint32_t)q_as_integer(q_payload(), 0));
    q_handler run = find(quest->actions, name);
    if (run == NULL) run = find(quest->queries, name);
    if (run == NULL && strcmp(name, "dealloc") == 0) run = quest->dealloc;
    if (run != NULL) return run();
  }
  return q_fail("unknown-action", Q_JOIN("there is no action ", name));
}

bool exports_quest_host_guest_init(failure_t *failure) {
  q_in_action(true);
  const q_quest *quest = current();
  bool is_done = quest == NULL || quest->init == NULL || quest->init();
  q_in_action(false);
  return ended(is_done, failure);
}

bool exports_quest_host_guest_perform(quest_string_t *action, failure_t *failure) {
  q_in_action(true);
  bool is_done = perform(action->len == 0 ? "" : (const char *)action->ptr);
  q_in_action(false);
  return ended(is_done, failure);
}
