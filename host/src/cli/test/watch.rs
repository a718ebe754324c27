//! `test --watch`: runs again when a scenario file, a module or a source changes.

use std::time::Duration;

use super::{Args, Loader, Outcome, Printer, Settings, Suite, files, once, read};
use crate::{
    folders::is_source,
    watch::{Quiet, Watch},
};

/// A build writes many files.
const QUIET: Quiet = Quiet { between: Duration::from_millis(100), at_most: Duration::from_secs(60) };

/// Runs and watches until it is stopped.
pub(super) async fn run(args: &Args, settings: &Settings, loader: &Loader<'_>, printer: &Printer) -> Outcome {
    let mut watch = Watch::start(QUIET)?;
    loop {
        for file in files(&args.files)? {
            watch.file(&file)?;
        }
        let result = match read(args) {
            Ok(suites) => {
                modules(&mut watch, &suites)?;
                tokio::task::block_in_place(|| once(args, settings, loader, &suites, printer))
            }
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            super::super::report(printer, &error);
        }
        printer.say_named("watching", "scenarios and modules; Ctrl-C ends it");
        watch.changed().await?;
    }
}

fn modules(watch: &mut Watch, suites: &[Suite]) -> anyhow::Result<()> {
    for module in suites.iter().flat_map(|suite| &suite.modules) {
        match module.is_dir() {
            true => watch.folder(&module.canonicalize()?, is_source)?,
            false => watch.file(module)?,
        }
    }
    Ok(())
}
