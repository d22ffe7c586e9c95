//! The loss of an epoch as a line of blocks: `█▅▃▂▂▁▁▁`.

/// How many blocks a line has.
const CELLS: usize = 8;

/// How the loss of an epoch went so far.
#[derive(Default)]
pub(super) struct Sparkline {
    /// After so many steps, the sum of the losses of all steps until then. Steps ascend.
    sums: Vec<(f64, f64)>,
}

impl Sparkline {
    /// The mean loss over the first `step` steps of the epoch.
    pub(super) fn push(&mut self, step: usize, mean: f64) {
        let step = step as f64;
        if self.sums.last().is_none_or(|(last, _)| *last < step) {
            self.sums.push((step, mean * step));
        }
    }

    /// Eight blocks, each as high as the mean loss over an eighth of the steps so far: from the lowest block for the least
    /// of these losses to a full one for the largest. Empty until eight means are known, and while a loss is not finite.
    pub(super) fn text(&self) -> String {
        const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let Some((steps, _)) = self.sums.last().filter(|_| self.sums.len() >= CELLS) else {
            return String::new();
        };
        let edge = |cell: usize| self.sum(steps * cell as f64 / CELLS as f64);
        let losses: [f64; CELLS] = std::array::from_fn(|cell| edge(cell + 1) - edge(cell));
        let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
        let most = losses.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if !losses.iter().all(|loss| loss.is_finite()) || !(most - least).is_finite() {
            return String::new();
        }
        let block = |loss: f64| match most > least {
            true => ((loss - least) / (most - least) * 7.0).round() as usize,
            false => 0,
        };
        losses
            .map(|loss| BLOCKS[block(loss).min(7)])
            .iter()
            .collect()
    }

    /// The sum of the losses of the first `steps` steps. Between two that are known, all steps have the same loss.
    fn sum(&self, steps: f64) -> f64 {
        let place = self.sums.partition_point(|(known, _)| *known < steps);
        let before = match place.checked_sub(1) {
            Some(before) => self.sums[before],
            None => (0.0, 0.0),
        };
        match self.sums.get(place) {
            Some(after) => {
                let share = (steps - before.0) / (after.0 - before.0);
                before.1 + (after.1 - before.1) * share
            }
            None => before.1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line of an epoch whose steps have these losses, where only some of the means are told.
    fn line(losses: &[f64], told: impl Fn(usize) -> bool) -> String {
        let mut line = Sparkline::default();
        let mut sum = 0.0;
        for (step, loss) in (1..).zip(losses) {
            sum += loss;
            if told(step) {
                line.push(step, sum / step as f64);
            }
        }
        line.text()
    }

    #[test]
    fn each_block_is_the_loss_of_its_steps() {
        let falling: Vec<f64> = (0..16).map(|step| 7.0 - f64::from(step / 2)).collect();
        let rising: Vec<f64> = falling.iter().rev().copied().collect();
        let peak = [0.0, 0.0, 0.0, 7.0, 3.0, 0.0, 0.0, 0.0];
        let cases = [
            (falling.as_slice(), "█▇▆▅▄▃▂▁"),
            (rising.as_slice(), "▁▂▃▄▅▆▇█"),
            (peak.as_slice(), "▁▁▁█▄▁▁▁"),
            (&[0.5; 8], "▁▁▁▁▁▁▁▁"),
            (&[0.5; 7], ""),
            (&[], ""),
        ];
        for (losses, expected) in cases {
            assert_eq!(line(losses, |_| true), expected, "{losses:?}");
        }
        // Steps whose means are not told have the loss of those around them.
        assert_eq!(line(&falling, |step| step % 2 == 0), "█▇▆▅▄▃▂▁");
        // 7, 6, 5, then 4 and 16 / 9, and 16 / 9 for all others.
        let rest_at_once = |step| step < 8 || step == 16;
        assert_eq!(line(&falling, rest_at_once), "█▇▅▂▁▁▁▁");
        // Of few means a line would say more than is known.
        assert_eq!(line(&falling, |step| step % 4 == 0), "");
    }

    #[test]
    fn a_loss_that_is_not_finite_has_no_line() {
        for loss in [f64::NAN, f64::INFINITY, f64::MAX] {
            let mut losses = [1.0; 16];
            losses[5] = loss;
            losses[9] = -loss;
            assert_eq!(line(&losses, |_| true), "", "{loss}");
        }
    }
}
