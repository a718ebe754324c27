// Ruby's values as MessagePack, and back. Symbols become texts; a text that is no UTF-8, or a Binary, becomes bytes.
#include "values.h"
#include <mruby/array.h>
#include <mruby/class.h>
#include <mruby/hash.h>
#include <mruby/numeric.h>
#include <mruby/string.h>

enum { DEPTH_MAX = 64 };

static struct RClass *binary_class;

void values_init(mrb_state *mrb) { binary_class = mrb_define_class(mrb, "Binary", mrb->string_class); }

static void encode_at(mrb_state *mrb, bytes_t *to, mrb_value value, int depth);

typedef struct {
  bytes_t *to;
  mrb_value hash;
  int depth;
} pairs_t;

static int encode_pair(mrb_state *mrb, mrb_value key, mrb_value value, void *opaque) {
  pairs_t *pairs = opaque;
  if (mrb_symbol_p(key)) {
    mrb_value text = mrb_sym_str(mrb, mrb_symbol(key));
    if (mrb_hash_key_p(mrb, pairs->hash, text)) {
      mrb_raisef(mrb, E_ARGUMENT_ERROR, "a hash has the key %v as a symbol and as a text: stored, both are the text", text);
    }
  } else if (mrb_array_p(key) || mrb_hash_p(key)) {
    mrb_raise(mrb, E_TYPE_ERROR, "a key of a hash that is stored or sent is a text, a symbol or a number");
  }
  encode_at(mrb, pairs->to, key, pairs->depth);
  encode_at(mrb, pairs->to, value, pairs->depth);
  return 0;
}

static void refuse(mrb_state *mrb, mrb_value value) {
  struct RClass *its = mrb_obj_class(mrb, value);
  const char *name = mrb_class_name(mrb, its), *hint = "what can be is nil, true, false, numbers, texts, symbols, arrays and hashes";
  if (name != NULL && strcmp(name, "Time") == 0) hint = "write time.to_i, and Time.at(seconds) to have it back";
  else if (name != NULL && strcmp(name, "Set") == 0) hint = "write set.to_a, and Set.new(array) to have it back";
  else if (mrb_respond_to(mrb, value, mrb_intern_lit(mrb, "to_h"))) hint = "write its to_h";
  mrb_raisef(mrb, E_TYPE_ERROR, "an object of the class %C cannot be stored or sent: %s", its, hint);
}

static void encode_at(mrb_state *mrb, bytes_t *to, mrb_value value, int depth) {
  if (depth > DEPTH_MAX) mrb_raise(mrb, E_ARGUMENT_ERROR, "a value is nested at most 64 deep (or does this one hold itself?)");
  switch (mrb_type(value)) {
    case MRB_TT_FALSE:
      if (mrb_nil_p(value)) mp_nil(to);
      else mp_bool(to, false);
      return;
    case MRB_TT_TRUE: mp_bool(to, true); return;
    case MRB_TT_INTEGER: mp_int(to, mrb_integer(value)); return;
    case MRB_TT_FLOAT: mp_number(to, mrb_float(value)); return;
    case MRB_TT_BIGINT: mrb_raise(mrb, E_RANGE_ERROR, "an integer of more than 64 bits cannot be stored or sent: write it as a text");
    case MRB_TT_SYMBOL: {
      mrb_int len;
      const char *name = mrb_sym_name_len(mrb, mrb_symbol(value), &len);
      mp_text(to, name, (size_t)len);
      return;
    }
    case MRB_TT_STRING: {
      size_t len = (size_t)RSTRING_LEN(value);
      bool is_text = mrb_obj_class(mrb, value) != binary_class && is_utf8(RSTRING_PTR(value), len);
      (is_text ? mp_text : mp_binary)(to, RSTRING_PTR(value), len);
      return;
    }
    case MRB_TT_ARRAY:
      mp_array(to, (size_t)RARRAY_LEN(value));
      for (mrb_int i = 0; i < RARRAY_LEN(value); i++) encode_at(mrb, to, RARRAY_PTR(value)[i], depth + 1);
      return;
    case MRB_TT_HASH: {
      pairs_t pairs = {to, value, depth + 1};
      mp_map(to, (size_t)mrb_hash_size(mrb, value));
      mrb_hash_foreach(mrb, mrb_hash_ptr(value), encode_pair, &pairs);
      return;
    }
    default: refuse(mrb, value);
  }
}

void encode(mrb_state *mrb, bytes_t *to, mrb_value value) { encode_at(mrb, to, value, 0); }

mrb_value decode(mrb_state *mrb, reader_t *from) {
  item_t item = mp_next(from);
  switch (item.kind) {
    case BOOLEAN: return mrb_bool_value(item.integer != 0);
    case INTEGER: return mrb_int_value(mrb, item.integer);
    case NUMBER: return mrb_float_value(mrb, item.number);
    case TEXT: return mrb_str_new(mrb, item.at, (mrb_int)item.len);
    case BINARY: {
      mrb_value bytes = mrb_str_new(mrb, item.at, (mrb_int)item.len);
      mrb_basic_ptr(bytes)->c = binary_class;
      return bytes;
    }
    case ARRAY: {
      // A count is not believed before the items are there.
      mrb_value array = mrb_ary_new_capa(mrb, item.len > 1024 ? 1024 : (mrb_int)item.len);
      int arena = mrb_gc_arena_save(mrb);
      for (size_t i = 0; i < item.len; i++) {
        mrb_ary_push(mrb, array, decode(mrb, from));
        mrb_gc_arena_restore(mrb, arena);
      }
      return array;
    }
    case MAP: {
      mrb_value hash = mrb_hash_new(mrb);
      int arena = mrb_gc_arena_save(mrb);
      for (size_t i = 0; i < item.len; i++) {
        mrb_value key = decode(mrb, from);
        mrb_hash_set(mrb, hash, key, decode(mrb, from));
        mrb_gc_arena_restore(mrb, arena);
      }
      return hash;
    }
    default: return mrb_nil_value();
  }
}
