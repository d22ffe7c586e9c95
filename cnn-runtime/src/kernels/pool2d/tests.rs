use crate::kernels::Isa;
use crate::kernels::pool2d;
use crate::kernels::test_support::{Failures, Guarded, Random};
use crate::reference;
use cnn_ir::operation::{Pool2d, PoolKind};

/// A geometry whose windows all have a cell inside the image.
pub fn random_pool(random: &mut Random, kind: PoolKind, channels: &[usize]) -> Pool2d {
    let mut axis = || {
        let size = 1 + random.below(4);
        let stride = 1 + random.below(4);
        let [before, after] = [0, 1].map(|_| random.below(size));
        let input = size + random.below(8);
        let padded = before + input + after;
        [input, (padded - size) / stride + 1, size, stride, before]
    };
    let [rows, columns] = [axis(), axis()];
    let depth = random.pick(channels);
    Pool2d {
        kind,
        input: [rows[0], columns[0], depth],
        output: [rows[1], columns[1], depth],
        size: [rows[2], columns[2]],
        strides: [rows[3], columns[3]],
        padding: [rows[4], columns[4]],
    }
}

const CHANNELS: [usize; 8] = [1, 2, 3, 5, 7, 16, 17, 33];

fn check(pool: &Pool2d, n: usize, x: &[f32], dy: &[f32], failures: &mut Failures) {
    // Maxima are exact, means are not.
    let tolerance = if pool.kind == PoolKind::Max {
        0.0
    } else {
        1e-6
    };
    let expected_y = reference::pool2d::forward(pool, n, x);
    let expected_dx = reference::pool2d::backward(pool, n, x, dy);
    for isa in Isa::available() {
        let case = |pass: &str| format!("{pass} of {pool:?}, n {n}, {}", isa.name());
        let mut y = Guarded::new(dy.len());
        pool2d::forward(pool, isa, n, x, y.values());
        let y = y.into_values();
        failures.compare(|| case("forward"), &y, &expected_y, tolerance);
        let mut dx = Guarded::new(x.len());
        pool2d::backward(pool, isa, n, x, &y, dy, dx.values());
        let dx = dx.into_values();
        failures.compare(|| case("backward"), &dx, &expected_dx, tolerance);
    }
}

#[test]
fn matches_the_reference() {
    let mut random = Random::new(1);
    let mut failures = Failures::default();
    for kind in [PoolKind::Max, PoolKind::Average] {
        for _ in 0..100 {
            let pool = random_pool(&mut random, kind, &CHANNELS);
            let n = 1 + random.below(5);
            let x = random.floats(n * pool.input.iter().product::<usize>());
            let dy = random.floats(n * pool.output.iter().product::<usize>());
            check(&pool, n, &x, &dy, &mut failures);
        }
    }
    failures.report();
}

#[test]
fn two_by_two_matches_the_reference() {
    let mut random = Random::new(2);
    let mut failures = Failures::default();
    for channels in CHANNELS {
        for [height, width] in [[2, 2], [5, 4], [6, 7]] {
            let pool = Pool2d {
                kind: PoolKind::Max,
                input: [height, width, channels],
                output: [height / 2, width / 2, channels],
                size: [2, 2],
                strides: [2, 2],
                padding: [0, 0],
            };
            let x = random.floats(3 * height * width * channels);
            let dy = random.floats(3 * (height / 2) * (width / 2) * channels);
            check(&pool, 3, &x, &dy, &mut failures);
        }
    }
    failures.report();
}

/// Ties are the rule after a relu; NaN and infinities must come through.
#[test]
fn the_first_maximum_is_the_argmax_and_nan_is_the_greatest() {
    let mut random = Random::new(3);
    let mut failures = Failures::default();
    let values = [
        -1.0,
        -0.0,
        0.0,
        0.0,
        1.0,
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
    ];
    for _ in 0..100 {
        let pool = random_pool(&mut random, PoolKind::Max, &CHANNELS);
        let x: Vec<f32> = (0..2 * pool.input.iter().product::<usize>())
            .map(|_| random.pick(&values))
            .collect();
        let dy = random.floats(2 * pool.output.iter().product::<usize>());
        check(&pool, 2, &x, &dy, &mut failures);
    }
    failures.report();
}

#[test]
fn padded_cells_do_not_count() {
    let pool = |kind| Pool2d {
        kind,
        input: [2, 2, 1],
        output: [2, 2, 1],
        size: [2, 2],
        strides: [2, 2],
        padding: [1, 1],
    };
    let x = [-1.0, -2.0, -3.0, -4.0];
    for kind in [PoolKind::Max, PoolKind::Average] {
        let mut y = [f32::NAN; 4];
        pool2d::forward(&pool(kind), Isa::PORTABLE, 1, &x, &mut y);
        assert_eq!(y, x, "{kind:?}: every window sees one cell");
    }
}
