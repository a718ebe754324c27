//! Streaks by tables: clocks that are changed, a day that a country skipped, ends of years, and contexts that move.

use quest_engine::{
    pattern,
    schedule::{Zone, civil},
};
use serde_json::{Value as Json, json};

use crate::driver::{Event, Live};

fn at(text: &str, zone: &Zone) -> u64 {
    civil::read(text, zone).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn zone(name: &str) -> Zone {
    Zone::parse(name).expect(name)
}

fn workout(at: u64) -> Event {
    Event { name: "workout", payload: Json::Null, at }
}

fn streak(unit: &str, more: Json) -> Json {
    let mut spec = json!({ "kind": "streak", "of": "workout", "unit": unit, "action": "act", "broken": "miss" });
    spec.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
    spec
}

/// The civil times of a streak's events, and its length after each; then when it breaks.
#[test]
fn streaks_follow_the_calendar() {
    #[rustfmt::skip]
    let table: [(&str, &str, &[(&str, u64)], &str); 12] = [
        // Clocks go forward: the day has 23 hours; and back: 25.
        ("Europe/Berlin", "day", &[("2026-03-28 23:59", 1), ("2026-03-29 00:00", 2), ("2026-03-30 23:59:59.999", 3)], "2026-03-31 23:59:59.999"),
        ("Europe/Berlin", "day", &[("2026-10-24 12:00", 1), ("2026-10-25 00:00", 2), ("2026-10-25 23:59", 2), ("2026-10-26 23:59", 3)], "2026-10-27 23:59:59.999"),
        // At midnight, forward: the day begins at 1:00.
        ("America/Sao_Paulo", "day", &[("2018-11-03 23:59", 1), ("2018-11-04 01:00", 2)], "2018-11-05 23:59:59.999"),
        // Back, over midnight: 23:00 to 24:00 comes twice, and is one day.
        ("America/Sao_Paulo", "day", &[("2018-02-17T23:30:00-02:00", 1), ("2018-02-17T23:30:00-03:00", 1), ("2018-02-18 00:00", 2)], "2018-02-19 23:59:59.999"),
        // The 30th of December 2011 was not there.
        ("Pacific/Apia", "day", &[("2011-12-28 12:00", 1), ("2011-12-29 23:59", 2), ("2011-12-31 00:00", 3), ("2012-01-01 12:00", 4)], "2012-01-02 23:59:59.999"),
        ("Pacific/Apia", "day", &[("2011-12-29 00:00", 1), ("2011-12-31 23:59:59.999", 2)], "2012-01-01 23:59:59.999"),
        // Nor was the 31st of 1994 on Kiritimati's Line Islands.
        ("Pacific/Kiritimati", "day", &[("1994-12-30 12:00", 1), ("1995-01-01 12:00", 2)], "1995-01-02 23:59:59.999"),
        // A leap day, and a year's end.
        ("UTC", "day", &[("2024-02-28 12:00", 1), ("2024-02-29 12:00", 2), ("2024-03-01 12:00", 3)], "2024-03-02 23:59:59.999"),
        // Weeks are those of ISO 8601: from Monday, also over a year's end, and in years of 53.
        ("UTC", "week", &[("2026-12-27 23:59:59.999", 1), ("2026-12-28 00:00", 2), ("2027-01-03 12:00", 2), ("2027-01-04 00:00", 3)], "2027-01-17 23:59:59.999"),
        ("UTC", "week", &[("1970-01-01 12:00", 1), ("1970-01-04 12:00", 1), ("1970-01-05 00:00", 2)], "1970-01-18 23:59:59.999"),
        ("UTC", "month", &[("2026-11-30 23:59:59.999", 1), ("2026-12-01 00:00", 2), ("2027-01-31 12:00", 3)], "2027-02-28 23:59:59.999"),
        ("Europe/Berlin", "month", &[("2026-03-01 00:00", 1), ("2026-03-31 23:59", 1), ("2026-04-30 23:59:59.999", 2)], "2026-05-31 23:59:59.999"),
    ];
    for (name, unit, events, breaks) in table {
        let zone = zone(name);
        let mut live = Live::new(&streak(unit, json!({})), 0, &zone);
        for (text, length) in events {
            let event = workout(at(text, &zone));
            live.before(event.at);
            live.observe(&event);
            assert_eq!(live.inspect()["current"], json!(length), "{name} {text}");
        }
        assert_eq!(live.due(), Some(at(breaks, &zone)), "{name} breaks at {breaks}");
        assert!(live.fires.iter().all(|fire| fire["action"] == "act"), "{name}: broken early");
        live.tick();
        assert_eq!((&live.inspect()["current"], live.due()), (&json!(0), None));
    }
}

/// Missed days: forgiven by grace each time anew, then paid with freezes; what would not save it is not used up.
#[test]
fn grace_and_freezes_bridge() {
    let utc = Zone::utc();
    let spec = streak("day", json!({ "grace": 1, "freezes": 1, "earn-every": 3, "freezes-max": 2 }));
    let mut live = Live::new(&spec, 0, &utc);
    let mut on = |day: u32, current: u64, freezes: u64, until: &str| {
        let event = workout(at(&format!("2026-06-{day:02} 12:00"), &utc));
        live.before(event.at);
        live.observe(&event);
        let seen = live.inspect();
        assert_eq!((&seen["current"], &seen["freezes"]), (&json!(current), &json!(freezes)), "on the {day}th: {seen}");
        assert_eq!(live.due(), Some(at(&format!("2026-06-{until} 23:59:59.999"), &utc)), "on the {day}th");
    };
    on(1, 1, 1, "04");
    on(3, 2, 1, "06");
    // Two missed: one is forgiven, one frozen; and the third in a row earns one.
    on(6, 3, 1, "09");
    on(7, 4, 1, "10");
    on(8, 5, 1, "11");
    on(9, 6, 2, "13");
    // No more than two are kept.
    on(10, 7, 2, "14");
    on(11, 8, 2, "15");
    on(12, 9, 2, "16");
    // Four missed are too many, and none is used up.
    on(17, 1, 2, "21");
    assert_eq!(live.inspect()["longest"], json!(9));
    let broken: Vec<&Json> = live.fires.iter().filter(|fire| fire["action"] == "miss").collect();
    assert_eq!(broken.len(), 1);
    assert_eq!(broken[0]["at"], json!(at("2026-06-16 23:59:59.999", &utc)));
    assert_eq!(broken[0]["told"]["current"], json!(9));
}

fn moved(live: &mut Live, to: &str, now: u64) -> bool {
    live.zone = zone(to);
    pattern::rezone(&live.spec, &mut live.state, now, &live.zone)
}

/// A context that moves has the days of where it is; a move alone never breaks a streak.
#[test]
fn streaks_move_with_their_context() {
    let (york, tokyo) = (zone("America/New_York"), zone("Asia/Tokyo"));
    let begun = || {
        let mut live = Live::new(&streak("day", json!({})), 0, &york);
        live.show(&[workout(at("2026-06-01 08:00", &york)), workout(at("2026-06-02 08:00", &york))], 0);
        assert_eq!(live.due(), Some(at("2026-06-03 23:59:59.999", &york)));
        live
    };
    // West: the day ends later there. What is done there on a day that was had already is of that day.
    let (mut live, honolulu) = (begun(), zone("Pacific/Honolulu"));
    assert!(moved(&mut live, "Pacific/Honolulu", at("2026-06-02 20:00", &york)));
    assert_eq!(live.due(), Some(at("2026-06-03 23:59:59.999", &honolulu)));
    live.show(&[workout(at("2026-06-02 23:00", &honolulu))], 0);
    assert_eq!(live.inspect()["current"], json!(2));
    live.show(&[workout(at("2026-06-03 23:59:59.999", &honolulu))], 0);
    assert_eq!(live.inspect()["current"], json!(3));

    // East, with time left there: the day ends earlier.
    let mut live = begun();
    assert!(moved(&mut live, "Asia/Tokyo", at("2026-06-02 20:00", &york)));
    assert_eq!(live.due(), Some(at("2026-06-03 23:59:59.999", &tokyo)));
    assert!(!moved(&mut live, "Asia/Tokyo", at("2026-06-02 20:00", &york)), "nothing is new");
    live.show(&[workout(at("2026-06-03 23:00", &tokyo))], 0);
    assert_eq!(live.inspect()["current"], json!(3));

    // East, where the day is over already: the old deadline holds, and what is done before it is in time.
    let now = at("2026-06-03 20:00", &york);
    assert!(now > at("2026-06-03 23:59:59.999", &tokyo));
    let mut live = begun();
    assert!(!moved(&mut live, "Asia/Tokyo", now));
    assert_eq!(live.due(), Some(at("2026-06-03 23:59:59.999", &york)));
    live.show(&[workout(at("2026-06-03 23:59:59.999", &york))], 0);
    assert_eq!(live.inspect()["current"], json!(3));
    assert_eq!(live.due(), Some(at("2026-06-05 23:59:59.999", &tokyo)), "there it is the 4th");
    // And what comes too late is too late.
    let mut live = begun();
    moved(&mut live, "Asia/Tokyo", now);
    live.before(at("2026-06-04 00:00", &york));
    assert_eq!(live.inspect()["current"], json!(0));
    assert!(!moved(&mut live, "America/New_York", now), "there is nothing to move");

    // Over the date line, from the last of days to the first: a whole day is left out, and was not missed.
    let (niue, kiritimati) = (zone("Pacific/Niue"), zone("Pacific/Kiritimati"));
    let mut live = Live::new(&streak("day", json!({})), 0, &niue);
    let last = at("2026-06-01 23:59:00", &niue);
    live.show(&[workout(last)], 0);
    moved(&mut live, "Pacific/Kiritimati", last);
    assert!(civil::show(last, &kiritimati).starts_with("Wed 2026-06-03 00:59"));
    live.show(&[workout(last + 60_000)], 0);
    assert_eq!((&live.inspect()["current"], live.fires.len()), (&json!(2), 2));
    assert_eq!(live.due(), Some(at("2026-06-04 23:59:59.999", &kiritimati)));
}
