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
    let resolved = args.settings.resolve(printer)?;
    let rows: Vec<_> = resolved
        .leaves
        .iter()
        .map(|(name, value, origin)| {
            let text = value.as_str().unwrap_or_default();
            let shown = match name.as_str() {
                "token" if !text.is_empty() => json!("(hidden)"),
                "store" => json!(without_password(text)),
                _ => json!(value),
            };
            json!({ "setting": name, "value": shown, "origin": origin })
        })
        .collect();
    printer.rows(&json!({ "settings": rows }), "settings", &["setting", "value", "origin"]);
    Ok(())
}

/// A store's URL as it may be shown.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    match rest.rsplit_once('@') {
        Some((user, place)) => format!("{scheme}://{}:(hidden)@{place}", user.split(':').next().unwrap_or_default()),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_password;

    #[test]
    fn passwords_of_stores_are_not_shown() {
        for (url, shown) in [
            ("redis://localhost:6379/1", "redis://localhost:6379/1"),
            ("redis://:pass@w@localhost", "redis://:(hidden)@localhost"),
            ("rediss://user:pass@localhost:6379", "rediss://user:(hidden)@localhost:6379"),
            ("", ""),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }
}
