// Values and their MessagePack. It knows nothing of the contract, only of memory.
#include "quest_inside.h"
#include <string.h>

q_value q_null(void) { return (q_value){.kind = Q_NULL}; }
q_value q_boolean(bool value) { return (q_value){.kind = Q_BOOLEAN, .boolean = value}; }
q_value q_integer(int64_t value) { return (q_value){.kind = Q_INTEGER, .integer = value}; }
q_value q_number(double value) { return (q_value){.kind = Q_NUMBER, .number = value}; }
q_value q_text(const char *text) { return q_text_of(text, strlen(text)); }
q_value q_text_of(const char *at, size_t size) { return (q_value){.kind = Q_TEXT, .at = at, .size = size}; }
q_value q_binary(const void *at, size_t size) { return (q_value){.kind = Q_BINARY, .at = at, .size = size}; }
q_value q_json(const char *json) { return (q_value){.kind = Q_JSON, .at = json, .size = strlen(json)}; }

// ── Writing.

// A value takes at most this more than its own bytes.
enum { HEAD = 9, NEVER_USED = 0xc1 };

static uint8_t *head(uint8_t *to, uint8_t tag, uint64_t value, int width) {
  *to++ = tag;
  while (width-- > 0) *to++ = (uint8_t)(value >> (8 * width));
  return to;
}

// Of a text, bytes, an array or a map: `few` is the form for at most `most`, then those of 8 (0: none), 16 and 32 bits.
static uint8_t *sized(uint8_t *to, size_t size, uint8_t few, size_t most, uint8_t tag8, uint8_t tag16) {
  if (size <= most && few != 0) return head(to, (uint8_t)(few | size), 0, 0);
  if (size < 0x100 && tag8 != 0) return head(to, tag8, size, 1);
  if (size < 0x10000) return head(to, tag16, size, 2);
  return head(to, (uint8_t)(tag16 + 1), size, 4);
}

static uint8_t *integer(uint8_t *to, int64_t value) {
  if (value >= -32 && value < 128) return head(to, (uint8_t)value, 0, 0);
  if (value >= INT8_MIN && value <= INT8_MAX) return head(to, 0xd0, (uint64_t)value, 1);
  if (value >= INT16_MIN && value <= INT16_MAX) return head(to, 0xd1, (uint64_t)value, 2);
  if (value >= INT32_MIN && value <= INT32_MAX) return head(to, 0xd2, (uint64_t)value, 4);
  return head(to, 0xd3, (uint64_t)value, 8);
}

static uint8_t *encode(uint8_t *to, q_value value) {
  switch (value.kind) {
    case Q_NONE:
    case Q_NULL: return head(to, 0xc0, 0, 0);
    case Q_BOOLEAN: return head(to, value.boolean ? 0xc3 : 0xc2, 0, 0);
    case Q_INTEGER: return integer(to, value.integer);
    case Q_NUMBER: {
      uint64_t form;
      memcpy(&form, &value.number, sizeof form);
      return head(to, 0xcb, form, 8);
    }
    case Q_TEXT: to = sized(to, value.size, 0xa0, 31, 0xd9, 0xda); break;
    case Q_BINARY: to = sized(to, value.size, 0, 0, 0xc4, 0xc5); break;
    case Q_ARRAY:
    case Q_MAP: break;
    // Only the host makes a value of JSON text, and only of a whole one: it refuses what has this byte (`invalid-value`).
    case Q_JSON: return head(to, NEVER_USED, 0, 0);
  }
  if (value.size > 0) memcpy(to, value.at, value.size);
  return to + value.size;
}

q_value q_array(size_t count, const q_value *items) {
  size_t room = HEAD;
  for (size_t i = 0; i < count; i++) room += HEAD + items[i].size;
  uint8_t *start = q_alloc(room), *to = sized(start, count, 0x90, 15, 0, 0xdc);
  for (size_t i = 0; i < count; i++) to = encode(to, items[i]);
  return (q_value){.kind = Q_ARRAY, .count = (uint32_t)count, .at = (const char *)start, .size = (size_t)(to - start)};
}

q_value q_map(size_t count, const q_pair *pairs) {
  size_t room = HEAD;
  for (size_t i = 0; i < count; i++) room += 2 * HEAD + strlen(pairs[i].key) + pairs[i].value.size;
  uint8_t *start = q_alloc(room), *to = sized(start, count, 0x80, 15, 0, 0xde);
  for (size_t i = 0; i < count; i++) {
    to = encode(to, q_text(pairs[i].key));
    to = encode(to, pairs[i].value);
  }
  return (q_value){.kind = Q_MAP, .count = (uint32_t)count, .at = (const char *)start, .size = (size_t)(to - start)};
}

void q_push(q_list *list, q_value item) {
  if (list->count == list->room) {
    list->room = list->room * 2 + 8;
    q_value *items = q_alloc(list->room * sizeof *items);
    if (list->count > 0) memcpy(items, list->items, list->count * sizeof *items);
    list->items = items;
  }
  list->items[list->count++] = item;
}

// ── Reading.

static bool take(const uint8_t **at, const uint8_t *end, int width, uint64_t *value) {
  *value = 0;
  if (end - *at < width) return false;
  while (width-- > 0) *value = *value << 8 | *(*at)++;
  return true;
}

static q_value bytes(q_kind kind, const uint8_t **at, const uint8_t *end, uint64_t size) {
  if (size > (uint64_t)(end - *at)) return (q_value){.kind = Q_NONE};
  q_value value = {.kind = kind, .at = (const char *)*at, .size = (size_t)size};
  *at += size;
  return value;
}

// Passes what stands inside of an array or a map that began at `start`; however deep it is.
static q_value inside(q_kind kind, const uint8_t *start, const uint8_t **at, const uint8_t *end, uint64_t count) {
  for (uint64_t left = kind == Q_MAP ? 2 * count : count; left > 0; left--) {
    q_value item = q_decode(at, end);
    if (item.kind == Q_NONE) return item;
  }
  return (q_value){.kind = kind, .count = (uint32_t)count, .at = (const char *)start, .size = (size_t)(*at - start)};
}

static q_value signed_of(uint64_t value, int width) {
  int unused = 64 - 8 * width;
  return q_integer((int64_t)(value << unused) >> unused);
}

q_value q_decode(const uint8_t **at, const uint8_t *end) {
  const q_value none = {.kind = Q_NONE};
  const uint8_t *start = *at;
  uint64_t n;
  if (*at >= end) return none;
  uint8_t tag = *(*at)++;
  if (tag < 0x80 || tag >= 0xe0) return q_integer((int8_t)tag);
  if (tag < 0x90) return inside(Q_MAP, start, at, end, tag & 15);
  if (tag < 0xa0) return inside(Q_ARRAY, start, at, end, tag & 15);
  if (tag < 0xc0) return bytes(Q_TEXT, at, end, tag & 31);
  // How many bytes follow the tag: 0xc4 to 0xdf.
  static const uint8_t widths[] = {1, 2, 4, 0, 0, 0, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4};
  int width = tag < 0xc4 ? 0 : widths[tag - 0xc4];
  if (!take(at, end, width, &n)) return none;
  switch (tag) {
    case 0xc0: return q_null();
    case 0xc2:
    case 0xc3: return q_boolean(tag == 0xc3);
    case 0xc4:
    case 0xc5:
    case 0xc6: return bytes(Q_BINARY, at, end, n);
    case 0xca: {
      uint32_t form = (uint32_t)n;
      float number;
      memcpy(&number, &form, sizeof number);
      return q_number(number);
    }
    case 0xcb: {
      double number;
      memcpy(&number, &n, sizeof number);
      return q_number(number);
    }
    // The host takes no integer past 63 bits, so none comes.
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf: return n > INT64_MAX ? none : q_integer((int64_t)n);
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3: return signed_of(n, width);
    case 0xd9:
    case 0xda:
    case 0xdb: return bytes(Q_TEXT, at, end, n);
    case 0xdc:
    case 0xdd: return inside(Q_ARRAY, start, at, end, n);
    case 0xde:
    case 0xdf: return inside(Q_MAP, start, at, end, n);
    default: return none;
  }
}

q_walk q_begin(q_value value) {
  q_walk walk = {0};
  if (value.kind != Q_ARRAY && value.kind != Q_MAP) return walk;
  const uint8_t *start = (const uint8_t *)value.at;
  int head = *start < 0xa0 ? 1 : *start == 0xdc || *start == 0xde ? 3 : 5;
  walk = (q_walk){.at = start + head, .end = start + value.size, .left = value.count, .is_map = value.kind == Q_MAP};
  return walk;
}

bool q_next(q_walk *walk, q_value *item) {
  if (walk->left == 0) return false;
  walk->left--;
  if (walk->is_map) walk->key = q_decode(&walk->at, walk->end);
  *item = q_decode(&walk->at, walk->end);
  return item->kind != Q_NONE;
}

q_value q_at(q_value array, uint32_t index) {
  q_walk walk = q_begin(array);
  q_value item;
  while (!walk.is_map && q_next(&walk, &item)) if (index-- == 0) return item;
  return (q_value){.kind = Q_NONE};
}

q_value q_in(q_value map, const char *key) {
  q_walk walk = q_begin(map);
  q_value item;
  size_t size = strlen(key);
  while (walk.is_map && q_next(&walk, &item)) {
    if (walk.key.kind == Q_TEXT && walk.key.size == size && memcmp(walk.key.at, key, size) == 0) return item;
  }
  return (q_value){.kind = Q_NONE};
}

bool q_as_boolean(q_value value, bool otherwise) { return value.kind == Q_BOOLEAN ? value.boolean : otherwise; }
int64_t q_as_integer(q_value value, int64_t otherwise) { return value.kind == Q_INTEGER ? value.integer : otherwise; }
double q_as_number(q_value value, double otherwise) {
  return value.kind == Q_NUMBER ? value.number : value.kind == Q_INTEGER ? (double)value.integer : otherwise;
}
const char *q_as_text(q_value value, const char *otherwise) { return value.kind == Q_TEXT ? q_terminated(value.at, value.size) : otherwise; }

bool q_is_utf8(const char *text, size_t size) {
  const uint8_t *at = (const uint8_t *)text, *end = at + size;
  while (at < end) {
    uint8_t first = *at++;
    if (first < 0x80) continue;
    int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
    if (first < 0xc2 || first > 0xf4 || end - at < more) return false;
    uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (*at < low || *at > high) return false;
    for (at++; --more > 0; at++) if ((*at & 0xc0) != 0x80) return false;
  }
  return true;
}
