//! A folder of pictures as a dataset that is not in memory.

use cnn_ir::Loss;

use super::{Folder, Form, scaled};
use crate::data::columns::Targets;
use crate::data::{Dataset, check_input};
use crate::error::Error;

/// The pictures of a [`Folder`], each read whenever it is asked for. The values are those of [`Folder::read`].
///
/// A file that cannot be read, any more or at all, is an error of `fit`, `evaluate` or `predict_dataset` when it is its
/// turn. [`Dataset::read_input`] by itself cannot say so, and writes NaN.
pub struct LazyFolder {
    folder: Folder,
    form: Form,
    shape: [usize; 3],
    targets: Targets<'static>,
}

impl LazyFolder {
    pub(super) fn new(folder: Folder, form: Form) -> Result<Self, Error> {
        let (targets, _) = Targets::labels(folder.labels())?;
        Ok(Self {
            folder,
            form,
            shape: [form.height, form.width, form.channels],
            targets,
        })
    }

    /// The folder and how it is read.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }
}

impl Dataset for LazyFolder {
    fn len(&self) -> usize {
        self.folder.count()
    }

    fn input_shape(&self) -> &[usize] {
        &self.shape
    }

    fn read_input(&self, index: usize, out: &mut [f32]) {
        if self.try_read_input_of(0, index, out).is_err() {
            out.fill(f32::NAN);
        }
    }

    fn try_read_input_of(&self, _: usize, index: usize, out: &mut [f32]) -> Result<(), Error> {
        let mut samples = vec![0; out.len()];
        self.folder.read_picture(index, self.form, &mut samples)?;
        for (out, sample) in out.iter_mut().zip(samples) {
            *out = scaled(sample);
        }
        Ok(())
    }

    fn read_target(&self, index: usize, out: &mut [f32]) {
        self.targets.read(index, out);
    }

    fn label_of(&self, index: usize) -> Option<usize> {
        self.folder.files().nth(index).map(|(_, class)| class)
    }

    fn check(&self, input: &[usize], output: &[usize]) -> Result<(), Error> {
        check_input(&self.shape, input)?;
        self.targets.check(output)
    }

    fn check_targets(&self, loss: Loss, output: &[usize]) -> Result<(), Error> {
        self.targets.check_values(loss, output)
    }
}
