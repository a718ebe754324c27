//! `exec`: what stands at the top level of a script and acts, done once on a running host.

use std::path::PathBuf;

use anyhow::Context as _;

use super::{
    Outcome,
    client::{Client, Refused},
    operate::{self, Call, Target},
    print::Printer,
};
use crate::wasm::{LoadError, Runtime, Statement};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The script. A host has to serve its quests already.
    file: PathBuf,
}

pub(crate) async fn run(client: &Client, printer: &Printer, args: &Args) -> Outcome {
    let settings = crate::settings::resolve(&[], None)?.settings.runtime();
    let file = &args.file;
    let bytes = crate::wasm::read(file, settings.module_bytes_max)
        .with_context(|| format!("cannot read {}", file.display()))?;
    let defined = Runtime::new(settings)?.define_only(file, &bytes).map_err(|LoadError { code, message, hint }| {
        Refused::failed(&format!("{}: {message} [{code}]", file.display()), &hint)
    })?;
    if defined.statements.is_empty() {
        printer.say("nothing at the top level of it acts");
    }
    for Statement { kind, quest, action, context, payload } in defined.statements {
        let target = Target { context: context.clone(), quest: quest.clone() };
        match kind.as_str() {
            "add" => operate::add(client, printer, &target).await?,
            "remove" => operate::remove(client, printer, &target).await?,
            _ => {
                let payload = (payload != "null").then_some(payload);
                operate::call(client, printer, &Call::new(context, quest, action, payload)).await?;
            }
        }
    }
    Ok(())
}
