//! Inputs that nobody would write: random bytes, and what is kept in the corpus, whole and mutated.
//!
//! A target is a function that looks at one input and panics where something is wrong with what came of it. [`target`] makes a test of it:
//! the corpus is replayed, then so many random inputs and so many mutants of the corpus follow. `tests/README.md` says how to run
//! one for long, and how to add an input.

mod components;
mod events;
mod http;
mod mutate;
mod policies;
mod scripts;
mod stores;
mod values;

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
    time::Duration,
};

use quest_host_tests::{guests, seed, times};

use mutate::Mutator;

/// Of a long run how many inputs come for one of the short run.
const LONG: u64 = 200;

/// A test of the name that looks at the corpus, at random inputs, and at mutants of the corpus and of what `seeds` gives beside it.
macro_rules! target {
    ($name:ident, random: $random:expr, mutants: $mutants:expr, words: $words:expr, check: $check:expr) => {
        #[test]
        fn $name() {
            let name = concat!(module_path!(), "::", stringify!($name));
            let check = |input: &[u8]| $check(input);
            let count = quest_host_tests::times($random, $random * crate::fuzz::LONG);
            bolero::check!()
                .with_iterations(usize::try_from(count).unwrap())
                .with_test_time(crate::fuzz::UNLIMITED)
                .for_each(move |input: &[u8]| check(input));
            // Where inputs are found by coverage, the line above does not return.
            #[allow(unreachable_code)]
            crate::fuzz::mutants(name, crate::fuzz::corpus(name), $words, $mutants, $check);
        }
    };
}
use target;

/// Runs are bounded by counts, not by time.
const UNLIMITED: Duration = Duration::from_secs(7 * 24 * 3600);

/// Where the corpus of a test lies, as bolero names it.
fn folder(test: &str) -> PathBuf {
    let name: Vec<&str> = test.split("::").skip(1).collect();
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/fuzz/__fuzz__").join(name.join("__"))
}

/// The inputs that are kept for a test.
fn corpus(test: &str) -> Vec<Vec<u8>> {
    let files = ["corpus", "crashes"].into_iter().filter_map(|part| std::fs::read_dir(folder(test).join(part)).ok());
    let mut files: Vec<PathBuf> = files.flatten().map(|file| file.unwrap().path()).collect();
    files.sort();
    let inputs: Vec<_> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    assert!(!inputs.is_empty(), "no corpus in {}", folder(test).display());
    inputs
}

/// Looks at so many mutants of `seeds` (in the long form at [`LONG`] times as many).
fn mutants(test: &str, seeds: Vec<Vec<u8>>, words: &'static [&'static str], count: u64, check: impl Fn(&[u8])) {
    let mut mutator = Mutator::new(seed(test), seeds, words);
    for _ in 0..times(count, count * LONG) {
        let input = mutator.draw();
        kept_if_it_fails(test, &input, || check(&input));
    }
}

/// Runs it; where it panics the input is left in a file, to be put into the corpus.
fn kept_if_it_fails(test: &str, input: &[u8], run: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
        let file = left(test);
        std::fs::write(&file, input).unwrap();
        eprintln!("this input fails: {}\nkeep it in {}", file.display(), folder(test).join("corpus").display());
        resume_unwind(panic);
    }
}

/// Where the input lies that a test failed at, or is at.
fn left(test: &str) -> PathBuf {
    let folder = guests::target_dir().join("fuzz");
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(test.replace("::", "__"))
}

/// Runs a test's body in a process of its own, which must end well and have used at most so much memory. The body says which input it is
/// at, so that one that ends the process, or takes much, is known.
fn alone(test: &str, memory_mib_max: u64, body: impl FnOnce(&dyn Fn(&[u8]))) {
    const CHILD: &str = "QUEST_FUZZ_ALONE";
    let (at, largest) = (left(test), left(test).with_extension("largest"));
    if std::env::var(CHILD).is_ok_and(|value| value == test) {
        let most = std::cell::Cell::new((0, peak_mib()));
        body(&|input| {
            let (grown, before) = most.get();
            let now = peak_mib();
            if now - before > grown && std::fs::copy(&at, &largest).is_ok() {
                most.set((now - before, now));
            } else {
                most.set((grown, now));
            }
            std::fs::write(&at, input).unwrap();
        });
        std::fs::remove_file(&at).unwrap();
        return eprintln!("{PEAK}{}", peak_mib());
    }
    let (_, name) = test.split_once("::").unwrap();
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, test)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&child.stderr);
    let keep = folder(test).join("corpus");
    let ended = format!("{}: the input is in {}; keep it in {}", child.status, at.display(), keep.display());
    assert!(child.status.success(), "{ended}\n{errors}");
    let peak = errors.lines().find_map(|line| line.split_once(PEAK)?.1.trim().parse::<u64>().ok()).unwrap();
    eprintln!("{test}: at most {peak} MiB");
    assert!(peak <= memory_mib_max, "{peak} MiB of {memory_mib_max}; {} took most\n{errors}", largest.display());
}

const PEAK: &str = "peak MiB: ";

/// The most memory that this process ever used.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() >> 10
}
