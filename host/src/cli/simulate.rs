//! x
use super::{Outcome, print::Printer};
#[derive(clap::Args)]
pub(crate) struct Args {}
pub(crate) async fn run(_: Args, _: &Printer) -> Outcome {
    Ok(())
}
