//! Puts flags, environment, file and defaults together, and says what is wrong with them, and where.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow, bail};
use quest_engine::schedule::Zone;
use strsim::levenshtein;
use toml::{Table, Value};

use super::{FILE, Settings, lines::line_of, ranges};

const ENVIRONMENT: &str = "QUEST_HOST_";
/// Variables that are no settings of a host.
const CLIENTS: [&str; 1] = ["QUEST_HOST_URL"];
/// Names that differ by more than this many letters are no slip of the pen.
const SLIPS: usize = 3;

/// Settings with where each came from.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The settings.
    pub settings: Settings,
    /// Each leaf: its path, its value, and its origin.
    pub leaves: Vec<(String, Value, String)>,
    /// What is set and means nothing.
    pub warnings: Vec<String>,
}

/// The leaves so far, by path, each with its value and origin.
struct Leaves {
    known: BTreeMap<String, (Value, String)>,
    /// The operator's settings for quests, by `config.QUEST.NAME`.
    config: BTreeMap<String, (Value, String)>,
}

/// Resolves the settings. `flags` are paths with values as text; `file` is the file named, if one was.
pub fn resolve(flags: &[(String, String)], file: Option<&Path>) -> anyhow::Result<Resolved> {
    resolve_with(flags, file, std::env::vars_os().filter_map(|(name, value)| name.into_string().ok().zip(Some(value))))
}

fn resolve_with(
    flags: &[(String, String)],
    file: Option<&Path>,
    environment: impl Iterator<Item = (String, std::ffi::OsString)>,
) -> anyhow::Result<Resolved> {
    let defaults = Table::try_from(Settings::default()).context("the default settings")?;
    let mut leaves = Leaves { known: BTreeMap::new(), config: BTreeMap::new() };
    flatten("", &defaults, &mut |path, value| {
        leaves.known.insert(path, (value.clone(), "default".to_owned()));
    });
    if let Some(path) = file.map(Path::to_owned).or_else(|| Path::new(FILE).exists().then(|| FILE.into())) {
        leaves.take_file(&path)?;
    }
    let warnings = leaves.take_environment(environment)?;
    for (path, text) in flags {
        leaves.take_flag(path, text)?;
    }
    leaves.check_ranges()?;
    let settings = leaves.settings()?;
    check(&settings)?;
    let Leaves { known, config } = leaves;
    let leaves = known.into_iter().chain(config).map(|(path, (value, origin))| (path, value, origin)).collect();
    Ok(Resolved { settings, leaves, warnings })
}

impl Leaves {
    fn take_file(&mut self, path: &Path) -> anyhow::Result<()> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the settings file {shown}"))?;
        let table: Table = toml::from_str(&text).with_context(|| format!("{shown} is not TOML"))?;
        let mut failed = None;
        flatten("", &table, &mut |name, value| {
            let origin = format!("{shown}:{}", line_of(&text, &name));
            if let Err(error) = self.put(&name, value.clone(), origin.clone()) {
                failed.get_or_insert(format!("{origin}: {error}"));
            }
        });
        failed.map_or(Ok(()), |text| Err(anyhow!(text)))
    }

    /// Takes what the environment sets; gives a warning for each variable that looks like a setting and is none. No more than that: some
    /// platforms make variables for every service by themselves.
    fn take_environment(
        &mut self,
        environment: impl Iterator<Item = (String, std::ffi::OsString)>,
    ) -> anyhow::Result<Vec<String>> {
        let name_of = |path: &String| format!("{ENVIRONMENT}{}", path.replace('.', "__").to_uppercase());
        let by_name: BTreeMap<String, String> = self.known.keys().map(|path| (name_of(path), path.clone())).collect();
        let mut warnings = Vec::new();
        for (name, text) in environment {
            if !name.starts_with(ENVIRONMENT) || CLIENTS.contains(&name.as_str()) {
                continue;
            }
            let Some(path) = by_name.get(&name) else {
                let near = suggestion(&name, by_name.keys());
                warnings.push(format!("the environment sets {name}, which is no setting{near}"));
                continue;
            };
            let text = text.into_string().map_err(|_| anyhow!("{name} is not UTF-8"))?;
            let value = self.read(path, &text).with_context(|| format!("{name}={text}"))?;
            self.put(path, value, format!("environment {name}"))?;
        }
        warnings.sort_unstable();
        Ok(warnings)
    }

    fn take_flag(&mut self, path: &str, text: &str) -> anyhow::Result<()> {
        let value = self.read(path, text).with_context(|| format!("the setting {path} = {text:?}"))?;
        self.put(path, value, "flag".to_owned())
    }

    /// A text as a value of the type that the setting has.
    fn read(&self, path: &str, text: &str) -> anyhow::Result<Value> {
        Ok(match self.known.get(path) {
            Some((Value::Integer(_), _)) => {
                Value::Integer(text.replace('_', "").parse().context("it is a whole number")?)
            }
            Some((Value::Boolean(_), _)) => Value::Boolean(text.parse().context("it is true or false")?),
            _ => Value::String(text.to_owned()),
        })
    }

    fn put(&mut self, path: &str, value: Value, origin: String) -> anyhow::Result<()> {
        if let Some(own) = path.strip_prefix("config.") {
            let is_named = own.split_once('.').is_some_and(|(quest, name)| !quest.is_empty() && !name.is_empty());
            if !is_named {
                bail!("{path} is no setting of a quest; hint: [config.QUEST] has NAME = \"text\"");
            }
            if !value.is_str() {
                bail!("{path} is a text, as quests read it; hint: put {value} in quotes");
            }
            self.config.insert(path.to_owned(), (value, origin));
            return Ok(());
        }
        let Some(leaf) = self.known.get_mut(path) else {
            let near = suggestion(path, self.known.keys());
            bail!("there is no setting {path}{near}; hint: `quest-host config` shows all");
        };
        if std::mem::discriminant(&leaf.0) != std::mem::discriminant(&value) {
            let inside = value.as_table().map_or("", |_| ", which holds none of these names");
            bail!("{path} is {}, not {}{inside}", a_type(&leaf.0), a_type(&value));
        }
        *leaf = (value, origin);
        Ok(())
    }

    fn check_ranges(&self) -> anyhow::Result<()> {
        for (path, (value, origin)) in &self.known {
            if let Some(why) = value.as_integer().and_then(|number| ranges::refused(path, number)) {
                bail!("{origin}: {why}");
            }
        }
        Ok(())
    }

    /// What one of them may be and is not, with its origin.
    fn closed(&self) -> String {
        let mut wrong = CLOSED.iter().filter_map(|(path, values)| {
            let (value, origin) = self.known.get(*path)?;
            let is_one = value.as_str().is_some_and(|value| values.contains(&value));
            let (last, others) = values.split_last()?;
            (!is_one).then(|| format!("{origin}: {path} is {} or {last}, not {value}", others.join(", ")))
        });
        wrong.next().unwrap_or_else(|| "the settings cannot be read".to_owned())
    }

    fn settings(&self) -> anyhow::Result<Settings> {
        let mut table = Table::new();
        for (path, (value, _)) in &self.known {
            place(&mut table, path, value.clone());
        }
        let mut config = Table::new();
        for (path, (value, _)) in &self.config {
            let (quest, name) = path["config.".len()..].split_once('.').context("a quest's setting has a name")?;
            let quest = config.entry(quest.to_owned()).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(quest) = quest {
                quest.insert(name.to_owned(), value.clone());
            }
        }
        table.insert("config".to_owned(), Value::Table(config));
        Value::Table(table).try_into().with_context(|| self.closed())
    }
}

/// The settings with a closed list of values, and those.
const CLOSED: [(&str, &[&str]); 3] = [
    ("durability", &["always", "everysec"]),
    ("wasm.permit.other_contexts", &["asked", "always", "never"]),
    ("wasm.permit.broadcast", &["asked", "always", "never"]),
];

fn check(settings: &Settings) -> anyhow::Result<()> {
    if settings.prefix.contains(['{', '}']) {
        bail!("prefix has no braces: they mark what Redis Cluster hashes");
    }
    if settings.ingress.contains(['{', '}']) {
        bail!(
            "ingress is a key without braces: its neighbours, as {{KEY}}.lease, must share its slot in a Redis Cluster"
        );
    }
    if settings.pace.outcome_kept_ms > settings.accept.ids_window_ms {
        bail!(
            "pace.outcome_kept_ms is at most accept.ids_window_ms: an id that is free again must not find an old outcome"
        );
    }
    let address: std::net::SocketAddr = settings.listen.parse().with_context(|| {
        format!("listen is an address with a port, like 127.0.0.1:7766 or [::1]:7766, not {:?}", settings.listen)
    })?;
    if !address.ip().is_loopback() && settings.token.is_empty() {
        bail!("listening on {address} needs a token; hint: set QUEST_HOST_TOKEN, or listen on 127.0.0.1");
    }
    if !settings.token.chars().all(|c| c.is_ascii_graphic()) {
        bail!("token has visible ASCII characters only: it travels in a header");
    }
    Zone::parse(&settings.engine.default_zone).context("engine.default_zone")?;
    if settings.quests == PathBuf::new() || settings.data == PathBuf::new() {
        bail!("quests and data name folders");
    }
    Ok(())
}

/// Calls `leaf` for everything in `table` that is no table, with its path. A table without anything in it sets nothing.
pub(super) fn flatten(prefix: &str, table: &Table, leaf: &mut dyn FnMut(String, &Value)) {
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

fn a_type(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a fraction",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

/// The known name that was probably meant, in brackets.
pub(crate) fn suggestion<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> String {
    let last = |path: &str| path.rsplit('.').next().unwrap_or(path).to_owned();
    // The whole path counts a little, so that of equal names the one in the same table is found.
    let distance = |known: &String| (levenshtein(&last(known), &last(name)), levenshtein(known, name));
    match known.min_by_key(|known| distance(known)) {
        Some(near) if distance(near).0 <= SLIPS => format!(" (did you mean {near}?)"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;
