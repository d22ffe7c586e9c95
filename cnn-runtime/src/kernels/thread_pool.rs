//! Work on the items of a slice by several threads.
//!
//! It stands among the kernels because only they may use `unsafe`.
//!
//! One pool serves the whole process. Its threads are spawned when they are first asked for and
//! stay: after a job they spin for a moment, then sleep, so that the many short jobs of a
//! training step, and of a prediction, cost less than a microsecond each.
//!
//! ```text
//! items ──▶ a run of neighbours for each seat ──▶ its thread takes them from the front,
//!                                                 threads whose own run is done from the back
//! ```
//!
//! Each thread has a seat of its own, and the caller the first one. So a thread has about the same items in every call
//! with as many of them. In training these are its share of the batch with its workspace, and its part of the parameters
//! with what the optimizer remembers of them: they stay in the cache of its core, which matters most where cores share
//! no cache. A seat whose thread does not come is taken by another one, or by the caller when it has nothing else to do.
//! The caller returns when whoever took a seat is done.
//!
//! The seats that are left are the bits of one atomic word. So to take one is one compare-and-swap, and a thread that
//! comes too late finds none and never sees the job.
//!
//! What is written by different threads lies in different cache lines: a line that goes to and fro
//! costs as much as a short job.

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
/// A thread begins with a run of neighbouring items, mostly the same in calls with as many items and threads, and then
/// helps others with theirs. Which thread takes which item is left to chance in the end; the results must not depend on
/// it. While the pool is taken, by another caller or because `f` itself calls this function, the items are worked off
/// one after the other on the calling thread.
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

/// Whether any thread beside the caller waits for work without sleeping.
pub fn is_awake() -> bool {
    *lock(&POOL.sleepers) < POOL.spawned.load(Ordering::Relaxed)
}

static POOL: Pool = Pool::new();

/// The caller, and as many others as a word has bits.
pub const MAX_THREADS: usize = 1 + u64::BITS as usize;

/// How often a thread sees a free seat before it takes it, if it is not its own: less than a microsecond.
const PATIENCE: u32 = 30;

struct Pool {
    /// Whether a caller owns the pool. Only the owner publishes a job.
    owned: AtomicBool,
    /// Threads spawned so far; changed by the owner only.
    spawned: AtomicUsize,
    /// How many threads sleep until there is work, and have not been woken.
    sleepers: Mutex<usize>,
    work: Condvar,
    entrance: CachePadded<Entrance>,
    exit: CachePadded<Exit>,
}

/// Where no other value is in the same cache lines; processors load them in pairs.
#[repr(align(128))]
struct CachePadded<T>(T);

/// What a thread looks at that waits for a job.
struct Entrance {
    /// The seats that are left: bit `k` is that of thread `k + 1`; the caller is thread 0.
    seats: AtomicU64,
    /// Valid from the time when there are seats to when all who took one are done.
    job: UnsafeCell<Job>,
    /// How often idle threads look for work before they sleep.
    spins: AtomicU32,
}

/// What the owner looks at that waits for the others.
struct Exit {
    /// How many of those who took a seat are done.
    done: AtomicUsize,
    /// Whether the owner sleeps until enough are.
    owner_sleeps: AtomicBool,
    sleep: Mutex<()>,
    wake: Condvar,
}

// SAFETY: `job` is the only field that is not `Sync`. It is written by the owner alone, while no
// seat is left and all who took one are done, and read only by threads that have taken a seat
// and are not done yet; the release and acquire operations on `seats` and `Exit::done` order the two.
unsafe impl Sync for Entrance {}

/// A [`Task`] whose types have been erased.
#[derive(Clone, Copy)]
struct Job {
    task: *const (),
    /// # Safety
    /// `task` must point to the live task that the function was made for, and nobody else may have the seat.
    work: unsafe fn(*const (), usize),
}

impl Pool {
    const fn new() -> Self {
        Self {
            owned: AtomicBool::new(false),
            spawned: AtomicUsize::new(0),
            sleepers: Mutex::new(0),
            work: Condvar::new(),
            entrance: CachePadded(Entrance {
                seats: AtomicU64::new(0),
                job: UnsafeCell::new(Job {
                    task: std::ptr::null(),
                    work: |_, _| {},
                }),
                spins: AtomicU32::new(0),
            }),
            exit: CachePadded(Exit {
                done: AtomicUsize::new(0),
                owner_sleeps: AtomicBool::new(false),
                sleep: Mutex::new(()),
                wake: Condvar::new(),
            }),
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
            runs: (items.len() > threads).then(|| Runs::new(items.len(), threads)),
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
        // SAFETY: the first seat is the caller's.
        unsafe { task.work(0) };
        let mut helpers = threads - 1;
        while let Some(seat) = self.entrance.0.take_seat() {
            helpers -= 1;
            // SAFETY: nobody else takes a seat that this thread has taken.
            unsafe { task.work(seat) };
        }
        self.join(helpers);
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
            let own = 1 + self.spawned.load(Ordering::Relaxed);
            let thread = thread::Builder::new()
                .name("cnn-worker".into())
                .spawn(move || self.serve(own));
            if thread.is_err() {
                return;
            }
            self.spawned.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Offers a seat to each of `threads - 1` helpers and wakes as many as sleep. For the owner.
    fn publish(&self, threads: usize, job: Job) {
        let helpers = threads - 1;
        let (entrance, exit) = (&self.entrance.0, &self.exit.0);
        let spins = if threads > *CORES { 0 } else { SPINS };
        entrance.spins.store(spins, Ordering::Relaxed);
        debug_assert_eq!(entrance.seats.load(Ordering::Relaxed), 0);
        exit.done.store(0, Ordering::Relaxed);
        // SAFETY: this thread owns the pool, and no seat is left and all who took one are done since
        // `join` of the last job; so nobody reads `job`.
        unsafe { *entrance.job.get() = job };
        let seats = u64::MAX >> (u64::BITS as usize - helpers);
        entrance.seats.store(seats, Ordering::Release);
        // A thread falls asleep only after it has found no work while holding this lock, so
        // it either sees the new job or is counted here. Until it runs there may be many short jobs, which
        // should not all call the system to wake it.
        let mut sleepers = lock(&self.sleepers);
        let awake = self
            .spawned
            .load(Ordering::Relaxed)
            .saturating_sub(*sleepers);
        let woken = helpers.saturating_sub(awake).min(*sleepers);
        *sleepers -= woken;
        drop(sleepers);
        for _ in 0..woken {
            self.work.notify_one();
        }
    }

    /// Waits until so many who took a seat are done; no seat is left. For the owner.
    fn join(&self, helpers: usize) {
        let exit = &self.exit.0;
        for _ in 0..self.entrance.0.spins.load(Ordering::Relaxed) {
            if exit.done.load(Ordering::Acquire) == helpers {
                return;
            }
            std::hint::spin_loop();
        }
        let mut sleep = lock(&exit.sleep);
        // Either this thread sees that all are done, or the last of them sees that it sleeps: no thread can miss what
        // the other did before, because both orders are sequentially consistent.
        exit.owner_sleeps.store(true, Ordering::SeqCst);
        while exit.done.load(Ordering::SeqCst) != helpers {
            sleep = exit
                .wake
                .wait(sleep)
                .unwrap_or_else(PoisonError::into_inner);
        }
        exit.owner_sleeps.store(false, Ordering::SeqCst);
    }

    /// What a thread of the pool does, for ever.
    fn serve(&self, own: usize) {
        loop {
            let (job, seat) = self.enter(own);
            // SAFETY: this thread is not done, so `join` has not returned and the task, which
            // the owner keeps until then, is alive; `publish` paired it with its function. Nobody
            // else takes a seat that this thread has taken.
            unsafe { (job.work)(job.task, seat) };
            self.leave();
        }
    }

    /// Waits for a job and takes a seat.
    fn enter(&self, own: usize) -> (Job, usize) {
        let entrance = &self.entrance.0;
        let (mut spins, mut seen) = (0, 0);
        loop {
            if entrance.seats.load(Ordering::Relaxed) != 0 {
                if let Some(entered) = entrance.try_enter(own, seen > PATIENCE) {
                    return entered;
                }
                seen += 1;
            } else if spins >= entrance.spins.load(Ordering::Relaxed) {
                (spins, seen) = (0, 0);
                let mut sleepers = lock(&self.sleepers);
                if entrance.seats.load(Ordering::Acquire) == 0 {
                    // Whoever wakes a thread takes it off. One that wakes by itself stays counted, so that there may be
                    // more than sleep, never fewer.
                    *sleepers += 1;
                    drop(self.work.wait(sleepers));
                }
                continue;
            } else {
                seen = 0;
            }
            spins += 1;
            std::hint::spin_loop();
        }
    }

    fn leave(&self) {
        let exit = &self.exit.0;
        exit.done.fetch_add(1, Ordering::SeqCst);
        if exit.owner_sleeps.load(Ordering::SeqCst) {
            // The owner holds the lock until it sleeps.
            drop(lock(&exit.sleep));
            exit.wake.notify_one();
        }
    }
}

impl Entrance {
    /// Takes the seat of thread `own`, or with `any` another one that is left.
    fn try_enter(&self, own: usize, any: bool) -> Option<(Job, usize)> {
        let seat = self.take(|seats| match seats & bit(own) {
            0 if any => seats & seats.wrapping_neg(),
            bit => bit,
        })?;
        // SAFETY: this thread has just taken a seat, so the owner does not write `job` before it is
        // done; `take` acquired what the owner wrote before it offered the seats.
        Some((unsafe { *self.job.get() }, seat))
    }

    /// Takes the first seat that is left. For the owner, who is not counted in [`Exit::done`].
    fn take_seat(&self) -> Option<usize> {
        self.take(|seats| seats & seats.wrapping_neg())
    }

    /// Takes the seat that `choose` picks of those that are left, as a bit; 0 stands for none.
    fn take(&self, choose: impl Fn(u64) -> u64) -> Option<usize> {
        let taken = |seats| match choose(seats) {
            0 => None,
            bit => Some(seats & !bit),
        };
        let before = self
            .seats
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, taken);
        let bit = before.ok().map(choose)?;
        Some(1 + bit.trailing_zeros() as usize)
    }
}

/// The seat of thread `own`, which is not the caller.
fn bit(own: usize) -> u64 {
    1 << (own - 1)
}

/// The items of one call and what is to be done with them.
struct Task<'a, T, F> {
    items: *mut T,
    /// None where there is one item for each seat.
    runs: Option<Runs>,
    f: &'a F,
    /// The first panic of a call of `f`.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

impl<T: Send, F: Fn(usize, &mut T) + Sync> Task<'_, T, F> {
    /// Works off the items of a seat, then others until there are none left. Never unwinds.
    ///
    /// # Safety
    /// There is such a seat, and this is called once for it.
    unsafe fn work(&self, seat: usize) {
        match &self.runs {
            // SAFETY: there are as many items as seats, and each seat is worked on once.
            None => unsafe { self.work_on(seat) },
            Some(runs) => {
                while let Some(index) = runs.claim(seat) {
                    // SAFETY: `runs` has the places of all items and gives each to one thread, once.
                    unsafe { self.work_on(index) };
                }
            }
        }
    }

    /// Calls `f` for an item and keeps its panic.
    ///
    /// # Safety
    /// `index` is inside the slice, and this is called once for it.
    unsafe fn work_on(&self, index: usize) {
        // SAFETY: by the contract of this function, for the time for which the caller of `for_each` has borrowed
        // the items mutably, which is until all threads have left; `T: Send` lets this thread use the item.
        let item = unsafe { &mut *self.items.add(index) };
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| (self.f)(index, item))) {
            if let Some(runs) = &self.runs {
                runs.clear();
            }
            let mut first = lock(&self.panic);
            match &*first {
                None => *first = Some(payload),
                // Dropping it could panic again.
                Some(_) => std::mem::forget(payload),
            }
        }
    }
}

/// # Safety
/// `task` must point to a live `Task<T, F>` that has the seat, which nobody else has.
unsafe fn work<T: Send, F: Fn(usize, &mut T) + Sync>(task: *const (), seat: usize) {
    // SAFETY: by the contract of this function. The task is shared by all threads inside: what they
    // change in it are atomics and a mutex, `F` is `Sync`, and `items` is dealt with in `work_on`.
    unsafe { (*task.cast::<Task<'_, T, F>>()).work(seat) };
}

/// No lock of this module is held while foreign code runs, so none is ever poisoned in earnest.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
