//! Settings: by flag, environment, one TOML file, and default, in that order; each with where it came from.
//!
//! Every setting is a leaf of [`Settings`], named by its path (`pace.lease_ms`). In the environment it is `QUEST_HOST_` and the path in
//! capitals with `__` between its parts (`QUEST_HOST_PACE__LEASE_MS`); as a flag it has a name of its own or is given by `--set`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow, bail};
use quest_engine::limits::EngineLimits;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::{
    dispatcher::Pace,
    store::{AcceptBounds, Durability, PartitionId},
    wasm::RuntimeSettings,
};

/// The file that is read when none is named.
pub const FILE: &str = "quest-host.toml";
const ENVIRONMENT: &str = "QUEST_HOST_";

/// All settings of a host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `redis://host:port/db`, or empty for the embedded store.
    pub store: String,
    /// The embedded store's folder.
    pub data: PathBuf,
    /// The embedded store's durability: `always` or `everysec`.
    pub durability: Durability,
    /// What Redis keys begin with.
    pub prefix: String,
    /// Partitions of a new store; fixed from then on.
    pub partitions: PartitionId,
    /// Where the HTTP API listens. Anything but loopback needs a token.
    pub listen: String,
    /// The token that requests must carry; empty for none.
    pub token: String,
    /// The folder with quests: `.wasm` files, and folders of Rust sources that `run` builds.
    pub quests: PathBuf,
    /// Whether `run` builds the sources in the folder with quests first.
    pub build: bool,
    /// Where compiled code is kept.
    pub cache: PathBuf,
    /// The list of existing producers, in Redis; empty to leave it alone.
    pub ingress: String,
    /// Which lines the log shows, e.g. `info` or `quest_host=debug`.
    pub log: String,
    /// The operator's settings for quests: `[config.QUEST]` with texts.
    pub config: BTreeMap<String, BTreeMap<String, String>>,
    /// Bounds of accepting.
    pub accept: Accepting,
    /// Bounds of a partition's engine.
    pub engine: EngineLimits,
    /// Bounds and times of the dispatcher.
    pub pace: Pace,
    /// How quests are run.
    pub wasm: RuntimeSettings,
}

/// Bounds of accepting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Accepting {
    /// Entries in one partition's inbox (or the broadcast log) past which producers are refused (429): bounds the store's memory.
    pub inbox_max: u64,
    /// Entries of one context that wait, past which its producers are refused: one flood does not shut others out.
    pub context_max: u64,
    /// Remembered ids of one partition past which events with ids are refused: never let through twice in silence.
    pub ids_max: u64,
    /// Entries past `inbox_max` that only events from within may fill.
    pub reserve: u64,
    /// How long a producer's id is remembered, in milliseconds.
    pub ids_window_ms: u64,
    /// Bytes of one event's payload: it is stored, loaded and copied into each instance that it reaches.
    pub payload_bytes_max: usize,
}

impl Default for Accepting {
    fn default() -> Self {
        Self {
            inbox_max: 100_000,
            context_max: 10_000,
            ids_max: 1_000_000,
            reserve: 100_000,
            ids_window_ms: 86_400_000,
            payload_bytes_max: 256 * 1024,
        }
    }
}

impl Accepting {
    /// As the stores take them.
    pub fn bounds(&self) -> AcceptBounds {
        let Self { inbox_max, context_max, ids_max, reserve, .. } = *self;
        AcceptBounds { inbox_max, context_max, ids_max, reserve }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            store: String::new(),
            data: ".quest-host/data".into(),
            durability: Durability::Always,
            prefix: "quest:".to_owned(),
            partitions: 64,
            listen: "127.0.0.1:7766".to_owned(),
            token: String::new(),
            quests: "quests".into(),
            build: true,
            cache: ".quest-host/cache".into(),
            ingress: "ruby_quest://queue".to_owned(),
            log: "info,fjall=warn,lsm_tree=warn".to_owned(),
            config: BTreeMap::new(),
            accept: Accepting::default(),
            engine: EngineLimits::default(),
            pace: Pace::default(),
            wasm: RuntimeSettings::default(),
        }
    }
}

/// Settings with where each came from.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The settings.
    pub settings: Settings,
    /// Each leaf: its path, its value, and its origin.
    pub leaves: Vec<(String, Value, String)>,
}

/// Resolves the settings. `flags` are paths with values as text; `file` is the file named, if one was.
pub fn resolve(flags: &[(String, String)], file: Option<&Path>) -> anyhow::Result<Resolved> {
    let defaults = Table::try_from(Settings::default()).context("the default settings")?;
    let mut leaves: BTreeMap<String, (Value, String)> = BTreeMap::new();
    flatten("", &defaults, &mut |path, value| {
        leaves.insert(path, (value.clone(), "default".to_owned()));
    });
    let mut config = Table::new();
    if let Some(path) = file.map(Path::to_owned).or_else(|| Path::new(FILE).exists().then(|| FILE.into())) {
        read_file(&path, &mut leaves, &mut config)?;
    }
    for (path, leaf) in &mut leaves {
        let name = format!("{ENVIRONMENT}{}", path.replace('.', "__").to_uppercase());
        if let Ok(text) = std::env::var(&name) {
            *leaf = (like(&leaf.0, &text).with_context(|| format!("{name}={text}"))?, format!("environment {name}"));
        }
    }
    for (path, text) in flags {
        let Some(leaf) = leaves.get_mut(path) else { bail!(unknown(path, leaves.keys())) };
        *leaf = (like(&leaf.0, text).with_context(|| format!("the setting {path} = {text:?}"))?, "flag".to_owned());
    }
    let mut table = Table::new();
    for (path, (value, _)) in &leaves {
        place(&mut table, path, value.clone());
    }
    table.insert("config".to_owned(), Value::Table(config));
    let settings: Settings = Value::Table(table).try_into().context("the settings do not fit together")?;
    check(&settings)?;
    let leaves = leaves.into_iter().map(|(path, (value, origin))| (path, value, origin)).collect();
    Ok(Resolved { settings, leaves })
}

fn read_file(path: &Path, leaves: &mut BTreeMap<String, (Value, String)>, config: &mut Table) -> anyhow::Result<()> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read the settings file {}", path.display()))?;
    let mut table: Table = toml::from_str(&text).with_context(|| format!("{} is not TOML", path.display()))?;
    if let Some(Value::Table(quests)) = table.remove("config") {
        *config = quests;
    }
    let origin = path.display().to_string();
    let mut failed = None;
    flatten("", &table, &mut |name, value| {
        let line = line_of(&text, &name);
        match leaves.get_mut(&name) {
            Some(leaf) if std::mem::discriminant(&leaf.0) == std::mem::discriminant(value) => {
                *leaf = (value.clone(), format!("{origin}:{line}"));
            }
            Some(leaf) => {
                let text = format!("{origin}:{line}: {name} is a {}, not a {}", leaf.0.type_str(), value.type_str());
                failed.get_or_insert(text);
            }
            None => {
                failed.get_or_insert(format!("{origin}:{line}: {}", unknown(&name, leaves.keys())));
            }
        }
    });
    failed.map_or(Ok(()), |text| Err(anyhow!(text)))
}

fn check(settings: &Settings) -> anyhow::Result<()> {
    if settings.partitions == 0 || settings.partitions > 1024 {
        bail!("partitions is 1 to 1024, not {}", settings.partitions);
    }
    if settings.prefix.contains(['{', '}']) {
        bail!("prefix has no braces: they mark what Redis Cluster hashes");
    }
    let address: std::net::SocketAddr = settings
        .listen
        .parse()
        .with_context(|| format!("listen is an address with a port, not {:?}", settings.listen))?;
    if !address.ip().is_loopback() && settings.token.is_empty() {
        bail!("listening on {address} needs a token: set it, or listen on 127.0.0.1");
    }
    Ok(())
}

fn flatten(prefix: &str, table: &Table, leaf: &mut dyn FnMut(String, &Value)) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Table(table) => flatten(&path, table, leaf),
            value => leaf(path, value),
        }
    }
}

fn place(table: &mut Table, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            table.insert(path.to_owned(), value);
        }
        Some((head, rest)) => {
            let inner = table.entry(head.to_owned()).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                place(inner, rest, value);
            }
        }
    }
}

/// A text as a value of the same type as `model`.
fn like(model: &Value, text: &str) -> anyhow::Result<Value> {
    Ok(match model {
        Value::Integer(_) => Value::Integer(text.replace('_', "").parse().context("not a whole number")?),
        Value::Boolean(_) => Value::Boolean(text.parse().context("not true or false")?),
        Value::Float(_) => Value::Float(text.parse().context("not a number")?),
        _ => Value::String(text.to_owned()),
    })
}

fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> String {
    let last = name.rsplit('.').next().unwrap_or(name);
    let near = known.min_by_key(|path| distance(path.rsplit('.').next().unwrap_or(path), last));
    let suggestion = near.map(|near| format!(" (did you mean {near}?)")).unwrap_or_default();
    format!("there is no setting {name}{suggestion}; `quest-host config` shows all")
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let best = (diagonal + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[b.len()]
}

/// The line on which a key is set, as far as its last part tells.
fn line_of(text: &str, path: &str) -> usize {
    let key = path.rsplit('.').next().unwrap_or(path);
    text.lines().position(|line| line.trim_start().starts_with(key)).map_or(1, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_file(text: &str, flags: &[(&str, &str)]) -> anyhow::Result<Resolved> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("settings.toml");
        std::fs::write(&path, text).expect("written");
        let flags: Vec<_> = flags.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        resolve(&flags, Some(&path))
    }

    #[test]
    fn flags_come_before_the_file_and_the_file_before_defaults() {
        let text = "prefix = \"p:\"\n[pace]\nlease_ms = 5\n[config.streak]\ngoal = \"7\"\n";
        let resolved = with_file(text, &[("pace.lease_ms", "7")]).expect("valid");
        assert_eq!((resolved.settings.prefix.as_str(), resolved.settings.pace.lease_ms), ("p:", 7));
        assert_eq!(resolved.settings.config["streak"]["goal"], "7");
        let origin = |path: &str| resolved.leaves.iter().find(|leaf| leaf.0 == path).expect("known").2.clone();
        assert_eq!(origin("pace.lease_ms"), "flag");
        assert!(origin("prefix").ends_with("settings.toml:1"));
        assert_eq!(origin("listen"), "default");
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (text, flags, says) in [
            (
                "\n[pace]\nlease_sm = 5\n",
                &[][..],
                ":3: there is no setting pace.lease_sm (did you mean pace.lease_ms?)",
            ),
            ("prefix = 5\n", &[], ":1: prefix is a string, not a integer"),
            ("prefix = \n", &[], "is not TOML"),
            ("", &[("pace.lease_ms", "soon")], "pace.lease_ms"),
            ("", &[("nope", "1")], "there is no setting nope"),
            ("prefix = \"{x}\"", &[], "no braces"),
            ("partitions = 0", &[], "1 to 1024"),
            ("listen = \"0.0.0.0:1\"", &[], "needs a token"),
            ("listen = \"here\"", &[], "address with a port"),
        ] {
            let error = format!("{:#}", with_file(text, flags).expect_err(text));
            assert!(error.contains(says), "{text:?}: {error}");
        }
    }
}
