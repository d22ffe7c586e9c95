//! Writes snapshots on a thread of its own, so that training does not wait for the disk.
//!
//! ```text
//! snapshot ──▶ is a file being written? ──no──▶ a thread writes it ──▶ does another one wait? ──no──▶ the thread ends
//!                      └──yes──▶ it waits; a newer one takes its place      └──yes──▶ the thread writes it
//! ```

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::Snapshot;
use crate::error::Error;

/// Writes snapshots to one file.
pub(in crate::train) struct Writer {
    path: PathBuf,
    queue: Arc<Mutex<Queue>>,
    running: Option<JoinHandle<()>>,
}

/// What the thread that writes shares with the training.
#[derive(Default)]
struct Queue {
    waiting: Option<Snapshot>,
    /// Whether the thread is going to look at `waiting` again.
    is_writing: bool,
    /// The error of the last snapshot that could not be written, until it is reported.
    failed: Option<Error>,
}

impl Writer {
    pub(in crate::train) fn new(path: PathBuf) -> Self {
        Self {
            path,
            queue: Arc::default(),
            running: None,
        }
    }

    /// Begins to write `snapshot`, or lets it wait for the one before.
    ///
    /// # Errors
    ///
    /// Of one before.
    pub(in crate::train) fn save(&mut self, snapshot: Snapshot) -> Result<(), Error> {
        let mut queue = lock(&self.queue);
        queue.waiting = Some(snapshot);
        let is_writing = std::mem::replace(&mut queue.is_writing, true);
        drop(queue);
        if is_writing {
            return self.poll();
        }
        self.join();
        let (queue, path) = (Arc::clone(&self.queue), self.path.clone());
        let spawned = thread::Builder::new().spawn(move || write(&queue, &path));
        match spawned {
            Ok(running) => self.running = Some(running),
            // WebAssembly has no threads, and a system may have no more.
            Err(_) => write(&self.queue, &self.path),
        }
        self.poll()
    }

    /// Whether all went well since the last time.
    ///
    /// # Errors
    ///
    /// Of a snapshot that could not be written.
    pub(in crate::train) fn poll(&mut self) -> Result<(), Error> {
        if self.running.as_ref().is_some_and(JoinHandle::is_finished) {
            self.join();
        }
        lock(&self.queue).failed.take().map_or(Ok(()), Err)
    }

    /// Waits until everything has been written.
    ///
    /// # Errors
    ///
    /// The last one.
    pub(in crate::train) fn finish(&mut self) -> Result<(), Error> {
        // Taken from the thread, so that the errors of those before can be told from its own.
        let waiting = lock(&self.queue).waiting.take();
        self.join();
        let before = self.poll();
        match waiting {
            None => before,
            Some(snapshot) => snapshot.save(&self.path),
        }
    }

    /// Waits for the thread to end, which it does when nothing waits.
    fn join(&mut self) {
        if let Some(Err(panic)) = self.running.take().map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
    }
}

/// Writes what waits until nothing does.
fn write(queue: &Mutex<Queue>, path: &Path) {
    loop {
        let mut shared = lock(queue);
        let Some(snapshot) = shared.waiting.take() else {
            shared.is_writing = false;
            return;
        };
        drop(shared);
        if let Err(error) = snapshot.save(path) {
            lock(queue).failed = Some(error);
        }
    }
}

/// A thread that panics while it writes holds no lock; so the queue is as it should be.
fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Writer {
    /// A file that is being written is not cut off by the end of the program.
    fn drop(&mut self) {
        lock(&self.queue).waiting = None;
        if let Some(running) = self.running.take() {
            let _ = running.join();
        }
    }
}
