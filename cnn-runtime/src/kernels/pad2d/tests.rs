use crate::kernels::pad2d;
use crate::kernels::test_support::{Failures, Guarded, Random};
use crate::reference;
use cnn_ir::operation::Pad2d;

/// Compares both passes with their twins; they are copies, so every bit is the same.
fn check(pad: &Pad2d, n: usize, random: &mut Random, failures: &mut Failures) {
    let x = random.floats(n * pad.input.iter().product::<usize>());
    let dy = random.floats(n * pad.output.iter().product::<usize>());
    let mut y = Guarded::new(dy.len());
    pad2d::copy(pad.input, pad.output, pad.before, &x, y.values());
    let expected = reference::pad2d::forward(pad, n, &x);
    failures.compare(
        || format!("forward of {pad:?}, n {n}"),
        &y.into_values(),
        &expected,
        0.0,
    );
    let mut dx = Guarded::new(x.len());
    let after = pad.before.map(|before| -before);
    pad2d::copy(pad.output, pad.input, after, &dy, dx.values());
    let expected = reference::pad2d::backward(pad, n, &dy);
    failures.compare(
        || format!("backward of {pad:?}, n {n}"),
        &dx.into_values(),
        &expected,
        0.0,
    );
}

#[test]
fn matches_the_reference() {
    let mut random = Random::new(1);
    let mut failures = Failures::default();
    for _ in 0..300 {
        // Each side on its own: padded, cropped or neither, so that axes may do different things.
        let mut axis = || {
            let input = 1 + random.below(7);
            let mut side = || random.below(9) as isize - 4;
            let (before, behind) = (side(), side());
            let output = (input as isize + before + behind).max(1);
            [input as isize, output, before]
        };
        let [rows, columns] = [axis(), axis()];
        let channels = 1 + random.below(5);
        let shape = |place: usize| [rows[place] as usize, columns[place] as usize, channels];
        let pad = Pad2d {
            input: shape(0),
            output: shape(1),
            before: [rows[2], columns[2]],
        };
        let n = 1 + random.below(3);
        check(&pad, n, &mut random, &mut failures);
    }
    failures.report();
}

#[test]
fn some_sides_alone() {
    let mut random = Random::new(2);
    let mut failures = Failures::default();
    // Nothing; whole rows; columns; an output beside the image.
    for (output, before) in [
        ([3, 4, 2], [0, 0]),
        ([5, 4, 2], [1, 0]),
        ([2, 4, 2], [-1, 0]),
        ([3, 6, 2], [0, 2]),
        ([3, 1, 2], [0, -3]),
        ([2, 4, 2], [5, 0]),
        ([3, 4, 2], [0, -9]),
        ([4, 3, 2], [1, -1]),
    ] {
        let pad = Pad2d {
            input: [3, 4, 2],
            output,
            before,
        };
        check(&pad, 2, &mut random, &mut failures);
    }
    failures.report();
}
