// Ruby's values as MessagePack, and back.
#ifndef VALUES_H
#define VALUES_H
#include <mruby.h>
#include "mp.h"

// Raises where a value cannot be stored or sent.
void encode(mrb_state *mrb, bytes_t *to, mrb_value value);
mrb_value decode(mrb_state *mrb, reader_t *from);
void values_init(mrb_state *mrb);
#endif
