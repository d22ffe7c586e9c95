//! Sums over the examples of a batch that do not depend on the number of threads.
//!
//! ```text
//! batch ──▶ partials of neighbouring examples, the same for any number of threads
//! share of a thread ──▶ its partials, one after the other: zeros ──backward──▶ the sums of a partial
//! sums of all partials ──added in their order──▶ sums of the batch
//! ```
//!
//! The partials of the first share come first in that order, so each is added as soon as it is done, while it is in
//! cache: two buffers do for all of them. With one thread that is the whole batch.

use core::ops::Range;

/// The most parts of a batch that are computed independently: the most threads that help with one.
const MOST: usize = 16;

/// Examples of a partial, where there are enough for [`FEWEST`]: each partial costs a pass over the gradients of all
/// convolutions.
const EXAMPLES: usize = 8;

/// Small batches have this many partials.
const FEWEST: usize = 4;

/// Partials of a batch of so many examples.
pub(crate) fn count(examples: usize) -> usize {
    (examples / EXAMPLES).clamp(FEWEST.min(examples), MOST)
}

/// Where partial `index` of a batch begins.
pub(crate) fn start(index: usize, examples: usize) -> usize {
    index * examples / count(examples).max(1)
}

/// The partials of a thread's share of a batch, each a few neighbouring examples whose gradients are summed.
#[derive(Debug)]
pub struct Partials<'a> {
    /// The examples of the whole batch.
    batch: usize,
    /// The partials that are left.
    left: Range<usize>,
    /// `[partials of the share, length]`
    sums: &'a mut [f32],
    length: usize,
    /// The place of the next sums.
    next: usize,
    /// Whether these are the first partials of the batch, so that place 1 is added to place 0 after each.
    is_first: bool,
}

impl<'a> Partials<'a> {
    /// Partials `range` of a batch of so many examples, with `length` sums each.
    #[cfg(feature = "std")]
    pub(crate) fn new(
        batch: usize,
        range: Range<usize>,
        sums: &'a mut [f32],
        length: usize,
    ) -> Self {
        Self {
            batch,
            is_first: range.start == 0,
            left: range,
            sums,
            length,
            next: 0,
        }
    }

    /// Ends a partial and starts the next one, if there is one: its number of examples, and the zeros that their
    /// gradients are to be added to, at least [`Training::partial`](crate::spec::Training::partial) floats.
    pub fn start_next(&mut self) -> Option<(usize, &mut [f32])> {
        let length = self.length;
        if self.is_first && self.next == 2 {
            let (sums, values) = self.sums.split_at_mut(length);
            add(sums, &values[..length]);
            self.next = 1;
        }
        let partial = self.left.next()?;
        let gradients = &mut self.sums[self.next * length..][..length];
        self.next += 1;
        gradients.fill(0.0);
        let examples = start(partial + 1, self.batch) - start(partial, self.batch);
        Some((examples, gradients))
    }
}

/// The given values of the sums over a batch. `partials` are `[partials, length]`, of which the first share had
/// `merged`.
#[cfg(feature = "std")]
pub(crate) fn total(
    partials: &[f32],
    length: usize,
    merged: usize,
    values: Range<usize>,
    sums: &mut [f32],
) {
    sums.copy_from_slice(&partials[values.clone()]);
    for partial in partials.chunks_exact(length).skip(merged) {
        add(sums, &partial[values.clone()]);
    }
}

fn add(sums: &mut [f32], values: &[f32]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const LENGTH: usize = 3;

    /// The sums of a batch whose partials have been cut into so many shares.
    fn sums(examples: usize, shares: usize) -> Vec<f32> {
        let partials = count(examples);
        // What was there before does not matter.
        let mut buffer = std::vec![f32::NAN; partials * LENGTH];
        let mut merged = 0;
        for share in 0..shares {
            let range = share * partials / shares..(share + 1) * partials / shares;
            let mut example = start(range.start, examples);
            let end = start(range.end, examples);
            let sums = &mut buffer[range.start * LENGTH..range.end * LENGTH];
            if share == 0 {
                merged = range.len();
            }
            let mut partials = Partials::new(examples, range, sums, LENGTH);
            while let Some((count, gradients)) = partials.start_next() {
                for example in example..example + count {
                    for (i, gradient) in gradients.iter_mut().enumerate() {
                        *gradient += 1.0 / (1 + example + i) as f32;
                    }
                }
                example += count;
            }
            assert_eq!(example, end, "every example is in a partial");
        }
        let mut sums = std::vec![0.0; LENGTH];
        total(&buffer, LENGTH, merged, 0..LENGTH, &mut sums);
        sums
    }

    #[test]
    fn shares_do_not_change_a_bit_of_the_sums() {
        for examples in [1, 2, 5, 31, 64, 100, 300] {
            let expected: Vec<f32> = {
                let by_partial = (0..count(examples)).map(|partial| {
                    let partial = start(partial, examples)..start(partial + 1, examples);
                    core::array::from_fn(|i| {
                        partial.clone().map(|e| 1.0 / (1 + e + i) as f32).sum()
                    })
                });
                let add =
                    |a: [f32; LENGTH], b: [f32; LENGTH]| core::array::from_fn(|i| a[i] + b[i]);
                by_partial.reduce(add).expect("a partial").to_vec()
            };
            for shares in 1..=count(examples) {
                assert_eq!(sums(examples, shares), expected, "{examples} in {shares}");
            }
        }
    }
}
