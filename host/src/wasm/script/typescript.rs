//! TypeScript: its types become blanks, so that JavaScript is left and every line is where it was.

use std::sync::Arc;

use parking_lot::Mutex;
use swc_common::{
    SourceMap, Spanned as _,
    errors::{DiagnosticBuilder, Emitter, Handler},
    sync::Lrc,
};
use swc_ts_fast_strip::{Mode, Options, operate};

/// The text without its types; or what is wrong with it, as `NAME:LINE: …`.
pub(super) fn strip(name: &str, text: &str) -> Result<String, String> {
    let map: Lrc<SourceMap> = Lrc::default();
    let told = Arc::new(Mutex::new(None));
    let collect = Collect { map: map.clone(), name: name.to_owned(), told: Arc::clone(&told) };
    let handler = Handler::with_emitter(true, false, Box::new(collect));
    let options = Options { mode: Mode::StripOnly, ..Options::default() };
    operate(&map, &handler, text.to_owned(), options)
        .map(|done| done.code)
        .map_err(|error| told.lock().take().unwrap_or_else(|| format!("{name}: {}", error.message)))
}

/// Keeps the first complaint.
struct Collect {
    map: Lrc<SourceMap>,
    name: String,
    told: Arc<Mutex<Option<String>>>,
}

impl Emitter for Collect {
    fn emit(&mut self, complaint: &mut DiagnosticBuilder<'_>) {
        let line = complaint.span.primary_span().map(|span| self.map.lookup_char_pos(span.span().lo).line);
        let place = line.map_or_else(|| self.name.clone(), |line| format!("{}:{line}", self.name));
        self.told.lock().get_or_insert_with(|| format!("{place}: {}", complaint.message()));
    }
}

#[cfg(test)]
mod tests {
    use super::strip;

    #[test]
    fn types_become_blanks_and_lines_stay() {
        let text = "type A = { n: number };\nconst f = (a: A, b?: string): number =>\n  a.n as number;\nlet x = f!({ n: 1 })<2;\n";
        let stripped = strip("a.ts", text).expect("it is TypeScript");
        assert_eq!(stripped.lines().count(), text.lines().count());
        assert!(stripped.lines().nth(2).is_some_and(|line| line.trim_start().starts_with("a.n")), "{stripped}");
        assert!(!stripped.contains("number") && !stripped.contains("type A"), "{stripped}");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let wrong = |text: &str| strip("a.ts", text).expect_err(text);
        assert!(
            wrong("const a = 1;\nconst b: = 2;").starts_with("a.ts:2: "),
            "{}",
            wrong("const a = 1;\nconst b: = 2;")
        );
        // What is more than types cannot be blanked out.
        assert!(wrong("enum Colour { Red }").starts_with("a.ts:1: "), "{}", wrong("enum Colour { Red }"));
    }
}
