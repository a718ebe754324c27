// The Lua engine: PUC Lua and the contract. What authors see is in prelude.lua.
#include "contract.h"
#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"

void __wasm_call_ctors(void);

static const char prelude[] = {
#embed "prelude.lua"
    , 0};

// Instructions between two reports of where the script is: some milliseconds.
enum { INSTRUCTIONS = 1000000, DEPTH_MAX = 64 };

static lua_State *L;
static bytes_t args, result;

// ── Values. `null`, `array` and `bytes` are made by the prelude and kept in the registry.

static int null_ref, array_ref, bytes_ref;

static bool has_metatable(lua_State *L, int index, int ref) {
  if (!lua_getmetatable(L, index)) return false;
  lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
  bool is_it = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return is_it;
}

static bool is_null(lua_State *L, int index) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, null_ref);
  bool is_it = lua_rawequal(L, -1, index);
  lua_pop(L, 1);
  return is_it;
}

static void encode(lua_State *L, int index, int depth);

// Where in a table a value lies that cannot cross: the name of a variable, when they are stored.
static char place[72];

static bool find_line(lua_State *L, lua_Debug *now) {
  for (int level = 0; lua_getstack(L, level, now); level++) {
    lua_getinfo(L, "Sl", now);
    if (now->currentline > 0 && now->source[0] == '@') return true;
  }
  return false;
}

// Raises an error about a value, at the script's own line if there is one.
static int wrong(lua_State *L, const char *what) {
  lua_Debug now;
  if (find_line(L, &now)) lua_pushfstring(L, "%s:%d: ", now.short_src, now.currentline);
  else lua_pushliteral(L, "");
  lua_pushfstring(L, "%s%s%s", place, place[0] == 0 ? "" : ": ", what);
  lua_concat(L, 2);
  return lua_error(L);
}

static void encode_text(lua_State *L, int index) {
  size_t len;
  const char *text = lua_tolstring(L, index, &len);
  if (!is_utf8(text, len)) wrong(L, "a text that is not UTF-8: wrap it as bytes(text)");
  mp_text(&args, text, len);
}

static void encode_table(lua_State *L, int index, int depth) {
  if (has_metatable(L, index, bytes_ref)) {
    lua_getfield(L, index, "data");
    size_t len;
    const char *data = luaL_checklstring(L, -1, &len);
    mp_binary(&args, data, len);
    lua_pop(L, 1);
    return;
  }
  lua_Unsigned items = lua_rawlen(L, index);
  size_t pairs = 0;
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) pairs++;
  if (has_metatable(L, index, array_ref) ? pairs == items : items > 0 && pairs == items) {
    mp_array(&args, items);
    for (lua_Unsigned i = 1; i <= items; i++) {
      lua_rawgeti(L, index, (lua_Integer)i);
      encode(L, -1, depth + 1);
      lua_pop(L, 1);
    }
    return;
  }
  mp_map(&args, pairs);
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING) {
      const char *hint = items > 0 ? " (an array has no gaps and no names: null stands for nothing)" : "";
      wrong(L, lua_pushfstring(L, "a key of a table is a text, not a %s%s", luaL_typename(L, -2), hint));
    }
    if (depth == 0) {
      strncpy(place, lua_tostring(L, -2), sizeof place - 1);
    }
    encode_text(L, lua_gettop(L) - 1);
    encode(L, -1, depth + 1);
  }
}

static void encode(lua_State *L, int index, int depth) {
  index = lua_absindex(L, index);
  luaL_checkstack(L, 8, "nested too deep");
  if (depth > DEPTH_MAX) wrong(L, "a value is nested at most 64 deep; does it hold itself?");
  switch (lua_type(L, index)) {
    case LUA_TNIL: mp_nil(&args); return;
    case LUA_TBOOLEAN: mp_bool(&args, lua_toboolean(L, index)); return;
    case LUA_TNUMBER:
      if (lua_isinteger(L, index)) mp_int(&args, lua_tointeger(L, index));
      else mp_number(&args, lua_tonumber(L, index));
      return;
    case LUA_TSTRING: encode_text(L, index); return;
    case LUA_TTABLE:
      if (is_null(L, index)) mp_nil(&args);
      else encode_table(L, index, depth);
      return;
    default:
      wrong(L, lua_pushfstring(L, "a %s cannot be stored or sent", luaL_typename(L, index)));
  }
}

// Within arrays and maps nothing is `null`: nil would leave a gap.
static void decode(lua_State *L, reader_t *from, bool is_inner) {
  luaL_checkstack(L, 8, "nested too deep");
  item_t item = mp_next(from);
  switch (item.kind) {
    case BOOLEAN: lua_pushboolean(L, item.integer != 0); return;
    case INTEGER: lua_pushinteger(L, item.integer); return;
    case NUMBER: lua_pushnumber(L, item.number); return;
    case TEXT: lua_pushlstring(L, item.at, item.len); return;
    case BINARY:
      lua_createtable(L, 0, 1);
      lua_pushlstring(L, item.at, item.len);
      lua_setfield(L, -2, "data");
      lua_rawgeti(L, LUA_REGISTRYINDEX, bytes_ref);
      lua_setmetatable(L, -2);
      return;
    case ARRAY:
      lua_newtable(L);
      for (size_t i = 1; i <= item.len; i++) {
        decode(L, from, true);
        lua_rawseti(L, -2, (lua_Integer)i);
      }
      lua_rawgeti(L, LUA_REGISTRYINDEX, array_ref);
      lua_setmetatable(L, -2);
      return;
    case MAP:
      lua_newtable(L);
      for (size_t i = 0; i < item.len; i++) {
        decode(L, from, true);
        decode(L, from, true);
        lua_rawset(L, -3);
      }
      return;
    default:
      if (is_inner) lua_rawgeti(L, LUA_REGISTRYINDEX, null_ref);
      else lua_pushnil(L);
  }
}

// ── What the prelude is given.

// call(name, …): a function of the contract. A refusal is raised as `raise` of the prelude makes it.
static int host_call(lua_State *L) {
  size_t len;
  const char *name = luaL_checklstring(L, 1, &len);
  int count = lua_gettop(L) - 1;
  args.len = 0;
  mp_array(&args, (size_t)count);
  for (int i = 0; i < count; i++) {
    place[0] = 0;
    encode(L, 2 + i, 0);
  }
  bool done = contract_call(name, len, args.at, args.len, &result);
  reader_t from = {result.at, result.at + result.len};
  if (done) {
    decode(L, &from, false);
    return 1;
  }
  item_t code = (mp_next(&from), mp_next(&from)), message = mp_next(&from);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushlstring(L, code.at, code.len);
  lua_pushlstring(L, message.at, message.len);
  lua_call(L, 2, 0);
  return 0;
}

// bind(null, array, bytes, raise): what the prelude made; gives `call`.
static int bind(lua_State *L) {
  lua_pushvalue(L, 4);
  lua_pushcclosure(L, host_call, 1);
  lua_insert(L, 1);
  lua_settop(L, 4);
  bytes_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  array_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  null_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return 1;
}

// ── Runs.

static void report_position(lua_State *L, lua_Debug *now) {
  if (find_line(L, now)) quest_host_script_position((uint32_t)now->currentline);
}

static int with_traceback(lua_State *L) {
  if (lua_type(L, 1) == LUA_TSTRING) luaL_traceback(L, L, NULL, 1);
  else lua_pushnil(L);
  lua_setfield(L, LUA_REGISTRYINDEX, "traceback");
  return 1;
}

// Runs the function below `count` arguments. Else the error's code and message are on top.
static bool run(int count) {
  int base = lua_gettop(L) - count;
  lua_pushcfunction(L, with_traceback);
  lua_insert(L, base);
  int failed = lua_pcall(L, count, 0, base);
  lua_remove(L, base);
  if (failed == LUA_OK) return true;
  if (lua_istable(L, -1)) {
    lua_getfield(L, -1, "code");
    lua_getfield(L, -2, "message");
    if (lua_isstring(L, -1) && lua_isstring(L, -2)) return false;
    lua_pop(L, 2);
  }
  luaL_tolstring(L, -1, NULL);
  lua_getfield(L, LUA_REGISTRYINDEX, "traceback");
  size_t len;
  const char *trace = lua_tolstring(L, -1, &len);
  if (trace != NULL) contract_log(QUEST_HOST_LOG_LEVEL_ERROR, trace, len);
  lua_pop(L, 1);
  lua_pushliteral(L, "exception");
  lua_insert(L, -2);
  return false;
}

static bool fail(failure_t *error) {
  size_t code_len, message_len;
  const char *code = lua_tolstring(L, -2, &code_len), *message = lua_tolstring(L, -1, &message_len);
  contract_fail(error, code, code_len, message, message_len);
  lua_settop(L, 0);
  return false;
}

static bool call_prelude(const char *function, const char *action, size_t len) {
  lua_getfield(L, LUA_REGISTRYINDEX, function);
  if (action != NULL) lua_pushlstring(L, action, len);
  return run(action == NULL ? 0 : 1);
}

static void boot(void) {
  __wasm_call_ctors();
  L = luaL_newstate();
  static const luaL_Reg libraries[] = {{"_G", luaopen_base},       {"table", luaopen_table}, {"string", luaopen_string},
                                       {"math", luaopen_math},     {"utf8", luaopen_utf8},   {"coroutine", luaopen_coroutine},
                                       {NULL, NULL}};
  for (const luaL_Reg *library = libraries; library->name != NULL; library++) {
    luaL_requiref(L, library->name, library->func, 1);
    lua_pop(L, 1);
  }
  lua_pushcfunction(L, bind);
  if (luaL_loadbufferx(L, prelude, sizeof prelude - 1, "=prelude", "t") != LUA_OK) __builtin_trap();
  lua_insert(L, -2);
  if (lua_pcall(L, 1, 2, 0) != LUA_OK) {
    size_t len;
    const char *why = lua_tolstring(L, -1, &len);
    contract_log(QUEST_HOST_LOG_LEVEL_ERROR, why, len);
    __builtin_trap();
  }
  lua_setfield(L, LUA_REGISTRYINDEX, "perform");
  lua_setfield(L, LUA_REGISTRYINDEX, "define");
  lua_sethook(L, report_position, LUA_MASKCOUNT, INSTRUCTIONS);
}

static bool load_script(void) {
  engine_string_t name, source;
  quest_host_script_name(&name);
  if (name.len == 0) return true;
  quest_host_script_source(&source);
  lua_pushliteral(L, "@");
  lua_pushlstring(L, (char *)name.ptr, name.len);
  lua_concat(L, 2);
  int failed = luaL_loadbufferx(L, (char *)source.ptr, source.len, lua_tostring(L, -1), "t");
  lua_remove(L, -2);
  engine_string_free(&name);
  engine_string_free(&source);
  if (failed != LUA_OK) {
    lua_pushliteral(L, "syntax");
    lua_insert(L, -2);
    return false;
  }
  return run(0);
}

bool exports_quest_host_guest_define(failure_t *error) {
  bool is_first = L == NULL;
  if (is_first) boot();
  bool done = (!is_first || load_script()) && call_prelude("define", NULL, 0);
  contract_end();
  if (!done) return fail(error);
  // What a snapshot keeps is what lives.
  lua_gc(L, LUA_GCCOLLECT);
  contract_make_room();
  return true;
}

static bool perform(const char *action, size_t len, failure_t *error) {
  contract_begin();
  bool done = call_prelude("perform", action, len);
  contract_end();
  return done || fail(error);
}

bool exports_quest_host_guest_init(failure_t *error) { return perform("init", 4, error); }

bool exports_quest_host_guest_perform(engine_string_t *action, failure_t *error) {
  bool done = perform((char *)action->ptr, action->len, error);
  engine_string_free(action);
  return done;
}
