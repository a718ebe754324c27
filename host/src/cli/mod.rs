//! The command line: thin. `run`, `test`, `simulate`, `config` and `bench` work here; everything else is a client of a running host's API.

mod bench;
mod build;
mod client;
mod config;
mod doctor;
mod examine;
mod exec;
mod inspect;
mod language;
mod messages;
mod modules;
mod new;
mod next;
mod operate;
mod print;
mod rebuild;
mod run;
mod send;
mod send_many;
mod simulate;
mod test;
mod time;
mod tools;
mod versions;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use client::{Client, Refused};
use print::Printer;

/// Where a host listens unless it is told otherwise.
const URL: &str = "http://127.0.0.1:7766";

const AFTER: &str = "\
Exit codes:
  0 done   1 failed   2 wrong usage   3 no host reached
  4 refused by the host: what was named is not there, a bound is reached, the action failed

A first look:
  quest-host run                                              serve the quests in ./quests
  quest-host add user-1 my_example_quest                      give user-1 a quest
  quest-host send --context user-1 --event test_event         something happens
  quest-host vars user-1                                      what the quest remembers";

/// Runs quests: small stateful WebAssembly programs that react to a user's events over time.
#[derive(Parser)]
#[command(name = "quest-host", bin_name = "quest-host", version, after_help = AFTER, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// The flags of every command. `url` and `token` say which host a command talks to; where it talks to none, [`SettingFlags`] and
/// [`Local`] take their places.
#[derive(clap::Args)]
struct Common {
    /// Where the host listens [env: QUEST_HOST_URL] [default: http://127.0.0.1:7766].
    #[arg(long, global = true)]
    url: Option<String>,
    /// The token that the host asks for [env: QUEST_HOST_TOKEN].
    #[arg(long, global = true)]
    token: Option<String>,
    /// How results are printed: for people, or one JSON value a line.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// How results are printed: for people, or one JSON value a line.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Make a quest's folder from a template.
    New(new::Args),
    /// Serve quests.
    Run(run::Args),
    /// List the quests that a host serves, their actions and events.
    List,
    /// Add a quest to a context.
    Add(operate::Target),
    /// Remove a quest from a context.
    Remove(operate::Target),
    /// Send one event, or many from a file or standard input (JSON lines).
    Send(send::Args),
    /// Call an action and print its answer.
    Call(operate::Call),
    /// Do what stands at the top level of a script and acts: add quests, remove them, call actions.
    Exec(exec::Args),
    /// Ask a query and print its answer.
    Query(operate::Query),
    /// List instances: of a context, of a quest, or all.
    Ps(inspect::Ps),
    /// Show the variables of a context.
    Vars(inspect::Context),
    /// List timers, or fire, move or cancel one.
    Timers(inspect::Timers),
    /// Show the live patterns of a context, or cancel one.
    Patterns(inspect::Patterns),
    /// Show the time zone of a context, or set it.
    Zone(inspect::ZoneOf),
    /// List the versions of modules that the store keeps: digests, and where they came from.
    Versions(versions::Versions),
    /// Show which host serves which version.
    Rollout,
    /// Go back to an earlier version of a quest, and put its instances back.
    Rollback(versions::Rollback),
    /// Try a quest's upgrade on its instances, without a trace.
    Upgrade(versions::Upgrade),
    /// Read what quests published.
    Messages(messages::Args),
    /// Erase everything of a context: state, timers, waiting events, dead letters, ids.
    Forget(operate::Forget),
    /// Show events and their outcome as they happen (of several hosts: what the asked one processes).
    Tail,
    /// Look at dead letters, retry or drop them.
    Dead(inspect::Dead),
    /// Print the next runs of a schedule, and why they are what they are.
    Next(next::Args),
    /// Show what modules are: their imports, quests, actions, schedules, patterns.
    Inspect(examine::Args),
    /// Say all that is wrong with modules, before a host serves them.
    Check(examine::Args),
    /// Build quests from their sources, and check scripts.
    Build(build::Args),
    /// Say which languages' tools are there, and what installs the others.
    Doctor(doctor::Args),
    /// Run scenario files: quests on a virtual clock, and what is expected of them.
    Test(test::Args),
    /// Run quests against recorded or generated events on a scaled clock, and show what happens.
    Simulate(simulate::Args),
    /// Measure throughput and latency on this machine.
    Bench(bench::Args),
    /// Show each setting and where it came from.
    Config(config::Args),
    /// Print completions for a shell.
    Completions(Completions),
}

#[derive(clap::Args)]
struct Completions {
    #[command(flatten)]
    _local: Local,
    /// The shell.
    shell: clap_complete::Shell,
}

/// The settings of a command that runs quests without a store or an API.
#[derive(clap::Args)]
pub(crate) struct QuestFlags {
    #[command(flatten)]
    _local: Local,
    /// The settings file (quest-host.toml in this folder, if there is one).
    #[arg(long)]
    config: Option<PathBuf>,
    /// A setting, as `quest-host config` names it, e.g. --set wasm.action_ms_max=5000.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    sets: Vec<String>,
    /// Run the modules as they are; build nothing.
    #[arg(long)]
    no_build: bool,
}

impl QuestFlags {
    /// Resolves the settings with these flags on top.
    pub(crate) fn resolve(&self, printer: &Printer) -> anyhow::Result<crate::settings::Settings> {
        let resolved = crate::settings::resolve(&pairs(&self.sets)?, self.config.as_deref())?;
        resolved.warnings.iter().for_each(|warning| printer.warn(warning));
        Ok(resolved.settings)
    }
}

/// The folder with quests: as it is set, or, where nobody set it and it is not there, this folder if it is a quest's own.
pub(crate) fn quests_folder(resolved: &crate::settings::Resolved) -> PathBuf {
    let is_set = resolved.leaves.iter().any(|(name, _, origin)| name == "quests" && origin != "default");
    let (quests, here) = (&resolved.settings.quests, Path::new("."));
    if is_set || quests.exists() || !is_own(here) { quests.clone() } else { here.to_owned() }
}

/// Whether a folder that nobody named is taken for a quest's own: it also has scenarios, as any folder has a `build.sh`, and nobody wants that run.
fn is_own(folder: &Path) -> bool {
    let has_scripts = || crate::folders::modules_in(folder).is_ok_and(|modules| !modules.is_empty());
    folder.join(test::FILE).is_file() && (crate::folders::is_source(folder) || has_scripts())
}

/// Hides the flags that say which host to talk to from a command that talks to none.
#[derive(clap::Args)]
struct Local {
    #[arg(long, hide = true)]
    url: Option<String>,
    #[arg(long, hide = true)]
    token: Option<String>,
}

/// What ends a command.
pub(crate) type Outcome = anyhow::Result<()>;

/// Runs the command line and gives its exit code.
pub fn main() -> ExitCode {
    if let Some(code) = crate::wasm::serve_or_isolate() {
        return code;
    }
    let cli = Cli::parse();
    let printer = Printer::new(cli.common.format);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(&printer, &anyhow::Error::from(error)),
    };
    match runtime.block_on(dispatch(cli, &printer)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&printer, &error),
    }
}

async fn dispatch(cli: Cli, printer: &Printer) -> Outcome {
    let Cli { common, command } = cli;
    match command {
        Command::Run(args) => {
            no_client(&common, "run", "--listen says where")?;
            run::run(args, printer).await
        }
        Command::Next(args) => {
            no_client(&common, "next", "it asks no host")?;
            next::run(&args, printer)
        }
        Command::Inspect(args) => {
            no_client(&common, "inspect", "it asks no host")?;
            examine::inspect(&args, printer)
        }
        Command::Check(args) => {
            no_client(&common, "check", "it asks no host")?;
            examine::check(&args, printer)
        }
        Command::New(args) => {
            no_client(&common, "new", "it asks no host")?;
            new::run(&args, printer)
        }
        Command::Build(args) => {
            no_client(&common, "build", "it asks no host")?;
            tokio::task::block_in_place(|| build::run(&args, printer))
        }
        Command::Doctor(args) => {
            no_client(&common, "doctor", "it asks no host")?;
            doctor::run(&args, printer)
        }
        Command::Test(args) => {
            no_client(&common, "test", "it runs the quests itself")?;
            test::run(args, printer).await
        }
        Command::Simulate(args) => {
            no_client(&common, "simulate", "it runs the quests itself")?;
            simulate::run(args, printer).await
        }
        Command::Bench(args) => {
            no_client(&common, "bench", "it measures a host of its own")?;
            bench::run(args, printer).await
        }
        Command::Config(args) => {
            no_client(&common, "config", "it shows the settings of this folder and environment")?;
            config::run(args, printer)
        }
        Command::Completions(args) => {
            no_client(&common, "completions", "it asks no host")?;
            let mut text = Vec::new();
            clap_complete::generate(args.shell, &mut Cli::command(), "quest-host", &mut text);
            printer.line(String::from_utf8_lossy(&text).trim_end());
            Ok(())
        }
        command => ask(command, &common, printer).await,
    }
}

/// The commands that are clients of a running host.
async fn ask(command: Command, common: &Common, printer: &Printer) -> Outcome {
    let given = |flag: &Option<String>, name: &str| {
        flag.clone().or_else(|| std::env::var(name).ok()).filter(|value| !value.is_empty())
    };
    let url = given(&common.url, "QUEST_HOST_URL").unwrap_or_else(|| URL.to_owned());
    let client = Client::new(&url, given(&common.token, "QUEST_HOST_TOKEN").as_deref())?;
    match command {
        Command::List => inspect::list(&client, printer).await,
        Command::Add(target) => operate::add(&client, printer, &target).await,
        Command::Remove(target) => operate::remove(&client, printer, &target).await,
        Command::Send(args) => send::run(&client, printer, args).await,
        Command::Call(call) => operate::call(&client, printer, &call).await,
        Command::Exec(args) => exec::run(&client, printer, &args).await,
        Command::Query(query) => operate::query(&client, printer, &query).await,
        Command::Ps(args) => inspect::ps(&client, printer, &args).await,
        Command::Vars(args) => inspect::vars(&client, printer, &args).await,
        Command::Timers(args) => inspect::timers(&client, printer, args).await,
        Command::Patterns(args) => inspect::patterns(&client, printer, args).await,
        Command::Zone(args) => inspect::zone(&client, printer, &args).await,
        Command::Versions(args) => versions::versions(&client, printer, &args).await,
        Command::Rollout => versions::rollout(&client, printer).await,
        Command::Rollback(args) => versions::roll_back(&client, printer, &args).await,
        Command::Upgrade(args) => versions::upgrade(&client, printer, &args).await,
        Command::Messages(args) => until_told(messages::run(&client, printer, args)).await,
        Command::Forget(args) => operate::forget(&client, printer, &args).await,
        Command::Tail => until_told(messages::tail(&client, printer)).await,
        Command::Dead(args) => inspect::dead(&client, printer, args).await,
        Command::Next(_)
        | Command::Inspect(_)
        | Command::Check(_)
        | Command::New(_)
        | Command::Build(_)
        | Command::Doctor(_)
        | Command::Run(_)
        | Command::Test(_)
        | Command::Simulate(_)
        | Command::Bench(_)
        | Command::Config(_)
        | Command::Completions(_) => Ok(()),
    }
}

/// Ctrl-C is how a command that follows ends, and no failure.
async fn until_told(work: impl Future<Output = Outcome>) -> Outcome {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        outcome = work => outcome,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}

fn no_client(common: &Common, command: &str, why: &str) -> Outcome {
    match common.url {
        None => Ok(()),
        Some(_) => Err(Refused::usage(&format!("{command} takes no --url"), why)),
    }
}

fn report(printer: &Printer, error: &anyhow::Error) -> ExitCode {
    let refused = error.downcast_ref::<Refused>();
    // What is not the command line's own carries its hint in its text.
    let (mut text, mut hint) = (String::new(), refused.map(|refused| refused.hint.clone()).unwrap_or_default());
    for (level, cause) in error.chain().map(ToString::to_string).enumerate() {
        let (said, advice) = cause.split_once("; hint: ").unwrap_or((&cause, ""));
        text.push_str(if level == 0 { "" } else { ": " });
        text.push_str(said);
        if hint.is_empty() {
            advice.clone_into(&mut hint);
        }
    }
    printer.error(refused.map_or("", |refused| &refused.code), &text, &hint);
    refused.map_or(ExitCode::FAILURE, |refused| ExitCode::from(refused.exit))
}

/// The flags that settings have in common.
#[derive(clap::Args)]
pub(crate) struct SettingFlags {
    /// The settings file (quest-host.toml in this folder, if there is one).
    #[arg(long)]
    config: Option<PathBuf>,
    /// The store: redis://HOST:PORT. Without it, the embedded store.
    #[arg(long)]
    store: Option<String>,
    /// The embedded store's folder.
    #[arg(long)]
    data: Option<String>,
    /// The embedded store's durability: always, or everysec.
    #[arg(long)]
    durability: Option<String>,
    /// Where to listen, e.g. 127.0.0.1:7766; port 0 takes a free one.
    #[arg(long)]
    listen: Option<String>,
    /// The token that every request must carry. Better in QUEST_HOST_TOKEN or the file: flags show in the list of processes.
    #[arg(long)]
    token: Option<String>,
    #[arg(long, hide = true)]
    url: Option<String>,
    /// The folder with quests.
    #[arg(long)]
    quests: Option<String>,
    /// Any other setting, as `quest-host config` names it, e.g. --set pace.lease_ms=5000.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    sets: Vec<String>,
}

impl SettingFlags {
    /// Resolves the settings with these flags on top.
    pub(crate) fn resolve(&self, printer: &Printer) -> anyhow::Result<crate::settings::Resolved> {
        let named = [
            ("store", &self.store),
            ("data", &self.data),
            ("durability", &self.durability),
            ("listen", &self.listen),
            ("token", &self.token),
            ("quests", &self.quests),
        ];
        let mut flags: Vec<(String, String)> =
            named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?))).collect();
        flags.extend(pairs(&self.sets)?);
        let resolved = crate::settings::resolve(&flags, self.config.as_deref())?;
        resolved.warnings.iter().for_each(|warning| printer.warn(warning));
        Ok(resolved)
    }
}

/// The settings of `--set`.
fn pairs(sets: &[String]) -> anyhow::Result<Vec<(String, String)>> {
    let pair = |set: &String| match set.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => {
            let example = "for example --set pace.lease_ms=5000";
            Err(Refused::usage(&format!("--set takes NAME=VALUE, not {set:?}"), example))
        }
    };
    sets.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_fits_together() {
        super::Cli::command().debug_assert();
    }
}
