// Floats, read and written exactly: mruby's own lose the last digits.
#include <mruby.h>
#include <mruby/string.h>
#include <mruby/numeric.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "library.h"

mrb_bool mrb_read_float(const char *text, char **end, double *out) {
  char *stop;
  *out = strtod(text, &stop);
  if (end != NULL) *end = stop;
  return stop != text;
}

// The fewest digits that read as the same float, and the exponent of the first.
static int shortest(double value, char *digits, int *exponent) {
  char form[40];
  for (int precision = 0; precision <= 16; precision++) {
    snprintf(form, sizeof form, "%.*e", precision, value);
    if (precision == 16 || strtod(form, NULL) == value) break;
    if (precision == 0) precision = 13; // few floats are in between
  }
  int count = 0;
  char *mark = strchr(form, 'e');
  for (char *at = form; at < mark; at++) if (*at >= '0' && *at <= '9') digits[count++] = *at;
  while (count > 1 && digits[count - 1] == '0') count--;
  *exponent = atoi(mark + 1);
  return count;
}

static mrb_value to_s(mrb_state *mrb, mrb_value self) {
  double value = mrb_float(self);
  if (value != value) return mrb_str_new_lit(mrb, "NaN");
  if (value - value != 0) return value < 0 ? mrb_str_new_lit(mrb, "-Infinity") : mrb_str_new_lit(mrb, "Infinity");
  char digits[24], text[64];
  int exponent, len = 0, count = shortest(value, digits, &exponent);
  if (value < 0 || (value == 0 && 1 / value < 0)) text[len++] = '-';
  if (exponent < -4 || exponent >= 16) {
    text[len++] = digits[0];
    text[len++] = '.';
    if (count == 1) text[len++] = '0';
    memcpy(text + len, digits + 1, (size_t)(count - 1));
    len += count - 1;
    len += snprintf(text + len, 16, "e%+03d", exponent);
  } else if (exponent < 0) {
    text[len++] = '0';
    text[len++] = '.';
    for (int i = -1; i > exponent; i--) text[len++] = '0';
    memcpy(text + len, digits, (size_t)count);
    len += count;
  } else {
    for (int i = 0; i <= exponent; i++) text[len++] = i < count ? digits[i] : '0';
    text[len++] = '.';
    if (count <= exponent + 1) text[len++] = '0';
    for (int i = exponent + 1; i < count; i++) text[len++] = digits[i];
  }
  return mrb_str_new(mrb, text, len);
}

void floats_init(mrb_state *mrb) {
  mrb_define_method(mrb, mrb->float_class, "to_s", to_s, MRB_ARGS_NONE());
  mrb_define_method(mrb, mrb->float_class, "inspect", to_s, MRB_ARGS_NONE());
}
