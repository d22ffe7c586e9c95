//! `precision`, `recall`, `f1_score`, `mean_iou`, `binary_iou`: ratios of counts by class.
//!
//! What is counted is, for each class, how often it was found (the output says so), how often it is actual (the target
//! says so), and how often both. Of a yes or no, the classes are 0 and 1, and precision, recall and F1 are those of a
//! yes over all values. Of classes, they are the means over the classes that were found or are actual, as
//! `average = "macro"` of scikit-learn; a ratio of nothing is 0.
//!
//! A position without a label is not counted. An output of NaN finds nothing.

use super::Function;
use super::accuracy::class;
use cnn_ir::Loss;
use cnn_ir::loss::Output;

/// How outputs and targets say a class.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answers {
    /// Each value by itself.
    YesOrNo {
        /// Outputs above it are a yes.
        threshold: f32,
        /// Targets above it are a yes.
        border: f32,
    },
    /// The largest value along the last axis.
    Classes(usize),
}

/// Targets above it are a yes.
pub(super) fn border(loss: Loss) -> f32 {
    match loss.properties().output {
        Output::Signs => 0.0,
        Output::Binary | Output::Classes | Output::Values => 0.5,
    }
}

impl Answers {
    /// Those of outputs of a shape under a loss.
    pub(crate) fn new(loss: Loss, shape: &[usize], threshold: f32) -> Self {
        let last = shape.last().copied().unwrap_or(1);
        match loss.properties().output.answers(last) {
            Output::Classes => Self::Classes(last),
            Output::Binary | Output::Signs | Output::Values => Self::YesOrNo {
                threshold,
                border: border(loss),
            },
        }
    }

    /// As the metric `accuracy` tells them.
    pub(crate) fn by_default(loss: Loss, shape: &[usize]) -> Self {
        Self::new(loss, shape, border(loss))
    }

    /// The number of classes.
    pub(crate) fn classes(self) -> usize {
        match self {
            Self::YesOrNo { .. } => 2,
            Self::Classes(classes) => classes,
        }
    }

    /// Calls `f` with the class that was found at each position, and the actual one. Positions without a label are
    /// left out.
    pub(crate) fn for_each(
        self,
        output: &[f32],
        target: &[f32],
        mut f: impl FnMut(Option<usize>, usize),
    ) {
        match self {
            Self::YesOrNo { threshold, border } => {
                for (y, t) in output.iter().zip(target) {
                    let found = (!y.is_nan()).then_some(usize::from(*y > threshold));
                    if !t.is_nan() {
                        f(found, usize::from(*t > border));
                    }
                }
            }
            Self::Classes(classes) => {
                let rows = output.chunks_exact(classes);
                for (y, t) in rows.zip(target.chunks_exact(classes)) {
                    if let Some(actual) = class(t).filter(|place| t[*place] > 0.0) {
                        f(class(y), actual);
                    }
                }
            }
        }
    }
}

/// What becomes of the counts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ratio {
    Precision,
    Recall,
    F1Score,
    /// Intersection over union, of both classes of a yes or no.
    Iou,
}

impl Ratio {
    fn of(self, [both, found, actual]: [f64; 3]) -> f64 {
        let (part, whole) = match self {
            Self::Precision => (both, found),
            Self::Recall => (both, actual),
            Self::F1Score => (2.0 * both, found + actual),
            Self::Iou => (both, found + actual - both),
        };
        if whole == 0.0 { 0.0 } else { part / whole }
    }

    fn value(self, answers: Answers, counts: &[[f64; 3]]) -> f64 {
        match (self, answers) {
            (Self::Precision | Self::Recall | Self::F1Score, Answers::YesOrNo { .. }) => {
                self.of(counts[1])
            }
            (Self::Iou, Answers::YesOrNo { .. }) | (_, Answers::Classes(_)) => {
                let occur = counts
                    .iter()
                    .filter(|[_, found, actual]| found + actual > 0.0);
                let classes = occur.clone().count().max(1) as f64;
                occur.map(|counts| self.of(*counts)).sum::<f64>() / classes
            }
        }
    }
}

/// A ratio of counts.
pub(super) struct Counts {
    pub(super) ratio: Ratio,
    pub(super) answers: Answers,
}

impl Function for Counts {
    /// Of each class how often it was found and is actual, how often it was found, and how often it is actual.
    fn columns(&self) -> usize {
        3 * self.answers.classes()
    }

    fn add(&self, output: &[f32], target: &[f32], sums: &mut [f64]) {
        let (counts, _) = sums.as_chunks_mut::<3>();
        self.answers.for_each(output, target, |found, actual| {
            counts[actual][2] += 1.0;
            if let Some(found) = found {
                counts[found][1] += 1.0;
                counts[found][0] += f64::from(u8::from(found == actual));
            }
        });
    }

    fn value(&self, sums: &[f64], _examples: f64) -> f64 {
        let (counts, _) = sums.as_chunks::<3>();
        self.ratio.value(self.answers, counts)
    }

    #[cfg(any(test, feature = "reference"))]
    fn twin(&self, output: &[f64], target: &[f64]) -> f64 {
        // A pair for each position: the class that was found, and the actual one.
        let largest = |row: &[f64]| {
            (0..row.len()).find(|place| row.iter().all(|other| row[*place] >= *other))
        };
        let pairs: Vec<(Option<usize>, Option<usize>)> = match self.answers {
            Answers::YesOrNo { threshold, border } => {
                let side = |value: f64, border: f32| {
                    (!value.is_nan()).then_some(usize::from(value > border.into()))
                };
                let pairs = output.iter().zip(target);
                pairs
                    .map(|(y, t)| (side(*y, threshold), side(*t, border)))
                    .collect()
            }
            Answers::Classes(classes) => {
                let rows = output.chunks(classes).zip(target.chunks(classes));
                rows.map(|(y, t)| (largest(y), largest(t).filter(|place| t[*place] > 0.0)))
                    .collect()
            }
        };
        let labelled = || pairs.iter().filter(|(_, actual)| actual.is_some());
        let ratio = |class: usize| {
            let count = |found: bool, actual: bool| {
                let is = |(f, a): &&(Option<usize>, Option<usize>)| {
                    (*f == Some(class)) == found && (*a == Some(class)) == actual
                };
                labelled().filter(is).count() as f64
            };
            let [right, wrong, missed] =
                [count(true, true), count(true, false), count(false, true)];
            let ratio = match self.ratio {
                Ratio::Precision => right / (right + wrong),
                Ratio::Recall => right / (right + missed),
                Ratio::F1Score => right / (right + 0.5 * (wrong + missed)),
                Ratio::Iou => right / (right + wrong + missed),
            };
            let ratio = if ratio.is_nan() { 0.0 } else { ratio };
            (right + wrong + missed > 0.0).then_some(ratio)
        };
        let is_of_yes = match self.ratio {
            Ratio::Precision | Ratio::Recall | Ratio::F1Score => {
                matches!(self.answers, Answers::YesOrNo { .. })
            }
            Ratio::Iou => false,
        };
        if is_of_yes {
            return ratio(1).unwrap_or(0.0);
        }
        let ratios: Vec<f64> = (0..self.answers.classes()).filter_map(ratio).collect();
        ratios.iter().sum::<f64>() / ratios.len().max(1) as f64
    }
}
