//! `doctor`: which languages' tools are there, and what installs those that are not.

use serde_json::json;

use super::{
    Outcome,
    client::Refused,
    language::Language,
    print::Printer,
    tools::{install, needs, said},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    _local: super::Local,
    /// Only this language; ends with 1 if anything of it is missing. May be given several times.
    #[arg(long, value_enum, value_name = "LANGUAGE")]
    lang: Vec<Language>,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let all = <Language as clap::ValueEnum>::value_variants();
    let languages = if args.lang.is_empty() { all } else { &args.lang };
    let mut lacking = Vec::new();
    for language in languages {
        if !tell(*language, printer) {
            lacking.push(language.name());
        }
    }
    if !args.lang.is_empty() && !lacking.is_empty() {
        return Err(Refused::failed(&format!("tools are missing for {}", lacking.join(", ")), ""));
    }
    Ok(())
}

/// Says how a language stands; whether all of it is there.
fn tell(language: Language, printer: &Printer) -> bool {
    let tools = needs(language);
    let command = install(&tools);
    if printer.is_json() {
        let shown: Vec<_> = tools
            .iter()
            .map(|tool| json!({ "tool": tool.name, "path": tool.path, "version": tool.version, "wrong": tool.wrong, "fit": tool.is_fit() }))
            .collect();
        printer.json(
            &json!({ "language": language.id(), "ready": command.is_none(), "tools": shown, "install": command }),
        );
        return command.is_none();
    }
    let verdict = match (tools.is_empty(), command.is_none()) {
        (true, _) => "ready: it needs nothing",
        (false, true) => "ready",
        (false, false) => "not ready",
    };
    printer.line(&format!("{:10}  {verdict}", language.name()));
    for tool in &tools {
        let found = match &tool.path {
            Some(path) if tool.is_fit() => format!("{}  {}", path.display(), tool.version),
            _ => said(tool),
        };
        printer.line(format!("            {:16} {found}", tool.name).trim_end());
    }
    if let Some(command) = &command {
        printer.line(&format!("            install with:    {command}"));
    }
    command.is_none()
}
