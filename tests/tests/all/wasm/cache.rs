//! The cache of compiled code: trusted only when whole, shared, bounded, and never needed.

use std::{
    fs::{self, File, FileTimes},
    path::{Path, PathBuf},
    sync::Barrier,
    time::{Duration, SystemTime},
};

use quest_host::wasm::{Runtime, RuntimeSettings};

use super::odd::Odd;

fn runtime(folder: &Path) -> Runtime {
    let cache = Some(folder.to_owned());
    Runtime::new(RuntimeSettings { cache, instances_max: 4, ..RuntimeSettings::default() }).unwrap()
}

/// Loads a small quest; whether its code came from the cache.
fn load(folder: &Path) -> bool {
    runtime(folder).load(&Odd::default().build()).unwrap().from_cache
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn compiled_code_is_kept_and_distrusted_when_damaged() {
    let folder = tempfile::tempdir().unwrap();
    assert!(!load(folder.path()));
    assert!(load(folder.path()));
    let [file] = &files(folder.path())[..] else { panic!("one file") };
    let whole = fs::read(file).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for damaged in [&flipped[..], &whole[..100], b"", &[0; 4096]] {
        fs::write(file, damaged).unwrap();
        assert!(!load(folder.path()), "damaged");
        assert!(load(folder.path()), "mended");
    }
}

#[test]
fn code_that_another_engine_compiled_is_compiled_anew() {
    let folder = tempfile::tempdir().unwrap();
    let odd = Odd::default().build();
    assert!(!load(folder.path()));
    // Another setting of the engine has another name for the same module's code.
    let settings = RuntimeSettings { memory_bytes_max: 1 << 20, ..RuntimeSettings::default() };
    let other = Runtime::new(RuntimeSettings { cache: Some(folder.path().to_owned()), ..settings }).unwrap();
    assert!(!other.load(&odd).unwrap().from_cache);
    let [one, two] = &files(folder.path())[..] else { panic!("two files") };
    // Even under the wrong name, whole but another's, it is not run.
    fs::copy(one, two).unwrap();
    let foreign = [load(folder.path()), other.load(&odd).unwrap().from_cache];
    assert!(foreign.contains(&false), "{foreign:?}");
}

#[test]
fn a_folder_that_cannot_be_used_costs_only_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(!load(&file.join("below a file")));
    // One that vanishes while the host runs.
    let gone = folder.path().join("gone");
    let runtime = runtime(&gone);
    fs::remove_dir_all(&gone).unwrap();
    assert!(runtime.load(&Odd::default().build()).is_ok());
    // One that others can write into.
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
        let shared = folder.path().join("shared");
        fs::DirBuilder::new().mode(0o700).create(&shared).unwrap();
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(!load(&shared));
        assert!(files(&shared).is_empty());
    }
}

#[test]
fn writers_at_the_same_time_leave_whole_files() {
    let folder = tempfile::tempdir().unwrap();
    let start = Barrier::new(2);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let runtime = runtime(folder.path());
                    start.wait();
                    runtime.load(&Odd::default().build()).unwrap();
                    if start.wait().is_leader() {
                        files(folder.path()).iter().for_each(|file| fs::remove_file(file).unwrap());
                    }
                    start.wait();
                    assert!(files(folder.path()).is_empty());
                }
            });
        }
    });
    assert!(!load(folder.path()));
    assert!(load(folder.path()));
}

#[test]
fn old_files_make_room() {
    let folder = tempfile::tempdir().unwrap();
    let now = SystemTime::now();
    let old = |name: String, age_s: u64| {
        let path = folder.path().join(name);
        fs::write(&path, "").unwrap();
        let times = FileTimes::new().set_modified(now - Duration::from_secs(age_s));
        File::options().append(true).open(&path).unwrap().set_times(times).unwrap();
        path
    };
    assert!(!load(folder.path()));
    let ours = files(folder.path()).remove(0);
    let name = ours.file_name().unwrap().to_string_lossy().into_owned();
    let (_, ending) = name.split_once('-').unwrap();
    let same_engine = old(format!("{:064}-{ending}", 0), 100_000);
    let others: Vec<_> = (1..=130).map(|n| old(format!("{n:064}-0123456789abcdef.cwasm"), n)).collect();
    let foreign = old("notes.txt".to_owned(), 1_000_000);
    // The next file that is written makes room.
    runtime(folder.path()).load(&Odd { perform: "(i32.const 192)", ..Odd::default() }.build()).unwrap();
    let left = files(folder.path());
    assert_eq!(left.iter().filter(|path| path.extension().is_some_and(|it| it == "cwasm")).count(), 128);
    for kept in [&ours, &same_engine, &foreign, &others[0]] {
        assert!(left.contains(kept), "{kept:?}");
    }
    assert!(!left.contains(&others[129]), "the oldest of another engine goes first");
}
