//! The `quest.toml` beside a module: whatever stands in it, it gives no more than the operator's ceiling, or is refused with a reason.

use quest_host::wasm::{POLICY_CODE, POLICY_FILE, Policies, RuntimeSettings};

use super::target;

const WORDS: &[&str] = &[
    "[permissions]",
    "[limits]",
    "[quests.q.limits]",
    "[quests.q.permissions]",
    "other_contexts = true",
    "broadcast = 1",
    "keep_instances = ",
    "\"context\"",
    "\"quest\"",
    "action_ms_max = ",
    "memory_bytes_max = ",
    "effects_max = ",
    "9223372036854775807",
    "-1",
    "0",
    "1e9",
    "=",
    "[",
    "]",
    "[[",
    "{",
    "}",
    "\"",
    "\"\"\"",
    "#",
    "\n",
    ".",
    "é",
    "\u{0}",
];

target!(quest_toml, random: 200, mutants: 4_000, words: WORDS, check: stays_below_the_ceiling);

fn stays_below_the_ceiling(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(POLICY_FILE), bytes).unwrap();
    let settings = RuntimeSettings::default();
    match Policies::beside(folder.path(), &settings) {
        Ok(policies) => {
            for quest in policies.sections().chain(["any"]) {
                let limits = &policies.of(quest).limits;
                assert!(limits.action_ms_max <= settings.action_ms_max && limits.action_ms_max > 0, "{limits:?}");
                assert!(limits.memory_bytes_max <= settings.memory_bytes_max, "{limits:?}");
                assert!(limits.table_elements_max <= settings.table_elements_max, "{limits:?}");
                assert!(limits.call_bytes_max <= settings.call_bytes_max, "{limits:?}");
                let (own, most) = (&limits.action, &settings.action);
                assert!(own.effects_max <= most.effects_max && own.timers_max <= most.timers_max, "{limits:?}");
                assert!(own.value_bytes_max <= most.value_bytes_max, "{limits:?}");
            }
        }
        Err(fault) => {
            assert_eq!(fault.code, POLICY_CODE);
            assert!(!fault.message.is_empty() && !fault.hint.is_empty(), "{fault:?}");
        }
    }
}
