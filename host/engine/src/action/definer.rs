//! What `define` says through the `definition` interface, checked as it is said.

use super::{Given, Refusal, plans};
use crate::model::{Every, InvalidName, QuestDefinition, Value, check_event, check_name};

const QUESTS_MAX: usize = 64;
const ACTIONS_MAX: usize = 256;
const EVENTS_MAX: usize = 1024;
const DESCRIPTION_BYTES_MAX: usize = 4096;
const EVERY_MAX: usize = 64;
const PATTERNS_MAX: usize = 64;
/// Refusals that are kept. The first is why a module is not served; the others tell its author what comes next.
const REFUSED_MAX: usize = 100;

/// Collects a module's definitions while its `define` runs.
#[derive(Debug, Default)]
pub struct Definer {
    quests: Vec<QuestDefinition>,
    refused: Vec<Refusal>,
    events: usize,
    starts_patterns: bool,
}

type Defined = Result<(), Refusal>;

impl Definer {
    /// Begins a quest; what follows belongs to it.
    pub fn quest(&mut self, name: &str) -> Defined {
        let result = self.begin(name);
        self.note(result)
    }

    /// One line for people.
    pub fn describe(&mut self, text: &str) -> Defined {
        self.in_quest(|quest| {
            if text.len() > DESCRIPTION_BYTES_MAX {
                return Err(refusal("too-large", format!("a description has at most {DESCRIPTION_BYTES_MAX} bytes")));
            }
            quest.description = text.to_owned();
            Ok(())
        })
    }

    /// Version of the variables' shape.
    pub fn version(&mut self, version: u32) -> Defined {
        self.in_quest(|quest| {
            if version == 0 {
                return Err(refusal("invalid-version", "a version is 1 or higher".to_owned()));
            }
            quest.version = version;
            Ok(())
        })
    }

    /// Declares an action.
    pub fn action(&mut self, name: &str) -> Defined {
        self.in_quest(|quest| {
            check_action(quest, name)?;
            quest.actions.entry(name.to_owned()).or_default();
            Ok(())
        })
    }

    /// The action runs for each event of that name. Declares the action when it is not yet.
    pub fn on(&mut self, action: &str, event: &str) -> Defined {
        self.count_event()?;
        self.in_quest(|quest| {
            check_event(event).map_err(invalid_name)?;
            check_action(quest, action)?;
            let events = quest.actions.entry(action.to_owned()).or_default();
            if !events.iter().any(|known| known == event) {
                events.push(event.to_owned());
            }
            Ok(())
        })
    }

    /// The quest is added to a context when this event arrives there.
    pub fn add_on(&mut self, event: &str) -> Defined {
        self.count_event()?;
        self.in_quest(|quest| {
            check_event(event).map_err(invalid_name)?;
            if !quest.add_on.iter().any(|known| known == event) {
                quest.add_on.push(event.to_owned());
            }
            Ok(())
        })
    }

    /// Declares a read-only action.
    pub fn query(&mut self, name: &str) -> Defined {
        self.in_quest(|quest| {
            check_name("query", name).map_err(invalid_name)?;
            check_handlers(quest)?;
            if quest.actions.contains_key(name) {
                return Err(duplicate("action", name));
            }
            if !quest.queries.iter().any(|query| query == name) {
                quest.queries.push(name.to_owned());
            }
            Ok(())
        })
    }

    /// A recurrence that begins when the quest is added. Declares the action when it is not yet.
    pub fn every(&mut self, name: &str, action: &str, schedule: &str) -> Defined {
        self.in_quest(|quest| {
            check_name("recurrence", name).map_err(invalid_name)?;
            plans::schedule(schedule).map_err(|message| refusal("invalid-schedule", message))?;
            check_action(quest, action)?;
            if quest.every.contains_key(name) {
                return Err(duplicate("recurrence", name));
            }
            if quest.every.len() >= EVERY_MAX {
                return Err(refusal("too-many", format!("a quest declares at most {EVERY_MAX} recurrences")));
            }
            quest.actions.entry(action.to_owned()).or_default();
            quest.every.insert(name.to_owned(), Every { action: action.to_owned(), schedule: schedule.to_owned() });
            Ok(())
        })
    }

    /// A pattern that begins when the quest is added. The actions that it names may be declared later.
    pub fn pattern<'a>(&mut self, name: &str, spec: impl Into<Given<'a>>) -> Defined {
        let spec = spec.into();
        self.in_quest(|quest| {
            check_name("pattern", name).map_err(invalid_name)?;
            let spec = match spec {
                Given::Value(value) => value,
                Given::Json(json) => {
                    Value::from_json(json).map_err(|error| refusal("invalid-json", error.to_string()))?
                }
            };
            let text = plans::pattern(&spec, &|_| true)
                .map_err(|message| refusal("invalid-pattern", format!("pattern {name:?}: {message}")))?;
            if quest.patterns.contains_key(name) {
                return Err(duplicate("pattern", name));
            }
            if quest.patterns.len() >= PATTERNS_MAX {
                return Err(refusal("too-many", format!("a quest declares at most {PATTERNS_MAX} patterns")));
            }
            quest.patterns.insert(name.to_owned(), text);
            Ok(())
        })
    }

    /// The module can start patterns while its actions run.
    pub fn starts_patterns(&mut self) {
        self.starts_patterns = true;
    }

    /// The definitions, unless one was refused (even if the module ignored that) or there are none.
    pub fn finish(self) -> Result<Vec<QuestDefinition>, Refusal> {
        let (quests, refused) = self.finish_whole();
        refused.into_iter().next().map_or(Ok(quests), Err)
    }

    /// The definitions as far as they were taken, and everything that is wrong with them.
    pub fn finish_whole(self) -> (Vec<QuestDefinition>, Vec<Refusal>) {
        let Self { quests, mut refused, starts_patterns, .. } = self;
        if quests.is_empty() && refused.is_empty() {
            refused.push(refusal("no-quest", "`define` began no quest: call `definition.quest` first".to_owned()));
        }
        refused.extend(quests.iter().flat_map(check_patterns));
        (quests.into_iter().map(|quest| QuestDefinition { starts_patterns, ..quest }).collect(), refused)
    }

    fn begin(&mut self, name: &str) -> Defined {
        check_name("quest", name).map_err(invalid_name)?;
        if self.quests.iter().any(|quest| quest.name == name) {
            return Err(duplicate("quest", name));
        }
        if self.quests.len() >= QUESTS_MAX {
            return Err(refusal("too-many", format!("a module has at most {QUESTS_MAX} quests")));
        }
        self.quests.push(QuestDefinition { name: name.to_owned(), version: 1, ..QuestDefinition::default() });
        Ok(())
    }

    fn in_quest(&mut self, change: impl FnOnce(&mut QuestDefinition) -> Defined) -> Defined {
        let result = match self.quests.last_mut() {
            Some(quest) => change(quest),
            None => Err(refusal("no-quest", "call `definition.quest` before what belongs to the quest".to_owned())),
        };
        self.note(result)
    }

    fn count_event(&mut self) -> Defined {
        self.events += 1;
        if self.events <= EVENTS_MAX {
            return Ok(());
        }
        self.note(Err(refusal("too-many", format!("a module subscribes to at most {EVENTS_MAX} events"))))
    }

    fn note(&mut self, result: Defined) -> Defined {
        if let (Err(refused), true) = (&result, self.refused.len() < REFUSED_MAX) {
            self.refused.push(refused.clone());
        }
        result
    }
}

/// The patterns that name actions which are not there, once everything is declared.
fn check_patterns(quest: &QuestDefinition) -> impl Iterator<Item = Refusal> {
    quest.patterns.iter().filter_map(|(name, text)| {
        let check = |value: Value| plans::pattern(&value, &|action| quest.actions.contains_key(action));
        let checked = Value::from_json(text).map_err(|error| error.to_string()).and_then(check);
        checked.err().map(|message| refusal("unknown-action", format!("pattern {name:?}: {message}")))
    })
}

/// Whether the quest may have an action of that name.
fn check_action(quest: &QuestDefinition, name: &str) -> Defined {
    check_name("action", name).map_err(invalid_name)?;
    check_handlers(quest)?;
    match quest.queries.iter().any(|query| query == name) {
        true => Err(duplicate("query", name)),
        false => Ok(()),
    }
}

fn check_handlers(quest: &QuestDefinition) -> Defined {
    if quest.actions.len() + quest.queries.len() < ACTIONS_MAX {
        return Ok(());
    }
    Err(refusal("too-many", format!("a quest has at most {ACTIONS_MAX} actions and queries")))
}

fn invalid_name(error: InvalidName) -> Refusal {
    refusal("invalid-name", error.to_string())
}

fn duplicate(what: &str, name: &str) -> Refusal {
    refusal("duplicate", format!("there is a {what} named {name:?} already"))
}

fn refusal(code: &'static str, message: String) -> Refusal {
    Refusal { code, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collects_quests() {
        let mut definer = Definer::default();
        definer.quest("a").expect("first");
        definer.on("visit", "visited").expect("on");
        definer.quest("b").expect("second");
        definer.version(3).expect("version");
        definer.query("total").expect("query");
        let quests = definer.finish().expect("valid");
        assert_eq!(quests[0].actions_on("visited").collect::<Vec<_>>(), ["visit"]);
        assert_eq!((quests[1].version, quests[1].queries.as_slice()), (3, &["total".to_owned()][..]));
    }

    #[test]
    fn an_ignored_refusal_still_refuses_the_module() {
        let mut definer = Definer::default();
        assert_eq!(definer.action("early").map_err(|error| error.code), Err("no-quest"));
        definer.quest("a").expect("fine");
        assert_eq!(definer.finish().map_err(|error| error.code), Err("no-quest"));

        let mut definer = Definer::default();
        definer.quest("a").expect("fine");
        assert_eq!(definer.quest("a").map_err(|error| error.code), Err("duplicate"));
        assert!(definer.finish().is_err());
        assert!(Definer::default().finish().is_err());
    }

    #[test]
    fn everything_that_is_wrong_is_told() {
        let mut definer = Definer::default();
        definer.quest("a").expect("fine");
        assert!(definer.version(0).is_err() && definer.every("daily", "go", "sometimes").is_err());
        let spec = r#"{"kind": "absence", "of": "login", "for": "1 day", "action": "gone"}"#;
        definer.pattern("idle", Given::Json(spec)).expect("the action may come later");
        let (quests, refused) = definer.finish_whole();
        assert_eq!(quests.len(), 1);
        let codes: Vec<&str> = refused.iter().map(|refused| refused.code).collect();
        assert_eq!(codes, ["invalid-version", "invalid-schedule", "unknown-action"]);
    }
}
