//! Both passes against their twins, on every instruction set.

use super::*;
use crate::kernels::test_support::{Failures, Guarded, Random, to_f64};
use crate::ops::Run;
use crate::reference;
use cnn_ir::operation::{Facts, Wanted};

const KINDS: [MergeKind; 7] = [
    MergeKind::Add,
    MergeKind::Subtract,
    MergeKind::Multiply,
    MergeKind::Average,
    MergeKind::Maximum,
    MergeKind::Minimum,
    MergeKind::Concat,
];

const ACTIVATIONS: [Activation; 5] = [
    Activation::Linear,
    Activation::Relu,
    Activation::Tanh,
    Activation::Mish,
    Activation::Softmax,
];

/// Operands of the shape of the output, some that store more, and some of which an axis is repeated.
fn random_merge(random: &mut Random) -> Merge {
    let kind = random.pick(&KINDS);
    let side = |random: &mut Random, most: usize| 1 + random.below(most);
    // Some are longer than a strip.
    let [height, width] = match random.below(4) {
        0 => [11 + random.below(9), 9 + random.below(9)],
        _ => [side(random, 5), side(random, 6)],
    };
    let mut output = [height, width, side(random, 40)];
    let count = match kind {
        MergeKind::Subtract => 2,
        _ => random.pick(&[2, 2, 2, 3, 8]),
    };
    let is_plain = random.below(2) == 0;
    let mut operand = |place: usize| {
        let mut shape = output;
        if kind == MergeKind::Concat {
            shape[2] = side(random, 40);
        }
        for (axis, size) in shape.iter_mut().enumerate() {
            match random.below(5) {
                _ if is_plain => {}
                0 if axis < 2 => *size += random.below(3),
                // One has all of the output, which is what it is for.
                1 if place > 0 && kind != MergeKind::Concat => *size = 1,
                _ => {}
            }
        }
        shape
    };
    let shapes: Vec<_> = (0..count).map(&mut operand).collect();
    if kind == MergeKind::Concat {
        output[2] = shapes.iter().map(|shape| shape[2]).sum();
    }
    Merge {
        kind,
        inputs: Inputs::new(&shapes),
        output,
        activation: random.pick(&ACTIVATIONS),
    }
}

/// Values of which many are equal, and whose sums are exact.
fn values(random: &mut Random, len: usize) -> Vec<f32> {
    let value = |_| random.below(33) as f32 / 16.0 - 1.0;
    (0..len).map(value).collect()
}

#[test]
fn joins_are_those_of_the_definition() {
    let mut random = Random::new(1);
    let mut failures = Failures::default();
    for _ in 0..400 {
        let merge = random_merge(&mut random);
        // A thread may have no example.
        let n = random.below(4);
        let len = |shape: &[usize; 3]| n * shape.iter().product::<usize>();
        let shapes = merge.inputs.shapes();
        let inputs: Vec<_> = (shapes.iter())
            .map(|shape| values(&mut random, len(shape)))
            .collect();
        let inputs: Vec<&[f32]> = inputs.iter().map(|x| &x[..]).collect();
        let dy = values(&mut random, len(&merge.output));
        for isa in Isa::available() {
            check(&merge, isa, n, &inputs, &dy, &mut failures);
        }
    }
    failures.report();
}

fn check(
    merge: &Merge,
    isa: Isa,
    n: usize,
    inputs: &[&[f32]],
    dy: &[f32],
    failures: &mut Failures,
) {
    let case = |what: &str| format!("{what} of {merge:?}, n {n}, {}", isa.name());
    let run = Run {
        isa,
        examples: n,
        first: 0,
        seed: 0,
        threads: 1,
    };
    let doubles: Vec<_> = inputs.iter().map(|x| to_f64(x)).collect();
    let doubles: Vec<&[f64]> = doubles.iter().map(|x| &x[..]).collect();
    let linear = Merge {
        activation: Activation::Linear,
        ..*merge
    };
    let mode = reference::operation::Mode::Inference;
    let z = reference::operation::forward(&linear.into(), mode, n, &doubles, &[]);
    let expected = reference::activation::forward(merge.activation, merge.output[2], &z);
    let sizes = sizes(merge, n);

    let mut y = Guarded::new(dy.len());
    merge.infer(Infer {
        run,
        inputs,
        tensors: &[],
        packed: &[],
        output: y.values(),
        scratch: Guarded::new(sizes.inference[1]).values(),
    });
    failures.compare(|| case("inference"), &y.into_values(), &expected, 2e-6);

    let saves = merge.saves(Wanted {
        tensors: false,
        input: true,
    });
    let (mut y, mut saved) = (Guarded::new(dy.len()), Guarded::new(n * saves.floats));
    let mut scratch = Guarded::new(sizes.training);
    merge.forward(Forward {
        run,
        inputs,
        tensors: &[],
        packed: &[],
        output: y.values(),
        saved: saved.values(),
        argmax: &mut [],
        scratch: scratch.values(),
    });
    let (y, saved) = (y.into_values(), saved.into_values());
    failures.compare(|| case("forward"), &y, &expected, 2e-6);

    let dz = reference::activation::backward(merge.activation, merge.output[2], &z, &to_f64(dy));
    let expected = reference::merge::backward(merge, n, &doubles, &dz);
    let mut gradient = dy.to_vec();
    let mut gradients: Vec<_> = inputs.iter().map(|x| Guarded::new(x.len())).collect();
    let mut targets: Vec<&mut [f32]> = gradients.iter_mut().map(Guarded::values).collect();
    merge.backward(Backward {
        run,
        inputs: &inputs[..saves.inputs.min(inputs.len())],
        tensors: &[],
        packed: &[],
        output: if saves.output { &y } else { &[] },
        saved: &saved,
        argmax: &[],
        gradient: &mut gradient,
        tensor_gradients: &mut [],
        input_gradients: &mut targets,
        scratch: scratch.values(),
    });
    for (place, (found, expected)) in gradients.into_iter().zip(&expected).enumerate() {
        let found = found.into_values();
        failures.compare(|| case("gradient"), &found, expected, 1e-5);
        if merge.passes_gradient_on(place) {
            failures.compare(|| case("passed on"), &gradient, expected, 1e-5);
        }
    }
    if !merge.changes_gradient() {
        failures.compare(|| case("unchanged"), &gradient, dy, 0.0);
    }
}

#[test]
fn what_is_not_a_number_stays() {
    let kinds = KINDS.iter().filter(|kind| **kind != MergeKind::Concat);
    for (kind, isa) in kinds.flat_map(|kind| Isa::available().map(move |isa| (*kind, isa))) {
        for activation in [Activation::Linear, Activation::Relu] {
            let merge = Merge {
                kind,
                inputs: Inputs::new(&[[1, 1, 40]; 2]),
                output: [1, 1, 40],
                activation,
            };
            let (numbers, mut others) = ([0.5; 40], [0.25; 40]);
            others[3] = f32::NAN;
            others[37] = f32::NAN;
            for inputs in [[&numbers[..], &others], [&others, &numbers]] {
                let mut y = [0.0; 40];
                forward(&merge, isa, &inputs, &mut y, &mut [], &mut []);
                let places = (0..40).filter(|place| y[*place].is_nan());
                assert_eq!(places.collect::<Vec<_>>(), [3, 37], "{kind:?}");
            }
        }
    }
}
