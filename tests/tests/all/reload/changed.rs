//! What new code declares takes effect for instances that are there already, and that nothing happens to.

use quest_host_tests::{eventually, guests::variant, process::Host};
use serde_json::{Value, json};

use super::{FILE, Place, STORES, until_served};

const CONTEXTS: usize = 12;

fn serve(place: &Place, host: &Host, plan: &str) {
    let bytes = variant(&format!("name=variant;{plan}"));
    place.save(FILE, &bytes);
    until_served(host, FILE, &bytes);
}

fn timers(host: &Host) -> Vec<Value> {
    let output = host.cli(&["--format", "json", "timers"]);
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn lists_of_events_recurrences_and_actions_change_for_instances_that_are_there() {
    for store in STORES {
        let place = Place::new(store);
        place.save(FILE, &variant("name=variant;label=first;on=next:next"));
        let host = place.setup().start();
        for context in 0..CONTEXTS {
            host.json(&["add", &format!("u{context}"), "variant"]);
        }
        // Another event calls the action.
        serve(&place, &host, "label=second;on=next:other;action=late;action=plan");
        host.json(&["send", "--event", "next", "--payload", "1"]);
        host.json(&["send", "--event", "other", "--payload", "1"]);
        for context in 0..CONTEXTS {
            eventually("the broadcast reached it", || {
                (host.json(&["vars", &format!("u{context}")])["variant"]["last"] == 1).then_some(())
            });
        }
        assert!(host.cli(&["--format", "json", "dead"]).stdout.is_empty());
        // A recurrence, declared anew.
        serve(&place, &host, "label=third;on=next:other;action=late;action=plan;every=hourly:late:every 1 hour");
        eventually("each has it", || (timers(&host).len() == CONTEXTS).then_some(()));
        // And one that is gone; with a timer that an action has set.
        serve(&place, &host, "label=fourth;on=next:other;action=late;action=plan");
        eventually("none has it", || timers(&host).is_empty().then_some(()));
        host.json(&["call", "u0", "variant", "plan", "--payload", "1500"]);
        assert_eq!(timers(&host)[0]["dangling"], json!(false));
        serve(&place, &host, "label=fifth;on=next:other;action=plan");
        eventually("it dangles", || (timers(&host)[0]["dangling"] == true).then_some(()));
        assert!(String::from_utf8_lossy(&host.cli(&["timers"]).stderr).contains("dangling"));
        let due = timers(&host)[0]["due"].as_u64().unwrap();
        let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
        eventually("its time is over", || (now() > due + 500).then_some(()));
        assert_eq!(timers(&host).len(), 1, "it is kept");
        serve(&place, &host, "label=sixth;on=next:other;action=late;action=plan");
        eventually("it is delivered", || (host.json(&["vars", "u0"])["variant"]["late"] == 1).then_some(()));
        assert!(timers(&host).is_empty());
    }
}
