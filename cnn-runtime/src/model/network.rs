//! What all generated networks have in common, for code that works on any of them.

use crate::model::Model;
use crate::spec::Spec;

/// A generated network.
///
/// Every `network!` struct implements it; the struct's own methods are what most programs call.
pub trait Network: Sized {
    /// The static description.
    fn spec() -> &'static Spec;

    /// The network around a model of [`Self::spec`].
    fn from_model(model: Model) -> Self;

    /// The model inside.
    fn model(&self) -> &Model;

    /// The model inside.
    fn model_mut(&mut self) -> &mut Model;
}

/// A generated network, or its model: what a [`Trainer`](crate::Trainer) trains.
pub trait AsModel {
    /// The model inside.
    fn as_model(&self) -> &Model;

    /// The model inside.
    fn as_model_mut(&mut self) -> &mut Model;
}

impl<N: Network> AsModel for N {
    fn as_model(&self) -> &Model {
        self.model()
    }

    fn as_model_mut(&mut self) -> &mut Model {
        self.model_mut()
    }
}

impl AsModel for Model {
    fn as_model(&self) -> &Model {
        self
    }

    fn as_model_mut(&mut self) -> &mut Model {
        self
    }
}

/// A generated network with a `train` block. Without one the training methods exist too, for this bound to
/// say what is missing where they are called.
#[diagnostic::on_unimplemented(
    message = "the network `{Self}` has no `train` block",
    label = "add a `train {{ … }}` block to the description of `{Self}`",
    note = "the block says how to train: `train {{ loss = mse; optimizer = adam; }}`, or another loss"
)]
pub trait Trainable: Network {}
