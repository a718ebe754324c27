//! The allocator of a guest: size classes over a bump pointer, because the pages that an instance touches are most of an
//! action's cost, and general allocators touch more of them and are larger.
//!
//! Blocks have sizes of powers of two, from 16 bytes up. A freed block goes to its class's list and is given out again, so an
//! instance that the host keeps for many actions does not grow without end; a block once cut is never split or joined.
//! New ones are cut from an arena in the module's own memory (never touched until used), then from fresh pages.
//! A guest has one thread.

use std::{
    alloc::{GlobalAlloc, Layout},
    cell::UnsafeCell,
    ptr::null_mut,
};

const ARENA_BYTES: usize = 32 * 1024;
const SMALLEST_SHIFT: u32 = 4;
const CLASSES: usize = 28;
const PAGE_BYTES: usize = 64 * 1024;

#[repr(align(16))]
struct Arena(UnsafeCell<[u8; ARENA_BYTES]>);

struct Classes {
    free: UnsafeCell<[*mut u8; CLASSES]>,
    next: UnsafeCell<usize>,
    end: UnsafeCell<usize>,
}

// SAFETY: a guest has one thread.
unsafe impl Sync for Arena {}
// SAFETY: as above.
unsafe impl Sync for Classes {}

static ARENA: Arena = Arena(UnsafeCell::new([0; ARENA_BYTES]));

#[global_allocator]
static ALLOCATOR: Classes =
    Classes { free: UnsafeCell::new([null_mut(); CLASSES]), next: UnsafeCell::new(0), end: UnsafeCell::new(0) };

fn class_of(layout: Layout) -> usize {
    let bytes = layout.size().max(layout.align()).max(1 << SMALLEST_SHIFT);
    (usize::BITS - (bytes - 1).leading_zeros() - SMALLEST_SHIFT) as usize
}

impl Classes {
    /// Cuts a new block, aligned by hand: other classes cut from the same arena.
    unsafe fn cut(&self, bytes: usize, align: usize) -> *mut u8 {
        // SAFETY: one thread, and no reference outlives this function.
        let (next, end) = unsafe { (&mut *self.next.get(), &mut *self.end.get()) };
        if *end == 0 {
            *next = ARENA.0.get() as usize;
            *end = *next + ARENA_BYTES;
        }
        let mut start = (*next + align - 1) & !(align - 1);
        if start + bytes > *end {
            let pages = (bytes + align).div_ceil(PAGE_BYTES);
            let grown = core::arch::wasm32::memory_grow(0, pages);
            if grown == usize::MAX {
                return null_mut();
            }
            let fresh = grown * PAGE_BYTES;
            // Pages that follow the last ones continue them.
            if fresh != *end {
                *next = fresh;
            }
            *end = fresh + pages * PAGE_BYTES;
            start = (*next + align - 1) & !(align - 1);
        }
        *next = start + bytes;
        start as *mut u8
    }
}

// SAFETY: blocks are as large and as aligned as asked, and of one owner until freed.
unsafe impl GlobalAlloc for Classes {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let class = class_of(layout);
        // SAFETY: one thread; a list's blocks are at least 16 bytes, of which the first hold the next one's address.
        unsafe {
            let Some(free) = (&mut *self.free.get()).get_mut(class) else { return null_mut() };
            if !free.is_null() {
                let block = *free;
                *free = *block.cast::<*mut u8>();
                return block;
            }
            self.cut(1 << (class as u32 + SMALLEST_SHIFT), layout.align().max(16))
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as in `alloc`; the block's class is that of its layout.
        unsafe {
            let Some(free) = (&mut *self.free.get()).get_mut(class_of(layout)) else { return };
            *block.cast::<*mut u8>() = *free;
            *free = block;
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // SAFETY: the caller keeps to the trait's contract.
        unsafe {
            let grown = Layout::from_size_align_unchecked(bytes, layout.align());
            if class_of(grown) == class_of(layout) {
                return block;
            }
            let moved = self.alloc(grown);
            if !moved.is_null() {
                core::ptr::copy_nonoverlapping(block, moved, layout.size().min(bytes));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

/// wasi-libc's allocation, over the same one: its own is larger than most quests. A block's size stands in the 16 bytes before it.
mod libc {
    use std::{
        alloc::{GlobalAlloc, Layout},
        ptr::null_mut,
    };

    use super::ALLOCATOR;

    const HEAD: usize = 16;

    fn layout(bytes: usize) -> Layout {
        // SAFETY: 16 is a power of two; no request comes near the end of the address space without failing later.
        unsafe { Layout::from_size_align_unchecked(bytes.saturating_add(HEAD).min(isize::MAX as usize - HEAD), HEAD) }
    }

    /// C's `malloc`.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn malloc(bytes: usize) -> *mut u8 {
        // SAFETY: the block has room for its head.
        unsafe {
            let block = ALLOCATOR.alloc(layout(bytes));
            if block.is_null() {
                return block;
            }
            block.cast::<usize>().write(bytes);
            block.add(HEAD)
        }
    }

    /// C's `free`.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn free(pointer: *mut u8) {
        if pointer.is_null() {
            return;
        }
        // SAFETY: C gives back what `malloc` gave.
        unsafe {
            let block = pointer.sub(HEAD);
            ALLOCATOR.dealloc(block, layout(block.cast::<usize>().read()));
        }
    }

    /// C's `calloc`.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn calloc(count: usize, each: usize) -> *mut u8 {
        let bytes = count.saturating_mul(each);
        // SAFETY: the block holds `bytes`.
        unsafe {
            let pointer = malloc(bytes);
            if !pointer.is_null() {
                pointer.write_bytes(0, bytes);
            }
            pointer
        }
    }

    /// C's `realloc`.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn realloc(pointer: *mut u8, bytes: usize) -> *mut u8 {
        // SAFETY: C gives what `malloc` gave; both blocks hold what is copied.
        unsafe {
            let moved = malloc(bytes);
            if !pointer.is_null() && !moved.is_null() {
                let before = pointer.sub(HEAD).cast::<usize>().read();
                pointer.copy_to_nonoverlapping(moved, before.min(bytes));
                free(pointer);
            }
            moved
        }
    }

    /// C's `aligned_alloc`: named by the standard library, and asked by nobody for more than 16.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn aligned_alloc(align: usize, bytes: usize) -> *mut u8 {
        if align > HEAD {
            return null_mut();
        }
        // SAFETY: blocks are aligned to 16.
        unsafe { malloc(bytes) }
    }

    /// POSIX's `posix_memalign`: as above.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn posix_memalign(out: *mut *mut u8, align: usize, bytes: usize) -> i32 {
        const NO_MEMORY: i32 = 48;
        // SAFETY: the caller gives a place for the pointer.
        unsafe {
            let pointer = aligned_alloc(align, bytes);
            if pointer.is_null() {
                return NO_MEMORY;
            }
            *out = pointer;
        }
        0
    }
}
