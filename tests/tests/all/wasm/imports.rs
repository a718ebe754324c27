//! What a component may import and export, by name.

use quest_host::wasm::RuntimeSettings;

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
