//! How the prediction of one example is cut over threads, step by step.
//!
//! ```text
//! what a step takes, threads ──▶ how many stripes pay ──▶ where they may begin: rows of the output, or filters
//! ```
//!
//! Threads meet after each step that is cut, or after a chain: a short step and the one behind it are cut together where
//! they can be, and a thread computes some rows of the one, then the same rows of the other. A stripe takes several times
//! as long as a meeting, and longer where the cores are far from each other.

use core::ops::Range;

/// What a step takes for one example.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Floating-point operations.
    pub flops: usize,
    /// Values that are read and written, weights among them.
    pub values: usize,
}

/// The most stripes of a step. They have their place on the stack, and more threads than that hardly help with a step.
pub const MAX_STRIPES: usize = 32;

/// Nanoseconds that a stripe has to take where cores are near: some meetings.
const GRAIN: usize = 1_000;
/// Nanoseconds of a step behind which a meeting counts.
const SHORT: usize = 4 * GRAIN;
/// In grains, a stripe that is long enough to be cut in two.
const LONG: usize = 8;
/// Operations and values of a nanosecond, about, on a core with AVX-512.
const FLOPS: usize = 96;
const VALUES: usize = 24;

/// The most steps of a chain. The places of their stripes are on the stack.
pub const MAX_CHAIN: usize = 4;

/// A product that is as large as a number can be where it is larger: 32 bits count four seconds of operations.
pub(crate) fn product(factors: &[usize]) -> usize {
    (factors.iter()).fold(1, |product: usize, factor| product.saturating_mul(*factor))
}

impl Work {
    /// How long it takes, in nanoseconds: an estimate that is the same on all machines.
    const fn nanoseconds(self) -> usize {
        let (computed, moved) = (self.flops / FLOPS, self.values / VALUES);
        if computed > moved { computed } else { moved }
    }

    /// Whether it is so short that the step behind it should be chained to it.
    pub const fn is_short(self) -> bool {
        self.nanoseconds() < SHORT
    }

    /// What both take.
    pub const fn and(self, other: Self) -> Self {
        Self {
            flops: self.flops.saturating_add(other.flops),
            values: self.values.saturating_add(other.values),
        }
    }

    /// As many stripes as pay, for so many threads: one for each, or two where they are long, so that a thread that is
    /// done first takes more of them. `latency_ratio` says how many times as long as
    /// between cores that share a cache a value takes from one core to another.
    pub fn stripes(self, threads: usize, latency_ratio: usize) -> usize {
        if threads < 2 {
            return 1;
        }
        let pay = (self.nanoseconds() / (GRAIN * latency_ratio)).max(1);
        let twice = threads.saturating_mul(2);
        let stripes = match pay / LONG >= twice {
            true => twice,
            false => pay.min(threads),
        };
        stripes.min(MAX_STRIPES)
    }
}

/// An axis in stripes of about the same length, which begin at multiples of a grain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stripes {
    /// The length of the axis.
    pub length: usize,
    grain: usize,
    /// How many stripes there are; at least one.
    pub count: usize,
}

impl Stripes {
    /// Up to `most` of them.
    pub fn new(length: usize, grain: usize, most: usize) -> Self {
        let count = length.div_ceil(grain).min(most).max(1);
        Self {
            length,
            grain,
            count,
        }
    }

    /// The whole axis as one.
    pub const fn whole(length: usize) -> Self {
        Self {
            length,
            grain: length,
            count: 1,
        }
    }

    /// Where a stripe lies.
    pub fn range(&self, stripe: usize) -> Range<usize> {
        let grains = self.length.div_ceil(self.grain);
        let start = |stripe: usize| (stripe * grains / self.count * self.grain).min(self.length);
        start(stripe)..start(stripe + 1)
    }
}

/// How a step is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Not at all.
    Whole,
    /// By rows of the output.
    Rows(Stripes),
    /// By filters or units: by columns of the weights.
    Columns(Stripes),
}

impl Cut {
    /// By rows, where there are several stripes.
    pub fn rows(stripes: Stripes) -> Self {
        match stripes.count {
            1 => Self::Whole,
            _ => Self::Rows(stripes),
        }
    }

    /// By any of so many rows, into up to `most` stripes.
    pub fn all_rows(rows: usize, most: usize) -> Self {
        Self::rows(Stripes::new(rows, 1, most))
    }

    /// By columns, where there are several stripes.
    pub fn columns(stripes: Stripes) -> Self {
        match stripes.count {
            1 => Self::Whole,
            _ => Self::Columns(stripes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stripes_cover_an_axis_in_whole_grains() {
        for length in 1..40 {
            for grain in 1..7 {
                for most in 1..9 {
                    let stripes = Stripes::new(length, grain, most);
                    assert!((1..=most).contains(&stripes.count));
                    let mut end = 0;
                    for stripe in 0..stripes.count {
                        let range = stripes.range(stripe);
                        assert_eq!((range.start, range.start % grain), (end, 0));
                        assert!(!range.is_empty(), "{stripes:?}");
                        end = range.end;
                    }
                    assert_eq!(end, length);
                }
            }
        }
    }

    #[test]
    fn short_steps_stay_on_one_thread() {
        let work = |grains| Work {
            flops: grains * FLOPS * GRAIN,
            values: 0,
        };
        let stripes =
            |threads| [1, 2, 3, 4, 9, 1000].map(|grains| work(grains).stripes(threads, 1));
        assert_eq!(stripes(1), [1; 6]);
        assert_eq!(stripes(2), [1, 2, 2, 2, 2, 4]);
        assert_eq!(stripes(3), [1, 2, 3, 3, 3, 6]);
        assert_eq!(stripes(1000), [1, 2, 3, 4, 9, MAX_STRIPES]);
        let short = Work {
            flops: 2 * FLOPS * GRAIN - 1,
            values: 2 * VALUES * GRAIN - 1,
        };
        assert_eq!(short.stripes(4, 1), 1);
        let long = Work {
            values: 2 * VALUES * GRAIN,
            ..short
        };
        assert_eq!(long.stripes(4, 1), 2);
        // Where meetings take longer, stripes have to.
        assert_eq!(
            [work(7), work(8), work(16)].map(|work| work.stripes(4, 4)),
            [1, 2, 4]
        );
        assert!(work(SHORT / GRAIN - 1).is_short() && !work(SHORT / GRAIN).is_short());
        assert_eq!(work(1).and(work(2)), work(3));
    }
}
