//! Sums of scaled runs of memory, as lists name them.
//!
//! A list names patches, or weights, and their scales. Their sum is a patch too: some rows of some runs of neighbouring
//! values. As many rows and vectors of it as have accumulators stay in registers while the list is read:
//!
//! ```text
//! for each run, for each group of rows, for each group of vectors ── a pass ──▶ for each list: load, Σ, store
//! ```

use super::lists::Lists;
use crate::kernels::simd::{Kernel, Simd, ValidPointers};

/// For each list, `to[r][s][i] += Σ scale * from[offset][r][s][i]`, for all values `i` of all runs `s` of all rows `r`
/// of a patch. A sum starts with what is in `to`, and adds the entries in their order.
pub(super) struct Sums<'a> {
    /// Rows of a patch.
    pub(super) rows: usize,
    /// The most rows that one pass over the lists takes: up to five.
    pub(super) rows_at_once: usize,
    /// Runs of neighbouring values in a row.
    pub(super) runs: usize,
    /// Values of a run.
    pub(super) run: usize,
    /// What the offsets of sums count from.
    pub(super) to: *mut f32,
    /// From a row to the next.
    pub(super) to_row: usize,
    /// From a run to the next.
    pub(super) to_run: usize,
    /// What the offsets of entries count from.
    pub(super) from: *const f32,
    /// From a row to the next.
    pub(super) from_row: usize,
    /// From a run to the next.
    pub(super) from_run: usize,
    pub(super) lists: &'a Lists<'a>,
    /// What the lists name is valid for reads and writes.
    pub(super) _valid: ValidPointers,
}

impl Kernel for &Sums<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let groups = self.rows.div_ceil(self.rows_at_once);
        for run in 0..self.runs {
            let mut row = 0;
            for part in 0..groups {
                let end = self.rows * (part + 1) / groups;
                // SAFETY: these rows are a part of the patches, which are valid.
                unsafe {
                    let to = self.to.add(row * self.to_row + run * self.to_run);
                    let from = self.from.add(row * self.from_row + run * self.from_run);
                    match end - row {
                        5 => rows_of_run::<S, 5>(self, to, from),
                        4 => rows_of_run::<S, 4>(self, to, from),
                        3 => rows_of_run::<S, 3>(self, to, from),
                        2 => rows_of_run::<S, 2>(self, to, from),
                        _ => rows_of_run::<S, 1>(self, to, from),
                    }
                }
                row = end;
            }
        }
    }
}

/// A run of `ROWS` rows.
///
/// # Safety
/// The machine has the target features of `S`. `to` and `from` point to a run of `ROWS` rows of `sums`, whose pointers
/// are valid.
#[inline(always)]
unsafe fn rows_of_run<S: Simd, const ROWS: usize>(sums: &Sums<'_>, to: *mut f32, from: *const f32) {
    let most = const { max_vectors::<S>(ROWS) };
    let vectors = sums.run.div_ceil(S::LANES);
    let mut vector = 0;
    while vector < vectors {
        let end = vector + vectors_of_pass(vectors - vector, most);
        let column = vector * S::LANES;
        let width = sums.run.min(end * S::LANES) - column;
        // SAFETY: these columns are a part of the run.
        unsafe {
            let part = Part {
                sums,
                to: to.add(column),
                from: from.add(column),
                width,
                _valid: ValidPointers::guarantee(),
            };
            match end - vector {
                8 if const { max_vectors::<S>(ROWS) >= 8 } => S::call(Pass::<ROWS, 8, false>(part)),
                6 if const { max_vectors::<S>(ROWS) >= 6 } => S::call(Pass::<ROWS, 6, false>(part)),
                4 if const { max_vectors::<S>(ROWS) >= 4 } => S::call(Pass::<ROWS, 4, false>(part)),
                3 if const { max_vectors::<S>(ROWS) >= 3 } => S::call(Pass::<ROWS, 3, false>(part)),
                2 => S::call(Pass::<ROWS, 2, false>(part)),
                _ if width < S::LANES => S::call(Pass::<ROWS, 1, true>(part)),
                _ => S::call(Pass::<ROWS, 1, false>(part)),
            }
        }
        vector = end;
    }
}

/// Vectors of the next pass if so many are left. Passes are about equally wide; none has 5 or 7 vectors, which are rare
/// and would be two more functions.
fn vectors_of_pass(left: usize, most: usize) -> usize {
    match left.div_ceil(left.div_ceil(most)) {
        5 => 3,
        7 => 4,
        width => width,
    }
}

/// Vectors of the widest pass over so many rows. Asked in `const` blocks, so that wider passes are not compiled.
const fn max_vectors<S: Simd>(rows: usize) -> usize {
    let fit = S::ACCUMULATORS / rows;
    if fit < 8 { fit } else { 8 }
}

/// Some columns of some rows.
struct Part<'a> {
    sums: &'a Sums<'a>,
    to: *mut f32,
    from: *const f32,
    width: usize,
    /// They are among those of `sums`.
    _valid: ValidPointers,
}

/// `ROWS` rows of `width` columns, which `VECTORS` vectors hold, for all lists. If the columns do not fill the last
/// vector, it is `PARTIAL`; or it ends with the last column and overlaps the vector before it, and both compute the
/// same.
///
/// Each shape is called out of line: functions with all of them take LLVM long.
struct Pass<'a, const ROWS: usize, const VECTORS: usize, const PARTIAL: bool>(Part<'a>);

impl<const ROWS: usize, const VECTORS: usize, const PARTIAL: bool> Kernel
    for Pass<'_, ROWS, VECTORS, PARTIAL>
{
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller vouches for the instruction set, and the part's pointers are valid.
        unsafe { pass::<S, ROWS, VECTORS, PARTIAL>(&self.0) }
    }
}

/// See [`Pass`].
///
/// # Safety
/// The machine has the target features of `S`, and the part's pointers are valid.
#[inline(always)]
unsafe fn pass<S: Simd, const ROWS: usize, const VECTORS: usize, const PARTIAL: bool>(
    part: &Part<'_>,
) {
    let &Part {
        sums,
        to,
        from,
        width,
        ..
    } = part;
    // SAFETY: for the whole function: these rows and columns are valid, and no vector leaves them.
    unsafe {
        let last = width.saturating_sub(S::LANES);
        // Columns of the last vector, if it is partial.
        let count = width - (VECTORS - 1) * S::LANES;
        let column_of = |vector: usize| {
            if vector + 1 == VECTORS && !PARTIAL {
                last
            } else {
                vector * S::LANES
            }
        };
        let load = |p: *const f32, vector: usize| {
            if vector + 1 == VECTORS && PARTIAL {
                S::load_first(p, count)
            } else {
                S::load(p)
            }
        };
        let scales = sums.lists.scales.as_ptr();
        let offsets = sums.lists.offsets.as_ptr();
        let mut entry = 0;
        for &[sum, end] in &sums.lists.ends[..sums.lists.count] {
            let to = to.add(sum as usize);
            let mut totals = [[S::splat(0.0); VECTORS]; ROWS];
            for (r, totals) in totals.iter_mut().enumerate() {
                for (v, total) in totals.iter_mut().enumerate() {
                    *total = load(to.add(r * sums.to_row + column_of(v)), v);
                }
            }
            while entry < end as usize {
                let from = from.add(*offsets.add(entry) as usize);
                let scale = S::splat(*scales.add(entry));
                for (r, totals) in totals.iter_mut().enumerate() {
                    let from = S::address(from.add(r * sums.from_row));
                    for (v, total) in totals.iter_mut().enumerate() {
                        let value = load(from.add(column_of(v)), v);
                        *total = S::fma(scale, value, *total);
                    }
                }
                entry += 1;
            }
            for (r, totals) in totals.iter().enumerate() {
                for (v, &total) in totals.iter().enumerate() {
                    let to = to.add(r * sums.to_row + column_of(v));
                    if v + 1 == VECTORS && PARTIAL {
                        S::store_first(to, total, count);
                    } else {
                        S::store(to, total);
                    }
                }
            }
        }
    }
}
