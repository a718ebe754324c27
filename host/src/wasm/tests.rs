//! A bug of the host inside of a host function: it ends one action, and the next one runs.

use quest_engine::action::{Export, FailureKind, Invocation};

use super::{Policies, Runtime, RuntimeSettings};

/// A quest that draws a number.
const QUEST: &str = r#"(component
  (import "quest:host/types@0.1.0" (instance $types
    (type $e (record (field "code" string) (field "message" string)))
    (export "error" (type (eq $e)))))
  (alias export $types "error" (type $error))
  (import "quest:host/definition@0.1.0" (instance $definition
    (alias outer 1 $error (type $e))
    (export "error" (type $e2 (eq $e)))
    (export "quest" (func (param "name" string) (result (result (error $e2)))))))
  (import "quest:host/random@0.1.0" (instance $random (export "below" (func (param "bound" u32) (result u32)))))
  (core module $Libc
    (memory (export "memory") 1)
    (data (i32.const 16) "draws")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
  (core instance $libc (instantiate $Libc))
  (alias core export $libc "memory" (core memory $memory))
  (alias core export $libc "realloc" (core func $realloc))
  (core func $quest (canon lower (func $definition "quest") (memory $memory) (realloc $realloc)))
  (core func $below (canon lower (func $random "below")))
  (core module $Main
    (import "host" "quest" (func $quest (param i32 i32 i32)))
    (import "host" "below" (func $below (param i32) (result i32)))
    (func (export "define") (result i32)
      (call $quest (i32.const 16) (i32.const 5) (i32.const 256)) (i32.const 512))
    (func (export "init") (result i32) (i32.const 512))
    (func (export "perform") (param i32 i32) (result i32) (drop (call $below (i32.const 9))) (i32.const 512)))
  (core instance $main (instantiate $Main
    (with "host" (instance (export "quest" (func $quest)) (export "below" (func $below))))))
  (func $define (result (result (error $error))) (canon lift (core func $main "define") (memory $memory)))
  (func $init (result (result (error $error))) (canon lift (core func $main "init") (memory $memory)))
  (func $perform (param "action" string) (result (result (error $error)))
    (canon lift (core func $main "perform") (memory $memory) (realloc $realloc)))
  (instance $guest
    (export "define" (func $define)) (export "init" (func $init)) (export "perform" (func $perform)))
  (export "quest:host/guest@0.1.0" (instance $guest)))"#;

fn invocation(export: Export) -> Invocation {
    Invocation { export, ..Invocation::bare("draws", "draw") }
}

#[test]
fn a_panic_in_a_host_function_ends_the_action_only() {
    let settings = RuntimeSettings { instances_max: 1, ..RuntimeSettings::default() };
    let mut runtime = Runtime::new(settings).expect("a runtime");
    runtime.bare.allow_shadowing(true);
    let mut random = runtime.bare.instance("quest:host/random@0.1.0").expect("the contract's");
    let bug = |_: wasmtime::StoreContextMut<'_, super::Run>, (bound,): (u32,)| -> wasmtime::Result<(u32,)> {
        panic!("a bug met {bound}")
    };
    random.func_wrap("below", bug).expect("linked");
    let module = runtime.load(&wat::parse_str(QUEST).expect("valid text")).expect("it loads");
    let policies = Policies::plain(&RuntimeSettings::default());
    let policy = policies.of("draws");
    // Twice: the one instance is free again.
    for _ in 0..2 {
        let failure = runtime.invoke(&module, policy, invocation(Export::Perform)).result.expect_err("a bug");
        assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Permanent, "host-bug"));
        assert!(failure.message.contains("a bug met 9"), "{failure:?}");
    }
    assert!(runtime.invoke(&module, policy, invocation(Export::Init)).result.is_ok());
}
