use super::{Bounds, Step, bounds};
use crate::kernels::Isa;
use crate::kernels::test_support::{Failures, Guarded, Random, to_f64};
use crate::reference;
use cnn_ir::vocabulary::{Kind, Range, Setting};
use cnn_ir::{Optimizer, Schedule, UpdateRule};

/// Every rule with its defaults, with momentum where it has some, and with its switches on.
fn all() -> Vec<UpdateRule> {
    let mut all = Vec::new();
    for word in UpdateRule::WORDS {
        for momentum in [0.0, 0.9] {
            for on in [false, true] {
                let mut settings = [Setting::Switch(false); cnn_ir::vocabulary::MOST];
                for (setting, parameter) in settings.iter_mut().zip(word.parameters) {
                    *setting = match (parameter.name, parameter.kind.default(false)) {
                        ("momentum", _) => Setting::Number(momentum),
                        (_, Some(Setting::Switch(_))) => Setting::Switch(on),
                        (_, default) => default.expect("a default"),
                    };
                }
                let rule = (word.make)(&settings);
                if !all.contains(&rule) {
                    all.push(rule);
                }
            }
        }
    }
    all
}

/// The slots of a rule before its first step.
fn start(rule: &UpdateRule, length: usize) -> Vec<Vec<f32>> {
    let slots = super::slots(rule).iter();
    slots.map(|_| vec![super::initial(rule); length]).collect()
}

/// Update `iteration` with the default learning rate and some weight decay.
fn step(rule: &UpdateRule, iteration: u64) -> Step {
    let optimizer = Optimizer::from(*rule).with_weight_decay(0.1);
    Step::new(&optimizer, iteration).decaying(&optimizer)
}

#[test]
fn the_most_slots_are_those_of_some_rule() {
    let most = all().iter().map(|rule| super::slots(rule).len()).max();
    assert_eq!(most, Some(super::MAX_SLOTS));
}

/// Keras 3.15 in double precision: from 1 and -2, the gradients of step `t` are `2 / t` and `-t / 2`.
#[test]
fn three_steps_are_those_of_keras() {
    let sgd = |momentum, nesterov| UpdateRule::Sgd { momentum, nesterov };
    let rmsprop = |momentum, centered| UpdateRule::RmsProp {
        rho: 0.9,
        momentum,
        epsilon: 0.1,
        centered,
    };
    let (beta_1, beta_2, epsilon) = (0.9, 0.99, 0.1);
    let adam = |beta_2, amsgrad| UpdateRule::Adam {
        beta_1,
        beta_2,
        epsilon,
        amsgrad,
    };
    let adamw = UpdateRule::AdamW {
        beta_1,
        beta_2,
        epsilon,
        amsgrad: false,
    };
    let nadam = UpdateRule::Nadam {
        beta_1,
        beta_2,
        epsilon,
    };
    let adamax = UpdateRule::Adamax {
        beta_1,
        beta_2: 0.9,
        epsilon,
    };
    let adagrad = UpdateRule::Adagrad {
        initial_accumulator_value: 0.1,
        epsilon,
    };
    let adadelta = UpdateRule::Adadelta { rho: 0.95, epsilon };
    let lion = UpdateRule::Lion { beta_1, beta_2 };
    let muon = match UpdateRule::muon() {
        UpdateRule::Muon {
            muon_a,
            muon_b,
            muon_c,
            momentum,
            ns_steps,
            nesterov,
            rms_rate,
            flatten_kernels,
            ..
        } => UpdateRule::Muon {
            adam_beta_1: beta_1,
            adam_beta_2: beta_2,
            adam_weight_decay: 0.04,
            epsilon,
            muon_a,
            muon_b,
            muon_c,
            adam_lr_ratio: 0.5,
            momentum,
            ns_steps,
            nesterov,
            rms_rate,
            flatten_kernels,
        },
        other => panic!("{other:?}"),
    };
    let optimizer = |rule: UpdateRule| Optimizer {
        learning_rate: Schedule::constant(0.1),
        weight_decay: 0.0,
        ..rule.into()
    };
    let scheduled = Optimizer {
        learning_rate: Schedule::CosineDecay {
            initial_learning_rate: 0.1,
            decay_steps: 3,
            alpha: 0.1,
            warmup_steps: 1,
        },
        weight_decay: 0.01,
        ..sgd(0.9, false).into()
    };
    #[rustfmt::skip]
    let cases: &[(Optimizer, [[f64; 2]; 3])] = &[
        (optimizer(sgd(0.0, false)), [[0.8, -1.95], [0.7000000000000001, -1.8499999999999999], [0.6333333333333334, -1.7]]),
        (optimizer(sgd(0.9, false)), [[0.8, -1.95], [0.52, -1.805], [0.2013333333333333, -1.5245]]),
        (optimizer(sgd(0.9, true)), [[0.62, -1.905], [0.26799999999999996, -1.6744999999999999], [-0.08546666666666676, -1.27205]]),
        (optimizer(rmsprop(0.0, false)), [[0.7171572875253809, -1.8585786437626906], [0.5835266665691687, -1.6465790677614185], [0.4943155955019798, -1.4192149798113336]]),
        (optimizer(rmsprop(0.5, false)), [[0.7171572875253809, -1.8585786437626906], [0.4421053103318592, -1.5758683896427637], [0.21536825066790938, -1.2071491746327154]]),
        (optimizer(rmsprop(0.0, true)), [[0.7051160876902056, -1.8571428571428572], [0.5610184832641469, -1.634356076517208], [0.46239052039988643, -1.3831564376049301]]),
        (optimizer(rmsprop(0.5, true)), [[0.7051160876902056, -1.8571428571428572], [0.41357652710924975, -1.5629275050886366], [0.1691787839545113, -1.1646201901492483]]),
        (optimizer(adam(0.99, false)), [[0.9333333333333333, -1.9666666666666666], [0.8689137706751946, -1.9158112240904537], [0.8077642096699662, -1.8535885950769542]]),
        (optimizer(adam(0.5, true)), [[0.9066040882531311, -1.9220481209211542], [0.8223195464166644, -1.8442935181045947], [0.7496781404232917, -1.7689968256151198]]),
        (optimizer(adamw).with_weight_decay(0.04), [[0.9293333333333333, -1.9586666666666666], [0.8611964373418612, -1.899976557423787], [0.7966020905872654, -1.8301540221805923]]),
        (optimizer(nadam), [[0.8987821139705933, -1.9114343497242692], [0.8496641535985047, -1.8275439494082986], [0.8115307742494123, -1.7432259597550315]]),
        (optimizer(adamax), [[0.9047619047619048, -1.9166666666666667], [0.8271995778920986, -1.8472886762360448], [0.7588337779550295, -1.7825977168264506]]),
        (optimizer(adagrad), [[0.9024099927051467, -1.925464400750007], [0.8585570917397952, -1.8424189208962671], [0.8304964150764795, -1.7644376341597616]]),
        (optimizer(adadelta), [[0.8845299461620749, -1.9528595479208968], [0.8145159419606744, -1.8700102457874035], [0.7656918069651916, -1.760392976572099]]),
        (optimizer(lion), [[0.9, -1.9], [0.8, -1.7999999999999998], [0.7000000000000001, -1.6999999999999997]]),
        (optimizer(muon), [[0.9626666666666667, -1.9753333333333334], [0.9266062186709306, -1.9420042787118936], [0.8923250132936327, -1.9031249470902962]]),
        (scheduled, [[1.0, -2.0], [0.899, -1.898], [0.7566366083333333, -1.69027905]]),
    ];
    let mut failures = Failures::default();
    for (optimizer, expected) in cases {
        let rule = &optimizer.rule;
        let mut parameters = [1.0, -2.0];
        let initial = f64::from(super::initial(rule));
        // The value that a description gives, not the nearest `f32`.
        let initial = (initial * 1e6).round() / 1e6;
        let mut slots = vec![vec![initial; 2]; super::slots(rule).len()];
        for (iteration, expected) in (1..).zip(expected) {
            let step = Step::new(optimizer, iteration).decaying(optimizer);
            let gradients = [2.0 / iteration as f64, -0.5 * iteration as f64];
            reference::optimizer::update(rule, step, &mut parameters, &gradients, &mut slots);
            let found = parameters.map(|value| value as f32);
            let case = || format!("{optimizer:?}, step {iteration}");
            failures.compare(case, &found, expected, 1e-7);
            let deviation = (0..2).map(|i| (parameters[i] - expected[i]).abs());
            let deviation = deviation.fold(0.0, f64::max);
            assert!(deviation < 1e-12, "{}: off by {deviation:e}", case());
        }
    }
    failures.report();
    for word in UpdateRule::WORDS {
        let known = cases
            .iter()
            .any(|(optimizer, _)| optimizer.name() == word.name);
        assert!(known, "no values of Keras for `{}`", word.name);
    }
}

#[test]
fn twenty_steps_match_the_reference() {
    let mut failures = Failures::default();
    for isa in Isa::available() {
        let mut random = Random::new(1);
        for rule in all() {
            for length in [1, 7, 33] {
                let values = random.floats(length);
                let mut parameters = Guarded::holding(&values);
                let slots = start(&rule, length);
                let mut slots: Vec<_> = slots.iter().map(|slot| Guarded::holding(slot)).collect();
                let mut expected = to_f64(&values);
                let initial = f64::from(super::initial(&rule));
                let mut expected_slots = vec![vec![initial; length]; slots.len()];
                for iteration in 1..=20 {
                    let gradients = random.floats(length);
                    let mut views: Vec<&mut [f32]> =
                        slots.iter_mut().map(|slot| slot.values()).collect();
                    let step = step(&rule, iteration);
                    let parameters = parameters.values();
                    super::update(&rule, isa, step, parameters, &gradients, &mut views);
                    reference::optimizer::update(
                        &rule,
                        step,
                        &mut expected,
                        &to_f64(&gradients),
                        &mut expected_slots,
                    );
                }
                let case = || format!("{rule:?}, {length} parameters, {}", isa.name());
                failures.compare(case, &parameters.into_values(), &expected, 1e-6);
                for (slot, expected) in slots.into_iter().zip(&expected_slots) {
                    failures.compare(case, &slot.into_values(), expected, 1e-6);
                }
            }
        }
    }
    failures.report();
}

#[test]
fn pieces_and_instruction_sets_give_the_same_bits() {
    for rule in all() {
        let mut random = Random::new(2);
        let (values, gradients) = (random.floats(50), random.floats(50));
        let run = |isa: Isa, cut: usize| {
            let mut parameters = values.clone();
            let mut slots = start(&rule, 50);
            for iteration in 1..=3 {
                for range in [0..cut, cut..50] {
                    let mut views: Vec<&mut [f32]> = slots
                        .iter_mut()
                        .map(|slot| &mut slot[range.clone()])
                        .collect();
                    let (w, g) = (&mut parameters[range.clone()], &gradients[range.clone()]);
                    super::update(&rule, isa, step(&rule, iteration), w, g, &mut views);
                }
            }
            parameters
        };
        let whole = run(Isa::PORTABLE, 0);
        assert_ne!(whole, values);
        for isa in Isa::available() {
            assert_eq!(run(isa, 17), whole, "{rule:?}, {}", isa.name());
        }
    }
}

#[test]
fn a_nan_gradient_shows() {
    for rule in all() {
        let mut slots = start(&rule, 2);
        let mut views: Vec<&mut [f32]> = slots.iter_mut().map(|slot| &mut slot[..]).collect();
        let mut parameters = [1.0, 1.0];
        super::update(
            &rule,
            Isa::detect(),
            Step::new(&rule.into(), 1),
            &mut parameters,
            &[f32::NAN, 0.0],
            &mut views,
        );
        assert!(
            parameters[0].is_nan() && parameters[1] == 1.0,
            "{rule:?}: {parameters:?}"
        );
    }
}

/// A rule whose hyperparameters are anything that a trainer takes.
fn any(random: &mut Random) -> UpdateRule {
    let word = &UpdateRule::WORDS[random.below(UpdateRule::WORDS.len())];
    let mut settings = [Setting::Switch(false); cnn_ir::vocabulary::MOST];
    for (setting, parameter) in settings.iter_mut().zip(word.parameters) {
        *setting = match parameter.kind {
            Kind::Switch { .. } => Setting::Switch(random.bits().is_multiple_of(2)),
            Kind::Number { range, default, .. } => Setting::Number(match range {
                Range::Fraction => random.pick(&[0.0, 0.5, 0.9, 0.999_999]),
                Range::Positive | Range::NonNegative | Range::AtLeastOne | Range::Any => {
                    match (random.below(3), default) {
                        (0, Some(default)) => default,
                        _ => any_rate(random),
                    }
                }
            }),
            Kind::Count { least, .. } => Setting::Count(least + random.below(5) as u64),
            Kind::Counts | Kind::Numbers(_) | Kind::OneOf { .. } | Kind::Other(_) => {
                unreachable!("rules have numbers, counts and switches")
            }
        };
    }
    (word.make)(&settings)
}

/// A positive number, from the least to the largest `f32`.
fn any_rate(random: &mut Random) -> f64 {
    f64::from(magnitude(random, -45.0, 38.0)).max(1e-45)
}

/// A power of ten.
fn magnitude(random: &mut Random, least: f64, most: f64) -> f32 {
    let share = f64::from(random.value()) * 0.5 + 0.5;
    10_f64.powf(least + share * (most - least)) as f32
}

/// What a rule claims of the results of an update holds, from any state that updates lead to.
#[test]
fn bounds_hold_for_any_magnitudes() {
    let mut wrong = Vec::new();
    let (mut finite, mut overflown) = (0, 0);
    let largest_of = |values: &[f32]| values.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
    for isa in Isa::available() {
        let mut random = Random::new(3);
        for _ in 0..20_000 {
            let rule = any(&mut random);
            let learning_rate = match random.below(3) {
                0 => 1e-3,
                _ => any_rate(&mut random),
            };
            let decay = random.pick(&[0.0, 0.0, 1e-3, 1.0, 1.5, 3.0, 1e10]);
            let largest: [f32; 3] = std::array::from_fn(|_| match random.below(4) {
                0 => 0.0,
                1 => magnitude(&mut random, -3.0, 3.0),
                _ => magnitude(&mut random, -45.0, 38.0),
            });
            let mut values = |largest: f32| -> Vec<f32> {
                let factors = [1.0, -1.0, 0.0, random.value()];
                (0..9).map(|_| largest * random.pick(&factors)).collect()
            };
            let [mut parameters, first, second] = largest.map(&mut values);
            let mut slots = start(&rule, 9);
            let step = |iteration| Step {
                iteration,
                learning_rate,
                decay,
                matrix: None,
            };
            let mut update = |iteration: u64, parameters: &mut [f32], gradients: &[f32]| {
                let mut views: Vec<&mut [f32]> =
                    slots.iter_mut().map(|slot| &mut slot[..]).collect();
                super::update(
                    &rule,
                    isa,
                    step(iteration),
                    parameters,
                    gradients,
                    &mut views,
                );
                let mut most = [0.0; super::MAX_SLOTS];
                for (most, slot) in most.iter_mut().zip(&slots) {
                    *most = f64::from(largest_of(slot));
                }
                most
            };
            // Slots that a step has left, of parameters that are set anew.
            let before = Bounds {
                slots: update(1, &mut parameters.clone(), &first),
                parameters: largest_of(&parameters).into(),
            };
            let gradient = largest_of(&second);
            let iteration = random.pick(&[2, 3, 1000, 1_000_000_000]);
            let bounds = bounds(&rule, step(iteration), before, gradient.into());
            let limits = [bounds.parameters].into_iter().chain(bounds.slots);
            if !limits
                .clone()
                .all(|limit| limit < f64::from(f32::MAX) / 2.0)
            {
                overflown += 1;
                continue;
            }
            finite += 1;
            let slots = update(iteration, &mut parameters, &second);
            let after = [f64::from(largest_of(&parameters))]
                .into_iter()
                .chain(slots);
            // A subnormal number, rounded and divided by `epsilon`, is off by 1 at most: nothing beside
            // what overflows.
            let holds = after
                .clone()
                .zip(limits)
                .all(|(most, limit)| most.is_finite() && most <= limit * (1.0 + 1e-5) + 1.0);
            let is_finite = parameters.iter().all(|value| value.is_finite());
            if !holds || !is_finite {
                let after: Vec<_> = after.collect();
                wrong.push(format!(
                    "{rule:?}, {:?}, {before:?}, {gradient}: {after:?}, {bounds:?}",
                    step(iteration)
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong: {:#?}",
        wrong.len(),
        &wrong[..3.min(wrong.len())]
    );
    assert!(finite > 1000 && overflown > 1000, "{finite} {overflown}");
}
