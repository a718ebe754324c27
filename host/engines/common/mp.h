// A growing buffer of bytes, and MessagePack in it: what crosses between an interpreter and the contract.
#ifndef MP_H
#define MP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  uint8_t *at;
  size_t len, room;
} bytes_t;

static inline void put(bytes_t *to, const void *from, size_t len) {
  if (len == 0) return;
  if (to->len + len > to->room) {
    to->room = (to->len + len) * 2 + 64;
    to->at = realloc(to->at, to->room);
    if (to->at == NULL) abort();
  }
  memcpy(to->at + to->len, from, len);
  to->len += len;
}

static inline void put_byte(bytes_t *to, uint8_t byte) { put(to, &byte, 1); }

static inline void put_big(bytes_t *to, uint8_t tag, uint64_t value, int width) {
  uint8_t form[9] = {tag};
  for (int i = 0; i < width; i++) form[1 + i] = (uint8_t)(value >> (8 * (width - 1 - i)));
  put(to, form, 1 + width);
}

static inline void mp_int(bytes_t *to, int64_t value) {
  if (value >= -32 && value < 128) put_byte(to, (uint8_t)value);
  else if (value >= INT8_MIN && value <= INT8_MAX) put_big(to, 0xd0, (uint64_t)value, 1);
  else if (value >= INT16_MIN && value <= INT16_MAX) put_big(to, 0xd1, (uint64_t)value, 2);
  else if (value >= INT32_MIN && value <= INT32_MAX) put_big(to, 0xd2, (uint64_t)value, 4);
  else put_big(to, 0xd3, (uint64_t)value, 8);
}

static inline void mp_number(bytes_t *to, double value) {
  uint64_t form;
  memcpy(&form, &value, sizeof form);
  put_big(to, 0xcb, form, 8);
}

static inline void mp_nil(bytes_t *to) { put_byte(to, 0xc0); }
static inline void mp_bool(bytes_t *to, bool value) { put_byte(to, value ? 0xc3 : 0xc2); }

static inline void mp_head(bytes_t *to, size_t len, uint8_t fix, size_t fix_max, uint8_t tag8, uint8_t tag16) {
  if (len <= fix_max) put_byte(to, (uint8_t)(fix | len));
  else if (tag8 != 0 && len < 256) put_big(to, tag8, len, 1);
  else if (len < 65536) put_big(to, tag16, len, 2);
  else put_big(to, (uint8_t)(tag16 + 1), len, 4);
}

static inline void mp_text(bytes_t *to, const void *text, size_t len) {
  mp_head(to, len, 0xa0, 31, 0xd9, 0xda);
  put(to, text, len);
}

static inline void mp_binary(bytes_t *to, const void *data, size_t len) {
  if (len < 256) put_big(to, 0xc4, len, 1);
  else if (len < 65536) put_big(to, 0xc5, len, 2);
  else put_big(to, 0xc6, len, 4);
  put(to, data, len);
}

static inline void mp_array(bytes_t *to, size_t items) { mp_head(to, items, 0x90, 15, 0, 0xdc); }
static inline void mp_map(bytes_t *to, size_t pairs) { mp_head(to, pairs, 0x80, 15, 0, 0xde); }

// A reader; at the end, and where the bytes are none of these, everything reads as BAD.
typedef struct {
  const uint8_t *at, *end;
} reader_t;

typedef enum { BAD, NIL, BOOLEAN, INTEGER, NUMBER, TEXT, BINARY, ARRAY, MAP } kind_t;

typedef struct {
  kind_t kind;
  int64_t integer; // of a boolean too
  double number;
  const char *at; // of a text or bytes
  size_t len;     // its bytes; of an array its items, of a map its pairs
} item_t;

static inline uint64_t take_big(reader_t *from, int width) {
  uint64_t value = 0;
  if (from->end - from->at < width) {
    from->at = from->end;
    return 0;
  }
  while (width-- > 0) value = value << 8 | *from->at++;
  return value;
}

static inline item_t mp_next(reader_t *from) {
  item_t item = {.kind = BAD};
  if (from->at >= from->end) return item;
  uint8_t tag = *from->at++;
  if (tag < 0x80 || tag >= 0xe0) item = (item_t){.kind = INTEGER, .integer = (int8_t)tag};
  else if (tag < 0x90) item = (item_t){.kind = MAP, .len = tag & 15};
  else if (tag < 0xa0) item = (item_t){.kind = ARRAY, .len = tag & 15};
  else if (tag < 0xc0) item = (item_t){.kind = TEXT, .len = tag & 31};
  else switch (tag) {
    case 0xc0: item.kind = NIL; break;
    case 0xc2: case 0xc3: item.kind = BOOLEAN; item.integer = tag & 1; break;
    case 0xc4: case 0xc5: case 0xc6: item.kind = BINARY; item.len = take_big(from, 1 << (tag - 0xc4)); break;
    case 0xca: {
      uint32_t form = (uint32_t)take_big(from, 4);
      float value;
      memcpy(&value, &form, 4);
      item.kind = NUMBER;
      item.number = value;
      break;
    }
    case 0xcb: {
      uint64_t form = take_big(from, 8);
      memcpy(&item.number, &form, 8);
      item.kind = NUMBER;
      break;
    }
    case 0xcc: case 0xcd: case 0xce: case 0xcf: {
      uint64_t value = take_big(from, 1 << (tag - 0xcc));
      // The host takes no integer past 63 bits, so none comes.
      item.kind = value > INT64_MAX ? BAD : INTEGER;
      item.integer = (int64_t)value;
      break;
    }
    case 0xd0: item.kind = INTEGER; item.integer = (int8_t)take_big(from, 1); break;
    case 0xd1: item.kind = INTEGER; item.integer = (int16_t)take_big(from, 2); break;
    case 0xd2: item.kind = INTEGER; item.integer = (int32_t)take_big(from, 4); break;
    case 0xd3: item.kind = INTEGER; item.integer = (int64_t)take_big(from, 8); break;
    case 0xd9: case 0xda: case 0xdb: item.kind = TEXT; item.len = take_big(from, 1 << (tag - 0xd9)); break;
    case 0xdc: case 0xdd: item.kind = ARRAY; item.len = take_big(from, tag == 0xdc ? 2 : 4); break;
    case 0xde: case 0xdf: item.kind = MAP; item.len = take_big(from, tag == 0xde ? 2 : 4); break;
    default: break;
  }
  if (item.kind == TEXT || item.kind == BINARY) {
    if (item.len > (size_t)(from->end - from->at)) item.kind = BAD;
    else {
      item.at = (const char *)from->at;
      from->at += item.len;
    }
  }
  return item;
}

// Passes one whole value.
static inline bool mp_skip(reader_t *from) {
  for (size_t left = 1; left > 0; left--) {
    item_t item = mp_next(from);
    if (item.kind == BAD) return false;
    if (item.kind == ARRAY) left += item.len;
    if (item.kind == MAP) left += 2 * item.len;
  }
  return true;
}

static inline bool is_utf8(const char *text, size_t len) {
  const uint8_t *at = (const uint8_t *)text, *end = at + len;
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
#endif
