// Memory of one action: what the host gives and what the library makes. It is taken back as a whole when the action ends, so that
// an instance which is kept for the next action does not grow. It knows nothing of the contract.
#include "quest_inside.h"
#include <stdlib.h>
#include <string.h>

typedef struct chunk {
  struct chunk *before;
  size_t room, used;
  _Alignas(8) uint8_t at[];
} chunk;

enum { CHUNK = 4096 - sizeof(chunk), FIRST = 32768 - sizeof(chunk) };

// What most actions need is there from the start: a memory that grows costs the host more than the rest of such an action, and holds up
// its other threads.
static _Alignas(16) uint8_t first[sizeof(chunk) + FIRST];
static chunk *newest;

static void *take(size_t align, size_t size) {
  if (newest == NULL) {
    newest = (chunk *)first;
    newest->room = FIRST;
  }
  size_t from = (newest->used + align - 1) & ~(align - 1);
  if (from <= newest->room && size <= newest->room - from) {
    newest->used = from + size;
    return newest->at + from;
  }
  size_t room = size > CHUNK ? size : CHUNK;
  chunk *made = room + sizeof(chunk) > room ? malloc(sizeof(chunk) + room) : NULL;
  if (made == NULL) {
    q_log(Q_ERROR, "there is no more memory");
    abort();
  }
  *made = (chunk){.before = newest, .room = room, .used = size};
  newest = made;
  return made->at;
}

void q_memory_end(void) {
  while (newest != NULL && newest->before != NULL) {
    chunk *before = newest->before;
    free(newest);
    newest = before;
  }
  if (newest != NULL) newest->used = 0;
}

void *q_alloc(size_t size) { return take(8, size); }

// How the host hands over lists and texts; instead of the one of the generated bindings. A text is followed by a zero, so it is C's too.
__attribute__((export_name("cabi_realloc"))) void *cabi_realloc(void *before, size_t size_before, size_t align, size_t size) {
  char *at = take(align, align == 1 ? size + 1 : size);
  if (before != NULL) memcpy(at, before, size_before < size ? size_before : size);
  if (align == 1) at[size] = 0;
  return at;
}

char *q_terminated(const void *text, size_t size) {
  char *at = take(1, size + 1);
  memcpy(at, text, size);
  at[size] = 0;
  return at;
}

char *q_join(size_t count, const char *const *texts) {
  size_t size = 0;
  for (size_t i = 0; i < count; i++) size += strlen(texts[i]);
  char *whole = take(1, size + 1), *at = whole;
  for (size_t i = 0; i < count; i++) {
    size_t len = strlen(texts[i]);
    memcpy(at, texts[i], len);
    at += len;
  }
  *at = 0;
  return whole;
}
