//! Sums of scaled runs of memory, as lists name them.

use super::WIDEST;
use super::lists::Lists;
use crate::kernels::simd::{Kernel, Simd, ValidPointers};

/// For each list, `to[r][s][i] += Σ scale * from[place][r][s][i]`, for all values `i` of all runs `s` of all
/// rows `r` of a patch. The sum starts with what is there, and takes the entries in their order.
pub(super) struct Sums<'a> {
    pub(super) rows: usize,
    /// How many of them one pass over the lists takes at most, up to five.
    pub(super) rows_at_once: usize,
    /// Runs of neighbouring values in a row.
    pub(super) runs: usize,
    /// Values of a run.
    pub(super) run: usize,
    pub(super) to: *mut f32,
    pub(super) to_row: usize,
    pub(super) to_run: usize,
    pub(super) from: *const f32,
    pub(super) from_row: usize,
    pub(super) from_run: usize,
    /// Whether rows at `from` start with a cache line: then no vector should lie in two, which takes twice as long.
    pub(super) in_lines: bool,
    pub(super) lists: &'a Lists<'a>,
    /// That what the lists name may be read and written.
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
                // SAFETY: these are a part of the patches that the caller vouches for.
                unsafe {
                    let to = self.to.add(row * self.to_row + run * self.to_run);
                    let from = self.from.add(row * self.from_row + run * self.from_run);
                    match end - row {
                        5 => group::<S, 5>(self, to, from),
                        4 => group::<S, 4>(self, to, from),
                        3 => group::<S, 3>(self, to, from),
                        2 => group::<S, 2>(self, to, from),
                        _ => group::<S, 1>(self, to, from),
                    }
                }
                row = end;
            }
        }
    }
}

/// A run of `ROWS` rows, which starts at `to` and `from`.
///
/// # Safety
/// The machine has the target features of `S`. `to` and `from` start at a run of `ROWS` rows of `sums`, whose
/// promise covers the rest.
#[inline(always)]
unsafe fn group<S: Simd, const ROWS: usize>(sums: &Sums<'_>, to: *mut f32, from: *const f32) {
    let most = const { widest::<S>(ROWS) };
    let vectors = sums.run.div_ceil(S::LANES);
    let mut vector = 0;
    while vector < vectors {
        let end = vector + next(vectors - vector, most);
        let column = vector * S::LANES;
        let width = sums.run.min(end * S::LANES) - column;
        // SAFETY: these columns are a part of the run.
        unsafe {
            let part = Part {
                sums,
                to: to.add(column),
                from: from.add(column),
                width,
                _valid: ValidPointers::new(),
            };
            match end - vector {
                8 if const { widest::<S>(ROWS) >= 8 } => S::call(Pass::<ROWS, 8, false>(part)),
                6 if const { widest::<S>(ROWS) >= 6 } => S::call(Pass::<ROWS, 6, false>(part)),
                4 if const { widest::<S>(ROWS) >= 4 } => S::call(Pass::<ROWS, 4, false>(part)),
                3 if const { masks::<S>(ROWS, 3) } && sums.in_lines && width < 3 * S::LANES => {
                    S::call(Pass::<ROWS, 3, true>(part))
                }
                3 if const { widest::<S>(ROWS) >= 3 } => S::call(Pass::<ROWS, 3, false>(part)),
                2 if const { masks::<S>(ROWS, 2) } && sums.in_lines && width < 2 * S::LANES => {
                    S::call(Pass::<ROWS, 2, true>(part))
                }
                2 => S::call(Pass::<ROWS, 2, false>(part)),
                _ if width < S::LANES => S::call(Pass::<ROWS, 1, true>(part)),
                _ => S::call(Pass::<ROWS, 1, false>(part)),
            }
        }
        vector = end;
    }
}

/// Vectors of the next pass when so many are left: passes of about the same width, but none of 5 or 7, which are
/// rare and would have to be compiled.
fn next(left: usize, most: usize) -> usize {
    match left.div_ceil(left.div_ceil(most)) {
        5 => 3,
        7 => 4,
        width => width,
    }
}

/// Vectors of the widest pass over so many rows. Asked in `const` blocks, so that wider ones are not compiled.
const fn widest<S: Simd>(rows: usize) -> usize {
    let fit = S::ACCUMULATORS / rows;
    if fit < 8 { fit } else { 8 }
}

/// Whether the last of so many vectors may be loaded in part: where masks cost nothing, of short runs.
const fn masks<S: Simd>(rows: usize, vectors: usize) -> bool {
    S::LANES == WIDEST && vectors <= widest::<S>(rows)
}

/// Some columns of some rows.
struct Part<'a> {
    sums: &'a Sums<'a>,
    to: *mut f32,
    from: *const f32,
    width: usize,
    /// That they are among those of `sums`.
    _valid: ValidPointers,
}

/// `ROWS` rows of `width` columns, which `VECTORS` vectors hold, from `to` and `from` on, for all lists. The
/// last one ends with them and overlaps the one before it: both compute the same. Or it is `PARTIAL`, if `width` does
/// not fill it.
///
/// Each is called out of line: LLVM takes long over functions that hold all of them.
struct Pass<'a, const ROWS: usize, const VECTORS: usize, const PARTIAL: bool>(Part<'a>);

impl<const ROWS: usize, const VECTORS: usize, const PARTIAL: bool> Kernel
    for Pass<'_, ROWS, VECTORS, PARTIAL>
{
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller vouches for the instruction set, the promise for the rest.
        unsafe { pass::<S, ROWS, VECTORS, PARTIAL>(&self.0) }
    }
}

/// See [`Pass`].
///
/// # Safety
/// The machine has the target features of `S`. The part's promise covers the rest.
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
    // SAFETY: for the whole function: these rows and columns are among those that the caller vouches
    // for, and no vector leaves them.
    unsafe {
        let last = width.saturating_sub(S::LANES);
        // Of the last vector, if it is partial.
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
        let scales = sums.lists.values.as_ptr();
        let places = sums.lists.places.as_ptr();
        let mut entry = 0;
        for &[place, end] in &sums.lists.ends[..sums.lists.count] {
            let to = to.add(place as usize);
            let mut totals = [[S::splat(0.0); VECTORS]; ROWS];
            for (r, totals) in totals.iter_mut().enumerate() {
                for (v, total) in totals.iter_mut().enumerate() {
                    *total = load(to.add(r * sums.to_row + column_of(v)), v);
                }
            }
            while entry < end as usize {
                let from = from.add(*places.add(entry) as usize);
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
