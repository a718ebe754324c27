//! What each quest may do and take: the `quest.toml` beside its module, under what the operator allows.
//!
//! Must not know: modules, runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
    path::Path,
};

use quest_engine::limits::{ActionLimits, Grant, Permissions};
use serde::{Deserialize, Serialize};
use toml::{Spanned, Table, Value};

use super::{LoadError, RuntimeSettings};
use crate::settings::{out_of_range, suggestion};

/// The file beside a module that says what its quests ask for.
pub const FILE: &str = "quest.toml";
/// The code of one that cannot be read.
pub const CODE: &str = "quest-toml";
/// More than anybody writes by hand.
const BYTES_MAX: u64 = 256 * 1024;

/// Which quests have a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Allowed {
    /// Those that ask for it.
    Asked,
    /// All.
    Always,
    /// None.
    Never,
}

/// What the operator allows quests beyond their own context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Permit {
    /// Events to other contexts, and adding and removing quests there.
    pub other_contexts: Allowed,
    /// Events to all contexts.
    pub broadcast: Allowed,
}

impl Default for Permit {
    fn default() -> Self {
        Self { other_contexts: Allowed::Asked, broadcast: Allowed::Asked }
    }
}

/// Which actions may find what earlier ones left in memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// None: each has a fresh instance.
    #[default]
    Never,
    /// Those of the same quest in the same context, from when it was added there until it is removed.
    Context,
    /// Those of the same quest, whatever the context.
    Quest,
}

/// What one action of a quest may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestLimits {
    /// Time of an action, in milliseconds: of a processor, and at most twice that by the clock.
    pub action_ms_max: u64,
    /// Bytes of linear memory of an instance.
    pub memory_bytes_max: usize,
    /// Elements of one table of an instance.
    pub table_elements_max: usize,
    /// Bytes that one call of a host function may hand over.
    pub call_bytes_max: usize,
    /// Bounds of what it records.
    #[serde(flatten)]
    pub action: ActionLimits,
}

impl QuestLimits {
    /// The operator's: what no quest may exceed.
    pub fn ceiling(settings: &RuntimeSettings) -> Self {
        Self {
            action_ms_max: settings.action_ms_max,
            memory_bytes_max: settings.memory_bytes_max,
            table_elements_max: settings.table_elements_max,
            call_bytes_max: settings.call_bytes_max,
            action: settings.action.clone(),
        }
    }

    /// Those of a `define`.
    pub(super) fn of_define(settings: &RuntimeSettings) -> Self {
        Self { action_ms_max: settings.define_ms_max, ..Self::ceiling(settings) }
    }

    /// All by name.
    pub(crate) fn by_name(&self) -> Table {
        Table::try_from(self).unwrap_or_default()
    }
}

/// What a quest may do and take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// What it may do beyond its own context.
    pub permissions: Permissions,
    /// Which actions may find what earlier ones left in memory.
    pub keep_instances: Keep,
    /// What an action of it may take.
    pub limits: QuestLimits,
    /// The limits that its `quest.toml` names.
    #[serde(skip)]
    named: BTreeSet<String>,
}

impl Policy {
    /// The limits that its `quest.toml` names, with what holds.
    pub fn lowered(&self) -> impl Iterator<Item = (String, Value)> {
        let of_name = |(name, _): &(String, Value)| self.named.contains(name);
        self.limits.by_name().into_iter().filter(of_name)
    }
}

/// What the quests of a module may do and take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policies {
    all: Policy,
    /// Quests with a section of their own.
    quests: BTreeMap<String, Policy>,
    /// What was asked for and is not given, for people.
    pub notes: Vec<String>,
}

impl Policies {
    /// Without a `quest.toml`.
    pub fn plain(settings: &RuntimeSettings) -> Self {
        let Permit { other_contexts, broadcast } = settings.permit;
        let permissions =
            Permissions { other_contexts: grant(other_contexts, false), broadcast: grant(broadcast, false) };
        let limits = QuestLimits::ceiling(settings);
        let all = Policy { permissions, keep_instances: Keep::Never, limits, named: BTreeSet::new() };
        Self { all, quests: BTreeMap::new(), notes: Vec::new() }
    }

    /// By the `quest.toml` in a folder, if there is one.
    pub fn beside(folder: &Path, settings: &RuntimeSettings) -> Result<Self, LoadError> {
        let path = folder.join(FILE);
        let read = match std::fs::File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::plain(settings)),
            opened => opened.and_then(|file| std::io::read_to_string(file.take(BYTES_MAX + 1))),
        };
        let read = read.map_err(|error| format!("cannot read it: {error}")).and_then(|text| match text.len() as u64 {
            0..=BYTES_MAX => Ok(text),
            _ => Err(format!("it has more than {BYTES_MAX} bytes")),
        });
        read.and_then(|text| Self::read(&text, settings)).map_err(|why| {
            LoadError::new(
                CODE,
                format!("{}: {why}", path.display()),
                "docs/permissions.md has all that it may hold; delete it, and its quests have what quests have without one",
            )
        })
    }

    /// By the text of a `quest.toml`. An error names the line.
    fn read(text: &str, settings: &RuntimeSettings) -> Result<Self, String> {
        let asked: Asked = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        let Asked { permissions, keep_instances, limits, quests } = asked;
        let mut policies = Self::plain(settings);
        let mut reading = Reading { text, settings, notes: Vec::new() };
        policies.all = reading.apply(&Section { permissions, keep_instances, limits }, &policies.all)?;
        for (quest, own) in quests {
            let policy = reading.apply(&own, &policies.all)?;
            policies.quests.insert(quest, policy);
        }
        Ok(Self { notes: reading.notes, ..policies })
    }

    /// The quests with a section of their own.
    pub fn sections(&self) -> impl Iterator<Item = &str> {
        self.quests.keys().map(String::as_str)
    }

    /// What a quest may do and take.
    pub fn of(&self, quest: &str) -> &Policy {
        self.quests.get(quest).unwrap_or(&self.all)
    }
}

fn grant(allowed: Allowed, is_asked: bool) -> Grant {
    match (allowed, is_asked) {
        (Allowed::Never, _) => Grant::Refused,
        (Allowed::Always, _) | (Allowed::Asked, true) => Grant::Granted,
        (Allowed::Asked, false) => Grant::Unasked,
    }
}

/// A `quest.toml` as it is written: a [`Section`] for all quests of the folder, with those of some of them.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Asked {
    permissions: AskedPermissions,
    keep_instances: Option<Keep>,
    limits: BTreeMap<String, Spanned<i64>>,
    quests: BTreeMap<String, Section>,
}

/// What all quests of a folder ask for, or one of them.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Section {
    permissions: AskedPermissions,
    keep_instances: Option<Keep>,
    limits: BTreeMap<String, Spanned<i64>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct AskedPermissions {
    other_contexts: Option<bool>,
    broadcast: Option<bool>,
}

/// A file that is being read.
struct Reading<'a> {
    text: &'a str,
    settings: &'a RuntimeSettings,
    notes: Vec<String>,
}

impl Reading<'_> {
    /// What a section asks for beyond what `base` has.
    fn apply(&mut self, section: &Section, base: &Policy) -> Result<Policy, String> {
        let Permit { other_contexts, broadcast } = self.settings.permit;
        let mut policy = base.clone();
        if let Some(asked) = section.permissions.other_contexts {
            policy.permissions.other_contexts = self.grant("other_contexts", other_contexts, asked);
        }
        if let Some(asked) = section.permissions.broadcast {
            policy.permissions.broadcast = self.grant("broadcast", broadcast, asked);
        }
        if let Some(keep) = section.keep_instances {
            policy.keep_instances = keep;
            if keep != Keep::Never && self.settings.instances_kept_max == 0 {
                self.note("no instance is kept: the host's setting wasm.instances_kept_max is 0".to_owned());
            }
        }
        let mut limits = policy.limits.by_name();
        for (name, value) in &section.limits {
            let value = self.limit(name, value)?;
            limits.insert(name.clone(), Value::Integer(value));
            policy.named.insert(name.clone());
        }
        policy.limits = Value::Table(limits).try_into().map_err(|error: toml::de::Error| error.to_string())?;
        Ok(policy)
    }

    fn grant(&mut self, permission: &str, allowed: Allowed, is_asked: bool) -> Grant {
        let grant = grant(allowed, is_asked);
        if grant == Grant::Refused && is_asked {
            self.note(format!(
                "the permission {permission} is not given: the host's setting wasm.permit.{permission} is \"never\""
            ));
        }
        grant
    }

    /// What holds where this is asked for: the operator's limit, if that is lower.
    fn limit(&mut self, name: &str, value: &Spanned<i64>) -> Result<i64, String> {
        let line = self.text[..value.span().start].lines().count().max(1);
        let value = *value.get_ref();
        let ceilings = QuestLimits::ceiling(self.settings).by_name();
        let Some(ceiling) = ceilings.get(name).and_then(Value::as_integer) else {
            let near = suggestion(name, ceilings.keys());
            return Err(format!("line {line}: there is no limit {name}{near}"));
        };
        let setting = setting(name);
        if let Some(why) = out_of_range(&setting, value) {
            return Err(format!("line {line}: {why}"));
        }
        if value > ceiling {
            self.note(format!("line {line}: {name} = {value} is above the host's {ceiling} ({setting}), which holds"));
        }
        Ok(value.min(ceiling))
    }

    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

/// The setting that is the ceiling of a limit.
fn setting(limit: &str) -> String {
    let is_of_action = Table::try_from(ActionLimits::default()).is_ok_and(|table| table.contains_key(limit));
    if is_of_action { format!("wasm.action.{limit}") } else { format!("wasm.{limit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, settings: &RuntimeSettings) -> Result<Policies, String> {
        Policies::read(text, settings)
    }

    #[test]
    fn nothing_is_asked_for_without_a_file() {
        let settings = RuntimeSettings::default();
        let plain = Policies::plain(&settings);
        assert_eq!(read("", &settings).as_ref(), Ok(&plain));
        assert_eq!(
            plain.of("any").permissions,
            Permissions { other_contexts: Grant::Unasked, broadcast: Grant::Unasked }
        );
        assert_eq!(plain.of("any").limits.action, settings.action);
        let nowhere = Policies::beside(Path::new("/nowhere/at/all"), &settings);
        assert_eq!(nowhere, Ok(plain));
    }

    #[test]
    fn a_quest_has_what_all_have_and_its_own_on_top() {
        let settings = RuntimeSettings::default();
        let text = "keep_instances = 'context'\n[permissions]\nbroadcast = true\n[limits]\ntimers_max = 3\naction_ms_max = 50\n\
                    [quests.own.permissions]\nother_contexts = true\nbroadcast = false\n[quests.own.limits]\ntimers_max = 5\n";
        let policies = read(text, &settings).expect("read");
        let (all, own) = (policies.of("any"), policies.of("own"));
        assert_eq!(all.permissions, Permissions { other_contexts: Grant::Unasked, broadcast: Grant::Granted });
        assert_eq!(own.permissions, Permissions { other_contexts: Grant::Granted, broadcast: Grant::Unasked });
        assert_eq!((all.keep_instances, own.keep_instances), (Keep::Context, Keep::Context));
        assert_eq!((all.limits.action.timers_max, own.limits.action.timers_max), (3, 5));
        assert_eq!((all.limits.action_ms_max, own.limits.action_ms_max), (50, 50));
        assert!(policies.notes.is_empty());
    }

    #[test]
    fn the_operators_ceiling_wins_and_says_so() {
        let permit = Permit { other_contexts: Allowed::Never, broadcast: Allowed::Always };
        let settings = RuntimeSettings { permit, instances_kept_max: 0, ..RuntimeSettings::default() };
        let text = "keep_instances = 'quest'\n[permissions]\nother_contexts = true\n[limits]\naction_ms_max = 5_000\n";
        let policies = read(text, &settings).expect("read");
        let policy = policies.of("any");
        assert_eq!(policy.permissions, Permissions { other_contexts: Grant::Refused, broadcast: Grant::Granted });
        assert_eq!(policy.limits.action_ms_max, settings.action_ms_max);
        let expected =
            ["wasm.permit.other_contexts", "wasm.instances_kept_max", "line 5: action_ms_max = 5000 is above"];
        for (note, part) in policies.notes.iter().zip(expected) {
            assert!(note.contains(part), "{note}");
        }
        assert_eq!(policies.notes.len(), 3);
    }

    #[test]
    fn a_mistake_is_refused_with_its_line() {
        let settings = RuntimeSettings::default();
        for (text, part) in [
            ("[limits]\n\ntimer_max = 1\n", "line 3: there is no limit timer_max (did you mean timers_max?)"),
            ("[limits]\nmemory_bytes_max = 1\n", "line 2: wasm.memory_bytes_max is 65536 to"),
            ("[limits]\naction_ms_max = -1\n", "line 2: wasm.action_ms_max is 1 to"),
            ("[limits]\naction_ms_max = 'x'\n", "line 2"),
            ("[permissions]\nnetwork = true\n", "line 2"),
            ("keep_instances = 'always'\n", "unknown variant"),
            ("[quest.x]\n", "unknown field `quest`"),
            ("[quests.x]\nlimit = 1\n", "unknown field `limit`"),
            ("=", "line 1"),
        ] {
            let error = read(text, &settings).expect_err(text);
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }
}
