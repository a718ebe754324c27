//! `test`: runs scenario files. What they mean is `scenario`'s; here are files, output and the watch.

mod output;
mod watch;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use anyhow::Context as _;

pub(crate) use output::span;

use super::{Outcome, QuestFlags, client::Refused, modules::Loader, print::Printer, until_told};
use crate::{
    quests::{Quests, Served},
    scenario::{self, File, Report, Scenario},
    settings::Settings,
    wasm::Registry,
};

/// What a folder's scenarios are called.
const FILE: &str = "scenarios.toml";

/// Run scenario files.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Scenario files; a folder stands for its scenarios.toml and those of the folders in it.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// A module, or a folder with quests, in place of those that the files name.
    #[arg(long, short, value_name = "PATH")]
    module: Vec<PathBuf>,
    /// Only scenarios with this in their name.
    #[arg(long, value_name = "NAME")]
    filter: Option<String>,
    /// List the scenarios; run none.
    #[arg(long)]
    list: bool,
    /// Write the results as JUnit XML too.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Lines of what happened that a failure shows.
    #[arg(long, value_name = "LINES", default_value_t = 60)]
    timeline: usize,
    /// Run again whenever a scenario or a module changes.
    #[arg(long, conflicts_with = "list")]
    watch: bool,
    #[command(flatten)]
    quests: QuestFlags,
}

/// A file that was read.
struct Suite {
    /// As it was named.
    path: PathBuf,
    /// What its scenarios run.
    modules: Vec<PathBuf>,
    scenarios: Vec<Scenario>,
}

/// What came of a scenario, and how long it took.
struct Done {
    suite: usize,
    report: Report,
    took: std::time::Duration,
}

pub(crate) async fn run(args: Args, printer: &Printer) -> Outcome {
    let settings = args.quests.resolve(printer)?;
    let loader = Loader::new(&settings, args.quests.no_build, printer)?;
    if args.watch {
        return until_told(watch::run(&args, &settings, &loader, printer)).await;
    }
    let suites = read(&args)?;
    if args.list {
        output::list(printer, &suites);
        return Ok(());
    }
    tokio::task::block_in_place(|| once(&args, &settings, &loader, &suites, printer))
}

/// Reads the files, and leaves out what the filter does.
fn read(args: &Args) -> anyhow::Result<Vec<Suite>> {
    let mut suites = Vec::new();
    let mut faults = Vec::new();
    for path in files(&args.files)? {
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Refused::usage(&format!("cannot read {}: {error}", path.display()), ""))?;
        let file = match File::read(&text) {
            Ok(file) => file,
            Err(found) => {
                faults.extend(found.iter().map(|fault| format!("{}:{fault}", path.display())));
                continue;
            }
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        let own = file.modules.iter().map(|module| folder.join(module));
        let modules: Vec<PathBuf> = if args.module.is_empty() { own.collect() } else { args.module.clone() };
        if modules.is_empty() {
            let message = format!("{} does not say which module it is about", path.display());
            return Err(Refused::usage(&message, "module = \"PATH\" in it, or --module PATH"));
        }
        let mut scenarios = file.scenarios;
        scenarios.retain(|it| args.filter.as_ref().is_none_or(|filter| it.name.contains(filter.as_str())));
        suites.push(Suite { path, modules, scenarios });
    }
    if !faults.is_empty() {
        return Err(Refused::usage(&faults.join("\n"), "docs/testing.md describes scenario files"));
    }
    if suites.iter().all(|suite| suite.scenarios.is_empty()) {
        let filter = args.filter.as_deref().unwrap_or_default();
        return Err(Refused::usage(&format!("no scenario has {filter:?} in its name"), "--list shows all"));
    }
    Ok(suites)
}

/// The files meant; a folder stands for those in it.
fn files(named: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in named {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let mut found = vec![path.join(FILE)];
        let entries = std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
        found.extend(entries.filter_map(|entry| Some(entry.ok()?.path().join(FILE))));
        found.retain(|file| file.is_file());
        found.sort();
        if found.is_empty() {
            let message = format!("there is no {FILE} in {}, nor in a folder in it", path.display());
            return Err(Refused::usage(&message, "name a scenario file; docs/testing.md describes them"));
        }
        files.extend(found);
    }
    Ok(files)
}

/// Runs everything once.
fn once(args: &Args, settings: &Settings, loader: &Loader<'_>, suites: &[Suite], printer: &Printer) -> Outcome {
    let mut loaded: BTreeMap<&[PathBuf], Arc<Registry>> = BTreeMap::new();
    for suite in suites {
        if !loaded.contains_key(&suite.modules[..]) {
            loaded.insert(&suite.modules, loader.load(&suite.modules)?);
        }
    }
    let began = Instant::now();
    let mut done = Vec::new();
    for (index, suite) in suites.iter().enumerate().filter(|(_, suite)| !suite.scenarios.is_empty()) {
        let registry = &loaded[&suite.modules[..]];
        output::file(printer, suite);
        for scenario in &suite.scenarios {
            let began = Instant::now();
            // Each scenario is a world of its own.
            registry.forget_kept();
            let quests = Served(Arc::clone(registry) as Arc<dyn Quests>);
            let report = scenario::run(scenario, &settings.engine, quests);
            let one = Done { suite: index, report, took: began.elapsed() };
            output::scenario(printer, suite, scenario, &one, args.timeline);
            done.push(one);
        }
    }
    let failed = done.iter().filter(|one| one.report.failure.is_some()).count();
    output::summary(printer, done.len() - failed, failed, began.elapsed());
    if let Some(file) = &args.junit {
        output::junit(file, suites, &done)?;
    }
    match failed {
        0 => Ok(()),
        failed => Err(Refused::failed(&format!("{failed} of {} scenarios failed", done.len()), "")),
    }
}
