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
        if class >= CLASSES {
            return null_mut();
        }
        // SAFETY: one thread; a list's blocks are at least 16 bytes, of which the first hold the next one's address.
        unsafe {
            let free = &mut (*self.free.get())[class];
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
            let free = &mut (*self.free.get())[class_of(layout)];
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
