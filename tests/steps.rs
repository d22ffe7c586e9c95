//! A step of training is applied whole or not at all: after an error the model is as if the step had never been tried.

#[path = "support/small.rs"]
mod small;

use cnn::Network;
use cnn::runtime::kernels::Isa;
use cnn::runtime::{Error, Examples, Model, optimizer};
use cnn::{Optimizer, UpdateRule};
use ndarray::{Array2, Array4, ArrayView4, array};
use small::bits;

/// Layers of several kinds of gradient, and enough parameters that every phase of a step uses several threads.
mod wide {
    cnn::network! {
        pub network Wide {
            input(12x12x3);
            conv2d(16, 3x3, padding = same);
            dropout(0.25);
            flatten;
            dense(64);
            dense(16, trainable = false);
            dense(2);

            train { loss = mse; optimizer = adam; batch_size = 16; }
        }
    }
}

mod line {
    cnn::network! {
        pub network Line {
            input(1);
            dense(1);

            train { loss = mse; optimizer = adam; batch_size = 1; }
        }
    }
}

mod two_layers {
    cnn::network! {
        pub network TwoLayers {
            input(1);
            dense(2);
            dense(1);

            train { loss = mse; optimizer = sgd; batch_size = 1; }
        }
    }
}

/// Optimizers that multiply gradients by the learning rate: their updates overflow where both are large.
fn optimizers() -> Vec<Optimizer> {
    let epsilon = 1e-7;
    let mut rules = vec![
        UpdateRule::adam(),
        UpdateRule::Adam {
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon,
            amsgrad: true,
        },
        UpdateRule::adagrad(),
    ];
    for momentum in [0.0, 0.9] {
        for switch in [false, true] {
            rules.push(UpdateRule::RmsProp {
                rho: 0.9,
                momentum,
                epsilon,
                centered: switch,
            });
            rules.push(UpdateRule::Sgd {
                momentum,
                nesterov: switch,
            });
        }
    }
    let optimizers = rules.into_iter().map(Optimizer::from);
    optimizers
        .map(|optimizer| optimizer.with_learning_rate(1e-3))
        .collect()
}

fn images(n: usize) -> Array4<f32> {
    Array4::from_shape_fn((n, 12, 12, 3), |(i, y, x, c)| {
        ((i * 31 + y * 17 + x * 7 + c * 5) % 23) as f32 * 0.05
    })
}

fn targets(n: usize) -> Array2<f32> {
    Array2::from_shape_fn((n, 2), |(i, j)| ((i * 3 + j) % 5) as f32 * 0.1)
}

fn examples(images: ArrayView4<'_, f32>, targets: &Array2<f32>) -> Examples<'static> {
    Examples::with_values(images.to_owned(), targets.to_owned()).unwrap()
}

/// A trained network whose first kernel is zero, so that a large pixel leaves the output as it is.
fn trained(optimizer: Optimizer, good: &Examples<'_>) -> Model {
    let mut model = Model::new(wide::Wide::spec(), 5);
    model.trainer().optimizer(optimizer).fit(good).unwrap();
    model.tensor_mut("conv2d_1.kernel").unwrap().fill(0.0);
    model
}

/// What is wrong with the third of five steps.
struct Fault {
    name: &'static str,
    /// Of one pixel.
    pixel: f32,
    /// Of one output.
    target: f32,
    learning_rate: f64,
    error: fn(&Error) -> bool,
}

const FAULTS: [Fault; 3] = [
    Fault {
        name: "an infinite loss",
        pixel: 1.0,
        target: 1e30,
        learning_rate: 1e-3,
        error: |error| matches!(error, Error::NonFiniteLoss { .. }),
    },
    Fault {
        name: "a finite loss with an infinite gradient",
        pixel: 1e35,
        target: 1e12,
        learning_rate: 1e-3,
        error: |error| matches!(error, Error::NonFiniteGradient { tensor, .. } if *tensor == "conv2d_1.kernel"),
    },
    Fault {
        name: "a finite gradient whose update overflows",
        pixel: 1e20,
        target: 1e7,
        learning_rate: 1e25,
        error: |error| matches!(error, Error::NonFiniteUpdate { tensor, .. } if *tensor == "conv2d_1.kernel"),
    },
];

#[test]
fn a_step_that_fails_leaves_no_trace() {
    let (images, targets) = (images(77), targets(77));
    let good = examples(images.view(), &targets);
    let mut wrong = Vec::new();
    for optimizer in optimizers() {
        for fault in &FAULTS {
            let (mut images, mut targets) = (images.clone(), targets.clone());
            images[[40, 3, 4, 1]] = fault.pixel;
            targets[[40, 1]] = fault.target;
            let bad = examples(images.view(), &targets);
            let start = trained(optimizer, &good);
            for threads in [1, 3] {
                let case = format!("{}, {optimizer:?}, {threads} threads", fault.name);
                let fit = |model: &mut Model, learning_rate, data: &Examples<'_>| {
                    let trainer = model.trainer().optimizer(optimizer).threads(threads);
                    trainer.learning_rate(learning_rate).epochs(1).fit(data)
                };

                // The first step of a call fails: the model is that of before the call.
                let mut model = start.clone();
                let first = bad.slice(40..56);
                match fit(&mut model, fault.learning_rate, &first) {
                    Err(error) if (fault.error)(&error) => {
                        let message = error.to_string();
                        let end = "in step 1 of epoch 1; the weights are those before that step";
                        if !message.ends_with(end) {
                            wrong.push(format!("{case}: {message}"));
                        }
                    }
                    other => wrong.push(format!("{case}: {other:?}")),
                }
                if bits(model.parameters()) != bits(start.parameters()) {
                    wrong.push(format!("{case}: the parameters have changed"));
                }

                // Also the optimizer's slots and the counters: training goes on as if nothing had been tried.
                let mut other = start.clone();
                for model in [&mut model, &mut other] {
                    model
                        .trainer()
                        .optimizer(optimizer)
                        .epochs(2)
                        .fit(&good)
                        .unwrap();
                }
                if bits(model.parameters()) != bits(other.parameters()) {
                    wrong.push(format!("{case}: training goes on in another way"));
                }

                // The third step fails: two are kept.
                // With so large a learning rate the first step would fail.
                if fault.learning_rate > 1.0 {
                    continue;
                }
                let mut model = start.clone();
                let mut other = start.clone();
                let small_steps = |model: &mut Model, data: &Examples<'_>| {
                    // The first kernel must still be zero in the third step.
                    let trainer = model.trainer().optimizer(optimizer).threads(threads);
                    trainer
                        .learning_rate(1e-30)
                        .shuffle(false)
                        .epochs(1)
                        .fit(data)
                };
                match small_steps(&mut model, &bad) {
                    Err(error) if error.to_string().contains("in step 3 of epoch 1;") => {}
                    other => wrong.push(format!("{case}: {other:?}")),
                }
                small_steps(&mut other, &good.slice(0..32)).unwrap();
                for model in [&mut model, &mut other] {
                    model
                        .trainer()
                        .optimizer(optimizer)
                        .epochs(2)
                        .fit(&good)
                        .unwrap();
                }
                if bits(model.parameters()) != bits(other.parameters()) {
                    wrong.push(format!("{case}: not as after two steps"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn another_optimizer_that_fails_leaves_the_first_one_as_it_was() {
    let (images, targets) = (images(32), targets(32));
    let good = examples(images.view(), &targets);
    let mut images = images;
    images.fill(1e18);
    let bad = examples(images.view(), &targets);
    for optimizer in optimizers() {
        let start = trained(optimizer, &good);
        for other in optimizers() {
            let mut model = start.clone();
            let trainer = model.trainer().optimizer(other).learning_rate(1e37);
            assert!(trainer.fit(&bad).is_err(), "{other:?}");
            let mut twin = start.clone();
            for model in [&mut model, &mut twin] {
                model.trainer().optimizer(optimizer).fit(&good).unwrap();
            }
            let same = bits(model.parameters()) == bits(twin.parameters());
            assert!(same, "{other:?} after {optimizer:?}");
        }
    }
}

#[test]
fn a_square_that_overflows_is_found_in_its_step() {
    let inputs = array![[0.5_f32], [1e12], [0.25], [0.75]];
    let targets = array![[1.0_f32], [1.0], [0.5], [1.5]];
    let data = Examples::with_values(inputs, targets).unwrap();
    let mut model = Model::new(line::Line::spec(), 1);
    let error = model.trainer().shuffle(false).fit(&data).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the update of `dense_1.kernel` overflows in step 2 of epoch 1; the weights are those before that step"
    );
    let mut first = Model::new(line::Line::spec(), 1);
    first.fit(&data.take(1)).unwrap();
    assert_eq!(bits(model.parameters()), bits(first.parameters()));
}

#[test]
fn the_first_of_several_tensors_is_named() {
    let first = " (first that of `dense_2.kernel`, which is -inf at [0, 0])";
    for (input, expected, origin) in [(1.0, "dense_2.kernel", ""), (1e30, "dense_1.kernel", first)]
    {
        let data = Examples::with_values(array![[input]], array![[1e19_f32]]).unwrap();
        let mut model = Model::new(two_layers::TwoLayers::spec(), 1);
        model.tensor_mut("dense_1.kernel").unwrap().fill(0.0);
        model.tensor_mut("dense_1.bias").unwrap().fill(1e20);
        model.tensor_mut("dense_2.kernel").unwrap().fill(1e-10);
        assert_eq!(
            model.fit(&data).unwrap_err().to_string(),
            format!(
                "the gradient of `{expected}` is not finite{origin} in step 1 of epoch 1; the weights are those before that step"
            )
        );
    }
}

/// The parameters after one step, by hand.
fn by_hand(model: &Model, optimizer: Optimizer, data: &Examples<'_>) -> Vec<f32> {
    let (_, gradients) = model.gradients(data, 0).unwrap();
    let mut parameters = model.parameters().to_vec();
    let rule = &optimizer.rule;
    let initial = optimizer::initial(rule);
    let mut slots = vec![vec![initial; parameters.len()]; optimizer::slots(rule).len()];
    let mut slots: Vec<&mut [f32]> = slots.iter_mut().map(|slot| &mut slot[..]).collect();
    optimizer::update(
        rule,
        Isa::detect(),
        optimizer::Step::new(&optimizer, 1),
        &mut parameters,
        &gradients,
        &mut slots,
    );
    parameters
}

#[test]
fn a_large_step_that_stays_finite_is_applied() {
    let mut wrong = Vec::new();
    let data = Examples::with_values(array![[1e15_f32]], array![[1.0_f32]]).unwrap();
    for learning_rate in [1e18, 1e20, 1e21] {
        for optimizer in optimizers() {
            let optimizer = optimizer.with_learning_rate(learning_rate);
            let mut model = Model::new(line::Line::spec(), 1);
            model.parameters_mut().fill(0.0);
            let expected = by_hand(&model, optimizer, &data);
            let result = model.trainer().optimizer(optimizer).fit(&data);
            let finite = expected.iter().all(|value| value.is_finite());
            if result.is_ok() != finite || finite && bits(model.parameters()) != bits(&expected) {
                wrong.push((optimizer, result, expected));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn parameters_that_a_user_made_infinite_are_no_error() {
    let data = small::xor();
    for optimizer in optimizers() {
        let mut model = Model::new(&small::XOR, 1);
        // The unit is -1 whatever it sees, and its gradient is 0.
        model.tensor_mut("dense_1.bias").unwrap()[[3]] = f32::NEG_INFINITY;
        let before = model.parameters().to_vec();
        let expected = by_hand(&model, optimizer, &data);
        let trainer = model.trainer().optimizer(optimizer).shuffle(false);
        trainer.epochs(1).fit(&data).unwrap();
        assert_eq!(bits(model.parameters()), bits(&expected), "{optimizer:?}");
        assert_ne!(bits(model.parameters()), bits(&before), "{optimizer:?}");
    }
}

#[test]
fn gradients_are_returned_as_they_are() {
    let data = Examples::with_values(array![[1e30_f32]], array![[1e10_f32]]).unwrap();
    let mut model = Model::new(line::Line::spec(), 1);
    model.parameters_mut().fill(0.0);
    let (loss, gradients) = model.gradients(&data, 0).unwrap();
    assert!(loss.is_finite());
    assert_eq!(gradients, [f32::NEG_INFINITY, -2e10]);
}
