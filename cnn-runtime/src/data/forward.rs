//! Datasets around another one: what they do not change, they hand on.

use std::sync::Arc;

use super::Dataset;

/// Writes methods of [`Dataset`] that ask another dataset the same:
/// `forward!(this => this.data; input_shape, inputs);`
macro_rules! forward {
    ($this:ident => $inner:expr; $($method:ident),+ $(,)?) => {
        $($crate::data::forward::forward! { @$method $this => $inner })+
    };
    (@len $this:ident => $inner:expr) => {
        fn len(&self) -> usize {
            let $this = self;
            $inner.len()
        }
    };
    (@input_shape $this:ident => $inner:expr) => {
        fn input_shape(&self) -> &[usize] {
            let $this = self;
            $inner.input_shape()
        }
    };
    (@inputs $this:ident => $inner:expr) => {
        fn inputs(&self) -> usize {
            let $this = self;
            $inner.inputs()
        }
    };
    (@targets $this:ident => $inner:expr) => {
        fn targets(&self) -> usize {
            let $this = self;
            $inner.targets()
        }
    };
    (@shape_of_input $this:ident => $inner:expr) => {
        fn shape_of_input(&self, input: usize) -> &[usize] {
            let $this = self;
            $inner.shape_of_input(input)
        }
    };
    (@read_input $this:ident => $inner:expr) => {
        fn read_input(&self, index: usize, out: &mut [f32]) {
            let $this = self;
            $inner.read_input(index, out);
        }
    };
    (@read_input_of $this:ident => $inner:expr) => {
        fn read_input_of(&self, input: usize, index: usize, out: &mut [f32]) {
            let $this = self;
            $inner.read_input_of(input, index, out);
        }
    };
    (@try_read_input_of $this:ident => $inner:expr) => {
        fn try_read_input_of(
            &self,
            input: usize,
            index: usize,
            out: &mut [f32],
        ) -> Result<(), $crate::error::Error> {
            let $this = self;
            $inner.try_read_input_of(input, index, out)
        }
    };
    (@read_target $this:ident => $inner:expr) => {
        fn read_target(&self, index: usize, out: &mut [f32]) {
            let $this = self;
            $inner.read_target(index, out);
        }
    };
    (@read_target_of $this:ident => $inner:expr) => {
        fn read_target_of(&self, target: usize, index: usize, out: &mut [f32]) {
            let $this = self;
            $inner.read_target_of(target, index, out);
        }
    };
    (@try_read_target_of $this:ident => $inner:expr) => {
        fn try_read_target_of(
            &self,
            target: usize,
            index: usize,
            out: &mut [f32],
        ) -> Result<(), $crate::error::Error> {
            let $this = self;
            $inner.try_read_target_of(target, index, out)
        }
    };
    (@weight_of $this:ident => $inner:expr) => {
        fn weight_of(&self, target: usize, index: usize) -> f32 {
            let $this = self;
            $inner.weight_of(target, index)
        }
    };
    (@label_of $this:ident => $inner:expr) => {
        fn label_of(&self, index: usize) -> Option<usize> {
            let $this = self;
            $inner.label_of(index)
        }
    };
    (@original_index $this:ident => $inner:expr) => {
        fn original_index(&self, index: usize) -> usize {
            let $this = self;
            $inner.original_index(index)
        }
    };
    (@begin $this:ident => $inner:expr) => {
        fn begin(&self, pass: $crate::data::Pass) {
            let $this = self;
            $inner.begin(pass);
        }
    };
    (@will_read $this:ident => $inner:expr) => {
        fn will_read(&self, examples: &mut dyn Iterator<Item = usize>) {
            let $this = self;
            $inner.will_read(examples);
        }
    };
    (@check_all $this:ident => $inner:expr) => {
        fn check_all(&self, inputs: &[&[usize]], outputs: &[&[usize]]) -> Result<(), $crate::error::Error> {
            let $this = self;
            $inner.check_all(inputs, outputs)
        }
    };
    (@check $this:ident => $inner:expr) => {
        fn check(&self, input: &[usize], output: &[usize]) -> Result<(), $crate::error::Error> {
            let $this = self;
            $inner.check(input, output)
        }
    };
    (@check_target $this:ident => $inner:expr) => {
        fn check_target(&self, target: usize, loss: cnn_ir::Loss, output: &[usize]) -> Result<(), $crate::error::Error> {
            let $this = self;
            $inner.check_target(target, loss, output)
        }
    };
    (@check_targets $this:ident => $inner:expr) => {
        fn check_targets(&self, loss: cnn_ir::Loss, output: &[usize]) -> Result<(), $crate::error::Error> {
            let $this = self;
            $inner.check_targets(loss, output)
        }
    };
}
pub(crate) use forward;

/// A pointer to a dataset is that dataset.
macro_rules! pointer {
    ($($bounds:ident)+; $pointer:ty) => {
        impl<D: Dataset + $($bounds +)+ ?Sized> Dataset for $pointer {
            forward! {
                this => (**this);
                len, input_shape, inputs, targets, shape_of_input, read_input, read_input_of, try_read_input_of,
                read_target, read_target_of, try_read_target_of, weight_of, label_of, original_index, begin,
                will_read,                 check_all, check, check_target, check_targets,
            }
        }
    };
}

pointer!(Sync; &D);
pointer!(Sync; Box<D>);
pointer!(Sync Send; Arc<D>);
