// What the library's files share. Quests include quest_sdk.h.
#ifndef QUEST_INSIDE_H
#define QUEST_INSIDE_H
#include "quest_sdk.h"

// The memory of this action is free again.
void q_memory_end(void);
// A copy that ends with a zero.
char *q_terminated(const void *text, size_t size);

// Passes one value of MessagePack and gives it; Q_NONE where it is none.
q_value q_decode(const uint8_t **at, const uint8_t *end);
bool q_is_utf8(const char *text, size_t size);

// An action begins, or ends: between the two there is a clock.
void q_in_action(bool begins);
void q_refusal_begin(void);

// Lines that were printed to the end; what is left when the action ends is a line too.
void q_print_end(void);
#endif
