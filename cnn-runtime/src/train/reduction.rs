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

use crate::spec::{Sums, aligned};

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

/// The partials of a thread's share of a batch, each a few neighbouring examples for which something is summed up:
/// in each region one thing after the other.
#[derive(Debug)]
pub struct Partials<'a, 'b> {
    /// The examples of the whole batch.
    batch: usize,
    /// Those of the share.
    range: Range<usize>,
    /// `[partials of the share, aligned(sums.len)]` each.
    regions: &'a mut [&'b mut [f32]],
    sums: &'static [Sums],
    /// The region that is being worked on.
    region: Option<usize>,
    /// The partials that are left there.
    left: Range<usize>,
    /// The place of the next sums.
    next: usize,
}

impl<'a, 'b> Partials<'a, 'b> {
    /// Partials `range` of a batch of so many examples.
    #[cfg(feature = "std")]
    pub(crate) fn new(
        batch: usize,
        range: Range<usize>,
        regions: &'a mut [&'b mut [f32]],
        sums: &'static [Sums],
    ) -> Self {
        Self {
            batch,
            left: range.clone(),
            range,
            regions,
            sums,
            region: None,
            next: 0,
        }
    }

    /// Ends a partial and starts the next one, if there is one: its number of examples, and the zeros that are to
    /// become the sums of this region, at least [`Sums::len`] floats. A call for another region starts there from the
    /// front.
    ///
    /// # Panics
    /// If there is no such region.
    pub fn start_next(&mut self, region: usize) -> Option<(usize, &mut [f32])> {
        if self.region != Some(region) {
            self.region = Some(region);
            self.left = self.range.clone();
            self.next = 0;
        }
        let Sums { len, are_added } = self.sums[region];
        let len = aligned(len);
        let sums = &mut *self.regions[region];
        // The first partials of the batch are added up while they are in the cache.
        if are_added && self.range.start == 0 && self.next == 2 {
            let (first, second) = sums.split_at_mut(len);
            add(first, &second[..len]);
            self.next = 1;
        }
        let partial = self.left.next()?;
        let sums = &mut sums[self.next * len..][..len];
        self.next += 1;
        sums.fill(0.0);
        let examples = start(partial + 1, self.batch) - start(partial, self.batch);
        Some((examples, sums))
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

    const LENGTH: usize = 16;
    const SUMS: [Sums; 2] = [
        Sums {
            len: 1,
            are_added: false,
        },
        Sums {
            len: LENGTH,
            are_added: true,
        },
    ];

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
            let mut counts = std::vec![f32::NAN; range.len() * LENGTH];
            let mut regions = [&mut counts[..], sums];
            let mut partials = Partials::new(examples, range.clone(), &mut regions, &SUMS);
            while let Some((count, counts)) = partials.start_next(0) {
                counts[0] += count as f32;
            }
            while let Some((count, gradients)) = partials.start_next(1) {
                for example in example..example + count {
                    for (i, gradient) in gradients.iter_mut().enumerate() {
                        *gradient += 1.0 / (1 + example + i) as f32;
                    }
                }
                example += count;
            }
            assert_eq!(example, end, "every example is in a partial");
            // What cannot be added is kept for each partial.
            for (partial, counts) in range.zip(counts.chunks_exact(LENGTH)) {
                let [start, end] = [partial, partial + 1].map(|partial| start(partial, examples));
                assert_eq!(counts[0], (end - start) as f32);
            }
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
