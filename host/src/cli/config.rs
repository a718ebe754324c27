//! `config`: each setting and where it came from.

use serde_json::json;

use super::{Outcome, SettingFlags, print::Printer};

/// Show each setting and where it came from.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: SettingFlags,
}

pub(crate) fn run(args: Args, printer: &Printer) -> Outcome {
    let resolved = args.settings.resolve()?;
    let rows: Vec<_> = resolved
        .leaves
        .iter()
        .map(|(name, value, origin)| {
            let shown = if name == "token" && value.as_str() != Some("") { json!("(hidden)") } else { json!(value) };
            json!({ "setting": name, "value": shown, "origin": origin })
        })
        .collect();
    printer.rows(&json!({ "settings": rows }), "settings", &["setting", "value", "origin"]);
    Ok(())
}
