//! Codes are a promise: each one in the source stands in docs/errors.md, and nothing else does.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use quest_host_tests::guests::root;

/// Where codes are made.
const SOURCES: [&str; 11] = [
    "host/src/dispatcher/share.rs",
    "host/engine/src/action",
    "host/engine/src/partition",
    "host/engine/src/query.rs",
    "host/src/wasm",
    "host/src/service",
    "host/src/api",
    "host/src/cli/build",
    "host/src/store/mod.rs",
    "quest-sdk/src/context.rs",
    "quest-sdk/src/error.rs",
];
/// What looks like a code there, and is none: names of headers, threads and formats.
const NOT_CODES: [&str; 6] =
    ["idempotency-key", "last-event-id", "wasm-ticker", "json-render-diagnostics", "kebab-case", "strip-types-of"];
/// Calls whose literal is a code even if it is one word.
const MAKERS: [&str; 10] = [
    "refuse(",
    "fail(",
    "refusal(",
    "LoadError::new(",
    "Kind::Conflict,",
    "Kind::Full,",
    "Kind::Unavailable,",
    "code: ",
    "UNAUTHORIZED,",
    "code.as_str() {",
];
/// What interpreters make: a file, and what stands before a code there.
const INTERPRETERS: [(&str, &str); 3] = [
    ("host/engines/common/contract.c", "give_refusal(call->out, text_of(\""),
    ("host/engines/common/contract.c", "give_refusal(out, text_of(\""),
    ("host/engines/js/prelude.js", "return [\""),
];
/// Calls with the code as a later argument.
const MAKERS_LATER: [&str; 4] = ["bury_all(", "bury(", "ignore(", "answer_failed("];

#[test]
fn every_code_is_documented() {
    let text = fs::read_to_string(root().join("docs/errors.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let documented: BTreeSet<&str> = rows
        .flat_map(|row| row.split(" | ").next().unwrap().split("`, `"))
        .map(|code| code.trim_matches('`'))
        .collect();
    let used = used();
    assert!(used.len() > 50, "the search finds too little: {used:?}");
    for (code, file) in &used {
        assert!(documented.contains(code.as_str()), "{code} ({}) is not in docs/errors.md", file.display());
    }
    for code in documented {
        assert!(used.contains_key(code), "{code} is in docs/errors.md, but not in the source");
    }
}

/// Each code in the source, with a file that it stands in.
fn used() -> BTreeMap<String, PathBuf> {
    let mut used = BTreeMap::new();
    for file in SOURCES.iter().flat_map(|source| files(&root().join(source))) {
        let text = fs::read_to_string(&file).unwrap();
        // Tests come last in a file, and make up codes.
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        let joined = lines.collect::<Vec<_>>().join(" ");
        for (before, literal) in literals(&joined) {
            let made = before.trim_end();
            let later =
                MAKERS_LATER.iter().any(|maker| made.rsplit_once(maker).is_some_and(|(_, rest)| !rest.contains(')')));
            let is_made = later || MAKERS.iter().any(|maker| made.ends_with(maker.trim_end()));
            if is_code(literal) && (literal.contains('-') || is_made) && !NOT_CODES.contains(&literal) {
                used.insert(literal.to_owned(), file.clone());
            }
        }
    }
    for (file, maker) in INTERPRETERS {
        let path = root().join(file);
        let text = fs::read_to_string(&path).unwrap();
        let made = text.split(maker).skip(1).map(|rest| rest.split('"').next().unwrap());
        used.extend(made.map(|code| (code.to_owned(), path.clone())));
    }
    used
}

fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| files(&path)).filter(|path| path.extension().is_some_and(|it| it == "rs")).collect()
}

/// What stands between quotes, with a piece of the text before it. Every second one is no literal; none of those reads like a code.
fn literals(text: &str) -> Vec<(&str, &str)> {
    let quotes: Vec<usize> = text.match_indices('"').map(|(at, _)| at).collect();
    let before = |end: usize| &text[text.floor_char_boundary(end.saturating_sub(120))..end];
    quotes.windows(2).map(|pair| (before(pair[0]), &text[pair[0] + 1..pair[1]])).collect()
}

fn is_code(literal: &str) -> bool {
    let parts = || literal.split('-');
    parts().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase()))
}
