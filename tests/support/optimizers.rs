//! Every optimizer and every schedule, for tests of training.
#![allow(dead_code, reason = "each test file uses its share")]

use cnn::runtime::ir::vocabulary::{MOST, Setting};
use cnn::{Clip, Optimizer, Schedule, UpdateRule};

pub fn sgd(momentum: f64, nesterov: bool) -> Optimizer {
    UpdateRule::Sgd { momentum, nesterov }.into()
}

/// Every optimizer, with weight decay, clipping and a moving average of the weights; every schedule, still warming up after the second of four epochs of
/// three steps or changing its course there.
pub fn optimizers() -> Vec<Optimizer> {
    let rules = UpdateRule::WORDS.iter().flat_map(|word| {
        [false, true].map(|on| {
            let mut settings = [Setting::Switch(on); MOST];
            for (setting, parameter) in settings.iter_mut().zip(word.parameters) {
                match parameter.kind.default(false) {
                    _ if on && parameter.name == "momentum" => *setting = Setting::Number(0.9),
                    Some(number @ (Setting::Number(_) | Setting::Count(_))) => *setting = number,
                    _ => {}
                }
            }
            (word.make)(&settings)
        })
    });
    let mut optimizers: Vec<Optimizer> = rules
        .map(|rule| Optimizer::from(rule).with_weight_decay(0.01))
        .collect();
    let schedules = [
        Schedule::constant(0.01).with_warmup(8),
        Schedule::piecewise_constant_decay(&[4, 6], &[0.01, 0.005, 0.001]),
        Schedule::exponential_decay(0.01, 5, 0.5),
        Schedule::inverse_time_decay(0.01, 5, 0.5),
        Schedule::polynomial_decay(0.01, 9),
        Schedule::cosine_decay(0.01, 9).with_warmup(4),
        Schedule::cosine_decay_restarts(0.01, 2),
        Schedule::one_cycle(0.01, 12),
    ];
    assert_eq!(schedules.len(), Schedule::WORDS.len());
    optimizers.extend(schedules.map(|schedule| sgd(0.9, true).with_learning_rate(schedule)));
    for clip in [Clip::Value(0.01), Clip::Norm(0.05), Clip::GlobalNorm(0.05)] {
        optimizers.push(sgd(0.9, false).with_clip(clip));
    }
    optimizers.push(sgd(0.9, false).with_ema(0.8));
    optimizers.push(Optimizer::adam().with_ema(0.5));
    optimizers
}
