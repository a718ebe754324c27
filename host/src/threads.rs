//! What a thread has used of a processor, and how long it goes on before others have a turn.
//!
//! Where a system is no Unix, the clock stands for the first; where it is not Linux, the second is left to it.

use std::time::Duration;

/// Of the thread that asks: on a busy machine that is less than passes by the clock.
#[cfg(unix)]
pub(crate) fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Not known here: as much as passes by the clock.
#[cfg(not(unix))]
pub(crate) fn thread_time() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}

/// Asks for slices of this length (up to 100 ms) for the calling thread: it gets as much of a processor as before, but a thread with shorter ones
/// that wakes up does not wait until its slice is over. Linux heeds it since 6.12; where it is refused, all is as before.
///
/// See `sched(7)` and `sched_setattr(2)`.
#[cfg(target_os = "linux")]
pub(crate) fn take_long_slices(slice: Duration) {
    if let Err(error) = linux::set_slice(slice) {
        tracing::debug!(%error, "cannot ask for longer slices");
    }
}

/// The system has no such thing.
#[cfg(not(target_os = "linux"))]
pub(crate) fn take_long_slices(_slice: Duration) {}

#[cfg(target_os = "linux")]
mod linux {
    use std::{io, time::Duration};

    pub(super) fn set_slice(slice: Duration) -> io::Result<()> {
        let mut attributes = attributes()?;
        let is_fair =
            [libc::SCHED_OTHER, libc::SCHED_BATCH].map(|policy| policy as u32).contains(&attributes.sched_policy);
        if !is_fair {
            // Whoever gave the thread another policy meant it.
            return Ok(());
        }
        attributes.sched_runtime = u64::try_from(slice.as_nanos()).unwrap_or(u64::MAX);
        // SAFETY: the call reads what it is given, whose first field has its size; 0 is the calling thread.
        #[allow(unsafe_code)]
        let done = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Of the calling thread.
    pub(super) fn attributes() -> io::Result<libc::sched_attr> {
        let size = size_of::<libc::sched_attr>() as u32;
        let mut attributes = libc::sched_attr {
            size,
            sched_policy: 0,
            sched_flags: 0,
            sched_nice: 0,
            sched_priority: 0,
            sched_runtime: 0,
            sched_deadline: 0,
            sched_period: 0,
        };
        // SAFETY: the call writes at most `size` bytes to what it is given; 0 is the calling thread.
        #[allow(unsafe_code)]
        let done = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
        if done == 0 { Ok(attributes) } else { Err(io::Error::last_os_error()) }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn longer_slices_change_nothing_else_of_a_thread() {
        let slice = Duration::from_millis(20);
        let (before, after) = std::thread::spawn(move || {
            let before = linux::attributes().unwrap();
            take_long_slices(slice);
            (before, linux::attributes().unwrap())
        })
        .join()
        .unwrap();
        let rest = |of: &libc::sched_attr| (of.sched_policy, of.sched_flags, of.sched_nice, of.sched_priority);
        assert_eq!(rest(&before), rest(&after));
        // A kernel before 6.12 keeps what it had, as one that refuses does.
        assert!([before.sched_runtime, slice.as_nanos() as u64].contains(&after.sched_runtime));
    }
}
