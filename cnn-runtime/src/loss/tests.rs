use crate::kernels::Isa;
use crate::kernels::test_support::{Failures, Guarded, Random, to_f64};
use crate::reference;
use cnn_ir::Loss;
use cnn_ir::vocabulary::{MOST, Setting, Word};

/// Every loss with its defaults, and those with arguments with others, too.
pub fn all() -> Vec<Loss> {
    let mut all = defaults();
    let label_smoothing = 0.2;
    all.extend([
        Loss::CategoricalCrossentropy { label_smoothing },
        Loss::BinaryCrossentropy { label_smoothing },
        Loss::Huber { delta: 0.3 },
    ]);
    for gamma in [0.0, 0.5, 1.0, 3.7] {
        all.push(Loss::BinaryFocalCrossentropy {
            alpha: 0.7,
            gamma,
            apply_class_balancing: gamma > 0.7,
            label_smoothing: if gamma > 0.0 { 0.1 } else { 0.0 },
        });
        all.push(Loss::CategoricalFocalCrossentropy {
            alpha: 1.5,
            gamma,
            label_smoothing: if gamma > 0.0 { 0.1 } else { 0.0 },
        });
    }
    all
}

/// Every loss with its defaults.
fn defaults() -> Vec<Loss> {
    let of = |word: &Word<Loss>| {
        let mut settings = [Setting::Switch(false); MOST];
        for (setting, parameter) in settings.iter_mut().zip(word.parameters) {
            *setting = parameter.kind.default(false).expect("a default");
        }
        (word.make)(&settings)
    };
    Loss::WORDS.iter().map(of).collect()
}

#[test]
fn matches_the_reference() {
    let mut random = Random::new(1);
    let mut failures = Failures::default();
    for loss in all() {
        let flat = [&[1][..], &[2], &[3], &[10], &[17], &[33]];
        let positions = [
            &[2, 3, 1][..],
            &[3, 1, 2],
            &[1, 5, 3],
            &[7, 5, 4],
            &[2, 2, 21],
        ];
        for shape in [&flat[..], &positions].concat() {
            let units: usize = shape.iter().product();
            for n in 1..=5 {
                let mut z: Vec<f32> = random.floats(n * units).iter().map(|z| 5.0 * z).collect();
                if loss.properties().needs_non_negative {
                    z.iter_mut().for_each(|z| *z = z.abs());
                }
                let hot = random.bits().is_multiple_of(2);
                let target: Vec<f32> = (0..n * units)
                    .map(|_| {
                        if hot {
                            random.pick(&[0.0, 1.0])
                        } else {
                            random.value().abs()
                        }
                    })
                    .collect();
                let case = || format!("{loss:?} of {shape:?}, n {n}, {target:?}");

                let [z64, target64] = [&z, &target].map(|values| to_f64(values));
                let (expected_losses, expected_output): (Vec<f64>, Vec<Vec<f64>>) = z64
                    .chunks(units)
                    .zip(target64.chunks(units))
                    .map(|(z, target)| reference::loss::forward(loss, shape, z, target))
                    .unzip();
                let expected_output = expected_output.concat();
                let expected_gradient =
                    reference::loss::backward(loss, shape, &z64, &target64, 0.25);
                for isa in Isa::available() {
                    let case = |what: &str| format!("{what}, {}, {}", case(), isa.name());
                    let mut output = Guarded::holding(&z);
                    let mut losses = Guarded::new(n);
                    super::forward(loss, isa, shape, output.values(), &target, losses.values());
                    let (output, losses) = (output.into_values(), losses.into_values());
                    failures.compare(|| case("losses"), &losses, &expected_losses, 1e-6);
                    failures.compare(|| case("output"), &output, &expected_output, 1e-6);

                    let mut gradient = Guarded::new(n * units);
                    super::backward(loss, isa, shape, &output, &target, 0.25, gradient.values());
                    let gradient = gradient.into_values();
                    failures.compare(|| case("gradient"), &gradient, &expected_gradient, 1e-6);
                }
            }
        }
    }
    failures.report();
}

/// Positions are rows as those of examples are: the same probabilities, and of a power of two of them the same
/// gradients, to the bit.
#[test]
fn positions_are_rows() {
    let mut random = Random::new(2);
    let loss = Loss::categorical_crossentropy();
    for classes in [2, 3, 10, 21] {
        let z = random.floats(3 * 8 * classes);
        let target: Vec<f32> = z.iter().map(|z| f32::from(*z > 0.5)).collect();
        for isa in Isa::available() {
            let run = |shape: &[usize], examples: usize, scale: f32| {
                let (mut output, mut losses) = (z.clone(), vec![0.0; examples]);
                super::forward(loss, isa, shape, &mut output, &target, &mut losses);
                let mut gradient = vec![0.0; z.len()];
                super::backward(loss, isa, shape, &output, &target, scale, &mut gradient);
                (output, gradient, losses)
            };
            let (output, gradient, losses) = run(&[4, 2, classes], 3, 0.3);
            let (rows, row_gradient, row_losses) = run(&[classes], 24, 0.3 / 8.0);
            assert_eq!(output, rows, "{classes}, {}", isa.name());
            assert_eq!(gradient, row_gradient, "{classes}, {}", isa.name());
            for (loss, rows) in losses.iter().zip(row_losses.chunks(8)) {
                let mean = rows.iter().map(|loss| f64::from(*loss)).sum::<f64>() / 8.0;
                assert!((f64::from(*loss) - mean).abs() < 1e-6 * mean.max(1.0));
            }
        }
    }
}

#[test]
fn large_logits_are_exact() {
    let focal = Loss::binary_focal_crossentropy();
    let cases: [(Loss, &[f32], &[f32], f64); 11] = [
        (focal, &[1000.0, -1000.0], &[0.0, 1.0], 1000.0),
        (focal, &[1000.0, -1000.0], &[1.0, 0.0], 0.0),
        (
            Loss::categorical_focal_crossentropy(),
            &[1000.0, 0.0],
            &[0.0, 1.0],
            250.0,
        ),
        (
            Loss::categorical_focal_crossentropy(),
            &[0.0, f32::NEG_INFINITY],
            &[1.0, 0.0],
            0.0,
        ),
        (Loss::kl_divergence(), &[1000.0, 0.0], &[0.0, 1.0], 1000.0),
        (
            Loss::categorical_crossentropy(),
            &[1000.0, 0.0],
            &[0.0, 1.0],
            1000.0,
        ),
        (
            Loss::categorical_crossentropy(),
            &[-1000.0, -1000.0],
            &[0.0, 1.0],
            2.0f64.ln(),
        ),
        (
            Loss::categorical_crossentropy(),
            &[0.0, f32::NEG_INFINITY],
            &[1.0, 0.0],
            0.0,
        ),
        (
            Loss::binary_crossentropy(),
            &[1000.0, -1000.0],
            &[0.0, 1.0],
            1000.0,
        ),
        (
            Loss::binary_crossentropy(),
            &[1000.0, -1000.0],
            &[1.0, 0.0],
            0.0,
        ),
        (
            Loss::binary_crossentropy(),
            &[20.0],
            &[1.0],
            (-20.0f64).exp().ln_1p(),
        ),
    ];
    let mut failures = Failures::default();
    for (loss, z, target, expected) in cases {
        for isa in Isa::available() {
            let (mut sum, mut output) = ([f32::NAN], z.to_vec());
            super::forward(loss, isa, &[z.len()], &mut output, target, &mut sum);
            let mut gradient = vec![f32::NAN; z.len()];
            super::backward(loss, isa, &[z.len()], &output, target, 1.0, &mut gradient);
            assert!(
                gradient.iter().all(|g| g.is_finite()),
                "{loss:?}: {gradient:?}"
            );
            // Relative: the small losses count too.
            let [actual, expected] = [f64::from(sum[0]), expected].map(|sum| [sum * 1e9]);
            let case = || format!("{loss:?} of {z:?}, {}", isa.name());
            failures.compare(case, &actual, &expected, 1e-6);
        }
    }
    failures.report();
}

#[test]
fn a_nan_shows_in_loss_and_gradient() {
    for loss in all() {
        for isa in Isa::available() {
            let mut output = [0.5, f32::NAN, 0.5, 0.5];
            let target = [1.0, 0.0, 0.0, 1.0];
            let mut losses = [0.0; 2];
            super::forward(loss, isa, &[2], &mut output, &target, &mut losses);
            let mut gradient = [0.0; 4];
            super::backward(loss, isa, &[2], &output, &target, 1.0, &mut gradient);
            assert!(
                losses[0].is_nan() && losses[1].is_finite(),
                "{loss:?}: {losses:?}"
            );
            assert!(
                gradient[1].is_nan() && !gradient[2].is_nan(),
                "{loss:?}: {gradient:?}"
            );
        }
    }
}

/// The fields of the lines of a file that `tests/fixtures/objectives.py` wrote.
pub fn lines(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines()
        .map(|line| line.split('|').map(str::trim).collect())
}

/// Numbers with blanks between them.
pub fn numbers<T: core::str::FromStr<Err: core::fmt::Debug>>(field: &str) -> Vec<T> {
    let words = field.split_whitespace();
    words.map(|word| word.parse().expect("a number")).collect()
}

/// The value of a word with settings as `gamma=2.0`, the others by default.
pub fn made<T: Copy>(words: &[Word<T>], name: &str, settings: &str) -> T {
    let mut found = words.iter();
    let word = found.find(|word| word.names().any(|other| other == name));
    let word = word.expect("a word");
    let mut made = [Setting::Switch(false); MOST];
    let mut written = settings.split_whitespace().count();
    for (place, parameter) in made.iter_mut().zip(word.parameters) {
        let mut given = settings.split_whitespace();
        let value =
            given.find_map(|setting| setting.strip_prefix(parameter.name)?.strip_prefix('='));
        written -= usize::from(value.is_some());
        *place = match (parameter.kind.default(false).expect("a default"), value) {
            (default, None) => default,
            (Setting::Number(_), Some(value)) => Setting::Number(value.parse().expect("a number")),
            (Setting::Count(_), Some(value)) => Setting::Count(value.parse().expect("a count")),
            (Setting::Switch(_), Some(value)) => Setting::Switch(value == "True"),
            (other, Some(value)) => panic!("{other:?}, {value}"),
        };
    }
    assert_eq!(written, 0, "{name} has all of {settings}");
    (word.make)(&made)
}

/// Values and gradients are those of Keras, and there are some of every loss.
#[test]
fn losses_are_those_of_keras() {
    let mut failures = Failures::default();
    let mut seen = Vec::new();
    for line in lines(include_str!("keras.txt")) {
        let [name, settings, shape, z, target, losses, gradient] = line[..] else {
            panic!("seven fields: {line:?}");
        };
        let loss = made(Loss::WORDS, name, settings);
        seen.push(loss.name());
        let shape: Vec<usize> = numbers(shape);
        let [z, target] = [z, target].map(numbers::<f32>);
        let [losses, gradient] = [losses, gradient].map(numbers::<f64>);
        // Keras keeps probabilities, and targets of a divergence, 1e-7 away from 0.
        let tolerance = match loss {
            Loss::KlDivergence => 1e-5,
            _ => 2e-6,
        };
        for isa in Isa::available() {
            let mut output = z.clone();
            let mut found = vec![f32::NAN; losses.len()];
            super::forward(loss, isa, &shape, &mut output, &target, &mut found);
            let case = |what: &str| format!("{what}, {loss:?} of {shape:?}, {}", isa.name());
            failures.compare(|| case("losses"), &found, &losses, tolerance);
            let mut found = vec![f32::NAN; z.len()];
            super::backward(loss, isa, &shape, &output, &target, 1.0, &mut found);
            failures.compare(|| case("gradient"), &found, &gradient, tolerance);
        }
    }
    failures.report();
    for word in Loss::WORDS {
        assert!(seen.contains(&word.name), "{}", word.name);
    }
}
