//! What a component may import and export, by name.

use quest_host::wasm::{Access, RuntimeSettings};

use super::odd::{Odd, component, load};

fn refused(bytes: &[u8]) -> (String, String, String) {
    let error = load(RuntimeSettings::default(), bytes).err().expect("it loaded");
    (error.code, error.message, error.hint)
}

#[test]
fn unknown_imports_are_refused_by_name() {
    for (import, code, hint) in [
        ("wasi:http/outgoing-handler@0.2.6", "denied-import", "publish a message"),
        ("wasi:keyvalue/store@0.2.0", "denied-import", "no I/O"),
        ("acme:secrets/vault", "denied-import", "no I/O"),
        ("quest:host/log@0.2.0", "newer-contract", "this host has quest:host 0.1.0"),
        ("quest:host/log", "newer-contract", "this host has quest:host 0.1.0"),
        ("quest:host/dreams@0.1.0", "newer-contract", "use a newer host"),
    ] {
        let text = format!(r#"(component (import "{import}" (instance (export "f" (func)))))"#);
        let (found, message, said) = refused(&component(&text));
        assert_eq!(found, code, "{import}: {message}");
        assert!(message.contains(import), "{message}");
        assert!(said.contains(hint), "{said}");
    }
    let (code, message, _) = refused(&component(r#"(component (import "open-door" (func)))"#));
    assert!(code == "denied-import" && message.contains("open-door"), "{message}");
}

#[test]
fn unknown_functions_of_known_interfaces_are_refused_by_name() {
    for (interface, code) in [
        ("quest:host/random@0.1.0", "newer-contract"),
        ("quest:host/random@0.1.9", "newer-contract"),
        ("wasi:clocks/wall-clock@0.2.6", "denied-import"),
    ] {
        let imports = format!(r#"(import "{interface}" (instance (export "shout" (func))))"#);
        let (found, message, _) = refused(&Odd { imports: &imports, ..Odd::default() }.build());
        assert_eq!(found, code, "{message}");
        assert!(message.contains(interface) && message.contains("shout"), "{message}");
    }
}

#[test]
fn later_patches_of_the_contract_load_when_they_need_nothing_new() {
    let imports = r#"(import "quest:host/random@0.1.9" (instance (export "unit" (func (result f64)))))"#;
    let whole = Odd { imports, guest: "quest:host/guest@0.1.9", ..Odd::default() }.build();
    assert!(load(RuntimeSettings::default(), &whole).is_ok());
}

#[test]
fn exports_are_the_guest_and_whatever_else() {
    let more = r#"(export "init" (func $init)) (instance $empty) (export "acme:extra/thing@1.0.0" (instance $empty))"#;
    assert!(load(RuntimeSettings::default(), &Odd { last: more, ..Odd::default() }.build()).is_ok());

    let newer = r#"(component (instance $empty) (export "quest:host/guest@0.2.0" (instance $empty)))"#;
    let (code, message, _) = refused(&component(newer));
    assert!(code == "newer-contract" && message.contains("guest@0.2.0"), "{message}");
    let hollow = r#"(component (instance $empty) (export "quest:host/guest@0.1.0" (instance $empty)))"#;
    assert_eq!(refused(&component(hollow)).0, "no-guest");
}

#[test]
fn everything_that_is_wrong_is_found_at_once() {
    let imports = r#"
        (import "acme:secrets/vault" (instance (export "open" (func (param "key" string))) (export "key" (type (sub resource)))))
        (import "open-door" (func))
        (import "quest:host/dreams@0.1.0" (instance (export "f" (func))))
        (import "wasi:sockets/network@0.2.6" (instance (export "network" (type (sub resource)))))"#;
    // Each name a second time is a duplicate.
    let again = "(drop (call $again (i32.const 16) (i32.const 3) (i32.const 256)))";
    let items = "(func $again (param i32 i32 i32) (result i32) (call $quest (local.get 0) (local.get 1) (local.get 2)) (i32.const 0))";
    let wrong = Odd { imports, define: &format!("{again}{again}"), items, ..Odd::default() }.build();
    let runtime = super::odd::runtime(RuntimeSettings::default());
    let examined = runtime.examine(&wrong);
    let faults: Vec<(&str, &str)> =
        examined.faults.iter().map(|fault| (fault.code.as_str(), fault.message.as_str())).collect();
    let codes: Vec<&str> = faults.iter().map(|(code, _)| *code).collect();
    assert_eq!(codes, ["denied-import", "newer-contract", "duplicate", "duplicate"], "{faults:?}");
    assert!(faults[0].1.contains("acme:secrets/vault, open-door"), "{faults:?}");
    assert_eq!(examined.quests[0].name, "odd", "what it defines is heard nevertheless");
    let access = |name: &str| examined.imports.iter().find(|import| import.name.starts_with(name)).unwrap().access;
    assert_eq!(access("quest:host/log"), Access::Contract);
    assert_eq!(access("wasi:sockets/"), Access::Refused);
    assert_eq!((access("open-door"), access("quest:host/dreams")), (Access::Denied, Access::Unknown));

    let none = Odd { guest: "acme:guest/guest", imports, ..Odd::default() }.build();
    let codes: Vec<String> = runtime.examine(&none).faults.into_iter().map(|fault| fault.code).collect();
    assert_eq!(codes, ["denied-import", "newer-contract", "no-guest"]);

    let traps = Odd { define: "(unreachable)", ..Odd::default() }.build();
    let codes: Vec<String> = runtime.examine(&traps).faults.into_iter().map(|fault| fault.code).collect();
    assert_eq!(codes, ["define-trapped"]);

    let good = runtime.examine(&Odd::default().build());
    assert!(good.faults.is_empty() && good.exports == ["quest:host/guest@0.1.0"], "{good:?}");
    for garbage in [&b""[..], b"\0asm", b"\0asm\x01\0\0\0", &wrong[..wrong.len() - 1]] {
        assert_eq!(runtime.examine(garbage).faults.len(), 1);
    }
}
