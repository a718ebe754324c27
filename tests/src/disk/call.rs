//! System calls that change a disk: which they are, what they are about, and how the handler makes them itself.
//!
//! All but [`numbers`] runs in a signal handler, see [`super::trap`].
#![allow(unsafe_code)] // Raw system calls on the arguments of others.

use super::fault::Kind;

/// The sixth argument of calls that the handler makes itself: they are not trapped. No call here has a sixth of its own.
pub const OURS: u64 = 0x7175_6573_742d_6f75;

/// A system call: its number and the arguments that matter here.
#[derive(Clone, Copy)]
pub struct Call {
    /// Its number.
    pub number: i64,
    /// Its first five arguments; none here has more.
    pub args: [u64; 5],
}

/// The calls that are trapped.
pub fn numbers() -> Vec<i64> {
    let mut numbers = vec![
        libc::SYS_write,
        libc::SYS_pwrite64,
        libc::SYS_writev,
        libc::SYS_pwritev,
        libc::SYS_pwritev2,
        libc::SYS_fsync,
        libc::SYS_fdatasync,
        libc::SYS_ftruncate,
        libc::SYS_openat,
        libc::SYS_mkdirat,
        libc::SYS_unlinkat,
        libc::SYS_renameat,
        libc::SYS_renameat2,
    ];
    #[cfg(target_arch = "x86_64")]
    numbers.extend([libc::SYS_open, libc::SYS_mkdir, libc::SYS_unlink, libc::SYS_rmdir, libc::SYS_rename]);
    numbers
}

/// Makes a call past the trap; its result, or the negative error number.
pub fn carry_out(Call { number, args: [a, b, c, d, e] }: Call) -> i64 {
    // SAFETY: the very call that the interrupted code makes, or one of ours on pointers that live.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, OURS) };
    // SAFETY: this thread's own error number.
    if result < 0 { -i64::from(unsafe { *libc::__errno_location() }) } else { result }
}

/// A call of ours.
pub fn make(number: i64, args: [u64; 5]) -> i64 {
    carry_out(Call { number, args })
}

impl Call {
    /// What it does to a disk, if anything.
    pub fn kind(&self) -> Option<Kind> {
        #[cfg(target_arch = "x86_64")]
        match self.number {
            libc::SYS_open => return (self.args[1] & libc::O_CREAT as u64 != 0).then_some(Kind::Create),
            libc::SYS_mkdir => return Some(Kind::Create),
            libc::SYS_unlink | libc::SYS_rmdir => return Some(Kind::Remove),
            libc::SYS_rename => return Some(Kind::Rename),
            _ => {}
        }
        Some(match self.number {
            libc::SYS_write | libc::SYS_pwrite64 | libc::SYS_writev | libc::SYS_pwritev | libc::SYS_pwritev2 => {
                Kind::Write
            }
            libc::SYS_fsync | libc::SYS_fdatasync => Kind::Sync,
            libc::SYS_ftruncate => Kind::Resize,
            libc::SYS_openat if self.args[2] & libc::O_CREAT as u64 != 0 => Kind::Create,
            libc::SYS_mkdirat => Kind::Create,
            libc::SYS_unlinkat => Kind::Remove,
            libc::SYS_renameat | libc::SYS_renameat2 => Kind::Rename,
            _ => return None,
        })
    }

    /// What it is about.
    pub fn path<'a>(&self, buffer: &'a mut [u8; 512]) -> &'a [u8] {
        let given = match self.number {
            #[cfg(target_arch = "x86_64")]
            libc::SYS_open | libc::SYS_mkdir | libc::SYS_unlink | libc::SYS_rmdir | libc::SYS_rename => {
                Some(self.args[0])
            }
            libc::SYS_openat | libc::SYS_mkdirat | libc::SYS_unlinkat | libc::SYS_renameat | libc::SYS_renameat2 => {
                let is_relative = self.args[0] as i32 != libc::AT_FDCWD;
                (!is_relative).then_some(self.args[1])
            }
            _ => None,
        };
        match given {
            Some(text) => copy(text, buffer),
            None => of_descriptor(self.args[0], buffer),
        }
    }

    /// Carries out a part of a write (all of one that gathers from several places: nothing here makes those).
    pub fn cut(mut self, bytes: u64) -> i64 {
        if matches!(self.number, libc::SYS_write | libc::SYS_pwrite64) {
            self.args[2] = bytes;
        }
        carry_out(self)
    }

    /// Where a write that was just done ended.
    pub fn end_of_write(&self, bytes: u64) -> u64 {
        if matches!(self.number, libc::SYS_pwrite64 | libc::SYS_pwritev | libc::SYS_pwritev2) {
            return self.args[3] + bytes;
        }
        // SAFETY: asks where the descriptor stands.
        unsafe { libc::lseek(self.args[0] as i32, 0, libc::SEEK_CUR) as u64 }
    }
}

/// The text that a call was given.
fn copy(text: u64, buffer: &mut [u8; 512]) -> &[u8] {
    let mut length = 0;
    // SAFETY: the call's own argument, a text that ends with 0.
    while length < buffer.len() && unsafe { *(text as *const u8).add(length) } != 0 {
        // SAFETY: as above.
        buffer[length] = unsafe { *(text as *const u8).add(length) };
        length += 1;
    }
    &buffer[..length]
}

/// The path of an open file.
fn of_descriptor(descriptor: u64, buffer: &mut [u8; 512]) -> &[u8] {
    const LINKS: &[u8] = b"/proc/self/fd/";
    let mut link = [0; 40];
    link[..LINKS.len()].copy_from_slice(LINKS);
    let mut digits = [0; 20];
    let (mut rest, mut first) = (descriptor as u32, digits.len());
    while rest > 0 || first == digits.len() {
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    link[LINKS.len()..LINKS.len() + digits.len() - first].copy_from_slice(&digits[first..]);
    // SAFETY: both buffers live, and the link's name ends with 0.
    let length = unsafe { libc::readlink(link.as_ptr().cast(), buffer.as_mut_ptr().cast(), buffer.len()) };
    &buffer[..usize::try_from(length).unwrap_or(0)]
}
