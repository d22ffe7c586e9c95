//! The prediction of one example on several threads: a step is cut into stripes, and the threads meet when all are done.
//!
//! ```text
//! step ── choice: how many stripes pay ──▶ rows of the output     each computed in its place from the rows that it sees
//!                                     ╰──▶ filters or units       each computed apart, then written to its columns
//! ```
//!
//! A step by itself that is cut by rows is a [chain](super::chain) of one. The bits are those of the whole. A thread
//! keeps the scratch memory of its stripes from one step to the next, so that it stays in the cache of its core, and
//! allocates only until it has as much as the largest stripe takes.

#[cfg(test)]
mod tests;

use super::{Execute, Infer};
use crate::kernels::Isa;
use cnn_ir::choice::stripes::Cut;
use cnn_ir::operation::Rows;
use core::ops::Range;

/// An operation of which a prediction may be cut.
pub(super) trait Striped: Execute + Rows + Copy + Send + Sync {
    /// How it is cut, where it is given so many floats of packed tensors: by any of its rows, where nothing is said.
    /// The last are the most stripes that pay, and the threads.
    fn cut(&self, isa: Isa, packed: usize, [most, threads]: [usize; 2]) -> Cut {
        let _ = (isa, packed, threads);
        Cut::all_rows(self.rows(), most)
    }

    /// Channels of its output; a stripe of rows has as many.
    fn channels(&self) -> usize;

    /// Floats of scratch memory for one example.
    fn scratch(&self) -> usize {
        0
    }

    /// All of its output, on one thread.
    fn infer_whole(&self, call: Infer<'_>);

    /// The channels `channels` of one example: all but where it is cut by columns. Returns whether the values stand; if
    /// those of any stripe do not, the whole is computed in their place. Where nothing is said, a stripe is computed as
    /// the whole is.
    fn infer_stripe(&self, channels: Range<usize>, call: Infer<'_>) -> bool {
        let _ = channels;
        self.infer_whole(call);
        true
    }
}

/// [`Execute::infer`] on as many threads as pay.
pub(super) fn infer<O: Striped>(operation: &O, call: Infer<'_>) {
    #[cfg(feature = "std")]
    if call.run.examples == 1 && call.run.threads > 1 {
        let most = operation.work().stripes(call.run.threads, latency_ratio());
        return threaded::infer_in(operation, most, call);
    }
    operation.infer_whole(call);
}

#[cfg(feature = "std")]
use crate::cores::latency_ratio;

#[cfg(feature = "std")]
pub(super) mod threaded {
    use super::super::Run;
    use super::super::chain::{Link, Linked};
    use super::{Infer, Striped, latency_ratio};
    use crate::kernels::column_stripes::{ColumnStripe, ColumnStripes};
    use crate::kernels::thread_pool::for_each;
    use crate::model::parameters::Buffer;
    use cnn_ir::choice::stripes::{Cut, MAX_CHAIN, MAX_STRIPES, Stripes, Work};
    use core::cell::RefCell;
    use core::sync::atomic::{AtomicBool, Ordering};

    /// A prediction in up to `most` stripes, however long they take.
    pub fn infer_in<O: Striped>(operation: &O, most: usize, mut call: Infer<'_>) {
        let Infer { run, packed, .. } = call;
        let stands = most > 1
            && match Striped::cut(operation, run.isa, packed.len(), [most, run.threads]) {
                Cut::Whole => false,
                Cut::Rows(stripes) => {
                    let link = Link {
                        step: operation,
                        inputs: call.inputs,
                        tensors: call.tensors,
                        packed,
                        output: &mut *call.output,
                    };
                    by_rows(run, &mut [link], stripes)
                }
                Cut::Columns(stripes) => by_columns(operation, stripes, &mut call),
            };
        if !stands {
            operation.infer_whole(call);
        }
    }

    /// A chain in as many stripes as pay. Returns false where none do, or where values do not stand.
    pub fn infer_chain(run: Run, links: &mut [Link<'_>]) -> bool {
        let work = links.iter().map(|link| link.step.work());
        let work = work.fold(Work::default(), Work::and);
        infer_chain_in(work.stripes(run.threads, latency_ratio()), run, links)
    }

    /// The same in up to `most` stripes, however long they take.
    pub fn infer_chain_in(most: usize, run: Run, links: &mut [Link<'_>]) -> bool {
        // Only the first one may say that stripes begin at some rows alone. One that is better cut by columns has
        // more weights than values.
        let mut cut = None;
        for link in &*links {
            let Cut::Rows(stripes) = link.step.cut(run, link.tensors, link.packed, most) else {
                return false;
            };
            cut.get_or_insert(stripes);
        }
        cut.is_some_and(|stripes| by_rows(run, links, stripes))
    }

    /// What all threads read of a step of a chain.
    #[derive(Clone, Copy)]
    struct Part<'a> {
        step: &'a dyn Linked,
        inputs: &'a [&'a [f32]],
        tensors: &'a [&'a [f32]],
        packed: &'a [f32],
    }

    /// Returns whether all values stand.
    fn by_rows(run: Run, links: &mut [Link<'_>], stripes: Stripes) -> bool {
        let mut floats = 0;
        for index in 0..stripes.count {
            for link in &*links {
                let Some(scratch) = link.step.scratch(stripes.range(index)) else {
                    return false;
                };
                floats = floats.max(scratch);
            }
        }
        reserve(floats);
        // The outputs of each stripe.
        let mut items = [const { [const { None::<&mut [f32]> }; MAX_CHAIN] }; MAX_STRIPES];
        let items = &mut items[..stripes.count];
        let mut parts = [None; MAX_CHAIN];
        for (place, (link, part)) in links.iter_mut().zip(&mut parts).enumerate() {
            *part = Some(Part {
                step: link.step,
                inputs: link.inputs,
                tensors: link.tensors,
                packed: link.packed,
            });
            let mut rest = &mut *link.output;
            for (index, outputs) in items.iter_mut().enumerate() {
                let values = stripes.range(index).len() * link.step.output_row();
                let (output, tail) = rest.split_at_mut(values);
                rest = tail;
                outputs[place] = Some(output);
            }
        }
        let stands = AtomicBool::new(true);
        for_each(run.threads, items, |index, outputs| {
            with_scratch(floats, |scratch| {
                let mut before = None;
                for (part, output) in parts.iter().flatten().zip(outputs.iter_mut().flatten()) {
                    let call = Infer {
                        run,
                        inputs: part.inputs,
                        tensors: part.tensors,
                        packed: part.packed,
                        output,
                        scratch: &mut *scratch,
                    };
                    if !part.step.infer_rows(stripes.range(index), before, call) {
                        stands.store(false, Ordering::Relaxed);
                    }
                    before = Some(&**output);
                }
            });
        });
        stands.into_inner()
    }

    /// The same of stripes of channels.
    fn by_columns<O: Striped>(operation: &O, stripes: Stripes, call: &mut Infer<'_>) -> bool {
        let mut columns = ColumnStripes::new(call.output, stripes.length);
        let mut items = [const { None }; MAX_STRIPES];
        let items = &mut items[..stripes.count];
        for (index, item) in items.iter_mut().enumerate() {
            *item = Some(columns.next(stripes.range(index)));
        }
        let Infer {
            run,
            inputs,
            tensors,
            packed,
            ..
        } = *call;
        // Scratch memory behind the output of a stripe begins with a cache line.
        let values_of = |stripe: &ColumnStripe<'_>| stripe.len().next_multiple_of(16);
        let floats = items.iter().flatten();
        let floats = floats.map(|stripe| values_of(stripe) + Striped::scratch(operation));
        reserve(floats.max().unwrap_or(0));
        let stands = AtomicBool::new(true);
        for_each(run.threads, items, |index, item| {
            let Some(stripe) = item else { return };
            let values = values_of(stripe);
            let stands_here = with_scratch(values + Striped::scratch(operation), |scratch| {
                let (output, scratch) = scratch.split_at_mut(values);
                let output = &mut output[..stripe.len()];
                let call = Infer {
                    run,
                    inputs,
                    tensors,
                    packed,
                    output: &mut *output,
                    scratch,
                };
                let stands = operation.infer_stripe(stripes.range(index), call);
                stripe.write(output);
                stands
            });
            if !stands_here {
                stands.store(false, Ordering::Relaxed);
            }
        });
        stands.into_inner()
    }

    thread_local! {
        static SCRATCH: RefCell<Buffer> = RefCell::default();
    }

    /// Gives the calling thread as much scratch memory as any of the stripes takes: which of them it computes is left to
    /// chance, and its first prediction should be the only one that allocates.
    fn reserve(floats: usize) {
        with_scratch(floats, |_| ());
    }

    /// Lends a thread's scratch memory.
    fn with_scratch<R>(floats: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
        SCRATCH.with_borrow_mut(|buffer| {
            buffer.reserve(floats);
            f(&mut buffer[..floats])
        })
    }
}
