//! Writes snapshots on a thread of its own, so that training does not wait for the disk.
//!
//! ```text
//! snapshot ──▶ is a file being written? ──no──▶ a thread writes it
//!                      └──yes──▶ it waits; a newer one takes its place
//! ```

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::Snapshot;
use crate::error::Error;

/// Writes snapshots to one file.
pub(in crate::train) struct Writer {
    path: PathBuf,
    running: Option<JoinHandle<Result<(), Error>>>,
    waiting: Option<Snapshot>,
}

impl Writer {
    pub(in crate::train) fn new(path: PathBuf) -> Self {
        Self {
            path,
            running: None,
            waiting: None,
        }
    }

    /// Begins to write `snapshot`, or lets it wait for the one before.
    ///
    /// # Errors
    ///
    /// Of the one before.
    pub(in crate::train) fn save(&mut self, snapshot: Snapshot) -> Result<(), Error> {
        self.waiting = Some(snapshot);
        self.poll()
    }

    /// Begins with the snapshot that waits once the one before has been written.
    ///
    /// # Errors
    ///
    /// Of the one before.
    pub(in crate::train) fn poll(&mut self) -> Result<(), Error> {
        if self
            .running
            .as_ref()
            .is_some_and(|running| !running.is_finished())
        {
            return Ok(());
        }
        let before = self.join();
        if let Some(snapshot) = self.waiting.take() {
            let snapshot = Arc::new(snapshot);
            let (copy, path) = (Arc::clone(&snapshot), self.path.clone());
            let spawned = thread::Builder::new().spawn(move || copy.save(&path));
            match spawned {
                Ok(running) => self.running = Some(running),
                // WebAssembly has no threads, and a system may have no more.
                Err(_) => return before.and(snapshot.save(&self.path)),
            }
        }
        before
    }

    /// Waits until everything has been written.
    ///
    /// # Errors
    ///
    /// The last one.
    pub(in crate::train) fn finish(&mut self) -> Result<(), Error> {
        let before = self.join();
        match self.waiting.take() {
            None => before,
            Some(snapshot) => snapshot.save(&self.path),
        }
    }

    fn join(&mut self) -> Result<(), Error> {
        match self.running.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
    }
}

impl Drop for Writer {
    /// A file that is being written is not cut off by the end of the program.
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            let _ = running.join();
        }
    }
}
