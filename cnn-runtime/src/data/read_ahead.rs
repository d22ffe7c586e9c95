//! Reading the examples of the next steps on a thread of their own.
//!
//! ```text
//! will_read ──order──▶ queue ──worker: one example after the other──▶ done, at most `examples` of them
//!                        │                                             │
//! try_read_input_of: ────┴─ not begun: read here ── being read: wait ──┴─ done: copy
//! ```
//!
//! A reader never waits for an example that the worker has not begun, and the worker never waits while it reads, so
//! neither can wait for the other in a circle. What is not in the queue is read as without it: the values are the same
//! whoever reads them.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::forward::forward;
use super::{Dataset, Pass};
use crate::error::Error;

/// The dataset `D`, whose inputs are read on another thread before they are needed; see [`Dataset::read_ahead`].
///
/// When it is dropped, the thread ends after the example that it is reading.
pub struct ReadAhead<D: Dataset + Send + 'static> {
    shared: Arc<Shared<D>>,
    /// `None` where there are no threads, as on WebAssembly: then everything is read when it is asked for.
    worker: Option<JoinHandle<()>>,
}

/// What the readers and the worker share.
struct Shared<D> {
    data: D,
    /// Where each input begins in the floats of an example, and the end of the last one.
    offsets: Vec<usize>,
    /// The most examples that are done and not yet taken.
    capacity: usize,
    state: Mutex<State>,
    /// Something has changed in the state.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The examples that are not begun, in the order in which they will be asked for.
    queue: VecDeque<usize>,
    /// What is known of an example that will be asked for. One in the queue that is not here is read already.
    examples: HashMap<usize, Progress>,
    /// How many are done.
    done: usize,
    /// Counts the passes, and the calls of `will_read`.
    pass: u64,
    has_ended: bool,
}

enum Progress {
    Queued,
    BeingRead,
    Done {
        inputs: Box<[f32]>,
        /// Inputs that are still to be taken.
        left: usize,
    },
    /// The error of the example's first reader.
    Failed(Error),
}

impl<D: Dataset + Send + 'static> ReadAhead<D> {
    pub(super) fn new(data: D, examples: usize) -> Self {
        let mut offsets = vec![0];
        for input in 0..data.inputs() {
            let size: usize = data.shape_of_input(input).iter().product();
            offsets.push(offsets[input] + size);
        }
        let shared = Arc::new(Shared {
            data,
            offsets,
            capacity: examples,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let of_worker = Arc::clone(&shared);
        let worker = thread::Builder::new().name("cnn read ahead".to_owned());
        let worker = worker.spawn(move || of_worker.work()).ok();
        Self { shared, worker }
    }

    /// The dataset that is read.
    pub fn get_ref(&self) -> &D {
        &self.shared.data
    }
}

impl<D: Dataset + Send + 'static> Drop for ReadAhead<D> {
    fn drop(&mut self) {
        self.shared.lock().has_ended = true;
        self.shared.changed.notify_all();
        if let Some(worker) = self.worker.take() {
            // A panic in the dataset has ended the worker before; its example was read again by the reader.
            let _ = worker.join();
        }
    }
}

impl<D: Dataset> Shared<D> {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing is left half changed where a thread can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state of a pass for which nothing has been read.
    fn begin(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        state.pass += 1;
        state.done = 0;
        state.queue.clear();
        state.examples.clear();
        state
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let woken = self.changed.wait(state);
        woken.unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads one example after the other until the end.
    fn work(&self) {
        while let Some((index, pass)) = self.next() {
            let reading = Reading {
                shared: self,
                index,
                pass,
            };
            let progress = self.read(index);
            reading.finish(progress);
        }
    }

    /// The example to read next; `None` at the end.
    fn next(&self) -> Option<(usize, u64)> {
        let mut state = self.lock();
        loop {
            if state.has_ended {
                return None;
            }
            if state.done < self.capacity
                && let Some(index) = state.queue.pop_front()
            {
                // One that a reader has taken in the meantime is no longer here.
                if let Some(progress @ Progress::Queued) = state.examples.get_mut(&index) {
                    *progress = Progress::BeingRead;
                    return Some((index, state.pass));
                }
                continue;
            }
            state = self.wait(state);
        }
    }

    /// Reads all inputs of an example.
    fn read(&self, index: usize) -> Progress {
        let inputs = self.offsets.len() - 1;
        let mut floats = vec![0.0; self.offsets[inputs]];
        for input in 0..inputs {
            let out = &mut floats[self.offsets[input]..self.offsets[input + 1]];
            if let Err(error) = self.data.try_read_input_of(input, index, out) {
                return Progress::Failed(error);
            }
        }
        Progress::Done {
            inputs: floats.into_boxed_slice(),
            left: inputs,
        }
    }

    /// Takes an input that the worker has read. Whether there was one, or why it could not be read.
    fn take(&self, input: usize, index: usize, out: &mut [f32]) -> Option<Result<(), Error>> {
        let mut state = self.lock();
        while let Some(Progress::BeingRead) = state.examples.get(&index) {
            state = self.wait(state);
        }
        let result = match state.examples.get_mut(&index)? {
            Progress::Done { inputs, left } => {
                out.copy_from_slice(&inputs[self.offsets[input]..self.offsets[input + 1]]);
                *left -= 1;
                if *left > 0 {
                    return Some(Ok(()));
                }
                state.done -= 1;
                state.examples.remove(&index);
                Some(Ok(()))
            }
            Progress::Queued | Progress::BeingRead => {
                // The reader is faster by itself.
                state.examples.remove(&index);
                None
            }
            Progress::Failed(_) => {
                state.done -= 1;
                match state.examples.remove(&index) {
                    Some(Progress::Failed(error)) => Some(Err(error)),
                    _ => None,
                }
            }
        };
        self.changed.notify_all();
        result
    }
}

/// An example that the worker reads. Where reading panics, readers are woken and read it themselves.
struct Reading<'a, D: Dataset> {
    shared: &'a Shared<D>,
    index: usize,
    pass: u64,
}

impl<D: Dataset> Reading<'_, D> {
    fn finish(self, progress: Progress) {
        let mut state = self.shared.lock();
        // Of a pass that is over, nobody asks any more.
        if state.pass == self.pass {
            state.done += 1;
            state.examples.insert(self.index, progress);
        }
    }
}

impl<D: Dataset> Drop for Reading<'_, D> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if state.pass == self.pass
            && let Some(Progress::BeingRead) = state.examples.get(&self.index)
        {
            state.examples.remove(&self.index);
        }
        self.shared.changed.notify_all();
    }
}

impl<D: Dataset + Send + 'static> Dataset for ReadAhead<D> {
    forward! {
        this => this.shared.data;
        len, input_shape, inputs, targets, shape_of_input, read_target, read_target_of, try_read_target_of, weight_of,
        label_of, original_index, check_all, check, check_target, check_targets,
    }

    fn read_input(&self, index: usize, out: &mut [f32]) {
        self.read_input_of(0, index, out);
    }

    /// Without a way to tell an error, the example is read once more: what the dataset writes then is what is written.
    fn read_input_of(&self, input: usize, index: usize, out: &mut [f32]) {
        if !matches!(self.shared.take(input, index, out), Some(Ok(()))) {
            self.shared.data.read_input_of(input, index, out);
        }
    }

    fn try_read_input_of(&self, input: usize, index: usize, out: &mut [f32]) -> Result<(), Error> {
        match self.shared.take(input, index, out) {
            Some(result) => result,
            None => self.shared.data.try_read_input_of(input, index, out),
        }
    }

    /// What has been read ahead is of the pass before, and nobody asks for it any more.
    fn begin(&self, pass: Pass) {
        drop(self.shared.begin());
        self.shared.data.begin(pass);
    }

    fn will_read(&self, examples: &mut dyn Iterator<Item = usize>) {
        let mut state = self.shared.begin();
        if self.worker.as_ref().is_none_or(JoinHandle::is_finished) {
            return;
        }
        for index in examples {
            // One that comes again is read when it is asked for.
            if state.examples.insert(index, Progress::Queued).is_none() {
                state.queue.push_back(index);
            }
        }
        self.shared.changed.notify_all();
    }
}

impl<D: Dataset + Send + fmt::Debug + 'static> fmt::Debug for ReadAhead<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadAhead")
            .field("data", &self.shared.data)
            .field("examples", &self.shared.capacity)
            .finish_non_exhaustive()
    }
}
