//! The primitives of each instruction set that are more than one instruction, and the numbers of its shape.

use crate::kernels::Isa;
use crate::kernels::simd::{Kernel, MAX_LANES, MAX_TILE_COLUMNS, Simd, VectorShape, of_this_build};
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
fn even_and_odd_values_are_separated() {
    struct Deinterleave([f32; 2 * MAX_LANES]);

    impl Kernel for Deinterleave {
        type Output = (usize, [[f32; MAX_LANES]; 2]);

        #[inline(always)]
        unsafe fn run<S: Simd>(self) -> Self::Output {
            let mut parts = [[0.0; MAX_LANES]; 2];
            // SAFETY: no vector is longer than `MAX_LANES` values.
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
        let (lanes, parts) = isa.run(Deinterleave(values));
        for (odd, part) in parts.iter().enumerate() {
            let expected: Vec<f32> = (0..lanes).map(|i| (2 * i + odd) as f32).collect();
            assert_eq!(part[..lanes], expected, "{}", isa.name());
        }
    }
}

#[test]
fn a_permutation_takes_values_from_both_runs() {
    struct Permute<'a>(&'a [f32]);

    impl Kernel for Permute<'_> {
        type Output = Vec<[f32; MAX_LANES]>;

        #[inline(always)]
        unsafe fn run<S: Simd>(self) -> Self::Output {
            let ends = self.0.as_ptr_range();
            let permuted = (0..2 * S::REACH).map(|first| {
                // Neighbouring lanes look at different runs.
                let index = |lane| (first + lane * S::REACH) % (2 * S::REACH);
                let indices: [f32; MAX_LANES] = std::array::from_fn(|lane| index(lane) as f32);
                let mut permuted = [0.0; MAX_LANES];
                // SAFETY: no vector is longer than `MAX_LANES` values, and these are more than two runs.
                unsafe {
                    let indices = S::load(indices.as_ptr());
                    let v = S::permute(ends.start, ends.end.sub(1), indices);
                    S::store(permuted.as_mut_ptr(), v);
                }
                permuted
            });
            permuted.collect()
        }
    }

    let values: Vec<f32> = (0..20).map(|i| i as f32).collect();
    for isa in Isa::available().filter(|isa| isa.vectors().reach > 0) {
        let VectorShape { lanes, reach, .. } = isa.vectors();
        assert!(2 * reach <= values.len());
        for (first, permuted) in isa.run(Permute(&values)).iter().enumerate() {
            let expected: Vec<f32> = (0..lanes)
                .map(|lane| match (first + lane * reach) % (2 * reach) {
                    index if index < reach => values[index],
                    index => values[values.len() + index - 2 * reach],
                })
                .collect();
            assert_eq!(permuted[..lanes], expected, "{}", isa.name());
        }
    }
}

/// What kernels rely on: buffers have room for the longest vector and the widest tile, and registers hold the
/// accumulators and what feeds them.
#[test]
fn shapes_keep_the_rules_that_kernels_rely_on() {
    for (name, vectors) in VectorShape::ALL {
        assert!(
            vectors.lanes.is_power_of_two() && vectors.lanes <= MAX_LANES,
            "{name}"
        );
        assert!(matches!(vectors.tile_vectors, 2 | 4), "{name}");
        assert!(vectors.tile_columns() <= MAX_TILE_COLUMNS, "{name}");
        assert!(4 * vectors.tile_vectors <= vectors.accumulators, "{name}");
        assert!(vectors.accumulators <= vectors.registers, "{name}");
        assert!(2 * vectors.reach <= vectors.lanes, "{name}");
    }
    let names = VectorShape::ALL.map(|(name, _)| name);
    for isa in Isa::available() {
        let at = names.iter().position(|name| *name == isa.name());
        let (_, vectors) = VectorShape::ALL[at.expect("a row for each instruction set")];
        assert_eq!(of_this_build(vectors), isa.vectors(), "{}", isa.name());
    }
}
