//! Components that no toolchain would make: built from text, one oddity each.

use quest_host::wasm::{LoadError, Module, Runtime, RuntimeSettings};
use std::sync::Arc;

/// A quest named `odd`. Each part is WebAssembly text.
pub struct Odd<'a> {
    /// Component imports, before everything else.
    pub imports: &'a str,
    /// The module with the memory.
    pub memory: &'a str,
    /// More items of the core module with the quest's code.
    pub items: &'a str,
    /// Begins `define`, which goes on to declare the quest.
    pub define: &'a str,
    /// `perform`: an i32, `OK` or `OWN_ERROR`. Its parameters are the action's name, pointer and length.
    pub perform: &'a str,
    /// The name that the quest is exported by.
    pub guest: &'a str,
    /// Component items after everything else.
    pub last: &'a str,
}

/// The result of an action that succeeded.
pub const OK: &str = "(i32.const 128)";
/// The result of an action that failed with the code `own`.
pub const OWN_ERROR: &str = "(i32.const 192)";

impl Default for Odd<'_> {
    fn default() -> Self {
        Odd {
            imports: "",
            memory: "(memory (export \"memory\") 1)",
            items: "",
            define: "",
            perform: OK,
            guest: "quest:host/guest@0.1.0",
            last: "",
        }
    }
}

impl Odd<'_> {
    /// The component.
    pub fn build(&self) -> Vec<u8> {
        component(&self.text())
    }

    /// The component as text.
    pub fn text(&self) -> String {
        let Odd { imports, memory, items, define, perform, guest, last } = self;
        format!(
            r#"(component
              {imports}
              (import "quest:host/types@0.1.0" (instance $types
                (type $e (record (field "code" string) (field "message" string)))
                (export "error" (type (eq $e)))))
              (alias export $types "error" (type $error))
              (import "quest:host/definition@0.1.0" (instance $definition
                (alias outer 1 $error (type $e))
                (export "error" (type $e2 (eq $e)))
                (export "quest" (func (param "name" string) (result (result (error $e2)))))))
              (import "quest:host/log@0.1.0" (instance $log
                (type $l (enum "debug" "info" "warn" "error"))
                (export "level" (type $level (eq $l)))
                (export "write" (func (param "level" $level) (param "message" string)))))
              (core module $Libc
                {memory}
                (data (i32.const 16) "odd")
                (data (i32.const 24) "own")
                (data (i32.const 192) "\01\00\00\00\18\00\00\00\03\00\00\00\18\00\00\00\03\00\00\00")
                (global $top (mut i32) (i32.const 4096))
                (func (export "realloc") (param i32 i32 i32 i32) (result i32)
                  (global.get $top)
                  (global.set $top (i32.add (global.get $top) (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -16))))))
              (core instance $libc (instantiate $Libc))
              (alias core export $libc "memory" (core memory $memory))
              (alias core export $libc "realloc" (core func $realloc))
              (core func $quest (canon lower (func $definition "quest") (memory $memory) (realloc $realloc)))
              (core func $write (canon lower (func $log "write") (memory $memory)))
              (core module $Main
                (import "libc" "memory" (memory 0))
                (import "host" "quest" (func $quest (param i32 i32 i32)))
                (import "host" "log" (func $log (param i32 i32 i32)))
                {items}
                (func $define (export "define") (result i32)
                  {define}
                  (call $quest (i32.const 16) (i32.const 3) (i32.const 256))
                  (i32.const 128))
                (func $init (export "init") (result i32) (i32.const 128))
                (func $perform (export "perform") (param i32 i32) (result i32) {perform}))
              (core instance $main (instantiate $Main
                (with "libc" (instance $libc))
                (with "host" (instance (export "quest" (func $quest)) (export "log" (func $write))))))
              (func $define (result (result (error $error)))
                (canon lift (core func $main "define") (memory $memory) (realloc $realloc)))
              (func $init (result (result (error $error)))
                (canon lift (core func $main "init") (memory $memory) (realloc $realloc)))
              (func $perform (param "action" string) (result (result (error $error)))
                (canon lift (core func $main "perform") (memory $memory) (realloc $realloc)))
              (instance $guest
                (export "define" (func $define))
                (export "init" (func $init))
                (export "perform" (func $perform)))
              (export "{guest}" (instance $guest))
              {last})"#
        )
    }
}

/// A component from its text.
pub fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// A runtime with small limits, for components of this module.
pub fn runtime(settings: RuntimeSettings) -> Runtime {
    Runtime::new(settings).unwrap()
}

/// Loads it into a runtime of its own.
pub fn load(settings: RuntimeSettings, bytes: &[u8]) -> Result<(Runtime, Arc<Module>), LoadError> {
    let runtime = runtime(settings);
    let module = runtime.load(bytes)?;
    Ok((runtime, module))
}
