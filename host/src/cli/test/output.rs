//! Results of scenarios: for people, as JSON lines, as JUnit XML.

use std::{path::Path, time::Duration};

use anyhow::Context as _;
use owo_colors::OwoColorize as _;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use serde_json::json;

use super::{Done, Suite};
use crate::{
    cli::print::{Printer, plain},
    scenario::{Failure, Scenario, Side},
};

/// The scenarios of all files.
pub(super) fn list(printer: &Printer, suites: &[Suite]) {
    for suite in suites {
        let file = suite.path.display().to_string();
        for scenario in &suite.scenarios {
            if printer.is_json() {
                printer.json(&json!({ "file": file, "line": scenario.line, "scenario": scenario.name }));
            } else {
                printer.line(&format!("{file}:{}  {}", scenario.line, plain(&scenario.name)));
            }
        }
    }
}

/// A file begins.
pub(super) fn file(printer: &Printer, suite: &Suite) {
    if !printer.is_json() {
        printer.line(&suite.path.display().to_string().bold().to_string());
    }
}

/// What came of a scenario; of what happened, the last `lines_max` lines.
pub(super) fn scenario(printer: &Printer, suite: &Suite, scenario: &Scenario, done: &Done, lines_max: usize) {
    let report = &done.report;
    if printer.is_json() {
        let failure = report.failure.as_ref().map(|failure| {
            let from = failure.timeline.len().saturating_sub(lines_max);
            Failure { timeline: failure.timeline[from..].to_vec(), ..failure.clone() }
        });
        return printer.json(&json!({
            "file": suite.path.display().to_string(),
            "line": report.line,
            "scenario": report.name,
            "outcome": if failure.is_some() { "failed" } else { "passed" },
            "steps": report.steps,
            "actions": report.actions,
            "passed_ms": report.passed_ms,
            "took_ms": done.took.as_millis() as u64,
            "failure": failure,
        }));
    }
    let name = plain(&report.name);
    let Some(failure) = &report.failure else {
        let about = format!("{}, {} actions", span(report.passed_ms), report.actions);
        return printer.line(&format!("  {}  {name}  {}", "ok".green().bold(), about.dimmed()));
    };
    printer.line(&format!("  {}  {}", "FAILED".red().bold(), name.bold()));
    printer.line(&format!("    {}:{}: {}", suite.path.display(), failure.line, place(failure, scenario.steps.len())));
    for line in &failure.diff {
        let text = plain(&line.signed());
        printer.line(&match line.side {
            Side::Both => format!("    {text}"),
            Side::Expected => format!("    {}", text.red()),
            Side::Found => format!("    {}", text.green()),
        });
    }
    if !failure.diff.is_empty() {
        printer.line(&format!("    {} {}", "- expected".red(), "+ found".green()));
    }
    timeline(failure, lines_max).iter().for_each(|line| printer.line(&format!("    {line}")));
}

/// How all of it ended.
pub(super) fn summary(printer: &Printer, passed: usize, failed: usize, took: Duration) {
    if printer.is_json() {
        return printer.json(&json!({ "passed": passed, "failed": failed, "took_ms": took.as_millis() as u64 }));
    }
    printer.line(&format!("{passed} passed, {failed} failed in {} ms", took.as_millis()));
}

/// Writes JUnit XML: a suite for each file.
pub(super) fn junit(file: &Path, suites: &[Suite], done: &[Done]) -> anyhow::Result<()> {
    let mut report = quick_junit::Report::new("quest-host");
    for (index, suite) in suites.iter().enumerate() {
        let name = suite.path.display().to_string();
        let mut cases = TestSuite::new(&name);
        for one in done.iter().filter(|one| one.suite == index) {
            let mut status = TestCaseStatus::success();
            if let Some(failure) = &one.report.failure {
                status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                let steps = suite.scenarios.iter().find(|it| it.line == one.report.line).map_or(0, |it| it.steps.len());
                let diff = failure.diff.iter().map(crate::scenario::Line::signed);
                let lines: Vec<String> = diff.chain(timeline(failure, usize::MAX)).collect();
                status.set_message(format!("{name}:{}: {}", failure.line, place(failure, steps)));
                status.set_description(lines.join("\n"));
            }
            let mut case = TestCase::new(&one.report.name, status);
            case.set_classname(&name).set_time(one.took);
            cases.add_test_case(case);
        }
        report.add_test_suite(cases);
    }
    let text = report.to_string().context("the results as JUnit XML")?;
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// Which step failed, and why.
fn place(failure: &Failure, steps: usize) -> String {
    let message = plain(&failure.message);
    match failure.step {
        Some(step) => format!("step {step} of {steps}: {message}"),
        None => format!("at the end: {message}"),
    }
}

/// The end of what happened.
fn timeline(failure: &Failure, lines_max: usize) -> Vec<String> {
    if failure.timeline.is_empty() {
        return vec!["nothing had happened".to_owned()];
    }
    let from = failure.timeline.len().saturating_sub(lines_max);
    let mut lines = vec![format!("what happened until then ({}):", failure.zone)];
    if from > 0 {
        lines.push(format!("  … {from} lines before; --timeline {} shows all", failure.timeline.len()));
    }
    lines.extend(failure.timeline[from..].iter().map(|line| format!("  {line}")));
    lines
}

/// A time that passed, in its two largest units.
pub(crate) fn span(ms: u64) -> String {
    const UNITS: [(u64, &str); 5] = [(86_400_000, "day"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms")];
    let first = UNITS.iter().position(|(unit, _)| ms >= *unit).unwrap_or(4);
    let mut rest = ms;
    let mut parts = Vec::new();
    for (unit, name) in UNITS.iter().skip(first).take(2) {
        let count = rest / unit;
        rest %= unit;
        if count > 0 || parts.is_empty() {
            parts.push(format!("{count} {name}{}", if *name == "day" && count != 1 { "s" } else { "" }));
        }
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn spans_are_short() {
        for (ms, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (60_000, "1 min"),
            (90_500, "1 min 30 s"),
            (86_400_000, "1 day"),
            (365 * 86_400_000 + 3_600_000, "365 days 1 h"),
        ] {
            assert_eq!(span(ms), text);
        }
    }
}
