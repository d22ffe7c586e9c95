//! Buffers that are kept from one call to the next, so that a call seldom allocates.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Idle buffers. A thread takes one for as long as it works, and gives it back.
///
/// There are as many as have ever been in use at once.
#[derive(Default)]
pub(crate) struct BufferPool<T>(Mutex<Vec<T>>);

impl<T: Default> BufferPool<T> {
    /// An idle buffer, of any content, or a new one.
    pub(crate) fn take(&self) -> T {
        self.lock().pop().unwrap_or_default()
    }

    /// Makes a buffer idle.
    pub(crate) fn give_back(&self, buffer: T) {
        self.lock().push(buffer);
    }

    /// All idle buffers.
    pub(crate) fn idle(&mut self) -> &mut [T] {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// No user code runs while the lock is held, so the list is whole even after a panic.
    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
