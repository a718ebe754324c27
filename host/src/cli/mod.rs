//! The command line: thin. `run`, `config` and `bench` work here; everything else is a client of a running host's API.

mod bench;
mod build;
mod client;
mod config;
mod inspect;
mod messages;
mod operate;
mod print;
mod run;
mod send;

use std::{path::PathBuf, process::ExitCode};

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};

use client::{Client, Refused};
use print::Printer;

const AFTER: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no host reached, 4 refused by the host (what was named is not there, a bound is
reached, the action failed).

A first look:
  quest-host run                                              serve the quests in ./quests
  quest-host add user-1 my_example_quest                      give user-1 a quest
  quest-host send --context user-1 --event test_event         something happens
  quest-host vars user-1                                      what the quest remembers";

/// Runs quests: small stateful WebAssembly programs that react to a user's events over time.
#[derive(Parser)]
#[command(name = "quest-host", version, after_help = AFTER, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Args)]
struct Common {
    /// Where the host listens.
    #[arg(long, global = true, env = "QUEST_HOST_URL", default_value = "http://127.0.0.1:7766")]
    url: String,
    /// The token that the host asks for.
    #[arg(long, global = true, env = "QUEST_HOST_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// How results are printed.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// How results are printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[derive(Subcommand)]
enum Command {
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
    /// Ask a query and print its answer.
    Query(operate::Call),
    /// List instances: of a context, of a quest, or all.
    Ps(inspect::Ps),
    /// Show the variables of a context.
    Vars(inspect::Context),
    /// List timers, or fire, move or cancel one.
    Timers(inspect::Timers),
    /// Read what quests published.
    Messages(messages::Args),
    /// Erase all of a context: state, timers, held, dead letters, ids.
    Forget(operate::Forget),
    /// Show events and their outcome as they happen on the host (of a cluster, each host tells its own).
    Tail,
    /// Look at dead letters, retry or drop them.
    Dead(inspect::Dead),
    /// Measure events per second and latency, on this machine, in this minute.
    Bench(bench::Args),
    /// Show each setting and where it came from.
    Config(config::Args),
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// What ends a command.
pub(crate) type Outcome = anyhow::Result<()>;

/// Runs the command line and gives its exit code.
pub fn main() -> ExitCode {
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
    let client = Client::new(&cli.common.url, cli.common.token.as_deref())?;
    match cli.command {
        Command::Run(args) => run::run(args, printer).await,
        Command::List => inspect::list(&client, printer).await,
        Command::Add(target) => operate::add(&client, printer, &target).await,
        Command::Remove(target) => operate::remove(&client, printer, &target).await,
        Command::Send(args) => send::run(&client, printer, args).await,
        Command::Call(call) => operate::call(&client, printer, &call, "actions").await,
        Command::Query(call) => operate::call(&client, printer, &call, "queries").await,
        Command::Ps(args) => inspect::ps(&client, printer, &args).await,
        Command::Vars(args) => inspect::vars(&client, printer, &args).await,
        Command::Timers(args) => inspect::timers(&client, printer, args).await,
        Command::Messages(args) => messages::run(&client, printer, args).await,
        Command::Forget(args) => operate::forget(&client, printer, &args).await,
        Command::Tail => messages::tail(&client, printer).await,
        Command::Dead(args) => inspect::dead(&client, printer, args).await,
        Command::Bench(args) => bench::run(args, printer).await,
        Command::Config(args) => config::run(args, printer),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "quest-host", &mut std::io::stdout());
            Ok(())
        }
    }
}

fn report(printer: &Printer, error: &anyhow::Error) -> ExitCode {
    let refused = error.downcast_ref::<Refused>();
    printer.error(&format!("{error:#}"), refused.map_or("", |refused| &refused.hint));
    ExitCode::from(refused.map_or(1, |refused| refused.exit))
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
    /// The folder with quests.
    #[arg(long)]
    quests: Option<String>,
    /// Any other setting, as `quest-host config` names it, e.g. --set pace.lease_ms=5000.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    sets: Vec<String>,
}

impl SettingFlags {
    /// Resolves the settings with these flags on top.
    pub(crate) fn resolve(&self) -> anyhow::Result<crate::settings::Resolved> {
        let named = [
            ("store", &self.store),
            ("data", &self.data),
            ("durability", &self.durability),
            ("listen", &self.listen),
            ("quests", &self.quests),
        ];
        let mut flags: Vec<(String, String)> =
            named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?))).collect();
        for set in &self.sets {
            let Some((name, value)) = set.split_once('=') else { anyhow::bail!("--set takes NAME=VALUE, not {set:?}") };
            flags.push((name.to_owned(), value.to_owned()));
        }
        crate::settings::resolve(&flags, self.config.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_fits_together() {
        super::Cli::command().debug_assert();
    }
}
