//! The primitives of each instruction set that do more than one instruction.

use crate::kernels::Isa;
use crate::kernels::simd::{Kernel, Simd};
use crate::kernels::test_support::Guarded;
use crate::kernels::transpose::transpose;

/// Shapes below, at and above squares of all instruction sets.
#[test]
fn a_matrix_is_transposed_and_nothing_else_is_touched() {
    let sizes = [1, 3, 4, 7, 8, 9, 12, 15, 16, 17, 31, 33];
    for isa in Isa::available() {
        for (rows, columns) in sizes.iter().flat_map(|a| sizes.map(|b| (*a, b))) {
            let from: Vec<f32> = (0..rows * columns).map(|i| i as f32).collect();
            let mut from = Guarded::holding(&from);
            let mut to = Guarded::new(rows * columns);
            transpose(isa, [rows, columns], from.values(), to.values());
            let (from, to) = (from.into_values(), to.into_values());
            let expected: Vec<f32> = (0..rows * columns)
                .map(|i| from[i % rows * columns + i / rows])
                .collect();
            assert_eq!(to, expected, "{}, {rows} rows of {columns}", isa.name());
        }
    }
}

#[test]
fn even_and_odd_places_are_told_apart() {
    struct Unzip([f32; 32]);

    impl Kernel for Unzip {
        type Output = (usize, [[f32; 16]; 2]);

        #[inline(always)]
        unsafe fn run<S: Simd>(self) -> Self::Output {
            let mut parts = [[0.0; 16]; 2];
            // SAFETY: no vector is longer than 16 values.
            unsafe {
                let [a, b] = [0, S::LANES].map(|at| S::load(self.0.as_ptr().add(at)));
                for (part, v) in parts.iter_mut().zip(S::deinterleave(a, b)) {
                    S::store(part.as_mut_ptr(), v);
                }
            }
            (S::LANES, parts)
        }
    }

    let values = std::array::from_fn(|i| i as f32);
    for isa in Isa::available() {
        let (lanes, parts) = isa.run(Unzip(values));
        for (odd, part) in parts.iter().enumerate() {
            let expected: Vec<f32> = (0..lanes).map(|i| (2 * i + odd) as f32).collect();
            assert_eq!(part[..lanes], expected, "{}", isa.name());
        }
    }
}

#[test]
fn a_value_is_picked_from_either_end() {
    struct Pick<'a>(&'a [f32]);

    impl Kernel for Pick<'_> {
        type Output = (usize, usize, Vec<[f32; 16]>);

        #[inline(always)]
        unsafe fn run<S: Simd>(self) -> Self::Output {
            let ends = self.0.as_ptr_range();
            let places = 0..2 * S::REACH;
            let picked = places.map(|first| {
                // Neighbouring lanes look at both ends.
                let place = |lane| (first + lane * S::REACH) % (2 * S::REACH);
                let places: [f32; 16] = std::array::from_fn(|lane| place(lane) as f32);
                let mut picked = [0.0; 16];
                // SAFETY: no vector is longer than 16 values, and none reaches farther than these.
                unsafe {
                    let places = S::load(places.as_ptr());
                    let v = S::permute(ends.start, ends.end.sub(1), places);
                    S::store(picked.as_mut_ptr(), v);
                }
                picked
            });
            (S::LANES, S::REACH, picked.collect())
        }
    }

    let values: Vec<f32> = (0..20).map(|i| i as f32).collect();
    for isa in Isa::available() {
        let (lanes, reach, picked) = isa.run(Pick(&values));
        for (first, picked) in picked.iter().enumerate() {
            let expected: Vec<f32> = (0..lanes)
                .map(|lane| match (first + lane * reach) % (2 * reach) {
                    place if place < reach => values[place],
                    place => values[values.len() + place - 2 * reach],
                })
                .collect();
            assert_eq!(picked[..lanes], expected, "{}", isa.name());
        }
    }
}
