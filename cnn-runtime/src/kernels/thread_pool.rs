//! Work on the items of a slice by several threads.
//!
//! It stands among the kernels because only they may use `unsafe`.
//!
//! One pool serves the whole process. Its threads are spawned when they are first asked for and
//! stay: after a job they spin for a moment, then sleep, so that the many short jobs of a
//! training step cost about a microsecond each. The caller returns when all who joined have left.
//!
//! ```text
//! items ──▶ runs of neighbours, one for each thread:  its thread claims from the front,
//!                                                     threads whose own run is done from the back
//! ```
//!
//! So a thread has about the same items in every call with as many of them. In training these are its share of the
//! batch with its workspace, and its part of the parameters with what the optimizer remembers of them: they stay in the
//! cache of its core, which matters most where cores share no cache.
//!
//! A thread joins a job by taking one of its seats. The seats, the number of threads inside and
//! the job's number share one atomic word, so that joining is one compare-and-swap, and a thread
//! that comes too late finds no seat and never sees the job.

mod runs;

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use self::runs::Runs;
use crate::thread_count::CORES;

/// How often a thread looks for work before it sleeps: some hundred microseconds.
const SPINS: u32 = 20_000;

/// Calls `f(index, item)` once for every item, on up to `threads` threads, this one included.
///
/// A thread begins with a run of neighbouring items, the same in every call, and then helps others with theirs. Which
/// thread takes which item is left to chance in the end; the results must not depend on it. While the
/// pool is taken, by another caller or because `f` itself calls this function, the items are
/// worked off one after the other on the calling thread.
///
/// # Panics
/// If `f` panics: with its payload, once no thread works on the items any more. Some items may
/// then be left out.
pub fn for_each<T: Send>(threads: usize, items: &mut [T], f: impl Fn(usize, &mut T) + Sync) {
    let threads = threads.min(items.len()).min(MAX_THREADS);
    if threads > 1
        && u32::try_from(items.len()).is_ok()
        && POOL.for_each(threads, items, &f).is_some()
    {
        return;
    }
    items
        .iter_mut()
        .enumerate()
        .for_each(|(index, item)| f(index, item));
}

/// Whether the pool is taken, so that [`for_each`] would run on the calling thread alone.
pub fn is_taken() -> bool {
    POOL.owned.load(Ordering::Relaxed)
}

static POOL: Pool = Pool::new();

/// Well below the 65,535 that the word [`Pool::gate`] can count.
const MAX_THREADS: usize = 1 << 15;

struct Pool {
    /// Whether a caller owns the pool. Only the owner publishes a job.
    owned: AtomicBool,
    /// Seats left (bits 0..16), threads inside the job (bits 16..32), number of the job (32..64).
    gate: AtomicU64,
    /// Valid while there is a seat left or a thread inside.
    job: UnsafeCell<Job>,
    /// How often idle threads look for work before they sleep.
    spins: AtomicU32,
    /// Threads spawned so far; changed by the owner only.
    spawned: AtomicUsize,
    /// How many threads sleep until there is work.
    sleepers: Mutex<usize>,
    work: Condvar,
    /// Whether the owner sleeps until all have left.
    owner_sleeps: Mutex<bool>,
    left: Condvar,
}

// SAFETY: `job` is the only field that is not `Sync`. It is written by the owner alone, while no
// seat is left and no thread is inside, and read only by threads that have taken a seat
// and not left yet; the gate's release and acquire operations order the two.
unsafe impl Sync for Pool {}

const SEAT: u64 = 1;
const SEATS: u64 = 0xffff;
const INSIDE: u64 = 1 << 16;
const ALL_INSIDE: u64 = 0xffff << 16;
const NUMBER: u64 = 1 << 32;

/// A [`Task`] whose types have been erased.
#[derive(Clone, Copy)]
struct Job {
    task: *const (),
    /// # Safety
    /// `task` must point to the live task that the function was made for.
    work: unsafe fn(*const (), usize),
}

impl Pool {
    const fn new() -> Self {
        Self {
            owned: AtomicBool::new(false),
            gate: AtomicU64::new(0),
            job: UnsafeCell::new(Job {
                task: std::ptr::null(),
                work: |_, _| {},
            }),
            spins: AtomicU32::new(0),
            spawned: AtomicUsize::new(0),
            sleepers: Mutex::new(0),
            work: Condvar::new(),
            owner_sleeps: Mutex::new(false),
            left: Condvar::new(),
        }
    }

    /// Does nothing and returns `None` where the pool is taken.
    fn for_each<T: Send, F: Fn(usize, &mut T) + Sync>(
        &'static self,
        threads: usize,
        items: &mut [T],
        f: &F,
    ) -> Option<()> {
        self.owned
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .ok()?;
        let task = Task {
            items: items.as_mut_ptr(),
            runs: Runs::new(items.len(), threads),
            f,
            panic: Mutex::new(None),
        };
        self.spawn(threads - 1);
        self.publish(
            threads,
            Job {
                task: (&raw const task).cast(),
                work: work::<T, F>,
            },
        );
        task.work(0);
        self.join();
        self.owned.store(false, Ordering::Release);
        if let Some(payload) = task
            .panic
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
        {
            resume_unwind(payload);
        }
        Some(())
    }

    /// Makes sure that there are `helpers` threads, as far as the system provides them.
    fn spawn(&'static self, helpers: usize) {
        while self.spawned.load(Ordering::Relaxed) < helpers {
            // The owner of the pool is thread 0.
            let number = 1 + self.spawned.load(Ordering::Relaxed);
            let thread = thread::Builder::new()
                .name("cnn-worker".into())
                .spawn(move || self.serve(number));
            if thread.is_err() {
                return;
            }
            self.spawned.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Opens the gate for `threads - 1` helpers and wakes as many as sleep. For the owner.
    fn publish(&self, threads: usize, job: Job) {
        let helpers = threads - 1;
        self.spins
            .store(if threads > *CORES { 0 } else { SPINS }, Ordering::Relaxed);
        let gate = self.gate.load(Ordering::Relaxed);
        debug_assert_eq!(gate & (SEATS | ALL_INSIDE), 0);
        // SAFETY: this thread owns the pool, and no seat is left and no thread is inside since
        // `join` of the last job; so nobody reads `job`.
        unsafe { *self.job.get() = job };
        self.gate.store(
            gate.wrapping_add(NUMBER) | (helpers as u64 * SEAT),
            Ordering::Release,
        );
        // A thread falls asleep only after it has found no work while holding this lock, so
        // it either sees the new job or is counted here.
        let sleepers = *lock(&self.sleepers);
        for _ in 0..sleepers.min(helpers) {
            self.work.notify_one();
        }
    }

    /// Takes the seats that are left away and waits until no thread is inside. For the owner.
    fn join(&self) {
        let inside = || self.gate.load(Ordering::Acquire) & ALL_INSIDE != 0;
        self.gate.fetch_and(!SEATS, Ordering::AcqRel);
        for _ in 0..self.spins.load(Ordering::Relaxed) {
            if !inside() {
                return;
            }
            std::hint::spin_loop();
        }
        let mut sleeps = lock(&self.owner_sleeps);
        while inside() {
            *sleeps = true;
            sleeps = self
                .left
                .wait(sleeps)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *sleeps = false;
    }

    /// What a thread of the pool does, for ever.
    fn serve(&self, number: usize) {
        let mut last = 0;
        loop {
            let job = self.enter(&mut last);
            // SAFETY: this thread is inside, so `join` has not returned and the task, which
            // the owner keeps until then, is alive; `publish` paired it with its function.
            unsafe { (job.work)(job.task, number) };
            self.leave();
        }
    }

    /// Waits for a job that this thread has not served and takes a seat. `last` is the number of
    /// the job that it served last.
    fn enter(&self, last: &mut u64) -> Job {
        let mut spins = 0;
        loop {
            if let Some(job) = self.try_enter(last) {
                return job;
            }
            if spins < self.spins.load(Ordering::Relaxed) {
                spins += 1;
                std::hint::spin_loop();
                continue;
            }
            spins = 0;
            let mut sleepers = lock(&self.sleepers);
            if !self.is_open(self.gate.load(Ordering::Acquire), *last) {
                *sleepers += 1;
                sleepers = self
                    .work
                    .wait(sleepers)
                    .unwrap_or_else(PoisonError::into_inner);
                *sleepers -= 1;
            }
        }
    }

    fn try_enter(&self, last: &mut u64) -> Option<Job> {
        let mut gate = self.gate.load(Ordering::Relaxed);
        while self.is_open(gate, *last) {
            let inside = gate - SEAT + INSIDE;
            match self.gate.compare_exchange_weak(
                gate,
                inside,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    *last = gate / NUMBER;
                    // SAFETY: this thread has just been counted as inside, so the owner does
                    // not write `job` before it leaves; the acquire above saw its last write.
                    return Some(unsafe { *self.job.get() });
                }
                Err(now) => gate = now,
            }
        }
        None
    }

    fn is_open(&self, gate: u64, last: u64) -> bool {
        gate & SEATS != 0 && gate / NUMBER != last
    }

    fn leave(&self) {
        let gate = self.gate.fetch_sub(INSIDE, Ordering::Release) - INSIDE;
        // The owner looks at the gate while it holds the lock before it sleeps, so either it has
        // seen that nobody is inside, or it is already asleep when the lock is free.
        if gate & (SEATS | ALL_INSIDE) == 0 && *lock(&self.owner_sleeps) {
            self.left.notify_one();
        }
    }
}

/// The items of one call and what is to be done with them.
struct Task<'a, T, F> {
    items: *mut T,
    runs: Runs,
    f: &'a F,
    /// The first panic of a call of `f`.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

impl<T: Send, F: Fn(usize, &mut T) + Sync> Task<'_, T, F> {
    /// Works off items until there are none left, as thread `number`. Never unwinds.
    fn work(&self, number: usize) {
        while let Some(index) = self.runs.claim(number) {
            // SAFETY: `index` is inside the slice, which the caller of `for_each` has borrowed
            // mutably until all threads have left; `runs` gives each index to one thread, once;
            // `T: Send` lets that thread use the item.
            let item = unsafe { &mut *self.items.add(index) };
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| (self.f)(index, item))) {
                self.runs.clear();
                let mut first = lock(&self.panic);
                match &*first {
                    None => *first = Some(payload),
                    // Dropping it could panic again.
                    Some(_) => std::mem::forget(payload),
                }
            }
        }
    }
}

/// # Safety
/// `task` must point to a live `Task<T, F>`.
unsafe fn work<T: Send, F: Fn(usize, &mut T) + Sync>(task: *const (), number: usize) {
    // SAFETY: by the contract of this function. The task is shared by all threads inside: what they
    // change in it are atomics and a mutex, `F` is `Sync`, and `items` is dealt with in `work`.
    unsafe { &*task.cast::<Task<'_, T, F>>() }.work(number);
}

/// No lock of this module is held while foreign code runs, so none is ever poisoned in earnest.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
