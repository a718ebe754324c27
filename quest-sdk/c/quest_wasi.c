// What the C library asks of WASI, answered inside of the module, so that it imports no WASI at all: the clock is the action's time,
// random numbers are the contract's, what is printed goes to the log by lines, and there are no files.
#include "quest_inside.h"
#include <stdlib.h>
#include <string.h>

// The clock may be asked inside of an action only: in `define` it stands at 0.
static bool is_in_action;

void q_in_action(bool begins) {
  is_in_action = begins;
  if (begins) q_refusal_begin();
}

// A line that was begun, of standard output and of standard error.
static struct {
  char *at;
  size_t size, room;
} lines[2];

static void print(int which, const char *text, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (lines[which].size + 1 >= lines[which].room) {
      lines[which].room = lines[which].room * 2 + 128;
      lines[which].at = realloc(lines[which].at, lines[which].room);
      if (lines[which].at == NULL) abort();
    }
    bool is_end = text[i] == '\n';
    lines[which].at[lines[which].size++] = is_end ? 0 : text[i];
    if (!is_end) continue;
    if (!q_is_utf8(lines[which].at, lines[which].size - 1)) strcpy(lines[which].at, "(a line that is not UTF-8)");
    q_log(which == 0 ? Q_INFO : Q_ERROR, lines[which].at);
    lines[which].size = 0;
  }
}

// The C library's own, there only where something is printed by it: hands over what it holds back.
__attribute__((weak)) void __stdio_exit(void);

void q_print_end(void) {
  if (__stdio_exit != NULL) __stdio_exit();
  for (int which = 0; which < 2; which++) if (lines[which].size > 0) print(which, "\n", 1);
}

enum { DONE = 0, BAD_FILE = 8, NO_ENTRY = 44, NOT_CAPABLE = 76 };

typedef struct {
  const char *at;
  uint32_t size;
} piece_t;

#define WASI(name) __imported_wasi_snapshot_preview1_##name
#define REFUSED(name, code, ...) int32_t WASI(name)(__VA_ARGS__) { return code; }

int32_t WASI(clock_time_get)(int32_t clock, int64_t precision, int32_t out) {
  (void)clock, (void)precision;
  *(uint64_t *)out = is_in_action ? q_accepted_at() * 1000000ull : 0;
  return DONE;
}

int32_t WASI(clock_res_get)(int32_t clock, int32_t out) {
  (void)clock;
  *(uint64_t *)out = 1000000;
  return DONE;
}

int32_t WASI(random_get)(int32_t to, int32_t count) {
  q_random_bytes((void *)to, (size_t)count);
  return DONE;
}

int32_t WASI(fd_write)(int32_t file, int32_t pieces, int32_t count, int32_t out) {
  const piece_t *piece = (const piece_t *)pieces;
  uint32_t written = 0;
  for (int32_t i = 0; i < count; i++) {
    print(file == 2, piece[i].at, piece[i].size);
    written += piece[i].size;
  }
  *(uint32_t *)out = written;
  return DONE;
}

// Standard output is as a terminal, so that the C library hands over each line as it ends.
int32_t WASI(fd_fdstat_get)(int32_t file, int32_t out) {
  if (file > 2) return BAD_FILE;
  memset((void *)out, 0, 24);
  *(uint8_t *)out = 2;
  return DONE;
}

int32_t WASI(environ_sizes_get)(int32_t count, int32_t size) {
  *(uint32_t *)count = 0;
  *(uint32_t *)size = 0;
  return DONE;
}

#pragma clang diagnostic ignored "-Wunused-parameter"
REFUSED(environ_get, DONE, int32_t a, int32_t b)
REFUSED(fd_close, BAD_FILE, int32_t a)
REFUSED(fd_read, BAD_FILE, int32_t a, int32_t b, int32_t c, int32_t d)
REFUSED(fd_seek, BAD_FILE, int32_t a, int64_t b, int32_t c, int32_t d)
REFUSED(fd_fdstat_set_flags, BAD_FILE, int32_t a, int32_t b)
REFUSED(fd_prestat_get, BAD_FILE, int32_t a, int32_t b)
REFUSED(fd_prestat_dir_name, BAD_FILE, int32_t a, int32_t b, int32_t c)
REFUSED(path_open, NO_ENTRY, int32_t a, int32_t b, int32_t c, int32_t d, int32_t e, int64_t f, int64_t g, int32_t h, int32_t i)
REFUSED(poll_oneoff, NOT_CAPABLE, int32_t a, int32_t b, int32_t c, int32_t d)
REFUSED(sched_yield, DONE, void)

_Noreturn void WASI(proc_exit)(int32_t code) { __builtin_trap(); }

// wasi-libc's own declares its import under another name.
int close(int file) { return -1; }
int __wasilibc_close(int file) { return -1; }
