//! The learning rate of a step, by the formulas of Keras 3, and of PyTorch for `one_cycle`.

use std::f64::consts::PI;

use cnn_ir::Schedule;

/// The learning rate after `step` updates: that of the first update is at 0.
///
/// ```
/// use cnn::{Schedule, runtime::optimizer::schedule::learning_rate};
///
/// let schedule = Schedule::cosine_decay(0.1, 100).with_warmup(10);
/// assert_eq!(learning_rate(&schedule, 5), 0.05);
/// assert_eq!(learning_rate(&schedule, 10), 0.1);
/// assert_eq!(learning_rate(&schedule, 110), 0.0);
/// ```
pub fn learning_rate(schedule: &Schedule, step: u64) -> f64 {
    let warmup = warmup_steps(schedule);
    match step < warmup {
        true => decayed(schedule, 0) * (step as f64 / warmup as f64),
        false => decayed(schedule, step - warmup),
    }
}

/// The learning rate `step` steps after the warm-up.
fn decayed(schedule: &Schedule, step: u64) -> f64 {
    let s = step as f64;
    match *schedule {
        Schedule::Constant { learning_rate, .. } => learning_rate,
        Schedule::PiecewiseConstantDecay {
            boundaries, values, ..
        } => {
            let place = boundaries.iter().filter(|&&boundary| step > boundary);
            // A trainer refuses a schedule without as many values.
            values.get(place.count()).copied().unwrap_or(f64::NAN)
        }
        Schedule::ExponentialDecay {
            initial_learning_rate,
            decay_steps,
            decay_rate,
            staircase,
            ..
        } => initial_learning_rate * decay_rate.powf(periods(s, decay_steps, staircase)),
        Schedule::InverseTimeDecay {
            initial_learning_rate,
            decay_steps,
            decay_rate,
            staircase,
            ..
        } => initial_learning_rate / (1.0 + decay_rate * periods(s, decay_steps, staircase)),
        Schedule::PolynomialDecay {
            initial_learning_rate,
            decay_steps,
            end_learning_rate,
            power,
            cycle,
            ..
        } => {
            let mut steps = decay_steps as f64;
            if cycle {
                steps *= (s / steps).ceil().max(1.0);
            }
            let share = (s / steps).min(1.0);
            (initial_learning_rate - end_learning_rate) * (1.0 - share).powf(power)
                + end_learning_rate
        }
        Schedule::CosineDecay {
            initial_learning_rate,
            decay_steps,
            alpha,
            ..
        } => {
            let cosine = cosine((s / decay_steps as f64).min(1.0));
            initial_learning_rate * ((1.0 - alpha) * cosine + alpha)
        }
        Schedule::CosineDecayRestarts {
            initial_learning_rate,
            first_decay_steps,
            t_mul,
            m_mul,
            alpha,
            ..
        } => {
            let (restarts, share) = period(s, first_decay_steps as f64, t_mul);
            initial_learning_rate * ((1.0 - alpha) * m_mul.powf(restarts) * cosine(share) + alpha)
        }
        Schedule::OneCycle {
            max_learning_rate,
            total_steps,
            pct_start,
            div_factor,
            final_div_factor,
        } => {
            let first = max_learning_rate / div_factor;
            let last = first / final_div_factor;
            let total = total_steps as f64;
            let top = pct_start * total - 1.0;
            if s > top {
                let share = (s - top) / (total - 1.0 - top);
                between(max_learning_rate, last, share.min(1.0))
            } else if top > 0.0 {
                between(first, max_learning_rate, s / top)
            } else {
                max_learning_rate
            }
        }
    }
}

fn warmup_steps(schedule: &Schedule) -> u64 {
    match *schedule {
        Schedule::Constant { warmup_steps, .. }
        | Schedule::PiecewiseConstantDecay { warmup_steps, .. }
        | Schedule::ExponentialDecay { warmup_steps, .. }
        | Schedule::InverseTimeDecay { warmup_steps, .. }
        | Schedule::PolynomialDecay { warmup_steps, .. }
        | Schedule::CosineDecay { warmup_steps, .. }
        | Schedule::CosineDecayRestarts { warmup_steps, .. } => warmup_steps,
        Schedule::OneCycle { .. } => 0,
    }
}

/// How often `decay_steps` steps have passed.
fn periods(s: f64, decay_steps: u64, staircase: bool) -> f64 {
    let periods = s / decay_steps as f64;
    match staircase {
        true => periods.floor(),
        false => periods,
    }
}

/// Half a cosine from 1 at 0 to 0 at 1.
fn cosine(share: f64) -> f64 {
    0.5 * (1.0 + (PI * share).cos())
}

/// How many periods have ended by step `s`, where the first one takes `length` steps and each `t_mul` times as many as
/// the one before, and the share of the period since then.
///
/// Keras computes the number by a logarithm, whose rounding may put the first step of a period at the end of the one
/// before.
fn period(s: f64, length: f64, t_mul: f64) -> (f64, f64) {
    if t_mul == 1.0 {
        let progress = s / length;
        return (progress.floor(), progress.fract());
    }
    let (mut restarts, mut rest, mut length) = (0.0, s, length);
    while rest >= length {
        rest -= length;
        length *= t_mul;
        restarts += 1.0;
    }
    (restarts, rest / length)
}

/// Half a cosine from `first` at 0 to `last` at 1.
fn between(first: f64, last: f64, share: f64) -> f64 {
    last + (first - last) / 2.0 * (1.0 + (PI * share).cos())
}

#[cfg(test)]
mod tests;
