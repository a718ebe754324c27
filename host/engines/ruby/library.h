// The library: parts in the order in which they are loaded. library.c is made by sources.py.
#ifndef LIBRARY_H
#define LIBRARY_H
#include <mruby.h>

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
#endif
