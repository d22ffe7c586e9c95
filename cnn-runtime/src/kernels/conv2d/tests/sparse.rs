//! Gradients of a convolution that a fused pool follows, from its argmax.

use super::case::{Algorithms, Case, check_not_finite, random_conv};
use crate::kernels::Isa;
use crate::kernels::conv2d;
use crate::kernels::conv2d::choice;
use crate::kernels::simd::VectorShape;
use crate::kernels::test_support::{Failures, Guarded, Random};
use cnn_ir::operation::{InputGradient, KernelGradient};

/// Both gradients from lists.
const SPARSE: Algorithms<'static> = Algorithms {
    kernel_gradient: KernelGradient::PoolSparse,
    input_gradient: InputGradient::PoolSparse,
    pooled: true,
    ..Algorithms::DIRECT
};

/// The same on few channels, for which lanes may be permuted to the argmax.
const FEW: Algorithms<'static> = Algorithms {
    channels: &[1, 2, 3, 6, 8, 16, 17, 32],
    ..SPARSE
};

/// The gradients of random geometries, each changed by `change`.
fn check_gradients(
    seed: u64,
    cases: usize,
    algorithms: Algorithms<'_>,
    change: impl Fn(&mut Case),
) {
    let mut random = Random::new(seed);
    let mut failures = Failures::default();
    for _ in 0..cases {
        let conv = random_conv(&mut random, algorithms);
        let mut case = Case::random(&mut random, conv);
        change(&mut case);
        case.check_kernel_gradient(&mut failures);
        case.check_input_gradient(&mut failures);
    }
    failures.report();
}

#[test]
fn sparse_matches_the_reference() {
    check_gradients(1, 300, SPARSE, |_| {});
}

#[test]
fn few_channels_match_the_reference() {
    check_gradients(2, 300, FEW, |_| {});
}

/// Lanes are permuted in windows of any size and distance.
#[test]
fn permuted_matches_the_reference() {
    let mut random = Random::new(3);
    let mut failures = Failures::default();
    for (name, vectors) in VectorShape::ALL {
        if vectors.reach == 0 {
            continue;
        }
        let mut permuted = 0;
        for _ in 0..4000 {
            let conv = random_conv(&mut random, FEW);
            if choice::kernel_gradient(&conv, vectors) == choice::KernelGradient::Permuted {
                permuted += 1;
                Case::random(&mut random, conv).check_kernel_gradient(&mut failures);
            }
        }
        assert!(permuted > 200, "{name}: {permuted} permuted gradients");
    }
    failures.report();
}

/// Geometries that the plan does not choose these kernels for, but which they compute.
#[test]
fn dilated_matches_the_reference() {
    for algorithms in [SPARSE, FEW] {
        check_gradients(4, 100, algorithms, |case| {
            // What the image does not have is padding then.
            case.conv.dilation = [2, 3];
        });
    }
}

#[test]
fn overlapping_windows_match_the_reference() {
    check_gradients(5, 100, FEW, |case| {
        let pool = case.conv.pool.as_mut().expect("a fused pool");
        pool.strides = [1, 1];
    });
}

#[test]
fn zero_gradients_add_nothing() {
    for algorithms in [SPARSE, FEW] {
        check_gradients(6, 20, algorithms, |case| case.dz.fill(-0.0));
    }
}

#[test]
fn only_one_filter_has_gradients() {
    for algorithms in [SPARSE, FEW] {
        check_gradients(7, 50, algorithms, |case| {
            let filters = case.conv.output[2];
            for (i, dz) in case.dz.iter_mut().enumerate() {
                *dz = if i % filters == filters / 2 { *dz } else { 0.0 };
            }
        });
    }
}

#[test]
fn nan_and_infinity_reach_every_gradient_that_sees_them() {
    for algorithms in [SPARSE, FEW] {
        check_not_finite(8, algorithms, true);
    }
}

/// An argmax that no forward pass writes gives wrong sums, but touches nothing else.
#[test]
fn a_wrong_argmax_stays_inside() {
    let mut random = Random::new(9);
    for algorithms in [SPARSE, FEW] {
        for _ in 0..50 {
            let conv = random_conv(&mut random, algorithms);
            let case = Case::random(&mut random, conv);
            let Case { conv, n, x, dz, .. } = &case;
            let argmax: Vec<u8> = dz.iter().map(|_| random.bits() as u8).collect();
            for isa in Isa::available() {
                let [mut sums, mut dx] = [&case.kernel, x].map(|like| Guarded::holding(like));
                let mut scratch = Guarded::new(conv2d::training_scratch(conv, *n));
                let packed = vec![1.0; conv2d::packed_backward(conv)];
                conv2d::backward_parameters(
                    conv,
                    isa,
                    *n,
                    x,
                    dz,
                    &argmax,
                    sums.values(),
                    &mut [],
                    scratch.values(),
                );
                conv2d::backward_input(
                    conv,
                    isa,
                    *n,
                    dz,
                    &argmax,
                    &packed,
                    dx.values(),
                    scratch.values(),
                );
                for buffer in [scratch, sums, dx] {
                    buffer.into_values();
                }
            }
        }
    }
}
