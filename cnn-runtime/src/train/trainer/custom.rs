//! Losses and metrics of one's own, in the place of the words of the `train` block or beside them.

use super::Trainer;
use crate::data::Dataset;
use crate::error::Error;
use crate::model::evaluation::{check_data, check_trainable};
use crate::model::{AsModel, Scores};
use crate::objective::custom::{CustomMetric, Mean};
use crate::train::settings::Settings;

impl<'a, N: AsModel> Trainer<'a, N> {
    /// Minimises a loss of one's own in place of that of the `train` block. Scores tell it as `loss`, and a checkpoint
    /// remembers its `name`.
    ///
    /// `loss(prediction, target, gradient)` returns the loss of one example and writes its gradient: the derivative by
    /// each value of the prediction, in place of zeros. A prediction has all values of the output flat, as `predict` gives
    /// them: where the last activation is a softmax they are probabilities, and the gradient by the logits is computed
    /// from that by the probabilities. Threads call it at the same time, twice for each example, so it must always return
    /// the same. [`gradient_deviation`](crate::gradient_deviation) compares its gradient with finite differences.
    ///
    /// ```
    /// # cnn::network! {
    /// #     network Quantile { input(2); dense(1); train { loss = mae; } }
    /// # }
    /// # let inputs = cnn::ndarray::array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
    /// # let train = cnn::Examples::with_values(&inputs, cnn::ndarray::array![0.0, 1.0, 1.0, 2.0])?;
    /// # let mut net = Quantile::new(0);
    /// // The loss of a quantile (Koenker & Bassett 1978): nine of ten targets lie below the prediction.
    /// let pinball = |y: &[f32], t: &[f32], gradient: &mut [f32]| {
    ///     gradient[0] = if t[0] > y[0] { -0.9 } else { 0.1 };
    ///     gradient[0] * (y[0] - t[0])
    /// };
    /// net.trainer().loss("pinball", pinball).fit(&train)?;
    /// # Ok::<(), cnn::Error>(())
    /// ```
    ///
    /// The mean over a batch, weights of examples, penalties and everything behind the gradient are as with any loss, and
    /// a loss or gradient that is not finite rejects the step. Targets are checked as those of the loss of the `train`
    /// block, whose weights of classes do not count. [`Model::evaluate`](crate::Model::evaluate) knows the `train` block alone;
    /// [`Trainer::evaluate`] takes the functions of the trainer. A network with several outputs takes
    /// [`loss_of`](Self::loss_of).
    pub fn loss(
        mut self,
        name: impl Into<String>,
        loss: impl Fn(&[f32], &[f32], &mut [f32]) -> f32 + Sync + 'a,
    ) -> Self {
        self.settings
            .custom
            .set_loss(None, name.into(), Box::new(loss));
        self
    }

    /// [`loss`](Self::loss) of one of several outputs, whose weight beside the others stays that of the `train` block.
    ///
    /// # Errors
    ///
    /// [`Error::Output`] if there is no such output.
    pub fn loss_of(
        mut self,
        output: &str,
        name: impl Into<String>,
        loss: impl Fn(&[f32], &[f32], &mut [f32]) -> f32 + Sync + 'a,
    ) -> Result<Self, Error> {
        let output = self.output(output)?;
        let custom = &mut self.settings.custom;
        custom.set_loss(Some(output), name.into(), Box::new(loss));
        Ok(self)
    }

    /// Adds a metric of one's own to those of the `train` block: the mean of `metric(prediction, target)` over the
    /// examples. Progress, history, logs and callbacks know it by its name, which is made of letters, digits and `_`; it
    /// is a number in [`Scores::custom`]. Callbacks that follow it need a [`mode`](crate::callbacks::Mode).
    ///
    /// ```
    /// # cnn::network! {
    /// #     network Sum { input(2); dense(1); train { loss = mse; } }
    /// # }
    /// # let inputs = cnn::ndarray::array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
    /// # let train = cnn::Examples::with_values(&inputs, cnn::ndarray::array![0.0, 1.0, 1.0, 2.0])?;
    /// # let mut net = Sum::new(0);
    /// let trainer = net.trainer().metric("within_a_tenth", |y, t| f64::from((y[0] - t[0]).abs() < 0.1));
    /// let history = trainer.fit(&train)?;
    /// let (name, share) = &history.epochs[0].scores.custom[0];
    /// assert_eq!(name, "within_a_tenth");
    /// # assert!((0.0..=1.0).contains(share));
    /// # Ok::<(), cnn::Error>(())
    /// ```
    ///
    /// A metric that is no mean is a [`metric_of_sums`](Self::metric_of_sums). A network with several outputs takes
    /// [`metric_of`](Self::metric_of).
    pub fn metric(
        self,
        name: impl Into<String>,
        metric: impl Fn(&[f32], &[f32]) -> f64 + Sync + 'a,
    ) -> Self {
        self.metric_of_sums(name, Mean(metric))
    }

    /// Adds a metric that is a function of sums over all examples, so that it is exact however the data are cut into
    /// batches: see [`CustomMetric`].
    pub fn metric_of_sums(
        mut self,
        name: impl Into<String>,
        metric: impl CustomMetric + 'a,
    ) -> Self {
        let custom = &mut self.settings.custom;
        custom.add_metric(None, name.into(), Box::new(metric));
        self
    }

    /// [`metric`](Self::metric) of one of several outputs: `digit_name` in logs and callbacks.
    ///
    /// # Errors
    ///
    /// [`Error::Output`] if there is no such output.
    pub fn metric_of(
        mut self,
        output: &str,
        name: impl Into<String>,
        metric: impl Fn(&[f32], &[f32]) -> f64 + Sync + 'a,
    ) -> Result<Self, Error> {
        let output = self.output(output)?;
        let custom = &mut self.settings.custom;
        custom.add_metric(Some(output), name.into(), Box::new(Mean(metric)));
        Ok(self)
    }

    /// The place of an output of the network.
    fn output(&self, name: &str) -> Result<usize, Error> {
        let outputs = self.network.as_model().spec().outputs;
        let place = outputs.iter().position(|port| port.name == name);
        place.ok_or_else(|| Error::Output {
            name: name.to_owned(),
            outputs: outputs.iter().map(|port| port.name).collect(),
        })
    }

    /// The mean loss and the metrics over `data`, with those of one's own that the trainer has: see [`loss`](Self::loss) and
    /// [`metric`](Self::metric).
    ///
    /// # Errors
    ///
    /// Those of [`Model::evaluate`](crate::Model::evaluate), and [`Error::Setting`] and [`Error::Output`] of the losses and metrics.
    pub fn evaluate(&self, data: &dyn Dataset) -> Result<Scores, Error> {
        let model = self.network.as_model();
        let training = check_trainable(model.spec())?;
        check_data(model.spec(), data)?;
        let Settings {
            custom, threads, ..
        } = &self.settings;
        custom.check(training.objectives, model.spec().outputs)?;
        model.evaluate_checked(training, custom, data, *threads)
    }
}
