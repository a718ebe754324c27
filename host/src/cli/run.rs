//! `run`: builds, loads, serves; then a quiet live log until it is told to stop.

use std::pin::pin;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::broadcast::error::RecvError;
use tracing_subscriber::EnvFilter;

use super::{Outcome, SettingFlags, build, messages::tail_line, print::Printer, quests_folder, rebuild};
use crate::{
    api::view,
    host::Host,
    reload::{Change, Sources},
    settings::Settings,
    wasm::{Loaded, Problem},
};

/// Serve quests.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: SettingFlags,
    /// Serve the modules as they are; build nothing.
    #[arg(long)]
    no_build: bool,
    /// Build sources again when they change, and serve what comes of it.
    #[arg(long, conflicts_with = "no_build")]
    watch: bool,
    /// Do not show events as they happen.
    #[arg(long, short)]
    quiet: bool,
}

pub(crate) async fn run(args: Args, printer: &Printer) -> Outcome {
    let resolved = args.settings.resolve(printer)?;
    let settings = Settings { quests: quests_folder(&resolved), ..resolved.settings };
    let filter = EnvFilter::try_new(&settings.log).with_context(|| format!("the setting log = {:?}", settings.log))?;
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi()).try_init();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let built = match settings.build && !args.no_build {
        true => build::build(&settings.quests, printer)?,
        false => build::Built::default(),
    };
    let sources = Sources {
        folder: Some(settings.quests.clone()),
        files: Vec::new(),
        built: built.modules,
        left_out: built.left_out,
    };
    let mut host = Host::start_from(&settings, &sources).await?;
    greet(&host, printer);
    let reloader = host.reloader.clone();
    let mut follow = pin!(async {
        if args.watch
            && let Err(error) = rebuild::follow(&settings.quests, reloader, *printer).await
        {
            printer.warn(&format!("sources are not followed any more: {error:#}"));
        }
        std::future::pending::<()>().await;
    });
    let mut happenings = host.service.tail();
    let mut changes = host.reloader.changes();
    loop {
        // Cancel-safe: signals and channels keep what was not taken.
        tokio::select! {
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            () = &mut follow => {}
            error = host.failed() => {
                host.drain().await;
                return Err(error);
            }
            change = changes.recv() => match change {
                Ok(change) => tell(&change, printer),
                Err(RecvError::Lagged(missed)) => printer.say(&format!("… {missed} changes of modules not shown")),
                Err(RecvError::Closed) => break,
            },
            happening = happenings.recv(), if !args.quiet => match happening {
                Ok((partition, happening)) => printer.say(&tail_line(&view(partition, &happening))),
                Err(RecvError::Lagged(missed)) => printer.say(&format!("… {missed} happenings not shown")),
                Err(RecvError::Closed) => break,
            }
        }
    }
    printer.say_named("draining", "what runs is finished and committed, leases are given up");
    tokio::select! {
        () = host.drain() => printer.say_named("stopped", "all work is committed, leases are given up"),
        _ = interrupt.recv() => anyhow::bail!("stopped at once: what was not committed is done again, leases run out by themselves"),
    }
    Ok(())
}

fn greet(host: &Host, printer: &Printer) {
    for module in &host.loaded {
        printer.say_named("loaded", &loaded(module));
    }
    host.problems.iter().for_each(|problem| refused(problem, None, printer));
    if host.loaded.is_empty() {
        printer.warn("no quest is served: `quest-host new NAME --lang LANGUAGE` makes one; .wasm files, scripts and sources in the folder with quests (--quests) are served");
    }
    printer.say_named("store", &host.report.name);
    printer.say_named("promise", &host.report.promise);
    host.report.warnings.iter().for_each(|warning| printer.warn(warning));
    let address = format!("http://{}", host.address);
    printer.say_named("listening", &address);
    if printer.is_json() {
        printer.json(&serde_json::json!({ "listening": address, "loaded": host.loaded, "problems": host.problems }));
    }
}

fn loaded(module: &Loaded) -> String {
    let how = if module.from_cache { "from cache" } else { "compiled" };
    format!("{}  ({} KiB, {how} in {} ms)", module.quests.join(", "), module.size / 1024, module.compiled_in_ms)
}

fn refused(problem: &Problem, still: Option<&str>, printer: &Printer) {
    let goes_on = still.map_or_else(String::new, |digest| format!("; version {} goes on being served", short(digest)));
    printer.warn(&format!("{} is NOT served: {}{goes_on} [{}]", problem.file.display(), problem.message, problem.code));
    printer.hint(&problem.hint);
}

/// What became of a file while the host runs.
fn tell(change: &Change, printer: &Printer) {
    match change {
        Change::Served(module) => printer.say_named("reloaded", &loaded(module)),
        Change::Refused { problem, still } => refused(problem, still.as_deref(), printer),
        Change::Withdrawn { file, quests } => {
            printer.warn(&format!("{} is gone: {} not served any more", file.display(), are(quests)));
            printer.hint("what comes for them waits until they are served again");
        }
    }
}

fn are(quests: &[String]) -> String {
    format!("{} {}", quests.join(", "), if quests.len() == 1 { "is" } else { "are" })
}

/// As much of a digest as people compare.
fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

fn ansi() -> bool {
    use std::io::IsTerminal as _;
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && std::io::stderr().is_terminal()
}
