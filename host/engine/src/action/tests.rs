//! Host functions under abuse: what a guest hands over is bounded before it costs anything.

use super::*;
use crate::limits::{ActionLimits, Grant, Permissions};

fn recorder(cause: Cause, limits: ActionLimits) -> Recorder {
    permitted(cause, limits, Permissions::ALL)
}

fn permitted(cause: Cause, limits: ActionLimits, permissions: Permissions) -> Recorder {
    let payload = Value::from_json("{\"a~/\": [1, 2]}").expect("JSON");
    let invocation = Invocation { cause, payload, ..Invocation::bare("q", "a") };
    Recorder::new(invocation, limits, permissions, None)
}

fn code<T>(answer: Result<T, Refusal>) -> &'static str {
    answer.err().map_or("accepted", |refusal| refusal.code)
}

#[test]
fn json_is_parsed_only_when_everything_else_is_good() {
    let limits = ActionLimits { value_bytes_max: 100, ..ActionLimits::default() };
    let mut run = recorder(Cause::Event, limits.clone());
    let (long_garbage, garbage) = ("{".repeat(401), "{");
    // 400 bytes of JSON are looked at; what they hold is measured as a value.
    let (spaced, fat) = (format!("{}1", " ".repeat(399)), format!("\"{}\"", "x".repeat(120)));
    for (json, expected) in
        [(long_garbage.as_str(), "too-large"), (garbage, "invalid-json"), (&spaced, "accepted"), (&fat, "too-large")]
    {
        let given = || Given::Json(json);
        assert_eq!(code(run.set_variable("v", given())), expected, "{json}");
        assert_eq!(code(run.set_timer("t", "a", 1, given())), expected, "{json}");
        assert_eq!(code(run.set_timer_after("t", "a", 1, given())), expected, "{json}");
        assert_eq!(code(run.emit("c", "e", given())), expected, "{json}");
        assert_eq!(code(run.send("c", "q", "a", given())), expected, "{json}");
        assert_eq!(code(run.broadcast("e", given())), expected, "{json}");
        assert_eq!(code(run.publish("t", given())), expected, "{json}");
        assert_eq!(code(run.reply(given())), expected, "{json}");
    }
    let mut query = recorder(Cause::Query, limits);
    for refused in [
        query.set_variable("v", Given::Json(garbage)),
        query.set_timer("t", "a", 1, Given::Json(garbage)),
        query.emit("c", "e", Given::Json(garbage)),
        query.publish("t", Given::Json(garbage)),
    ] {
        assert_eq!(code(refused), "read-only");
    }
    assert_eq!(code(query.emit("c", &"e".repeat(1 << 20), Given::Json(garbage))), "read-only");
    assert_eq!(code(query.reply(Given::Json("1"))), "accepted");
}

#[test]
fn a_refused_timer_counts_for_nothing() {
    let mut run = recorder(Cause::Event, ActionLimits { timers_max: 1, ..ActionLimits::default() });
    assert_eq!(code(run.set_timer("t", "a", 1, Value::Number(f64::NAN))), "invalid-value");
    assert_eq!(code(run.set_timer("t", "a", 1, Value::Null)), "accepted");
    assert_eq!(code(run.set_timer("t", "a", 2, Value::Null)), "accepted", "moved");
    assert_eq!(code(run.set_timer("u", "a", 1, Value::Null)), "too-many");
    assert_eq!(run.cancel_timer("t"), Ok(true));
    assert_eq!(code(run.set_timer("u", "a", 1, Value::Null)), "accepted");
}

#[test]
fn pointers_longer_than_any_place_name_nothing() {
    let run = recorder(Cause::Event, ActionLimits::default());
    assert_eq!(run.field("/a~0~1/1"), Some(Value::Integer(2)));
    assert_eq!(run.field(&format!("/a~0~1/1{}", "/".repeat(1 << 20))), None);
}

#[test]
fn log_lines_are_cut_counted_and_bounded() {
    let limits = ActionLimits { log_lines_max: 3, log_line_bytes_max: 4, ..ActionLimits::default() };
    let lines = |messages: &[&str]| {
        let mut run = recorder(Cause::Event, limits.clone());
        messages.iter().for_each(|message| run.log(Level::Info, message));
        run.finish().1.into_iter().map(|line| line.message).collect::<Vec<_>>()
    };
    assert_eq!(lines(&["one", ""]), ["one"]);
    assert_eq!(lines(&["a\r\n\nb\n"]), ["a", "", "b"]);
    assert_eq!(lines(&["aé€x"]), ["aé… (cut)"]);
    let dropped = |count: usize| format!("{count} more lines were dropped (limit log_lines_max)");
    assert_eq!(lines(&["1\n2\n3\n4\n5", "6"]), ["1", "2", "3", &dropped(3)]);
    assert_eq!(lines(&["1\n2\n3", &"\n".repeat(1 << 20)]), ["1", "2", "3", &dropped(1 << 20)]);
}

#[test]
fn a_failure_keeps_so_much_of_a_guests_text() {
    let failure = Failure::of_guest("é".repeat(1 << 20), "é".repeat(1 << 20));
    assert_eq!((failure.code.len(), failure.message.len()), (128, 8192));
    assert_eq!(Failure::trap("x".repeat(1 << 20)).message.len(), 8192);
    assert_eq!(Failure::of_guest("own".to_owned(), "why".to_owned()).message, "why");
}

#[test]
fn what_reaches_beyond_the_context_needs_a_permission() {
    let codes = |permissions| {
        let mut run = permitted(Cause::Event, ActionLimits::default(), permissions);
        let own = [
            code(run.emit("c", "e", Value::Null)),
            code(run.send("c", "q", "a", Value::Null)),
            code(run.add_quest("q", "c")),
            code(run.remove_quest("q", "c")),
        ];
        assert_eq!(own, ["accepted"; 4], "its own context is its own");
        let other = [
            code(run.emit("d", "e", Value::Null)),
            code(run.send("d", "q", "a", Value::Null)),
            code(run.add_quest("q", "d")),
            code(run.remove_quest("q", "d")),
        ];
        assert_eq!(code(run.emit("", "e", Value::Null)), "invalid-context");
        assert!(other.iter().all(|code| *code == other[0]), "{other:?}");
        (other[0], code(run.broadcast("e", Value::Null)), run.finish().0.effects.len())
    };
    assert_eq!(codes(Permissions::ALL), ("accepted", "accepted", 9));
    for denied in [Grant::Unasked, Grant::Refused] {
        let contexts = Permissions { other_contexts: denied, ..Permissions::ALL };
        assert_eq!(codes(contexts), ("not-permitted", "accepted", 5));
        let broadcast = Permissions { broadcast: denied, ..Permissions::ALL };
        assert_eq!(codes(broadcast), ("accepted", "not-permitted", 8));
    }
}

#[test]
fn a_refusal_names_what_would_permit_it() {
    let message = |grant| {
        let permissions = Permissions { other_contexts: grant, broadcast: grant };
        let mut run = permitted(Cause::Event, ActionLimits::default(), permissions);
        run.emit("d", "e", Value::Null).expect_err("refused").message
    };
    assert!(message(Grant::Unasked).contains("`other_contexts = true` under [permissions] in the quest.toml"));
    assert!(message(Grant::Refused).contains("wasm.permit.other_contexts is \"never\""));
}
