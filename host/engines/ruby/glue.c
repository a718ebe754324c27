// The Ruby engine: mruby and the contract. What authors see is in prelude.rb; what it is given is the module `Q`.
#include "contract.h"
#include <mruby.h>
#include <mruby/array.h>
#include <mruby/class.h>
#include <mruby/compile.h>
#include <mruby/debug.h>
#include <mruby/dump.h>
#include <mruby/error.h>
#include <mruby/hash.h>
#include <mruby/internal.h>
#include <mruby/proc.h>
#include <mruby/string.h>
#include <mruby/variable.h>
#include "library.h"
#include "values.h"

void __wasm_call_ctors(void);
void contract_print(const char *text, size_t len);

// Instructions between two reports of where the script is: some milliseconds.
enum { INSTRUCTIONS = 1000000 };

static mrb_state *mrb;
static char *script_name;
static bool is_acting;
static bytes_t args, result;
static mrb_value engine; // the module Q

int engine_instructions = INSTRUCTIONS;

// ── Where the script is.

static int32_t line_of(mrb_state *mrb, const mrb_callinfo *frame) {
  if (frame->proc == NULL || MRB_PROC_CFUNC_P(frame->proc) || frame->pc == NULL) return 0;
  const mrb_irep *code = frame->proc->body.irep;
  if (code == NULL || code->debug_info == NULL) return 0;
  uint32_t place = (uint32_t)(frame->pc - 1 - code->iseq);
  const char *file = mrb_debug_get_filename(mrb, code, place);
  return file == NULL || strcmp(file, script_name) != 0 ? 0 : mrb_debug_get_line(mrb, code, place);
}

static int32_t current_line(mrb_state *mrb) {
  if (script_name == NULL) return 0;
  for (const mrb_callinfo *frame = mrb->c->ci; frame >= mrb->c->cibase; frame--) {
    int32_t line = line_of(mrb, frame);
    if (line > 0) return line;
  }
  return 0;
}

void engine_tick(mrb_state *mrb) {
  engine_instructions = INSTRUCTIONS;
  int32_t line = current_line(mrb);
  if (line > 0) quest_host_script_position((uint32_t)line);
}

// The linker's: where the stack ends, which grows towards it.
extern char __stack_low;

bool engine_stack_is_below(unsigned bytes) {
  uintptr_t at;
  __asm__("global.get __stack_pointer\n local.set %0" : "=r"(at));
  return at - (uintptr_t)&__stack_low < bytes;
}

// ── What the prelude is given.

static mrb_value text_of(mrb_state *mrb, item_t item) { return mrb_str_new(mrb, item.at, (mrb_int)item.len); }

// What a call of the contract gave; a refusal is raised.
static mrb_value outcome(mrb_state *mrb, bool done) {
  reader_t from = {result.at, result.at + result.len};
  if (done) return decode(mrb, &from);
  item_t code = (mp_next(&from), mp_next(&from)), message = mp_next(&from);
  mrb_value of_it[] = {text_of(mrb, code), text_of(mrb, message)};
  mrb_exc_raise(mrb, mrb_obj_new(mrb, mrb_class_get(mrb, "Refusal"), 2, of_it));
  return mrb_nil_value();
}

// call(name, …): a function of the contract.
static mrb_value host_call(mrb_state *mrb, mrb_value self) {
  const mrb_value *given;
  mrb_int count;
  mrb_value name;
  mrb_get_args(mrb, "S*!", &name, &given, &count);
  args.len = 0;
  mp_array(&args, (size_t)count);
  for (mrb_int i = 0; i < count; i++) encode(mrb, &args, given[i]);
  return outcome(mrb, contract_call(RSTRING_PTR(name), (size_t)RSTRING_LEN(name), args.at, args.len, &result));
}

// place(): "name.rb:3", where the script is.
static mrb_value place(mrb_state *mrb, mrb_value self) {
  int32_t line = current_line(mrb);
  return line > 0 ? mrb_format(mrb, "%s:%d", script_name, (int)line) : mrb_str_new_lit(mrb, "");
}

static mrb_value acting(mrb_state *mrb, mrb_value self) { return mrb_bool_value(is_acting); }

// Instance variables by any name, such as "@no-items", which Ruby's own functions refuse.
static mrb_value get_variable(mrb_state *mrb, mrb_value self) {
  mrb_value object;
  mrb_sym name;
  mrb_get_args(mrb, "on", &object, &name);
  return mrb_iv_get(mrb, object, name);
}

static mrb_value set_variable(mrb_state *mrb, mrb_value self) {
  mrb_value object, value;
  mrb_sym name;
  mrb_get_args(mrb, "ono", &object, &name, &value);
  mrb_iv_set(mrb, object, name, value);
  return value;
}

static mrb_value remove_variable(mrb_state *mrb, mrb_value self) {
  mrb_value object;
  mrb_sym name;
  mrb_get_args(mrb, "on", &object, &name);
  return mrb_bool_value(!mrb_undef_p(mrb_iv_remove(mrb, object, name)));
}

// ── Exceptions in hand: `$!`, and `raise` alone, which raises it again.

void engine_rescued(mrb_state *mrb, mrb_value exception) { mrb_gv_set(mrb, mrb_intern_lit(mrb, "$!"), exception); }

static mrb_value raise_(mrb_state *mrb, mrb_value self) {
  mrb_value last = mrb_gv_get(mrb, mrb_intern_lit(mrb, "$!"));
  if (mrb_get_argc(mrb) == 0 && mrb_exception_p(last)) mrb_exc_raise(mrb, last);
  return mrb_f_raise(mrb, self);
}

// ── Variables: instance variables before an action, and what changed of them after it.

typedef struct {
  mrb_sym name;
  size_t at, len; // in `before`
  bool is_seen;
} slot_t;

static slot_t *slots;
static size_t slots_len, slots_room;
static bytes_t before, sigil;
// Instance variables that are the engine's, and stored by no action.
static mrb_sym reserved[4];

static bool is_reserved(mrb_sym name) {
  for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) if (reserved[i] == name) return true;
  return false;
}

static mrb_sym variable_of(mrb_state *mrb, item_t name) {
  sigil.len = 0;
  put_byte(&sigil, '@');
  put(&sigil, name.at, name.len);
  return mrb_intern(mrb, (char *)sigil.at, sigil.len);
}

static slot_t *new_slot(void) {
  if (slots_len == slots_room) {
    slots_room = slots_room * 2 + 16;
    slots = realloc(slots, slots_room * sizeof *slots);
    if (slots == NULL) abort();
  }
  return &slots[slots_len++];
}

static mrb_value load(mrb_state *mrb, mrb_value self) {
  mrb_value object;
  mrb_get_args(mrb, "o", &object);
  slots_len = before.len = args.len = 0;
  mp_array(&args, 0);
  contract_call("variables.load", 14, args.at, args.len, &result);
  reader_t from = {result.at, result.at + result.len};
  item_t map = mp_next(&from);
  int arena = mrb_gc_arena_save(mrb);
  for (size_t i = 0; i < map.len; i++) {
    mrb_sym name = variable_of(mrb, mp_next(&from));
    mrb_value value = decode(mrb, &from);
    if (is_reserved(name)) continue;
    slot_t *slot = new_slot();
    *slot = (slot_t){.name = name, .at = before.len};
    encode(mrb, &before, value);
    slot->len = before.len - slot->at;
    mrb_iv_set(mrb, object, name, value);
    mrb_gc_arena_restore(mrb, arena);
  }
  return object;
}


// Begins the arguments of a call about a variable.
static void name_variable(mrb_state *mrb, mrb_sym variable, size_t count) {
  mrb_int len;
  const char *name = mrb_sym_name_len(mrb, variable, &len);
  args.len = 0;
  mp_array(&args, count);
  mp_text(&args, name + 1, (size_t)len - 1);
}

static int store_variable(mrb_state *mrb, mrb_sym name, mrb_value value, void *opaque) {
  if (is_reserved(name)) return 0;
  *(mrb_sym *)opaque = name;
  name_variable(mrb, name, 2);
  size_t at = args.len;
  encode(mrb, &args, value);
  for (size_t i = 0; i < slots_len; i++) {
    slot_t *slot = &slots[i];
    if (slot->name != name) continue;
    slot->is_seen = true;
    if (slot->len == args.len - at && memcmp(before.at + slot->at, args.at + at, slot->len) == 0) return 0;
  }
  outcome(mrb, contract_call("variables.set", 13, args.at, args.len, &result));
  return 0;
}

typedef struct {
  mrb_value object;
  mrb_sym name;
} storing_t;

static mrb_value store_all(mrb_state *mrb, void *opaque) {
  storing_t *storing = opaque;
  mrb_iv_foreach(mrb, storing->object, store_variable, &storing->name);
  for (size_t i = 0; i < slots_len; i++) {
    if (slots[i].is_seen) continue;
    storing->name = slots[i].name;
    name_variable(mrb, slots[i].name, 1);
    outcome(mrb, contract_call("variables.remove", 16, args.at, args.len, &result));
  }
  return mrb_nil_value();
}

// store(object): the exception says which variable it is about.
static mrb_value store(mrb_state *mrb, mrb_value self) {
  storing_t storing = {0};
  mrb_get_args(mrb, "o", &storing.object);
  mrb_bool failed = false;
  mrb_value given = mrb_protect_error(mrb, store_all, &storing, &failed);
  if (!failed) return given;
  return mrb_funcall(mrb, self, "not_stored", 2, mrb_sym_str(mrb, storing.name), given);
}

// ── What is printed.

static void print_one(mrb_state *mrb, mrb_value value, bool as_line) {
  mrb_value text = mrb_obj_as_string(mrb, value);
  size_t len = (size_t)RSTRING_LEN(text);
  contract_print(RSTRING_PTR(text), len);
  if (as_line && (len == 0 || RSTRING_PTR(text)[len - 1] != '\n')) contract_print("\n", 1);
}

static mrb_value print(mrb_state *mrb, mrb_value self) {
  const mrb_value *given;
  mrb_int count;
  mrb_get_args(mrb, "*", &given, &count);
  for (mrb_int i = 0; i < count; i++) print_one(mrb, given[i], false);
  return mrb_nil_value();
}

static void put_lines(mrb_state *mrb, mrb_value value, int depth) {
  if (!mrb_array_p(value)) {
    print_one(mrb, value, true);
    return;
  }
  if (depth > 64) mrb_raise(mrb, E_ARGUMENT_ERROR, "an array that holds itself cannot be printed");
  for (mrb_int i = 0; i < RARRAY_LEN(value); i++) put_lines(mrb, RARRAY_PTR(value)[i], depth + 1);
}

static mrb_value puts_(mrb_state *mrb, mrb_value self) {
  const mrb_value *given;
  mrb_int count;
  mrb_get_args(mrb, "*", &given, &count);
  if (count == 0) contract_print("\n", 1);
  for (mrb_int i = 0; i < count; i++) put_lines(mrb, given[i], 0);
  return mrb_nil_value();
}

static mrb_value p(mrb_state *mrb, mrb_value self) {
  const mrb_value *given;
  mrb_int count;
  mrb_get_args(mrb, "*", &given, &count);
  for (mrb_int i = 0; i < count; i++) print_one(mrb, mrb_inspect(mrb, given[i]), true);
  return count == 0 ? mrb_nil_value() : count == 1 ? given[0] : mrb_ary_new_from_values(mrb, count, given);
}

static mrb_value run_in_frame(mrb_state *mrb, mrb_value self);

void engine_init(mrb_state *mrb) {
  struct RClass *module = mrb_define_module(mrb, "Q"), *kernel = mrb->kernel_module;
  engine = mrb_obj_value(module);
  static const struct {
    const char *name;
    mrb_func_t function;
    int count;
  } functions[] = {{"acting?", acting, 0},
                   {"place", place, 0},
                   {"get_variable", get_variable, 2},
                   {"set_variable", set_variable, 3},
                   {"remove_variable", remove_variable, 2},
                   {"run", run_in_frame, 1},
                   {"load", load, 1},
                   {"store", store, 1}};
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    mrb_define_module_function(mrb, module, functions[i].name, functions[i].function, MRB_ARGS_REQ(functions[i].count));
  }
  mrb_define_module_function(mrb, module, "call", host_call, MRB_ARGS_ANY());
  mrb_define_method(mrb, kernel, "raise", raise_, MRB_ARGS_ANY());
  mrb_define_method(mrb, kernel, "fail", raise_, MRB_ARGS_ANY());
  mrb_define_method(mrb, kernel, "print", print, MRB_ARGS_ANY());
  mrb_define_method(mrb, kernel, "puts", puts_, MRB_ARGS_ANY());
  mrb_define_method(mrb, kernel, "p", p, MRB_ARGS_ANY());
  static const char *names[] = {"@event", "@context", "@quest_name", "@action_name"};
  for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) reserved[i] = mrb_intern_cstr(mrb, names[i]);
  floats_init(mrb);
  regexp_init(mrb);
  values_init(mrb);
}

// ── Runs.

// What an exception is to the host: [code, message, what to log or nil], as `told` of the prelude has it.
static bool fail(failure_t *error) {
  mrb_value exception = mrb_obj_value(mrb->exc);
  mrb->exc = NULL;
  mrb_gc_protect(mrb, exception);
  mrb_value told = mrb_funcall(mrb, engine, "told", 1, exception);
  if (mrb->exc != NULL || !mrb_array_p(told)) {
    // There is no memory left to say it, or its own `message` raised.
    const char *name = mrb_obj_classname(mrb, exception);
    mrb->exc = NULL;
    contract_end();
    contract_fail(error, "exception", 9, name, strlen(name));
    return false;
  }
  mrb_value code = RARRAY_PTR(told)[0], message = RARRAY_PTR(told)[1], logged = RARRAY_PTR(told)[2];
  if (mrb_string_p(logged)) contract_log(QUEST_HOST_LOG_LEVEL_ERROR, RSTRING_PTR(logged), (size_t)RSTRING_LEN(logged));
  contract_end();
  contract_fail(error, RSTRING_PTR(code), (size_t)RSTRING_LEN(code), RSTRING_PTR(message), (size_t)RSTRING_LEN(message));
  return false;
}

static bool call_prelude(const char *function, const char *action, size_t len, failure_t *error) {
  int arena = mrb_gc_arena_save(mrb);
  if (action == NULL) mrb_funcall(mrb, engine, function, 0);
  else mrb_funcall(mrb, engine, function, 1, mrb_str_new(mrb, action, (mrb_int)len));
  bool done = mrb->exc == NULL || fail(error);
  mrb_gc_arena_restore(mrb, arena);
  return done;
}

static void boot(void) {
  __wasm_call_ctors();
  mrb = mrb_open_core(mrb_default_allocf, NULL);
  int arena = mrb_gc_arena_save(mrb);
  for (const part_t *part = library; part->name != NULL; part++) {
    if (part->init != NULL) part->init(mrb);
    else mrb_load_irep_buf(mrb, part->bytecode, part->len);
    if (mrb->exc != NULL) {
      mrb_value why = mrb_inspect(mrb, mrb_obj_value(mrb->exc));
      contract_log(QUEST_HOST_LOG_LEVEL_ERROR, part->name, strlen(part->name));
      contract_log(QUEST_HOST_LOG_LEVEL_ERROR, RSTRING_PTR(why), (size_t)RSTRING_LEN(why));
      __builtin_trap();
    }
    mrb_gc_arena_restore(mrb, arena);
  }
}

static bool syntax_error(failure_t *error, struct mrb_parser_state *parser) {
  const struct mrb_parser_message *first = parser == NULL ? NULL : &parser->error_buffer[0];
  bool is_known = first != NULL && parser->nerr > 0 && first->message != NULL;
  mrb_value message = is_known ? mrb_format(mrb, "%s:%d: %s", script_name, (int)first->lineno, first->message)
                               : mrb_format(mrb, "%s: it does not parse", script_name);
  contract_fail(error, "syntax", 6, RSTRING_PTR(message), (size_t)RSTRING_LEN(message));
  return false;
}

// Runs the script's top level: called by `run_script` in a frame of its own, which takes its local variables off the stack when it ends.
static mrb_value run_in_frame(mrb_state *mrb, mrb_value self) {
  struct RProc *code = mrb_proc_ptr(mrb_get_arg1(mrb));
  mrb_top_run(mrb, code, mrb_top_self(mrb), 0);
  return mrb_nil_value();
}

static bool run_script(engine_string_t *source, failure_t *error) {
  mrbc_context *context = mrbc_context_new(mrb);
  mrbc_filename(mrb, context, script_name);
  context->capture_errors = true;
  struct mrb_parser_state *parser = mrb_parse_nstring(mrb, (char *)source->ptr, source->len, context);
  bool is_parsed = parser != NULL && parser->tree != NULL && parser->nerr == 0;
  if (!is_parsed) return syntax_error(error, parser);
  struct RProc *code = mrb_generate_code(mrb, parser);
  mrb_parser_free(parser);
  mrbc_context_free(mrb, context);
  if (code == NULL) return mrb->exc == NULL ? syntax_error(error, NULL) : fail(error);
  MRB_PROC_SET_TARGET_CLASS(code, mrb->object_class);
  mrb_funcall(mrb, engine, "run", 1, mrb_obj_value(code));
  return mrb->exc == NULL || fail(error);
}

static bool load_script(failure_t *error) {
  engine_string_t name, source;
  quest_host_script_name(&name);
  script_name = strndup((char *)name.ptr, name.len);
  engine_string_free(&name);
  if (script_name == NULL) abort();
  if (*script_name == 0) {
    free(script_name);
    script_name = NULL;
    return true;
  }
  quest_host_script_source(&source);
  int arena = mrb_gc_arena_save(mrb);
  bool done = run_script(&source, error);
  mrb_gc_arena_restore(mrb, arena);
  engine_string_free(&source);
  return done;
}

bool exports_quest_host_guest_define(failure_t *error) {
  if (mrb == NULL) boot();
  bool is_loaded = script_name != NULL;
  if (!is_loaded && !load_script(error)) return false;
  bool done = script_name == NULL || call_prelude(is_loaded ? "define_again" : "define", NULL, 0, error);
  contract_end();
  if (!done) return false;
  mrb_full_gc(mrb);
  // An action rarely lives long enough to need a collection, and marking touches every page.
  mrb->gc.threshold = mrb->gc.live + 200000;
  contract_make_room();
  return true;
}

static bool perform(const char *action, size_t len, failure_t *error) {
  is_acting = true;
  contract_begin();
  bool done = call_prelude("perform", action, len, error);
  contract_end();
  is_acting = false;
  return done;
}

bool exports_quest_host_guest_init(failure_t *error) { return perform("init", 4, error); }

bool exports_quest_host_guest_perform(engine_string_t *action, failure_t *error) {
  bool done = perform((char *)action->ptr, action->len, error);
  engine_string_free(action);
  return done;
}
