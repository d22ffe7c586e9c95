//! An allocator that counts, and lists of files that are each an error of its type, found with little memory.
#![allow(dead_code, reason = "each test file uses its share")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Debug;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's allocator, which keeps count of the bytes in use and of the most at once.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn add(bytes: usize) {
    let now = IN_USE.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(now, Ordering::Relaxed);
}

// SAFETY: every call is handed on as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller keeps the promises of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the promises of `dealloc`.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Tests of one file count in turn.
pub static TURN: Mutex<()> = Mutex::new(());

/// What `act` results in, and the most memory that it had at once beside what was in use before.
pub fn peak<T>(act: impl FnOnce() -> T) -> (T, usize) {
    let before = IN_USE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let result = act();
    (result, PEAK.load(Ordering::Relaxed).saturating_sub(before))
}

/// Cases that did not end as expected.
#[derive(Default)]
pub struct Cases {
    count: usize,
    pub wrong: Vec<String>,
}

impl Cases {
    /// The error must be written `expected` by `Debug`, and reading may use at most `bytes` of memory.
    pub fn check<T, E: Debug>(
        &mut self,
        name: &str,
        expected: &str,
        bytes: usize,
        read: impl FnOnce() -> Result<T, E>,
    ) {
        self.count += 1;
        let (result, used) = peak(read);
        let mut found = match &result {
            Ok(_) => "no error".to_owned(),
            Err(error) => format!("{error:?}"),
        };
        if !found.contains(expected) {
            found.truncate(500);
            self.wrong
                .push(format!("{name}: expected {expected}, found {found}"));
        }
        if used > bytes {
            self.wrong
                .push(format!("{name}: {used} bytes, but at most {bytes}"));
        }
    }

    pub fn finish(self, at_least: usize) {
        assert!(self.wrong.is_empty(), "{:#?}", self.wrong);
        assert!(self.count >= at_least, "{} cases", self.count);
    }
}

/// What reading takes where there is nothing to keep.
pub const LITTLE: usize = 1 << 20;
