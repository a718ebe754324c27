// What the C library asks of WASI, answered inside of the engine, so that a component imports no WASI at all: the clock is the action's
// time, random numbers are the contract's, what is printed goes to the log, and there is nothing else.
#include "contract.h"

void contract_print(const char *text, size_t len);

// The clock may be asked inside of an action only: in `define` it stands at 0.
bool wasi_is_in_action;

enum { DONE = 0, BAD_FILE = 8, NO_ENTRY = 44, NOT_CAPABLE = 76 };

typedef struct {
  const char *at;
  uint32_t len;
} piece_t;

#define WASI(name) __imported_wasi_snapshot_preview1_##name
#define REFUSED(name, code, ...) int32_t WASI(name)(__VA_ARGS__) { return code; }

int32_t WASI(clock_time_get)(int32_t clock, int64_t precision, int32_t out) {
  (void)clock, (void)precision;
  *(uint64_t *)out = wasi_is_in_action ? quest_host_current_accepted_at() * 1000000ull : 0;
  return DONE;
}

int32_t WASI(clock_res_get)(int32_t clock, int32_t out) {
  (void)clock;
  *(uint64_t *)out = 1000000;
  return DONE;
}

int32_t WASI(random_get)(int32_t to, int32_t len) {
  engine_list_u8_t drawn;
  for (uint32_t done = 0; done < (uint32_t)len; done += (uint32_t)drawn.len) {
    quest_host_random_bytes((uint32_t)len - done, &drawn);
    memcpy((uint8_t *)to + done, drawn.ptr, drawn.len);
    engine_list_u8_free(&drawn);
  }
  return DONE;
}

int32_t WASI(fd_write)(int32_t file, int32_t pieces, int32_t count, int32_t out) {
  (void)file;
  const piece_t *piece = (const piece_t *)pieces;
  uint32_t written = 0;
  for (int32_t i = 0; i < count; i++) {
    contract_print(piece[i].at, piece[i].len);
    written += piece[i].len;
  }
  *(uint32_t *)out = written;
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
REFUSED(fd_fdstat_get, BAD_FILE, int32_t a, int32_t b)
REFUSED(fd_fdstat_set_flags, BAD_FILE, int32_t a, int32_t b)
REFUSED(fd_prestat_get, BAD_FILE, int32_t a, int32_t b)
REFUSED(fd_prestat_dir_name, BAD_FILE, int32_t a, int32_t b, int32_t c)
REFUSED(fd_renumber, BAD_FILE, int32_t a, int32_t b)
REFUSED(path_open, NO_ENTRY, int32_t a, int32_t b, int32_t c, int32_t d, int32_t e, int64_t f, int64_t g, int32_t h, int32_t i)
REFUSED(path_unlink_file, NO_ENTRY, int32_t a, int32_t b, int32_t c)
REFUSED(path_remove_directory, NO_ENTRY, int32_t a, int32_t b, int32_t c)
REFUSED(path_rename, NO_ENTRY, int32_t a, int32_t b, int32_t c, int32_t d, int32_t e, int32_t f)
REFUSED(path_filestat_get, NO_ENTRY, int32_t a, int32_t b, int32_t c, int32_t d, int32_t e)
REFUSED(poll_oneoff, NOT_CAPABLE, int32_t a, int32_t b, int32_t c, int32_t d)
REFUSED(sched_yield, DONE, void)

_Noreturn void WASI(proc_exit)(int32_t code) { __builtin_trap(); }

// wasi-libc's own declares its import under another name.
int close(int file) { return -1; }
int __wasilibc_close(int file) { return -1; }
