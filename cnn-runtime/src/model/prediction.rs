//! Prediction: one example, or a batch that the threads share.
//!
//! ```text
//! batch ──▶ chunks of examples ──▶ each thread takes some: forward, output activation ──▶ outputs
//! ```
//!
//! One example is computed layer by layer, and threads share each layer that is large enough, and chains of short ones
//! ([`cnn_ir::choice::stripes`], [`crate::ops::chain`]). What is large enough depends on how far the cores are from each
//! other. A batch of half as many examples as threads or fewer is computed so, one after the other.
//!
//! What is computed for an example does not depend on the others, so results do not depend on the number of threads.
//! A call that finds an idle buffer of sufficient length allocates nothing beside the outputs; of one example on several
//! threads, if the others have computed as large a stripe before.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use cnn_ir::choice::stripes::Work;
use ndarray::{Array, ArrayD, ArrayView, ArrayViewD, Dimension, IxDyn};

use super::parameters::Buffer;
use super::parts::Parts;
use super::{Model, packed, size};
use crate::cores;
use crate::data::targets::Checked;
use crate::data::{self, Dataset, check_input};
use crate::error::Error;
use crate::kernels::Isa;
use crate::kernels::thread_pool::{for_each, is_taken};
use crate::spec::{self, Predict, Spec};
use crate::thread_count::{threads, worthwhile};

/// The most examples that a thread takes at once.
///
/// Each chunk loads the kernels of all dense layers once, so chunks should be large; but what flows through the
/// network should stay in the thread's cache.
pub(super) const CHUNK: usize = 64;

/// What computes the output of a network, or one of the values inside that it exposes.
#[derive(Clone, Copy)]
pub struct Predictor<'m> {
    pub(super) model: &'m Model,
    /// How it is computed; the parameters are those of the model.
    pub(super) spec: &'static Spec,
    packed: &'m OnceLock<Buffer>,
}

impl Model {
    /// What computes the network's output.
    pub(super) fn predictor(&self) -> Predictor<'_> {
        let [packed, ..] = &self.packed[..] else {
            unreachable!("a place for the weights of the network itself");
        };
        Predictor {
            model: self,
            spec: self.spec,
            packed,
        }
    }

    /// What computes an exposed value, in the order of [`Spec::exposed`].
    ///
    /// # Panics
    ///
    /// When there are fewer.
    pub fn exposed(&self, index: usize) -> Predictor<'_> {
        Predictor {
            model: self,
            spec: self.spec.exposed[index],
            packed: &self.packed[1 + index],
        }
    }

    /// The network's output for one example. The workspace is kept for the next call.
    ///
    /// # Panics
    ///
    /// When `input` or `output` is not as long as the network's.
    pub fn predict(&self, input: &[f32], output: &mut [f32]) {
        self.predictor().predict(input, output);
    }

    /// The network's output for one example, from a slice to a slice.
    ///
    /// # Errors
    ///
    /// [`Error::Length`].
    pub fn predict_slice(&self, input: &[f32], output: &mut [f32]) -> Result<(), Error> {
        self.predictor().predict_slice(input, output)
    }

    /// The network's outputs for a batch of examples, `[N, …]` to `[N, …]`; `N` may be 0.
    ///
    /// # Errors
    ///
    /// [`Error::Scalar`] and [`Error::InputShape`].
    ///
    /// # Panics
    ///
    /// When `O` has another number of axes than the network's output and the batch axis.
    pub fn predict_batch<I: Dimension, O: Dimension>(
        &self,
        inputs: ArrayView<'_, f32, I>,
    ) -> Result<Array<f32, O>, Error> {
        self.predictor().predict_batch(inputs)
    }

    /// The network's outputs for all inputs of `data`, `[N, …]`; `N` may be 0. Targets are not read.
    ///
    /// # Errors
    ///
    /// [`Error::Parts`] and [`Error::InputShape`].
    ///
    /// # Panics
    ///
    /// When `O` has another number of axes than the network's output and the batch axis.
    pub fn predict_dataset<O: Dimension>(
        &self,
        data: &dyn Dataset,
    ) -> Result<Array<f32, O>, Error> {
        self.predictor().predict_dataset(data)
    }

    /// The network's outputs for one example of several inputs.
    ///
    /// # Panics
    ///
    /// When a slice is not as long as the network's.
    pub fn predict_parts(&self, inputs: &[&[f32]], outputs: &mut [&mut [f32]]) {
        self.predictor().predict_parts(inputs, outputs);
    }

    /// The network's outputs for a batch of examples of several inputs, `[N, …]` each.
    ///
    /// # Errors
    ///
    /// [`Error::Scalar`], [`Error::InputShape`], [`Error::BatchLengths`].
    pub fn predict_batch_parts(&self, inputs: &[ArrayViewD<'_, f32>]) -> Result<Parts, Error> {
        self.predictor().predict_batch_parts(inputs)
    }

    /// The network's outputs for all inputs of `data`, `[N, …]` each. Targets are not read.
    ///
    /// # Errors
    ///
    /// [`Error::Parts`] and [`Error::InputShape`].
    pub fn predict_dataset_parts(&self, data: &dyn Dataset) -> Result<Parts, Error> {
        self.predictor().predict_dataset_parts(data)
    }
}

impl Predictor<'_> {
    /// The network's output for one example. The workspace is kept for the next call.
    ///
    /// # Panics
    ///
    /// When `input` or `output` is not as long as the network's.
    pub fn predict(&self, input: &[f32], output: &mut [f32]) {
        assert_eq!(input.len(), size(self.spec.input), "floats of one input");
        assert_eq!(output.len(), size(self.spec.output), "floats of one output");
        self.predict_one(input, output);
    }

    /// The network's output for one example, from a slice to a slice.
    ///
    /// # Errors
    ///
    /// [`Error::Length`].
    pub fn predict_slice(&self, input: &[f32], output: &mut [f32]) -> Result<(), Error> {
        let parts = [
            ("input", self.spec.input, input.len()),
            ("output", self.spec.output, output.len()),
        ];
        for (part, shape, found) in parts {
            if found != size(shape) {
                return Err(Error::Length {
                    part,
                    shape: shape.to_vec(),
                    found,
                });
            }
        }
        self.predict_one(input, output);
        Ok(())
    }

    /// The network's outputs for a batch of examples, `[N, …]` to `[N, …]`; `N` may be 0.
    ///
    /// # Errors
    ///
    /// [`Error::Scalar`] and [`Error::InputShape`].
    ///
    /// # Panics
    ///
    /// When `O` has another number of axes than the network's output and the batch axis.
    pub fn predict_batch<I: Dimension, O: Dimension>(
        &self,
        inputs: ArrayView<'_, f32, I>,
    ) -> Result<Array<f32, O>, Error> {
        self.predict_dyn(inputs.into_dyn()).map(typed)
    }

    fn predict_dyn(&self, inputs: ArrayViewD<'_, f32>) -> Result<ArrayD<f32>, Error> {
        let [count, shape @ ..] = inputs.shape() else {
            return Err(Error::Scalar);
        };
        check_input(shape, self.spec.input)?;
        let count = *count;
        let inputs = inputs.as_standard_layout();
        let inputs = inputs.as_slice().expect("standard layout is contiguous");

        let shape: Vec<usize> = [&[count], self.spec.output].concat();
        let mut outputs = ArrayD::zeros(IxDyn(&shape));
        let flat = outputs.as_slice_mut().expect("new arrays are contiguous");

        let threads = threads();
        if 2 * count <= threads && !UnderWay::is_any() && self.pays(threads) {
            let examples = inputs.chunks(size(self.spec.input));
            for (input, output) in examples.zip(flat.chunks_mut(size(self.spec.output))) {
                self.predict_one(input, output);
            }
            return Ok(outputs);
        }
        let threads = worthwhile(threads, count as u64 * self.flops());
        let chunk = count.div_ceil(threads).clamp(1, CHUNK);
        let mut chunks: Vec<_> = inputs
            .chunks(chunk * size(self.spec.input))
            .zip(flat.chunks_mut(chunk * size(self.spec.output)))
            .collect();
        for_each(threads, &mut chunks, |_, (input, output)| {
            self.predict_chunk(input.len() / size(self.spec.input), 1, input, output);
        });
        Ok(outputs)
    }

    /// The network's outputs for all inputs of `data`, `[N, …]`; `N` may be 0. Targets are not read.
    ///
    /// The threads read and predict some examples at a time, so that only the outputs of all are in memory.
    ///
    /// # Errors
    ///
    /// [`Error::InputShape`].
    ///
    /// # Panics
    ///
    /// When `O` has another number of axes than the network's output and the batch axis.
    pub fn predict_dataset<O: Dimension>(
        &self,
        data: &dyn Dataset,
    ) -> Result<Array<f32, O>, Error> {
        check_inputs(self.spec, data)?;
        data.begin(data::Pass::Evaluation);
        let (inputs, units) = (size(self.spec.input), size(self.spec.output));
        let shape = [&[data.len()], self.spec.output].concat();
        let mut outputs = ArrayD::zeros(shape);
        let flat = outputs.as_slice_mut().expect("new arrays are contiguous");

        let data = &Checked::inputs_of(data);
        data.will_read(&mut (0..data.len()));
        let threads = threads();
        let chunk = data.len().div_ceil(threads).clamp(1, CHUNK);
        let mut chunks: Vec<_> = flat.chunks_mut(chunk * units).collect();
        for_each(threads, &mut chunks, |index, output| {
            let examples = output.len() / units;
            let mut input = self.model.buffers.take();
            input.reserve(examples * inputs);
            let values = &mut input[..examples * inputs];
            for (offset, value) in values.chunks_exact_mut(inputs).enumerate() {
                data::read_inputs(data, self.spec.inputs, index * chunk + offset, value);
            }
            self.predict_chunk(examples, 1, values, output);
            self.model.buffers.give_back(input);
        });
        data.verdict()?;
        Ok(typed(outputs))
    }

    /// Floating-point operations of an example.
    fn flops(&self) -> u64 {
        self.spec.layers.iter().map(|layer| layer.flops).sum()
    }

    /// What an example takes in all.
    fn work(&self) -> Work {
        Work {
            flops: usize::try_from(self.flops()).unwrap_or(usize::MAX),
            values: self.spec.parameter_count,
        }
    }

    /// Whether it pays where cores are near that so many threads share an example. If not, it never does.
    fn may_pay(&self, threads: usize) -> bool {
        self.work().stripes(threads, 1) > 1
    }

    /// Whether it pays that so many threads share an example.
    fn pays(&self, threads: usize) -> bool {
        if !self.may_pay(threads) {
            return false;
        }
        cores::measure();
        self.work().stripes(threads, cores::latency_ratio()) > 1
    }

    /// The network's output for one example, by as many threads as pay.
    ///
    /// Where predictions are under way at the same time, the caller has threads of its own, and each prediction
    /// stays on the one that asked for it.
    fn predict_one(&self, input: &[f32], output: &mut [f32]) {
        let threads = threads();
        if !self.may_pay(threads) {
            return self.predict_chunk(1, 1, input, output);
        }
        let is_busy = UnderWay::is_any();
        let _under_way = UnderWay::begin();
        let threads = match !is_busy && self.pays(threads) {
            true => threads,
            false => 1,
        };
        self.predict_chunk(1, threads, input, output);
    }

    /// The network's outputs for a few examples; `threads` share a single one.
    fn predict_chunk(&self, examples: usize, threads: usize, input: &[f32], output: &mut [f32]) {
        let floats = self.spec.workspace.floats(examples);
        let mut workspace = self.model.buffers.take();
        workspace.reserve(floats);
        let operands = (input, &mut *output, &mut workspace[..floats]);
        self.forward(examples, threads, operands);
        spec::finish(self.spec.outputs, Isa::detect(), output);
        self.model.buffers.give_back(workspace);
    }

    /// The forward pass of inference, without [`Port::activation`](spec::Port::activation): from the input to the output,
    /// with the workspace.
    pub(super) fn forward(
        &self,
        examples: usize,
        threads: usize,
        (input, output, workspace): (&[f32], &mut [f32], &mut [f32]),
    ) {
        (self.spec.forward)(Predict {
            isa: Isa::detect(),
            threads,
            examples,
            parameters: &self.model.parameters,
            packed: self.packed(),
            input,
            output,
            workspace,
        });
    }

    /// The weights in the forms that inference wants, made when they are first asked for after a change.
    fn packed(&self) -> &[f32] {
        self.packed.get_or_init(|| {
            packed::prepare(
                self.spec,
                self.spec.packed,
                Isa::detect(),
                &self.model.parameters,
            )
        })
    }
}

/// A prediction of one example that threads may share, from its beginning to its end.
struct UnderWay;

impl UnderWay {
    fn begin() -> Self {
        PREDICTIONS.fetch_add(1, Ordering::Relaxed);
        Self
    }

    /// Whether there is one, or the threads do something else.
    fn is_any() -> bool {
        PREDICTIONS.load(Ordering::Relaxed) > 0 || is_taken()
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        PREDICTIONS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many are under way in this process.
static PREDICTIONS: AtomicUsize = AtomicUsize::new(0);

/// Whether a dataset has the inputs of the network.
fn check_inputs(spec: &Spec, data: &dyn Dataset) -> Result<(), Error> {
    let (expected, found) = (spec.inputs.len(), data.inputs());
    if expected != found {
        let what = "inputs";
        return Err(Error::Parts {
            what,
            expected,
            found,
        });
    }
    let mut inputs = spec.inputs.iter().enumerate();
    inputs.try_for_each(|(input, port)| check_input(data.shape_of_input(input), port.shape))
}

/// The outputs as an array whose type says how many axes it has.
fn typed<O: Dimension>(outputs: ArrayD<f32>) -> Array<f32, O> {
    outputs
        .into_dimensionality()
        .expect("the caller knows the number of axes")
}
