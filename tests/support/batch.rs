//! A batch of any network: its parameters, examples and targets.

use cnn::runtime::spec::Spec;
use cnn::{Dataset, Model};

/// Parameters and examples.
pub struct Batch {
    pub examples: usize,
    pub parameters: Vec<f32>,
    pub input: Vec<f32>,
    pub target: Vec<f32>,
}

/// A batch as a dataset: the inputs of an example are parts of a row, and so are the targets.
pub struct Rows<'a> {
    pub spec: &'static Spec,
    pub batch: &'a Batch,
}

impl Dataset for Rows<'_> {
    fn len(&self) -> usize {
        self.batch.examples
    }

    fn input_shape(&self) -> &[usize] {
        self.shape_of_input(0)
    }

    fn read_input(&self, index: usize, out: &mut [f32]) {
        self.read_input_of(0, index, out);
    }

    fn read_target(&self, index: usize, out: &mut [f32]) {
        self.read_target_of(0, index, out);
    }

    fn inputs(&self) -> usize {
        self.spec.inputs.len()
    }

    fn targets(&self) -> usize {
        self.spec.outputs.len()
    }

    fn shape_of_input(&self, input: usize) -> &[usize] {
        self.spec.inputs[input].shape
    }

    fn read_input_of(&self, input: usize, index: usize, out: &mut [f32]) {
        let row = self.spec.input.iter().product::<usize>();
        out.copy_from_slice(&self.batch.input[index * row..][self.spec.inputs[input].range()]);
    }

    fn read_target_of(&self, target: usize, index: usize, out: &mut [f32]) {
        let row = self.spec.output.iter().product::<usize>();
        out.copy_from_slice(&self.batch.target[index * row..][self.spec.outputs[target].range()]);
    }
}

impl Batch {
    /// Numbers without a pattern; each target is one-hot at each position, which suits every loss.
    pub fn random(spec: &Spec, examples: usize) -> Self {
        let mut state = 1_u32;
        let mut number = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        let mut numbers = |count| -> Vec<f32> { (0..count).map(|_| number()).collect() };
        let (&classes, positions) = spec.output.split_last().unwrap();
        let positions: usize = positions.iter().product();
        // One class is a yes or a no.
        let hot = |place: usize| (0..classes).map(move |class| class == place % classes.max(2));
        let mut parameters = numbers(spec.parameter_count);
        let variances = spec.parameters.iter();
        for tensor in variances.filter(|tensor| tensor.name.ends_with("variance")) {
            for variance in &mut parameters[tensor.range()] {
                *variance = 1.0 + variance.abs();
            }
        }
        Self {
            examples,
            parameters,
            input: numbers(examples * spec.input.iter().product::<usize>()),
            target: (0..examples)
                .flat_map(|example| (0..positions).map(move |position| example + position))
                .flat_map(hot)
                .map(|hot| f32::from(u8::from(hot)))
                .collect(),
        }
    }

    /// Mean loss and gradients as generated code computes them.
    pub fn gradients(&self, spec: &'static Spec) -> (f64, Vec<f32>) {
        let mut model = Model::new(spec, 0);
        model.parameters_mut().copy_from_slice(&self.parameters);
        let data = Rows { spec, batch: self };
        model.gradients(&data, 0).unwrap()
    }
}
