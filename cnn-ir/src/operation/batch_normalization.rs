//! Batch normalization (Ioffe & Szegedy 2015): each channel has mean 0 and variance 1 over the batch, then
//! a scale and a shift of its own.

use super::stripe::{Rows, Stripe, with_rows};
use super::{
    BatchStatistics, Extent, Facts, FusedPool, Reduction, Saves, StatisticsSizes, Wanted, image,
};
use crate::VectorShape;
use crate::activation::{Activation, Saved};
use crate::choice::Direction;
use crate::choice::stripes::{Work, product};
use core::ops::Range;

/// Normalizes each channel, the last axis. One that is not frozen may add a second input of the output's shape, or
/// compute the largest value of each window alone.
///
/// Its tensors are gamma (`scale`), beta (`center`), the running mean and the running variance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormalization {
    /// Height, width and channels of the input as it is stored: at least as many rows and columns as
    /// the output has, and exactly as many where statistics are computed.
    pub input: [usize; 3],
    /// Height, width and channels of what is normalized, before the pool: what is needed of it.
    pub output: [usize; 3],
    /// How much of the running statistics a step of training keeps.
    pub momentum: f32,
    /// Added to the variance.
    pub epsilon: f32,
    /// Whether it has a gamma.
    pub scale: bool,
    /// Whether it has a beta.
    pub center: bool,
    /// Whether training uses the running statistics as well, and leaves them as they are.
    pub frozen: bool,
    /// Whether a second input is added to what is normalized.
    pub adds: bool,
    /// The max pool behind it, computed in the same call.
    pub pool: Option<FusedPool>,
    /// Applied to the result, behind the addition or the pool.
    pub activation: Activation,
}

impl BatchNormalization {
    /// Channels.
    pub const fn channels(&self) -> usize {
        self.output[2]
    }

    /// Values of one output image, after the pool.
    pub const fn output_len(&self) -> usize {
        let [height, width] = match self.pool {
            Some(pool) => pool.output,
            None => [self.output[0], self.output[1]],
        };
        height * width * self.output[2]
    }

    /// Tensors before the running statistics.
    pub const fn trained(&self) -> usize {
        self.scale as usize + self.center as usize
    }

    /// Its tensors: the trained ones and two of running statistics.
    pub const fn tensors(&self) -> usize {
        self.trained() + 2
    }

    /// The place of the running mean among its tensors; the running variance follows.
    pub const fn running_mean(&self) -> usize {
        self.trained()
    }
}

/// Each row is made of the same row of the input.
impl Rows for BatchNormalization {
    fn rows(&self) -> usize {
        self.output[0]
    }

    fn input_row(&self, place: usize) -> usize {
        // What is added has the shape of the output.
        let [_, width, channels] = if place == 0 { self.input } else { self.output };
        width * channels
    }

    fn output_row(&self) -> usize {
        self.output[1] * self.output[2]
    }

    fn work(&self) -> Work {
        let output = self.output.iter().product();
        Work {
            flops: product(&[2, output]),
            values: product(&[2, output]),
        }
    }

    fn stripe(&self, rows: Range<usize>) -> Option<Stripe<Self>> {
        let operation = Self {
            input: with_rows(self.input, rows.len()),
            output: with_rows(self.output, rows.len()),
            ..*self
        };
        let input = rows;
        Some(Stripe { operation, input })
    }
}

impl Facts for BatchNormalization {
    fn work_of_rows(&self) -> Option<Work> {
        self.pool.is_none().then(|| self.work())
    }

    fn is_row_by_row(&self) -> bool {
        self.input[0] == self.output[0]
    }

    fn activation(&self) -> Activation {
        self.activation
    }

    fn activation_mut(&mut self) -> Option<&mut Activation> {
        Some(&mut self.activation)
    }

    fn reads(&self, output: Extent, whole: Extent) -> Extent {
        // Rows that nobody reads count in the statistics.
        if self.frozen { output } else { whole }
    }

    fn computes(&self, output: Extent, whole: Extent) -> Extent {
        // Of a pool's output only what is needed.
        if self.pool.is_some() {
            output
        } else {
            self.reads(output, whole)
        }
    }

    fn store(&mut self, inputs: &[&[usize]], output: &[usize]) {
        let output = image(output);
        self.input = image(inputs[0]);
        self.output = match &mut self.pool {
            Some(pool) => {
                pool.output = [output[0], output[1]];
                self.input
            }
            None => output,
        };
    }

    fn only_infers(&mut self) {
        self.frozen = true;
    }

    fn passes_gradient_on(&self, input: usize) -> bool {
        match self.adds {
            true => input == 1,
            false => self.frozen && self.input == self.output,
        }
    }

    fn changes_gradient(&self) -> bool {
        self.frozen || self.activation != Activation::Linear
    }

    fn saves(&self, wanted: Wanted) -> Saves {
        let derives = wanted.any() && self.activation != Activation::Linear;
        let saved = self.activation.properties().saves;
        let len = self.output_len();
        Saves {
            inputs: (wanted.any() && !self.frozen).into(),
            output: derives && saved == Saved::Output,
            floats: match derives && saved == Saved::PreActivation {
                true => len,
                false => 0,
            },
            bytes: if self.pool.is_some() { len } else { 0 },
        }
    }

    fn reduction(&self) -> Reduction {
        Reduction::Statistics
    }

    fn statistics(&self) -> Option<BatchStatistics> {
        let channels = self.channels();
        (!self.frozen).then_some(BatchStatistics {
            // Count, mean and sum of squared deviations; mean, variance, one over the deviation, and whether they are the
            // running statistics.
            forward: StatisticsSizes {
                partial: 1 + 2 * channels,
                total: 3 * channels + 1,
            },
            backward: StatisticsSizes {
                partial: 2 * channels,
                total: (self.trained() + 2) * channels,
            },
        })
    }

    fn kernel_name(
        &self,
        direction: Direction,
        _examples: usize,
        _vectors: VectorShape,
    ) -> Option<&'static str> {
        match direction {
            Direction::Forward if self.pool.is_some() => Some("normalize, pool"),
            Direction::Inference if self.pool.is_some() => Some("scale and shift, pool"),
            Direction::Forward if self.adds => Some("normalize, add"),
            Direction::Forward if !self.frozen => Some("normalize"),
            Direction::Inference if self.adds => Some("scale and shift, add"),
            Direction::Inference | Direction::Forward => Some("scale and shift"),
            Direction::KernelGradient => (self.trained() > 0).then_some("sums"),
            Direction::InputGradient if self.frozen => Some("scale"),
            Direction::InputGradient => Some("normalize"),
        }
    }
}
