use std::any::Any;
use std::cell::UnsafeCell;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::Duration;

use super::{Entrance, Job, for_each};

fn message(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or(payload.downcast_ref::<String>().map(|s| &**s))
        .unwrap_or("")
}

#[test]
fn every_item_is_visited_once() {
    for threads in [0, 1, 2, 3, 7, 16, 17, 64, 65, 66, 1000] {
        for length in [0, 1, 2, 3, 8, 1000] {
            let mut items = vec![0usize; length];
            for_each(threads, &mut items, |index, item| *item += index + 1);
            assert!(
                items
                    .iter()
                    .enumerate()
                    .all(|(index, item)| *item == index + 1),
                "{threads} threads, {length} items: {items:?}"
            );
        }
    }
}

#[test]
fn a_seat_is_taken_once_and_first_by_its_own_thread() {
    let entrance = Entrance {
        seats: AtomicU64::new(0b1101),
        job: UnsafeCell::new(Job {
            task: std::ptr::null(),
            work: |_, _| {},
        }),
        spins: AtomicU32::new(0),
    };
    let seat = |own, any| entrance.try_enter(own, any).map(|(_, seat)| seat);
    assert_eq!(seat(2, false), None);
    assert_eq!(seat(3, false), Some(3));
    assert_eq!(seat(3, false), None);
    assert_eq!(seat(64, true), Some(1));
    assert_eq!(entrance.take_seat(), Some(4));
    assert_eq!(entrance.take_seat(), None);
    assert_eq!(seat(4, true), None);
}

/// Jobs far shorter than the time to wake a thread, with a varying number of threads: late
/// comers, empty seats, threads that fall asleep in between.
#[test]
fn thousands_of_tiny_calls() {
    let mut items = [0u32; 5];
    let mut calls = 0;
    for round in 0..300 {
        for threads in [2, 3, 7, 16, 1] {
            for _ in 0..10 {
                for_each(threads, &mut items, |_, item| *item += 1);
                calls += 1;
            }
        }
        if round % 50 == 0 {
            thread::sleep(Duration::from_millis(3));
        }
    }
    assert_eq!(items, [calls; 5]);
}

/// All items wait for each other, so each needs a thread of its own.
#[test]
fn items_are_worked_on_at_the_same_time() {
    const THREADS: usize = 7;
    // Another test may own the pool, and the caller would then wait for ever: so each item gives up
    // after a while, and the call is repeated.
    for _ in 0..1000 {
        let arrived = AtomicUsize::new(0);
        let ids = Mutex::new(HashSet::new());
        for_each(THREADS, &mut [(); THREADS], |_, _| {
            arrived.fetch_add(1, Ordering::SeqCst);
            for _ in 0..100 {
                if arrived.load(Ordering::SeqCst) == THREADS {
                    ids.lock().unwrap().insert(thread::current().id());
                    return;
                }
                thread::sleep(Duration::from_millis(1));
            }
        });
        if ids.lock().unwrap().len() == THREADS {
            return;
        }
    }
    panic!("the items never met");
}

#[test]
fn a_panic_reaches_the_caller_after_all_have_left() {
    for threads in [1, 2, 7] {
        for culprit in [0, 5, 31] {
            let inside = AtomicUsize::new(0);
            let mut items = [0; 32];
            let payload = catch_unwind(AssertUnwindSafe(|| {
                for_each(threads, &mut items, |index, item| {
                    inside.fetch_add(1, Ordering::SeqCst);
                    if index == culprit {
                        inside.fetch_sub(1, Ordering::SeqCst);
                        panic!("item {index}");
                    }
                    thread::sleep(Duration::from_micros(50));
                    *item += 1;
                    inside.fetch_sub(1, Ordering::SeqCst);
                });
            }))
            .unwrap_err();
            assert_eq!(message(&*payload), format!("item {culprit}"));
            assert_eq!(
                inside.load(Ordering::SeqCst),
                0,
                "somebody is still at work"
            );
            assert_eq!(items[culprit], 0);
            // The pool is as good as before.
            for_each(threads, &mut items, |_, item| *item = 9);
            assert_eq!(items, [9; 32]);
        }
    }
}

#[test]
fn many_panics_are_one() {
    let payload =
        catch_unwind(|| for_each(7, &mut [(); 100], |_, _| panic!("all of them"))).unwrap_err();
    assert_eq!(message(&*payload), "all of them");
}

#[test]
fn nested_calls_run_on_their_caller() {
    let mut grid = vec![vec![0usize; 50]; 20];
    for_each(3, &mut grid, |row, items| {
        let here = thread::current().id();
        for_each(3, items, |column, item| {
            assert_eq!(thread::current().id(), here);
            *item = row * 50 + column;
        });
    });
    assert!(grid.concat().into_iter().eq(0..1000));
}

#[test]
fn a_nested_panic_reaches_the_outer_caller() {
    let payload = catch_unwind(|| {
        for_each(3, &mut [(); 4], |_, _| {
            for_each(3, &mut [(); 4], |_, _| panic!("inside"))
        });
    })
    .unwrap_err();
    assert_eq!(message(&*payload), "inside");
}

#[test]
fn callers_at_the_same_time_do_not_disturb_each_other() {
    const CALLERS: usize = 4;
    let start = Barrier::new(CALLERS);
    thread::scope(|scope| {
        for caller in 0..CALLERS {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                for round in 0..500 {
                    let mut items = vec![0; 9];
                    for_each(3, &mut items, |index, item| *item = caller + round + index);
                    assert!(items.into_iter().eq(caller + round..caller + round + 9));
                }
            });
        }
    });
}

#[test]
fn items_may_own_what_they_like() {
    let mut items: Vec<Box<dyn FnMut() -> usize + Send>> = Vec::new();
    for i in 0..40 {
        let mut calls = 0;
        items.push(Box::new(move || {
            calls += 1;
            i * calls
        }));
    }
    let results = Mutex::new(vec![0; 40]);
    for_each(5, &mut items, |index, item| {
        results.lock().unwrap()[index] = item()
    });
    assert!(results.into_inner().unwrap().into_iter().eq(0..40));
}
