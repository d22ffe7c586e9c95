//! Clipping of the gradients, by the formulas of Keras 3 (Pascanu, Mikolov & Bengio 2013).
//!
//! ```text
//! value:        pieces ──▶ each value cut
//! norms:        pieces ──▶ sums of squares ──▶ one norm for each tensor, or for all ──▶ pieces scaled
//! ```
//!
//! The pieces do not depend on the number of threads, and their sums are added in order, so the norm does not either.
//! Squares are added in double precision, in which those of finite gradients do not overflow.

use std::ops::Range;

use crate::kernels::Isa;
use crate::kernels::simd::Loop;
use crate::kernels::thread_pool::for_each;
use crate::spec::Spec;
use crate::thread_count::worthwhile;
use crate::train::batch::cut;
use crate::train::frozen::Frozen;
use cnn_ir::Clip;

/// Values of a piece: enough to be worth a thread's while.
const PIECE: usize = 16 * 1024;

/// How gradients are clipped in one call of `fit`.
pub(crate) struct Clipping {
    isa: Isa,
    /// The most threads to use.
    pub(super) threads: usize,
    clip: Kind,
    /// The pieces of each tensor that is trained.
    tensors: Vec<Vec<Range<usize>>>,
}

/// As [`Clip`], but some.
enum Kind {
    Value(f32),
    Norm(f64),
    GlobalNorm(f64),
}

/// Consecutive gradients.
struct Piece<'a> {
    gradients: &'a mut [f32],
    tensor: usize,
    squares: f64,
}

impl Clipping {
    /// Clips by `clip` on up to `threads` threads; `None` if nothing is clipped.
    pub(crate) fn new(spec: &Spec, frozen: &Frozen, clip: Clip, threads: usize) -> Option<Self> {
        let clip = match clip {
            Clip::None => return None,
            Clip::Value(most) => Kind::Value(most as f32),
            Clip::Norm(most) => Kind::Norm(most),
            Clip::GlobalNorm(most) => Kind::GlobalNorm(most),
        };
        let pieces = |Range { start, end }: Range<usize>| {
            let starts = (start..end).step_by(PIECE);
            starts.map(move |start| start..end.min(start + PIECE))
        };
        let tensors = frozen.trained(spec).map(|(_, parameter)| parameter.range());
        Some(Self {
            isa: Isa::detect(),
            threads,
            clip,
            tensors: tensors.map(|range| pieces(range).collect()).collect(),
        })
    }

    /// No gradient has a larger magnitude afterwards.
    pub(crate) fn largest(&self) -> f32 {
        match self.clip {
            Kind::Value(most) => most,
            // With room for the rounding of the factor.
            Kind::Norm(most) | Kind::GlobalNorm(most) => (most * (1.0 + 1e-6)) as f32,
        }
    }

    /// Clips `gradients`, which are finite.
    pub(crate) fn apply(&self, gradients: &mut [f32]) {
        let threads = worthwhile(self.threads, 2 * gradients.len() as u64);
        let mut pieces = self.pieces(gradients);
        let factors: Vec<f64> = match self.clip {
            Kind::Value(most) => {
                for_each(threads, &mut pieces, |_, piece| {
                    self.isa.run_loop(Cut {
                        most,
                        gradients: piece.gradients,
                    });
                });
                return;
            }
            Kind::Norm(most) => {
                let squares = self.squares(threads, &mut pieces);
                squares.map(|squares| factor(most, squares)).collect()
            }
            Kind::GlobalNorm(most) => {
                let squares = self.squares(threads, &mut pieces).sum();
                vec![factor(most, squares); self.tensors.len()]
            }
        };
        if factors.iter().all(|factor| *factor == 1.0) {
            return;
        }
        for_each(threads, &mut pieces, |_, piece| {
            self.isa.run_loop(Scale {
                factor: factors[piece.tensor],
                gradients: piece.gradients,
            });
        });
    }

    /// The sum of squares of each tensor.
    fn squares<'p>(
        &self,
        threads: usize,
        pieces: &'p mut [Piece<'_>],
    ) -> impl Iterator<Item = f64> + use<'p, '_> {
        for_each(threads, pieces, |_, piece| {
            self.isa.run_loop(Squares {
                gradients: piece.gradients,
                sum: &mut piece.squares,
            });
        });
        let pieces = &*pieces;
        let tensors = pieces.chunk_by(|a, b| a.tensor == b.tensor);
        tensors.map(|pieces| pieces.iter().map(|piece| piece.squares).sum())
    }

    /// The gradients of all tensors that are trained, in pieces.
    fn pieces<'g>(&self, mut gradients: &'g mut [f32]) -> Vec<Piece<'g>> {
        let mut end = 0;
        let tensors = self.tensors.iter().enumerate();
        let ranges = tensors.flat_map(|(tensor, ranges)| ranges.iter().map(move |r| (tensor, r)));
        let pieces = ranges.map(|(tensor, range)| {
            cut(&mut gradients, range.start - end);
            end = range.end;
            Piece {
                gradients: cut(&mut gradients, range.len()),
                tensor,
                squares: 0.0,
            }
        });
        pieces.collect()
    }
}

/// What values with this sum of squares are multiplied by, so that their norm is `most` at most.
fn factor(most: f64, squares: f64) -> f64 {
    let norm = squares.sqrt();
    match norm > most {
        true => most / norm,
        false => 1.0,
    }
}

/// Cuts values to `-most..=most`.
struct Cut<'a> {
    most: f32,
    gradients: &'a mut [f32],
}

impl Loop for Cut<'_> {
    #[inline(always)]
    fn run(self) {
        for value in self.gradients {
            *value = value.max(-self.most).min(self.most);
        }
    }
}

/// Multiplies values, in double precision: the factor of very large gradients is too small for a float.
struct Scale<'a> {
    factor: f64,
    gradients: &'a mut [f32],
}

impl Loop for Scale<'_> {
    #[inline(always)]
    fn run(self) {
        for value in self.gradients {
            *value = (f64::from(*value) * self.factor) as f32;
        }
    }
}

/// The sum of squares.
struct Squares<'a> {
    gradients: &'a [f32],
    sum: &'a mut f64,
}

impl Loop for Squares<'_> {
    /// As many sums as the longest vector has lanes, on every instruction set: the order of the additions decides the
    /// last bits.
    #[inline(always)]
    fn run(self) {
        const LANES: usize = 8;
        let square = |value: &f32| f64::from(*value) * f64::from(*value);
        let mut sums = [0.0; LANES];
        let (chunks, rest) = self.gradients.as_chunks::<LANES>();
        for chunk in chunks {
            for (sum, value) in sums.iter_mut().zip(chunk) {
                *sum += square(value);
            }
        }
        *self.sum = sums.iter().sum::<f64>() + rest.iter().map(square).sum::<f64>();
    }
}

#[cfg(test)]
mod tests;
