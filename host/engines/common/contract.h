// The contract (wit/quest.wit) for interpreters: every function by its name, with arguments and results in MessagePack, so that an
// interpreter needs no more than to read and write its own values.
#ifndef CONTRACT_H
#define CONTRACT_H
#include "engine.h"
#include "mp.h"

typedef exports_quest_host_guest_error_t failure_t;

// Calls the function `name` ("timers.after"). `args` is an array. On success `out` is the result, nil for none; else `out` is the array
// [code, message] of the refusal. `out` is overwritten.
//
// Beside the contract's own: "variables.load" gives a map of all variables, "variables.store" takes such a map and writes what differs
// from what was loaded; "print" takes text and writes whole lines of it to the log.
bool contract_call(const char *name, size_t len, const uint8_t *args, size_t args_len, bytes_t *out);

// The clock and random numbers are those of an action from here, until it ends.
void contract_begin(void);
// It ends: a last line without an end is written.
void contract_end(void);
// `define` ends: what actions need of memory is taken now and given back, so that it is in the snapshot. A memory that grows in an action costs the
// host more than the rest of it, and holds up its other threads.
void contract_make_room(void);

// An error's parts are copied.
void contract_fail(failure_t *error, const char *code, size_t code_len, const char *message, size_t message_len);
void contract_log(quest_host_log_level_t level, const char *text, size_t len);
#endif
