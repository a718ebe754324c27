//! What a power cut takes: everything that was written to a file since it was last synced reads as zeros afterwards. (A real one may
//! keep some of it; half kept writes are [`super::fault::Effect::Kill`]'s, and the torn tails'.)
//!
//! Runs in a signal handler, see [`super::trap`].

use std::{
    cell::UnsafeCell,
    sync::atomic::{AtomicBool, Ordering},
};

use super::call::make;

const FILES_MAX: usize = 64;

/// The part of a file that was not synced.
#[derive(Clone, Copy)]
struct Dirty {
    path: [u8; 512],
    length: usize,
    from: u64,
    to: u64,
}

impl Dirty {
    const NONE: Self = Self { path: [0; 512], length: 0, from: u64::MAX, to: 0 };
}

/// All of them, behind a lock that only handlers take; none is interrupted while it holds it, as the handler's own calls are not trapped.
struct Table {
    is_taken: AtomicBool,
    files: UnsafeCell<[Dirty; FILES_MAX]>,
}

// SAFETY: the files are reached only by the holder of the lock.
#[allow(unsafe_code)]
unsafe impl Sync for Table {}

static TABLE: Table = Table { is_taken: AtomicBool::new(false), files: UnsafeCell::new([Dirty::NONE; FILES_MAX]) };

impl Table {
    fn with<T>(&self, work: impl FnOnce(&mut [Dirty; FILES_MAX]) -> T) -> T {
        while self.is_taken.swap(true, Ordering::Acquire) {
            std::hint::spin_loop();
        }
        // SAFETY: the lock is ours.
        #[allow(unsafe_code)]
        let result = work(unsafe { &mut *self.files.get() });
        self.is_taken.store(false, Ordering::Release);
        result
    }
}

/// A write of `bytes` that ended at `end` was done.
pub fn wrote(path: &[u8], end: u64, bytes: u64) {
    TABLE.with(|files| {
        let known = files.iter().position(|file| &file.path[..file.length] == path);
        let Some(at) = known.or_else(|| files.iter().position(|file| file.length == 0)) else { return };
        let file = &mut files[at];
        // Room for the 0 that ends it.
        file.length = path.len().min(511);
        file.path[..file.length].copy_from_slice(&path[..file.length]);
        file.from = file.from.min(end - bytes);
        file.to = file.to.max(end);
    });
}

/// All that was written to it is on the disk.
pub fn synced(path: &[u8]) {
    TABLE.with(|files| {
        for file in files.iter_mut().filter(|file| &file.path[..file.length] == path) {
            *file = Dirty::NONE;
        }
    });
}

/// Takes what was not synced.
pub fn cut() {
    const ZEROS: [u8; 4096] = [0; 4096];
    TABLE.with(|files| {
        for file in files.iter().filter(|file| file.length > 0) {
            let here = libc::AT_FDCWD as u64;
            let opened = make(libc::SYS_openat, [here, file.path.as_ptr() as u64, libc::O_WRONLY as u64, 0, 0]);
            let mut at = file.from;
            while opened >= 0 && at < file.to {
                let bytes = (file.to - at).min(ZEROS.len() as u64);
                make(libc::SYS_pwrite64, [opened as u64, ZEROS.as_ptr() as u64, bytes, at, 0]);
                at += bytes;
            }
        }
    });
}
