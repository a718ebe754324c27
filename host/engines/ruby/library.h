// The library: parts in the order in which they are loaded. library.c is made by sources.py.
#ifndef LIBRARY_H
#define LIBRARY_H
#include <mruby.h>
#include <stdbool.h>

typedef struct {
  const char *name;
  const unsigned char *bytecode; // or none, and `init` is a part written in C
  unsigned len;
  void (*init)(mrb_state *);
} part_t;

extern const part_t library[];

void engine_init(mrb_state *mrb);
void floats_init(mrb_state *mrb);
void regexp_init(mrb_state *mrb);

// Called by the interpreter when so many instructions were run: tells the host which line of the script runs.
extern int engine_instructions;
void engine_tick(mrb_state *mrb);

// Called by the interpreter when an exception is rescued.
void engine_rescued(mrb_state *mrb, mrb_value exception);
// Whether less than this is left of the stack, which has 256 KiB.
bool engine_stack_is_below(unsigned bytes);

// What calls leave of it. For each byte of this stack they take up to 4.6 bytes of the host's (measured: `to_s` that calls itself), which has
// 512 KiB: so what has no end is an exception with a line before the host ends it without one.
#define ENGINE_STACK_RESERVE 160000
#endif
