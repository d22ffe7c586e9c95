//! Rows cut into strips: some vectors of columns, from the first row to the last.
//!
//! ```text
//! channels ─▶ groups, that have room on the stack ─▶ strips of four vectors, then of one, the last cut ─▶ a pass
//! ```

use crate::kernels::simd::{Simd, from_fn, load, store, unrolled};

/// Rows of fewer channels are taken several at a time.
const LONG: usize = 64;

/// The most values of a group. Rows that are taken together have fewer than [`LONG`] before the last one, which has
/// fewer than [`LONG`] itself; longer rows are cut into groups.
pub(super) const MOST: usize = 2 * LONG;

/// Vectors of a strip.
const STRIP: usize = 4;

/// What a pass does with the strips of a group.
pub(super) trait Strips {
    /// Does it with `V` vectors side by side. Where `CUT`, `V` is 1 and the vector has `strip.count` values.
    ///
    /// # Safety
    /// The machine has the features of `S`, and the values of the pass have the places of the strip.
    unsafe fn strip<S: Simd, const V: usize, const CUT: bool>(&mut self, strip: Strip);
}

/// Some vectors of columns, in several rows.
#[derive(Clone, Copy)]
pub(super) struct Strip {
    /// The first column, in the buffers of a group.
    pub(super) column: usize,
    /// The place of its value in the first row.
    pub(super) first: usize,
    /// From a row to the next.
    pub(super) step: usize,
    /// How many rows.
    pub(super) rows: usize,
    /// Values of a vector: as many as it has lanes, but for a cut one.
    pub(super) count: usize,
}

impl Strip {
    #[inline(always)]
    pub(super) fn place(self, row: usize) -> usize {
        self.first + row * self.step
    }

    /// The vectors of a buffer, as those of a row: where `CUT`, zeros follow, which add nothing to a sum.
    ///
    /// # Safety
    /// The machine has the features of `S`.
    #[inline(always)]
    pub(super) unsafe fn load<S: Simd, const V: usize, const CUT: bool>(
        self,
        buffer: &[f32; MOST],
    ) -> [S::V; V] {
        let columns = &buffer[self.column..][..(V - 1) * S::LANES + self.count];
        // SAFETY: as above, and the values are those of `columns`.
        from_fn(|i| unsafe { load::<S, CUT>(columns.as_ptr().add(i * S::LANES), self.count) })
    }

    /// Writes the vectors to a buffer.
    ///
    /// # Safety
    /// The machine has the features of `S`.
    #[inline(always)]
    pub(super) unsafe fn store<S: Simd, const V: usize, const CUT: bool>(
        self,
        vectors: [S::V; V],
        buffer: &mut [f32; MOST],
    ) {
        let columns = &mut buffer[self.column..][..(V - 1) * S::LANES + self.count];
        unrolled!(i in 0..V => {
            // SAFETY: as above, and the values are those of `columns`.
            unsafe {
                let p = columns.as_mut_ptr().add(i * S::LANES);
                store::<S, CUT>(p, vectors[i], self.count);
            }
        });
    }
}

/// Neighbouring channels that are taken together: all of several rows, or some of one.
#[derive(Clone, Copy)]
pub(super) struct Group {
    pub(super) channels: usize,
    pub(super) first: usize,
    pub(super) width: usize,
    /// Rows that are taken at a time, each with columns of its own.
    pub(super) rows: usize,
}

impl Group {
    /// All channels, in groups that have room on the stack.
    #[inline(always)]
    pub(super) fn all(channels: usize) -> impl Iterator<Item = Self> {
        let rows = if channels < LONG {
            LONG.div_ceil(channels)
        } else {
            1
        };
        (0..channels).step_by(MOST).map(move |first| Self {
            channels,
            first,
            width: MOST.min(channels - first),
            rows,
        })
    }

    /// Hands all strips of `len` values, whole rows, to a pass.
    ///
    /// # Safety
    /// The machine has the features of `S`, and what the pass reads and writes has `len` values.
    #[inline(always)]
    pub(super) unsafe fn strips<S: Simd, P: Strips>(self, len: usize, pass: &mut P) {
        let (width, step) = (self.rows * self.width, self.rows * self.channels);
        let strip = |column: usize, count: usize| Strip {
            column,
            first: self.first + column,
            step,
            rows: len / step,
            count,
        };
        let mut column = 0;
        // SAFETY: as above. The columns of a strip are some of the group's. Rows that are left over, where several are
        // taken at a time, are a cut row.
        unsafe {
            while column + STRIP * S::LANES <= width {
                pass.strip::<S, STRIP, false>(strip(column, S::LANES));
                column += STRIP * S::LANES;
            }
            while column + S::LANES <= width {
                pass.strip::<S, 1, false>(strip(column, S::LANES));
                column += S::LANES;
            }
            if column < width {
                pass.strip::<S, 1, true>(strip(column, width - column));
            }
            let left = len % step;
            for column in (0..left).step_by(S::LANES) {
                let row = strip(column, S::LANES.min(left - column));
                pass.strip::<S, 1, true>(Strip {
                    first: len - left + column,
                    rows: 1,
                    ..row
                });
            }
        }
    }

    /// The group's of the values of all channels, repeated for the rows that are taken at a time, then zeros.
    #[inline(always)]
    pub(super) fn repeated(self, values: &[f32]) -> [f32; MOST] {
        let mut buffer = [0.0; MOST];
        for row in buffer[..self.rows * self.width].chunks_exact_mut(self.width) {
            row.copy_from_slice(&values[self.first..self.first + self.width]);
        }
        buffer
    }

    /// The sums of the rows that are taken at a time, added up: the first values are those of the channels.
    #[inline(always)]
    pub(super) fn folded(self, sums: &[f32; MOST]) -> [f32; MOST] {
        let mut folded = [0.0; MOST];
        for row in sums[..self.rows * self.width].chunks_exact(self.width) {
            for (sum, value) in folded.iter_mut().zip(row) {
                *sum += value;
            }
        }
        folded
    }
}
