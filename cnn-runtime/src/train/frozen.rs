//! Freezing at run time: which tensors the steps leave as they are.
//!
//! ```text
//! Model::freeze("backbone") ──▶ Frozen ──▶ gradients, clipping, penalties, update, constraints, average: left out
//!                                     ╰──▶ running statistics: stand still, and normalize in their batch's place
//! ```
//!
//! A layer with `trainable = false` in its description has no gradients at all, and its plan is another one. What is
//! frozen here is a flag on the same passes: it changes between two calls of `fit`, and unfreezing goes on with what the
//! optimizer remembers. Both train alike.

use crate::error::Error;
use crate::model::Model;
use crate::model::evaluation::check_trainable;
use crate::model::names;
use crate::spec::{Gradient, Parameter, Spec};

/// The tensors that steps leave as they are, by their place in the specification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frozen {
    /// Ascending.
    tensors: Vec<usize>,
}

impl Frozen {
    /// Of tensors that a checkpoint names; `None` if the network has not all of them.
    pub(crate) fn of_names(spec: &Spec, names: &[String]) -> Option<Self> {
        let place = |name: &String| {
            let mut parameters = spec.parameters.iter();
            parameters.position(|parameter| parameter.name == name)
        };
        let mut tensors = names.iter().map(place).collect::<Option<Vec<_>>>()?;
        tensors.sort_unstable();
        tensors.dedup();
        Some(Self { tensors })
    }

    /// The names of the tensors.
    pub(crate) fn names(&self, spec: &Spec) -> Vec<String> {
        let names = self
            .tensors
            .iter()
            .map(|place| spec.parameters[*place].name);
        names.map(str::to_owned).collect()
    }

    /// Whether the steps leave this tensor as it is.
    pub(crate) fn contains(&self, tensor: usize) -> bool {
        self.tensors.binary_search(&tensor).is_ok()
    }

    /// The tensors that a step changes by their gradients, with their places.
    pub(crate) fn trained<'s>(
        &self,
        spec: &'s Spec,
    ) -> impl Iterator<Item = (usize, &'s Parameter)> {
        let tensors = spec.parameters.iter().enumerate();
        tensors.filter(|(place, parameter)| has_gradient(parameter) && !self.contains(*place))
    }

    fn insert(&mut self, tensors: &[usize]) {
        self.tensors.extend(tensors);
        self.tensors.sort_unstable();
        self.tensors.dedup();
    }

    fn remove(&mut self, tensors: &[usize]) {
        self.tensors.retain(|tensor| !tensors.contains(tensor));
    }
}

/// Whether the plan computes a gradient of it.
fn has_gradient(parameter: &Parameter) -> bool {
    !matches!(parameter.gradient, Gradient::Frozen)
}

impl Model {
    /// Training leaves a layer as it is from now on, or all layers of a block: `conv2d_1`, `backbone`, or
    /// `backbone.conv2d_1` in a block. No bit of its tensors changes: there is no update, no weight decay, no constraint
    /// and no penalty, and what the optimizer remembers of them stays as well.
    ///
    /// A frozen `batch_normalization` normalizes by its running statistics while training too, which stand still, as in
    /// Keras. The results are those of `trainable = false` in the description, which costs less: there the gradients behind
    /// the last layer that is trained are not computed.
    ///
    /// What is frozen is a part of the state of training: checkpoints of a training hold it, files of
    /// [`save`](Self::save) do not.
    ///
    /// # Errors
    ///
    /// [`Error::NotTrainable`] without a `train` block, [`Error::Name`] if there is no such layer or block, and
    /// [`Error::NoTensors`] if it has nothing to train.
    ///
    /// ```
    /// # cnn::network! {
    /// #     network Sum {
    /// #         input(3);
    /// #         backbone: dense(8, activation = relu);
    /// #         dense(1);
    /// #         train { loss = mse; }
    /// #     }
    /// # }
    /// # let inputs = cnn::ndarray::array![[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]];
    /// # let data = cnn::Examples::with_values(&inputs, cnn::ndarray::array![1.0, 1.0])?;
    /// let mut net = Sum::new(0);
    /// net.freeze("backbone")?;
    /// assert_eq!(net.trainable_parameters(), 9);
    /// net.fit(&data)?;
    ///
    /// net.unfreeze("backbone")?;
    /// net.trainer().learning_rate(1e-4).fit(&data)?;
    /// # Ok::<(), cnn::Error>(())
    /// ```
    pub fn freeze(&mut self, layer: &str) -> Result<(), Error> {
        check_trainable(self.spec())?;
        let tensors = names::layer_tensors(self.spec(), layer)?;
        self.trained().1.frozen.insert(&tensors);
        Ok(())
    }

    /// Training goes on with a layer or all layers of a block that [`freeze`](Self::freeze) has frozen, by itself or as a
    /// part of another block. Layers that are not frozen stay as they are.
    ///
    /// # Errors
    ///
    /// Those of [`freeze`](Self::freeze), and [`Error::NotTrained`] if the description says `trainable = false` of all of
    /// it.
    pub fn unfreeze(&mut self, layer: &str) -> Result<(), Error> {
        let spec = self.spec();
        check_trainable(spec)?;
        let tensors = names::layer_tensors(spec, layer)?;
        let mut parameters = tensors.iter().map(|place| &spec.parameters[*place]);
        if !parameters.any(has_gradient) {
            return Err(Error::NotTrained {
                name: layer.to_owned(),
            });
        }
        self.trained().1.frozen.remove(&tensors);
        Ok(())
    }

    /// How many numbers a step of training changes by their gradients: those of all layers that are neither
    /// [frozen](Self::freeze) nor have `trainable = false`. Running statistics do not count.
    pub fn trainable_parameters(&self) -> usize {
        let trained = self.training().frozen.trained(self.spec());
        trained.map(|(_, parameter)| parameter.len()).sum()
    }

    /// The tensors that [`freeze`](Self::freeze) has frozen, running statistics included: `conv2d_1.kernel`.
    pub fn frozen(&self) -> impl Iterator<Item = &'static str> {
        let tensors = self.training().frozen.tensors.iter();
        tensors.map(|place| self.spec().parameters[*place].name)
    }
}
