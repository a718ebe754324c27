// The JavaScript engine: QuickJS-ng and the contract. What authors see is in prelude.js and quest.d.ts.
#include "contract.h"
#include "quickjs.h"

void __wasm_call_ctors(void);

static const char prelude[] = {
#embed "prelude.js"
    , 0};

// `REPORT` polls of the interpreter lie between two reports of where the script is: some milliseconds.
enum { DEPTH_MAX = 64, REPORT = 50, STACK_BYTES = 256 * 1024 };

static JSRuntime *runtime;
static JSContext *cx;
static JSValue define, perform, describe_error, make_error;
static bytes_t args, result;

// ── Values.

static bool encode(JSValueConst value, int depth);

// Where in an object a value lies that cannot cross: the name of a variable, when they are stored.
static char place[72];

static bool wrong(const char *what) {
  JS_ThrowTypeError(cx, "%s%s%s", place, place[0] == 0 ? "" : ": ", what);
  return false;
}

static bool encode_number(JSValueConst value) {
  double number;
  if (JS_ToFloat64(cx, &number, value) < 0) return false;
  // An integer that JavaScript holds exactly crosses as one.
  if (number >= -9007199254740991.0 && number <= 9007199254740991.0 && number == (double)(int64_t)number) {
    mp_int(&args, (int64_t)number);
  } else mp_number(&args, number);
  return true;
}

static bool encode_bigint(JSValueConst value) {
  int64_t integer;
  if (JS_ToBigInt64(cx, &integer, value) < 0) return false;
  JSValue again = JS_NewBigInt64(cx, integer);
  bool is_same = JS_IsStrictEqual(cx, again, value);
  JS_FreeValue(cx, again);
  if (!is_same) {
    JS_ThrowRangeError(cx, "%s%san integer has at most 64 bits: store a larger one as text", place, place[0] == 0 ? "" : ": ");
    return false;
  }
  mp_int(&args, integer);
  return true;
}

static bool encode_text(JSValueConst value) {
  size_t len;
  const char *text = JS_ToCStringLen(cx, &len, value);
  if (text == NULL) return false;
  bool is_text = is_utf8(text, len);
  if (is_text) mp_text(&args, text, len);
  JS_FreeCString(cx, text);
  return is_text || wrong("a text with half of a character (a lone surrogate) cannot be stored or sent");
}

static bool encode_array(JSValueConst value, int depth) {
  int64_t items;
  if (JS_GetLength(cx, value, &items) < 0) return false;
  mp_array(&args, (size_t)items);
  for (int64_t i = 0; i < items; i++) {
    JSValue item = JS_GetPropertyInt64(cx, value, i);
    bool done = !JS_IsException(item) && encode(item, depth + 1);
    JS_FreeValue(cx, item);
    if (!done) return false;
  }
  return true;
}

// What is undefined is left out, as in JSON; what has `toJSON` (a date) is what that gives.
static bool encode_object(JSValueConst value, int depth) {
  JSValue to_json = JS_GetPropertyStr(cx, value, "toJSON");
  if (JS_IsFunction(cx, to_json)) {
    JSValue plain = JS_Call(cx, to_json, value, 0, NULL);
    JS_FreeValue(cx, to_json);
    bool done = !JS_IsException(plain) && encode(plain, depth + 1);
    JS_FreeValue(cx, plain);
    return done;
  }
  JS_FreeValue(cx, to_json);
  JSPropertyEnum *names;
  uint32_t count;
  if (JS_GetOwnPropertyNames(cx, &names, &count, value, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY) < 0) return false;
  // How many pairs there are shows when they are written: the head is put before them then.
  size_t head = args.len, pairs = 0;
  bool done = true;
  for (uint32_t i = 0; i < count && done; i++) {
    JSValue item = JS_GetProperty(cx, value, names[i].atom);
    if (JS_IsException(item)) done = false;
    else if (!JS_IsUndefined(item)) {
      JSValue name = JS_AtomToString(cx, names[i].atom);
      const char *known = depth == 0 ? JS_ToCString(cx, name) : NULL;
      if (known != NULL) strncpy(place, known, sizeof place - 1);
      JS_FreeCString(cx, known);
      done = encode_text(name) && encode(item, depth + 1);
      JS_FreeValue(cx, name);
      pairs++;
    }
    JS_FreeValue(cx, item);
  }
  JS_FreePropertyEnum(cx, names, count);
  if (!done) return false;
  bytes_t form = {0};
  mp_map(&form, pairs);
  size_t body = args.len - head;
  put(&args, form.at, form.len);
  memmove(args.at + head + form.len, args.at + head, body);
  memcpy(args.at + head, form.at, form.len);
  free(form.at);
  return true;
}

static bool encode(JSValueConst value, int depth) {
  if (depth > DEPTH_MAX) return wrong("a value is nested at most 64 deep; does it hold itself?");
  if (JS_IsNull(value) || JS_IsUndefined(value)) {
    mp_nil(&args);
    return true;
  }
  if (JS_IsBool(value)) {
    mp_bool(&args, JS_ToBool(cx, value));
    return true;
  }
  if (JS_IsNumber(value)) return encode_number(value);
  if (JS_IsBigInt(value)) return encode_bigint(value);
  if (JS_IsString(value)) return encode_text(value);
  if (JS_IsFunction(cx, value)) return wrong("a function cannot be stored or sent");
  if (JS_IsSymbol(value)) return wrong("a symbol cannot be stored or sent");
  if (JS_IsArray(value)) return encode_array(value, depth);
  if (JS_GetTypedArrayType(value) == JS_TYPED_ARRAY_UINT8) {
    size_t len;
    uint8_t *data = JS_GetUint8Array(cx, &len, value);
    if (data == NULL && len > 0) return false;
    mp_binary(&args, data, len);
    return true;
  }
  if (JS_GetTypedArrayType(value) >= 0) return wrong("of typed arrays only a Uint8Array can be stored or sent");
  if (JS_IsMap(value) || JS_IsSet(value)) return wrong("a Map or a Set cannot be stored or sent: make an object or an array of it");
  if (JS_IsPromise(value)) return wrong("a promise cannot be stored or sent");
  return encode_object(value, depth);
}

static JSValue decode(reader_t *from) {
  item_t item = mp_next(from);
  switch (item.kind) {
    case BOOLEAN: return JS_NewBool(cx, item.integer != 0);
    case INTEGER:
      if (item.integer > 9007199254740991 || item.integer < -9007199254740991) return JS_NewBigInt64(cx, item.integer);
      return JS_NewInt64(cx, item.integer);
    case NUMBER: return JS_NewFloat64(cx, item.number);
    case TEXT: return JS_NewStringLen(cx, item.at, item.len);
    case BINARY: return JS_NewUint8ArrayCopy(cx, (const uint8_t *)item.at, item.len);
    case ARRAY: {
      JSValue array = JS_NewArray(cx);
      for (size_t i = 0; i < item.len; i++) JS_DefinePropertyValueUint32(cx, array, (uint32_t)i, decode(from), JS_PROP_C_W_E);
      return array;
    }
    case MAP: {
      JSValue object = JS_NewObject(cx);
      for (size_t i = 0; i < item.len; i++) {
        item_t name = mp_next(from);
        JSAtom atom = JS_NewAtomLen(cx, name.at == NULL ? "" : name.at, name.len);
        JS_DefinePropertyValue(cx, object, atom, decode(from), JS_PROP_C_W_E);
        JS_FreeAtom(cx, atom);
      }
      return object;
    }
    default: return JS_NULL;
  }
}

// ── What the prelude is given.

// call(name, …): a function of the contract. A refusal is thrown as the prelude makes it.
static JSValue host_call(JSContext *of, JSValueConst self, int count, JSValueConst *given) {
  size_t len;
  const char *name = JS_ToCStringLen(cx, &len, given[0]);
  if (name == NULL) return JS_EXCEPTION;
  args.len = 0;
  mp_array(&args, (size_t)count - 1);
  for (int i = 1; i < count; i++) {
    place[0] = 0;
    if (encode(given[i], 0)) continue;
    JS_FreeCString(cx, name);
    return JS_EXCEPTION;
  }
  bool done = contract_call(name, len, args.at, args.len, &result);
  JS_FreeCString(cx, name);
  reader_t from = {result.at, result.at + result.len};
  if (done) return decode(&from);
  mp_next(&from);
  JSValue parts[2];
  parts[0] = decode(&from);
  parts[1] = decode(&from);
  JSValue error = JS_Call(cx, make_error, JS_UNDEFINED, 2, parts);
  JS_FreeValue(cx, parts[0]);
  JS_FreeValue(cx, parts[1]);
  return JS_IsException(error) ? error : JS_Throw(cx, error);
}

// ── Runs.

// The exception in hand as code, message and stack, which the prelude tells apart.
static bool fail(failure_t *error) {
  JSValue thrown = JS_GetException(cx);
  JSValue told = JS_Call(cx, describe_error, JS_UNDEFINED, 1, &thrown);
  JS_FreeValue(cx, thrown);
  if (JS_IsException(told)) {
    JS_FreeValue(cx, JS_GetException(cx));
    contract_fail(error, "exception", 9, "it failed, and so did telling why", 33);
    return false;
  }
  const char *parts[3];
  size_t lens[3];
  for (int i = 0; i < 3; i++) {
    JSValue part = JS_GetPropertyInt64(cx, told, i);
    parts[i] = JS_ToCStringLen(cx, &lens[i], part);
    JS_FreeValue(cx, part);
    if (parts[i] == NULL) parts[i] = "", lens[i] = 0;
  }
  if (lens[2] > 0) contract_log(QUEST_HOST_LOG_LEVEL_ERROR, parts[2], lens[2]);
  contract_fail(error, parts[0], lens[0], parts[1], lens[1]);
  JS_FreeValue(cx, told);
  return false;
}

static bool call_prelude(JSValueConst function, const char *action, size_t len) {
  JSValue name = JS_NewStringLen(cx, action, len);
  JSValue done = JS_Call(cx, function, JS_UNDEFINED, 1, &name);
  JS_FreeValue(cx, name);
  bool is_done = !JS_IsException(done);
  JS_FreeValue(cx, done);
  return is_done;
}

// Tells the line that runs: the first of the script's own in a stack that an error is given.
static int report_position(JSRuntime *of, void *opaque) {
  static int polls;
  if (++polls % REPORT != 0) return 0;
  JSValue error = JS_NewError(cx);
  JSValue stack = JS_GetPropertyStr(cx, error, "stack");
  const char *text = JS_ToCString(cx, stack);
  for (const char *at = text; at != NULL && (at = strchr(at, ':')) != NULL; at++) {
    const char *line = text;
    for (const char *next; (next = strchr(line, '\n')) != NULL && next < at; line = next + 1) {}
    if (memmem(line, (size_t)(at - line), "<prelude>", 9) != NULL || memmem(line, (size_t)(at - line), "native", 6) != NULL) continue;
    uint32_t number = (uint32_t)strtoul(at + 1, NULL, 10);
    if (number == 0) continue;
    quest_host_script_position(number);
    break;
  }
  JS_FreeCString(cx, text);
  JS_FreeValue(cx, stack);
  JS_FreeValue(cx, error);
  return 0;
}

static void boot(void) {
  __wasm_call_ctors();
  runtime = JS_NewRuntime();
  JS_SetMaxStackSize(runtime, STACK_BYTES);
  cx = JS_NewContext(runtime);
  JSValue made = JS_Eval(cx, prelude, sizeof prelude - 1, "<prelude>", JS_EVAL_TYPE_GLOBAL);
  JSValue call = JS_NewCFunction(cx, host_call, "call", 1);
  JSValue parts = JS_IsException(made) ? made : JS_Call(cx, made, JS_UNDEFINED, 1, &call);
  if (JS_IsException(parts)) {
    JSValue thrown = JS_GetException(cx);
    const char *why = JS_ToCString(cx, thrown);
    if (why != NULL) contract_log(QUEST_HOST_LOG_LEVEL_ERROR, why, strlen(why));
    __builtin_trap();
  }
  define = JS_GetPropertyStr(cx, parts, "define");
  perform = JS_GetPropertyStr(cx, parts, "perform");
  describe_error = JS_GetPropertyStr(cx, parts, "describeError");
  make_error = JS_GetPropertyStr(cx, parts, "makeError");
  JS_FreeValue(cx, parts);
  JS_FreeValue(cx, call);
  JS_FreeValue(cx, made);
  JS_SetInterruptHandler(runtime, report_position, NULL);
}

static bool load_script(void) {
  engine_string_t name, source;
  quest_host_script_name(&name);
  if (name.len == 0) return true;
  quest_host_script_source(&source);
  // Both end with a zero there.
  char *text = malloc(source.len + 1), *file = malloc(name.len + 1);
  if (text == NULL || file == NULL) abort();
  memcpy(text, source.ptr, source.len);
  memcpy(file, name.ptr, name.len);
  text[source.len] = file[name.len] = 0;
  JSValue done = JS_Eval(cx, text, source.len, file, JS_EVAL_TYPE_GLOBAL | JS_EVAL_FLAG_STRICT);
  bool is_done = !JS_IsException(done);
  JS_FreeValue(cx, done);
  free(text);
  free(file);
  engine_string_free(&name);
  engine_string_free(&source);
  return is_done;
}

bool exports_quest_host_guest_define(failure_t *error) {
  bool is_first = runtime == NULL;
  if (is_first) boot();
  JS_UpdateStackTop(runtime);
  bool done = (!is_first || load_script()) && call_prelude(define, "", 0);
  contract_end();
  if (!done) return fail(error);
  // What a snapshot keeps is what lives.
  JS_RunGC(runtime);
  contract_make_room();
  return true;
}

static bool run(const char *action, size_t len, failure_t *error) {
  JS_UpdateStackTop(runtime);
  contract_begin();
  bool done = call_prelude(perform, action, len) || fail(error);
  contract_end();
  return done;
}

bool exports_quest_host_guest_init(failure_t *error) { return run("init", 4, error); }

bool exports_quest_host_guest_perform(engine_string_t *action, failure_t *error) {
  bool done = run((char *)action->ptr, action->len, error);
  engine_string_free(action);
  return done;
}
