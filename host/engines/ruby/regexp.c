// Regular expressions: libregexp, of QuickJS. What Ruby says of them is in regexp.rb, which translates its dialect.
#include <mruby.h>
#include <mruby/array.h>
#include <mruby/class.h>
#include <mruby/string.h>
#include <mruby/variable.h>
#include <stdlib.h>
#include <string.h>
#include "libregexp.h"
#include "library.h"

bool lre_check_stack_overflow(void *opaque, size_t size) { return engine_stack_is_below((unsigned)size + 32768); }

void *lre_realloc(void *opaque, void *at, size_t size) {
  if (size > 0) return realloc(at, size);
  free(at);
  return NULL;
}

// Asked now and then by a match that takes long. What ends it is the host's limit.
int lre_check_timeout(void *mrb) {
  engine_tick(mrb);
  return 0;
}

// compile(pattern, flags): its bytecode.
static mrb_value compile(mrb_state *mrb, mrb_value self) {
  mrb_value pattern;
  mrb_int flags;
  mrb_get_args(mrb, "Si", &pattern, &flags);
  char why[128];
  int len;
  uint8_t *code = lre_compile(&len, why, sizeof why, RSTRING_CSTR(mrb, pattern), (size_t)RSTRING_LEN(pattern), (int)flags, mrb);
  if (code == NULL) mrb_raisef(mrb, mrb_class_get(mrb, "RegexpError"), "%s: /%v/", why, pattern);
  mrb_value compiled = mrb_str_new(mrb, (char *)code, len);
  free(code);
  return compiled;
}

// names(bytecode): the name of each group after the whole, nil where it has none.
static mrb_value names(mrb_state *mrb, mrb_value self) {
  mrb_value code;
  mrb_get_args(mrb, "S", &code);
  const uint8_t *at = (uint8_t *)RSTRING_PTR(code);
  mrb_value all = mrb_ary_new(mrb);
  const char *name = lre_get_groupnames(at);
  if (name == NULL) return all;
  for (int i = 1, count = lre_get_capture_count(at); i < count; i++) {
    size_t len = strlen(name);
    mrb_ary_push(mrb, all, len > 0 ? mrb_str_new(mrb, name, (mrb_int)len) : mrb_nil_value());
    name += len + LRE_GROUP_NAME_TRAILER_LEN;
  }
  return all;
}

// A text as libregexp takes it: bytes as long as all are ASCII, else UTF-16, with a map back to bytes.
typedef struct {
  const uint8_t *base;
  uint16_t *wide;
  uint32_t *map;
  int len, from, shift;
} subject_t;

static size_t decoded(const uint8_t *text, size_t left, uint32_t *out) {
  uint32_t c = text[0];
  size_t len = c < 0xc0 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
  if (len > left) len = 1;
  if (len == 2) c = (c & 31) << 6 | (text[1] & 63);
  else if (len == 3) c = (c & 15) << 12 | (text[1] & 63) << 6 | (text[2] & 63);
  else if (len == 4) c = (c & 7) << 18 | (text[1] & 63) << 12 | (text[2] & 63) << 6 | (text[3] & 63);
  *out = c;
  return len;
}

static bool widen(subject_t *subject, const uint8_t *text, size_t len, size_t from) {
  subject->wide = malloc((len + 1) * sizeof *subject->wide);
  subject->map = malloc((len + 2) * sizeof *subject->map);
  if (subject->wide == NULL || subject->map == NULL) return false;
  int units = 0;
  subject->from = -1;
  for (size_t at = 0; at < len;) {
    if (subject->from < 0 && at >= from) subject->from = units;
    uint32_t c;
    size_t step = decoded(text + at, len - at, &c);
    subject->map[units] = (uint32_t)at;
    if (c > 0xffff) {
      c -= 0x10000;
      subject->wide[units++] = (uint16_t)(0xd800 + (c >> 10));
      subject->map[units] = (uint32_t)at;
      subject->wide[units++] = (uint16_t)(0xdc00 + (c & 1023));
    } else subject->wide[units++] = (uint16_t)c;
    at += step;
  }
  subject->map[units] = (uint32_t)len;
  if (subject->from < 0) subject->from = units;
  subject->base = (uint8_t *)subject->wide;
  subject->len = units;
  subject->shift = 1;
  return true;
}

// exec(bytecode, text, from): the first match at or after that byte, as [start, end, …] of all groups in bytes; or nil.
static mrb_value exec(mrb_state *mrb, mrb_value self) {
  mrb_value code, text;
  mrb_int from;
  mrb_get_args(mrb, "SSi", &code, &text, &from);
  const uint8_t *at = (uint8_t *)RSTRING_PTR(code), *bytes = (uint8_t *)RSTRING_PTR(text);
  size_t len = (size_t)RSTRING_LEN(text);
  if (from < 0 || (size_t)from > len) return mrb_nil_value();
  bool is_ascii = true;
  for (size_t i = 0; i < len && is_ascii; i++) is_ascii = bytes[i] < 0x80;
  int groups = lre_get_capture_count(at), room = lre_get_alloc_count(at);
  if (room < groups * 2) room = groups * 2;
  uint8_t **captures = calloc((size_t)room, sizeof *captures);
  subject_t subject = {.base = bytes, .len = (int)len, .from = (int)from};
  bool is_ready = captures != NULL && (is_ascii || widen(&subject, bytes, len, (size_t)from));
  int found = is_ready ? lre_exec(captures, at, subject.base, subject.from, subject.len, subject.shift, mrb) : -1;
  mrb_value match = mrb_nil_value();
  if (found == 1) {
    match = mrb_ary_new_capa(mrb, groups * 2);
    for (int i = 0; i < groups * 2; i++) {
      size_t place = captures[i] == NULL ? 0 : (size_t)(captures[i] - subject.base) >> subject.shift;
      if (subject.shift == 1) place = subject.map[place];
      mrb_ary_push(mrb, match, captures[i] == NULL ? mrb_nil_value() : mrb_int_value(mrb, (mrb_int)place));
    }
  }
  free(captures);
  free(subject.wide);
  free(subject.map);
  if (found < 0) mrb_raise(mrb, mrb_class_get(mrb, "RegexpError"), "the match found no memory");
  return match;
}

static mrb_value set_global(mrb_state *mrb, mrb_value self) {
  mrb_sym name;
  mrb_value value;
  mrb_get_args(mrb, "no", &name, &value);
  mrb_gv_set(mrb, name, value);
  return value;
}

void regexp_init(mrb_state *mrb) {
  struct RClass *engine = mrb_define_module(mrb, "Q");
  mrb_define_class(mrb, "RegexpError", mrb_class_get(mrb, "StandardError"));
  mrb_define_module_function(mrb, engine, "re_compile", compile, MRB_ARGS_REQ(2));
  mrb_define_module_function(mrb, engine, "re_names", names, MRB_ARGS_REQ(1));
  mrb_define_module_function(mrb, engine, "re_exec", exec, MRB_ARGS_REQ(3));
  mrb_define_module_function(mrb, engine, "set_global", set_global, MRB_ARGS_REQ(2));
}
