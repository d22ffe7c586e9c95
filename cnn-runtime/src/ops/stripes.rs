//! The prediction of one example on several threads: a step is cut into stripes, and the threads meet when all are done.
//!
//! ```text
//! step ── choice: how many stripes pay ──▶ rows of the output     each computed in its place from the rows that it sees
//!                                     ╰──▶ filters or units       each computed apart, then written to its columns
//! ```
//!
//! The bits are those of the whole. A thread keeps the scratch memory of its stripes from one step to the next, so that
//! it stays in the cache of its core, and allocates only until it has as much as the largest stripe takes.

#[cfg(test)]
mod tests;

use super::{Execute, Infer};
use crate::kernels::Isa;
use cnn_ir::choice::stripes::Cut;
use cnn_ir::operation::Rows;
use core::ops::Range;

/// An operation of which a prediction may be cut.
#[cfg_attr(
    not(feature = "std"),
    expect(dead_code, reason = "without threads nothing is cut")
)]
pub(super) trait Striped: Execute + Rows + Copy + Send + Sync {
    /// How it is cut, where it is given so many floats of packed tensors. `most` are the most stripes that pay, and the
    /// threads.
    fn cut(&self, isa: Isa, packed: usize, most: [usize; 2]) -> Cut;

    /// Channels of its output; a stripe of rows has as many.
    fn channels(&self) -> usize;

    /// Floats of scratch memory for one example.
    fn scratch(&self) -> usize;

    /// All of its output, on one thread.
    fn infer_whole(&self, call: Infer<'_>);

    /// The channels `channels` of one example: all but where it is cut by columns. Returns whether the values stand; if
    /// those of any stripe do not, the whole is computed in their place.
    fn infer_stripe(&self, channels: Range<usize>, call: Infer<'_>) -> bool;
}

/// [`Execute::infer`] on as many threads as pay.
pub(super) fn infer<O: Striped>(operation: &O, call: Infer<'_>) {
    #[cfg(feature = "std")]
    if call.run.examples == 1 && call.run.threads > 1 {
        let most = operation.work().stripes(call.run.threads);
        return threaded::infer_in(operation, most, call);
    }
    operation.infer_whole(call);
}

#[cfg(feature = "std")]
mod threaded {
    use super::{Infer, Striped};
    use crate::kernels::column_stripes::{ColumnStripe, ColumnStripes};
    use crate::kernels::thread_pool::for_each;
    use crate::model::parameters::Buffer;
    use cnn_ir::choice::stripes::{Cut, MAX_STRIPES, Stripes};
    use core::cell::RefCell;
    use core::sync::atomic::{AtomicBool, Ordering};

    /// A prediction in up to `most` stripes, however long they take.
    pub fn infer_in<O: Striped>(operation: &O, most: usize, mut call: Infer<'_>) {
        let Infer { run, packed, .. } = call;
        let stands = most > 1
            && match operation.cut(run.isa, packed.len(), [most, run.threads]) {
                Cut::Whole => false,
                Cut::Rows(stripes) => by_rows(operation, stripes, &mut call),
                Cut::Columns(stripes) => by_columns(operation, stripes, &mut call),
            };
        if !stands {
            operation.infer_whole(call);
        }
    }

    /// Returns whether all values stand.
    fn by_rows<O: Striped>(operation: &O, stripes: Stripes, call: &mut Infer<'_>) -> bool {
        let [input_row, output_row] = operation.row_lengths();
        let mut items = [const { None }; MAX_STRIPES];
        let items = &mut items[..stripes.count];
        let mut rest = &mut *call.output;
        for (index, item) in items.iter_mut().enumerate() {
            let rows = stripes.range(index);
            let (output, tail) = rest.split_at_mut(rows.len() * output_row);
            rest = tail;
            let Some(stripe) = operation.stripe(rows) else {
                return false;
            };
            *item = Some((stripe, output));
        }
        let Infer {
            run,
            inputs,
            tensors,
            packed,
            ..
        } = *call;
        let floats = items.iter().flatten();
        reserve(floats.map(|(stripe, _)| stripe.operation.scratch()));
        let stands = AtomicBool::new(true);
        for_each(run.threads, items, |_, item| {
            let Some((stripe, output)) = item else { return };
            let input = &inputs[0][stripe.input.start * input_row..stripe.input.end * input_row];
            let operation = &stripe.operation;
            let stands_here = with_scratch(operation.scratch(), |scratch| {
                let call = Infer {
                    run,
                    inputs: &[input],
                    tensors,
                    packed,
                    output,
                    scratch,
                };
                operation.infer_stripe(0..operation.channels(), call)
            });
            if !stands_here {
                stands.store(false, Ordering::Relaxed);
            }
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
        reserve(floats.map(|stripe| values_of(stripe) + operation.scratch()));
        let stands = AtomicBool::new(true);
        for_each(run.threads, items, |index, item| {
            let Some(stripe) = item else { return };
            let values = values_of(stripe);
            let stands_here = with_scratch(values + operation.scratch(), |scratch| {
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
    fn reserve(floats: impl Iterator<Item = usize>) {
        with_scratch(floats.max().unwrap_or(0), |_| ());
    }

    /// Lends a thread's scratch memory.
    fn with_scratch<R>(floats: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
        SCRATCH.with_borrow_mut(|buffer| {
            buffer.reserve(floats);
            f(&mut buffer[..floats])
        })
    }
}
