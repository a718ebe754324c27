//! Makes calls of this process fail, whoever makes them. The kernel hands each call that changes a disk to a signal handler instead
//! (seccomp, SIGSYS), which counts it and carries it out, or does not. Unlike a preloaded library this also meets calls that do not go
//! through libc: the database renames its files by direct calls.
//!
//! Everything here but [`arm`] runs in a signal handler: no allocation, no locks of others, no calls that would be trapped again.
#![allow(unsafe_code)] // A signal handler over raw system calls: nothing safer reaches them.

use std::{
    ffi::CString,
    os::unix::ffi::OsStrExt as _,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::{
    call::{Call, OURS, carry_out, make, numbers},
    fault::{Effect, Fault, Kind, Plan},
    power,
};

/// What the handler looks at; set once, before anything is trapped.
static ARMED: OnceLock<Armed> = OnceLock::new();
/// Calls that counted, or bytes with [`Effect::Room`].
static COUNT: AtomicU64 = AtomicU64::new(0);
/// Writes, wherever.
static WRITES: AtomicU64 = AtomicU64::new(0);
static HAS_STRUCK: AtomicBool = AtomicBool::new(false);

struct Armed {
    fault: Fault,
    folder: Vec<u8>,
    struck: CString,
}

/// From now on this process meets the fault.
///
/// # Panics
/// When the kernel has no seccomp.
pub fn arm(plan: &Plan) {
    let armed = Armed {
        fault: plan.fault,
        folder: plan.folder.as_os_str().as_bytes().to_vec(),
        struck: CString::new(plan.struck.as_os_str().as_bytes()).expect("a path"),
    };
    assert!(ARMED.set(armed).is_ok(), "armed once");
    // SAFETY: the handler has the signature that SA_SIGINFO asks for, and does only what a handler may.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handle as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        assert_eq!(libc::sigaction(libc::SIGSYS, &raw const action, std::ptr::null_mut()), 0, "a handler");
    }
    trap(&numbers());
}

/// Takes this process's rights away, if it has root's: file permissions do not bind root.
///
/// # Panics
/// When root cannot become somebody else.
pub fn become_nobody() {
    const NOBODY: u32 = 65534;
    // SAFETY: plain calls on this process, before it has other threads.
    unsafe {
        if libc::geteuid() == 0 {
            assert_eq!(libc::setgroups(0, std::ptr::null()), 0, "no groups");
            assert_eq!(libc::setgid(NOBODY), 0, "another group");
            assert_eq!(libc::setuid(NOBODY), 0, "another user");
        }
    }
}

/// How many calls have counted.
pub fn count() -> u64 {
    COUNT.load(Ordering::SeqCst)
}

/// Installs the filter: calls with these numbers, unless they are ours, are trapped.
fn trap(numbers: &[i64]) {
    let op = |code: u32, k: u32, jt: u8, jf: u8| libc::sock_filter { code: code as u16, jt, jf, k };
    let load = |offset: u32| op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, 0, 0);
    let equal = |k: u32, jt, jf| op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, k, jt, jf);
    let give = |k: u32| op(libc::BPF_RET | libc::BPF_K, k, 0, 0);
    // The record that a filter sees: number (4 bytes), architecture (4), instruction (8), six arguments (8 each).
    let mut program = vec![load(0)];
    for (at, number) in numbers.iter().enumerate() {
        program.push(equal(*number as u32, (numbers.len() - at) as u8, 0));
    }
    program.push(give(libc::SECCOMP_RET_ALLOW));
    program.extend([load(56), equal(OURS as u32, 0, 3), load(60), equal((OURS >> 32) as u32, 0, 1)]);
    program.extend([give(libc::SECCOMP_RET_ALLOW), give(libc::SECCOMP_RET_TRAP)]);
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the program lives until the kernel has copied it.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0, "no new privileges");
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter), 0, "a filter");
    }
}

extern "C" fn handle(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel gives a context of this type; the thread's error number is put back as the interrupted code left it.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        let context = &mut *context.cast::<libc::ucontext_t>();
        let call = registers::call(context);
        let result = ARMED.get().map_or_else(|| carry_out(call), |armed| armed.meet(call));
        registers::answer(context, result);
        *errno = before;
    }
}

#[cfg(target_arch = "x86_64")]
mod registers {
    use libc::{REG_R8, REG_R10, REG_RAX, REG_RDI, REG_RDX, REG_RSI, ucontext_t};

    pub fn call(context: &ucontext_t) -> super::Call {
        let register = |name: i32| context.uc_mcontext.gregs[name as usize];
        let args = [REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8].map(|name| register(name) as u64);
        super::Call { number: register(REG_RAX), args }
    }

    pub fn answer(context: &mut ucontext_t, result: i64) {
        context.uc_mcontext.gregs[REG_RAX as usize] = result;
    }
}

#[cfg(target_arch = "aarch64")]
mod registers {
    use libc::ucontext_t;

    pub fn call(context: &ucontext_t) -> super::Call {
        let registers = &context.uc_mcontext.regs;
        let args = [registers[0], registers[1], registers[2], registers[3], registers[4]];
        super::Call { number: registers[8] as i64, args }
    }

    pub fn answer(context: &mut ucontext_t, result: i64) {
        context.uc_mcontext.regs[0] = result as u64;
    }
}

impl Armed {
    fn meet(&self, call: Call) -> i64 {
        let mut buffer = [0; 512];
        let Some(kind) = call.kind() else { return carry_out(call) };
        if kind == Kind::Write {
            WRITES.fetch_add(1, Ordering::SeqCst);
        }
        let path = call.path(&mut buffer);
        if !path.starts_with(&self.folder) {
            return carry_out(call);
        }
        match self.fault.effect {
            Effect::Room => self.with_room(call, kind),
            Effect::PowerCut => self.with_power(call, kind, path),
            _ if !self.counts(kind) => carry_out(call),
            effect => {
                let number = COUNT.fetch_add(1, Ordering::SeqCst) + 1;
                match effect {
                    _ if number < self.fault.at => carry_out(call),
                    Effect::Fails(_) | Effect::Kill if number > self.fault.at => carry_out(call),
                    _ => self.strike(call, kind, effect, number == self.fault.at),
                }
            }
        }
    }

    fn counts(&self, kind: Kind) -> bool {
        self.fault.kind == Kind::Any || self.fault.kind == kind
    }

    fn strike(&self, call: Call, kind: Kind, effect: Effect, is_first: bool) -> i64 {
        self.tell();
        match effect {
            Effect::Fails(error) | Effect::FailsOn(error) => -i64::from(error),
            Effect::FailsLate(error) => {
                if is_first {
                    wait_for_quiet();
                }
                -i64::from(error)
            }
            Effect::Half if is_first && kind == Kind::Write => call.cut(call.args[2] / 2),
            Effect::Kill => {
                if kind == Kind::Write {
                    call.cut(call.args[2] / 2);
                }
                die()
            }
            Effect::Half | Effect::PowerCut | Effect::Room => -i64::from(libc::ENOSPC),
        }
    }

    /// Bytes count; the write that finds no room for all of it gets what there is.
    fn with_room(&self, call: Call, kind: Kind) -> i64 {
        match kind {
            Kind::Write => {
                let before = COUNT.fetch_add(call.args[2], Ordering::SeqCst);
                let room = self.fault.at.saturating_sub(before);
                if room >= call.args[2] {
                    return carry_out(call);
                }
                self.tell();
                if room == 0 { -i64::from(libc::ENOSPC) } else { call.cut(room) }
            }
            Kind::Create if COUNT.load(Ordering::SeqCst) > self.fault.at => -i64::from(libc::ENOSPC),
            _ => carry_out(call),
        }
    }

    fn with_power(&self, call: Call, kind: Kind, path: &[u8]) -> i64 {
        if self.counts(kind) && COUNT.fetch_add(1, Ordering::SeqCst) + 1 == self.fault.at {
            self.tell();
            power::cut();
            return die();
        }
        let result = carry_out(call);
        match kind {
            Kind::Write if result > 0 => power::wrote(path, call.end_of_write(result as u64), result as u64),
            Kind::Sync if result == 0 => power::synced(path),
            _ => {}
        }
        result
    }

    fn tell(&self) {
        if !HAS_STRUCK.swap(true, Ordering::SeqCst) {
            let flags = (libc::O_CREAT | libc::O_WRONLY | libc::O_CLOEXEC) as u64;
            make(libc::SYS_openat, [libc::AT_FDCWD as u64, self.struck.as_ptr() as u64, flags, 0o600, 0]);
        }
    }
}

/// Returns once nothing was written for two seconds.
fn wait_for_quiet() {
    let mut before = u64::MAX;
    loop {
        let now = WRITES.load(Ordering::SeqCst);
        if now == before {
            return;
        }
        before = now;
        let pause = libc::timespec { tv_sec: 2, tv_nsec: 0 };
        // SAFETY: sleeps; the time is read only.
        unsafe { libc::nanosleep(&raw const pause, std::ptr::null_mut()) };
    }
}

fn die() -> i64 {
    // SAFETY: this process kills itself; nothing comes after it.
    unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    loop {
        std::hint::spin_loop();
    }
}
