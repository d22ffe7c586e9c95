//! The area under the ROC curve, as Keras' `AUC` computes it.
//!
//! The outputs are counted in buckets between thresholds that lie evenly from 0 to 1, those of yes and of no apart. The
//! curve has a point for each threshold: the share of all no and of all yes above it. The points are joined by lines
//! (the trapezoidal rule). Targets between 0 and 1 count as a part of a yes and a part of a no. Without a yes, or
//! without a no, the area is 0.
//!
//! An output of NaN is no answer: it counts as the lowest of a yes, and as the highest of a no.

use super::Function;

pub(super) struct Auc {
    /// One less than there are thresholds.
    pub(super) buckets: usize,
}

impl Function for Auc {
    /// For each bucket, how many yes and how many no have an output in there.
    fn columns(&self) -> usize {
        2 * self.buckets
    }

    fn add(&self, output: &[f32], target: &[f32], sums: &mut [f64]) {
        let last = self.buckets - 1;
        for (y, t) in output.iter().zip(target) {
            // Threshold `i` is `i / buckets`, and an output above it, up to the next one, lies in bucket `i`.
            let bucket = ((y * self.buckets as f32).ceil() as usize).clamp(1, self.buckets) - 1;
            let [of_yes, of_no] = match y.is_nan() {
                true => [0, last],
                false => [bucket; 2],
            };
            sums[2 * of_yes] += f64::from(*t);
            sums[2 * of_no + 1] += f64::from(1.0 - t);
        }
    }

    fn value(&self, sums: &[f64], _examples: f64) -> f64 {
        let (mut yes, mut area) = (0.0, 0.0);
        let mut no = 0.0;
        // From the highest threshold down: each bucket is a step along the curve.
        for bucket in sums.chunks_exact(2).rev() {
            area += bucket[1] * (yes + 0.5 * bucket[0]);
            yes += bucket[0];
            no += bucket[1];
        }
        if yes * no == 0.0 {
            return 0.0;
        }
        area / (yes * no)
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin(&self, output: &[f64], target: &[f64]) -> f64 {
        let thresholds = (0..=self.buckets).map(|i| match i {
            0 => -1e-7,
            _ if i == self.buckets => 1.0 + 1e-7,
            _ => i as f64 / self.buckets as f64,
        });
        let share = |of: fn(f64) -> f64, nan: f64, threshold: f64| {
            let all: f64 = target.iter().map(|t| of(*t)).sum();
            let above = output.iter().zip(target).filter(|(y, _)| {
                let y = if y.is_nan() { nan } else { **y };
                y > threshold
            });
            above.map(|(_, t)| of(*t)).sum::<f64>() / all
        };
        let points: Vec<[f64; 2]> = thresholds
            .map(|threshold| {
                let no = share(|t| 1.0 - t, 1.0, threshold);
                [no, share(|t| t, 0.0, threshold)]
            })
            .collect();
        let area: f64 = points
            .windows(2)
            .map(|pair| (pair[0][0] - pair[1][0]) * (pair[0][1] + pair[1][1]) / 2.0)
            .sum();
        let yes: f64 = target.iter().sum();
        if yes == 0.0 || yes == target.len() as f64 {
            return 0.0;
        }
        area
    }
}
