//! [`Report`]: one HTML file of a training.
//!
//! ```text
//! settings, history, matrix, slices ──▶ sections ──▶ html ──▶ report.html
//!                       pictures ──────────╯
//! ```

mod date;
mod html;

use std::fmt::Display;
use std::path::Path;

use cnn_runtime::ndarray::{ArrayView2, ArrayView4};
use cnn_runtime::{AsModel, ConfusionMatrix, Dataset, History};

use crate::error::PlotError;
use crate::feature_maps::FeatureMap;
use crate::graph::Node;
use crate::picture::{Picture, write};
use crate::scale::{short, thousands};
use html::{Align, Table, figure};

/// Below the histograms of a report.
const MOMENTS: &str =
    "Below each histogram: how many values there are, their mean ± their standard deviation.";

/// A report of a training: one HTML file, whose sections stand in the order in which they were added.
///
/// The file needs nothing beside it: no script, no font, no address. It follows the reader's choice of light or dark,
/// reads well on a narrow screen, and prints. Names and texts are escaped, whatever is in them.
///
/// ```
/// # cnn::network! {
/// #     network Xor {
/// #         input(2);
/// #         dense(8, activation = tanh);
/// #         dense(1, activation = sigmoid);
/// #         train { loss = binary_crossentropy; metrics = [accuracy]; epochs = 5; }
/// #     }
/// # }
/// # let inputs = cnn::ndarray::array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
/// # let train = cnn::Examples::labelled(&inputs, [0, 1, 1, 0])?;
/// # let mut net = Xor::new(0);
/// # let path = std::env::temp_dir().join("cnn_plots_report.html");
/// use cnn::plots::Report;
///
/// let history = net.trainer().validation(&train).fit(&train)?;
/// Report::new("Exclusive or")
///     .train_block(&net)
///     .summary(Xor::SUMMARY)
///     .history(&history)
///     .confusion_matrix(&net.confusion_matrix(&train)?.with_names(["no", "yes"])?)
///     .save(&path)?;
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a report is only a value until `save`"]
pub struct Report {
    title: String,
    date: String,
    sections: Vec<Section>,
}

/// A part of the report under a heading of its own.
#[derive(Clone, Debug)]
struct Section {
    heading: String,
    /// HTML.
    body: String,
}

/// What a reader has to know of feature maps.
const MAPS_CAPTION: &str =
    "All channels of a layer have the same scale, which stands beside its name.";

impl Report {
    /// A report of today (UTC) without sections.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            date: date::today(),
            sections: Vec::new(),
        }
    }

    /// Another date, or anything else that should stand below the title.
    pub fn date(self, date: impl Into<String>) -> Self {
        Self {
            date: date.into(),
            ..self
        }
    }

    /// A table of settings and their values.
    pub fn settings<N: Display, V: Display>(
        self,
        settings: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let mut table = Table::new(&[("setting", Align::Left), ("value", Align::Left)]);
        for (name, value) in settings {
            table.row([name.to_string(), value.to_string()]);
        }
        self.section("Settings", table.html())
    }

    /// The settings of the network's `train` block; none of a network without one. Settings of a
    /// [`Trainer`](cnn_runtime::Trainer) are not among them: name those in [`settings`](Self::settings).
    pub fn train_block<N: AsModel>(self, network: &N) -> Self {
        let spec = network.as_model().spec();
        let Some(training) = &spec.training else {
            return self;
        };
        let mut settings = vec![("network", spec.name.to_owned())];
        for (port, objective) in spec.outputs.iter().zip(training.objectives) {
            let of = |text: String| match spec.outputs {
                [_] => text,
                _ => format!("{}: {text}", port.name),
            };
            settings.push(("loss", of(objective.loss.name().to_owned())));
            let names: Vec<_> = objective
                .metrics
                .iter()
                .map(|metric| metric.name())
                .collect();
            if !names.is_empty() {
                settings.push(("metrics", of(names.join(", "))));
            }
        }
        let optimizer = &training.optimizer;
        settings.push(("optimizer", optimizer.name().to_owned()));
        settings.push((
            "learning rate",
            match optimizer.learning_rate {
                cnn_runtime::Schedule::Constant {
                    learning_rate,
                    warmup_steps: 0,
                } => short(learning_rate),
                schedule => schedule.name().to_owned(),
            },
        ));
        if optimizer.weight_decay > 0.0 {
            settings.push(("weight decay", short(optimizer.weight_decay)));
        }
        if !training.augment.is_empty() {
            let list: Vec<_> = training.augment.iter().map(ToString::to_string).collect();
            settings.push(("augmentation", list.join(", ")));
        }
        settings.push(("epochs", training.epochs.to_string()));
        settings.push(("batch size", training.batch_size.to_string()));
        if training.accumulate > 1 {
            settings.push(("batches in a step", training.accumulate.to_string()));
        }
        settings.push(("seed", training.seed.to_string()));
        settings.push(("parameters", thousands(spec.parameter_count)));
        self.settings(settings)
    }

    /// A text whose columns stand below each other, as the constant `SUMMARY` of a network.
    pub fn summary(self, text: &str) -> Self {
        self.section("Network", html::preformatted(text))
    }

    /// The graph of a network, see [`graph`](crate::graph).
    ///
    /// # Errors
    ///
    /// Those of [`graph`](crate::graph).
    pub fn graph(self, nodes: &[Node<'_>]) -> Result<Self, PlotError> {
        let picture = crate::graph(nodes)?;
        Ok(self.figure("Graph", "", &picture))
    }

    /// What a training did: its figures, its [curves](crate::learning_curves), and a table of its epochs.
    pub fn history(self, history: &History) -> Self {
        let epochs = &history.epochs;
        let mut figures = vec![("epochs", epochs.len().to_string())];
        let seconds: f64 = epochs.iter().map(|epoch| epoch.seconds).sum();
        if seconds > 0.0 {
            let examples: usize = epochs.iter().map(|epoch| epoch.examples).sum();
            figures.push(("seconds of training", short(seconds)));
            let rate = examples as f64 / seconds;
            figures.push(("examples per second", thousands(rate.round() as usize)));
        }
        if let Some(best) = history.best_epoch {
            figures.push(("best epoch", best.to_string()));
        }
        if history.stopped || history.stopped_early {
            let why = if history.stopped {
                "stopped"
            } else {
                "stopped early"
            };
            figures.push(("end", why.to_owned()));
        }
        let last = history.validation().map(|scores| ("val_", scores));
        let last = last.or_else(|| Some(("", &epochs.last()?.scores)));
        let named = last.map(|(prefix, scores)| (prefix, scores.named()));
        let named = named.into_iter().flat_map(|(prefix, named)| {
            let name = move |(name, value)| (format!("{prefix}{name}"), short(value));
            named.into_iter().map(name)
        });
        let figures = figures
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        let mut body = html::figures(figures.chain(named));
        body += &figure(&crate::learning_curves(history), "");
        body += &html::details("All epochs", &epochs_table(history).html());
        self.section("Training", body)
    }

    /// A [picture](crate::confusion_matrix) of the matrix, and a table of precision, recall and F1 score of each class.
    pub fn confusion_matrix(self, matrix: &ConfusionMatrix) -> Self {
        let caption = "A cell has the number of examples and their share of the row. Recall is the accuracy within a class.";
        let mut body = figure(&crate::confusion_matrix(matrix), caption);
        let mut table = Table::new(&[
            ("class", Align::Left),
            ("examples", Align::Right),
            ("recall", Align::Right),
            ("precision", Align::Right),
            ("F1 score", Align::Right),
        ]);
        for (class, name) in matrix.names().iter().enumerate() {
            let percent = |share: f64| format!("{:.1} %", share * 100.0);
            table.row([
                name.clone(),
                thousands(matrix.counts().row(class).sum() as usize),
                percent(matrix.recall(class)),
                percent(matrix.precision(class)),
                format!("{:.3}", matrix.f1_score(class)),
            ]);
        }
        body += &table.html();
        self.section("Classes", body)
    }

    /// The examples that are classified wrongly, see [`mistakes`](crate::mistakes).
    ///
    /// # Errors
    ///
    /// Those of [`mistakes`](crate::mistakes).
    pub fn mistakes(
        self,
        data: &dyn Dataset,
        scores: ArrayView2<'_, f32>,
        names: &[&str],
    ) -> Result<Self, PlotError> {
        let picture = crate::mistakes(data, scores, names)?;
        Ok(self.figure("Mistakes", "", &picture))
    }

    /// The kernel of the convolution with this name, see [`filters`](crate::filters).
    pub fn filters(self, name: &str, kernel: ArrayView4<'_, f32>) -> Self {
        self.figure(&format!("Filters of {name}"), "", &crate::filters(kernel))
    }

    /// The values of all layers for one input, see [`feature_maps`](crate::feature_maps).
    ///
    /// # Errors
    ///
    /// Those of [`feature_maps`](crate::feature_maps).
    pub fn feature_maps(self, maps: &[FeatureMap<'_>]) -> Result<Self, PlotError> {
        let picture = crate::feature_maps(maps)?;
        Ok(self.figure("Feature maps", MAPS_CAPTION, &picture))
    }

    /// The graph of a network and the values of all its layers for one input: see
    /// [`inspected_graph`](crate::inspected_graph) and [`inspected_maps`](crate::inspected_maps).
    ///
    /// # Errors
    ///
    /// Those of the two.
    #[cfg(feature = "inspect")]
    pub fn inspection<N: AsModel>(
        self,
        network: &N,
        inspection: &cnn_runtime::inspect::Inspection,
    ) -> Result<Self, PlotError> {
        let graph = crate::inspected_graph(network, inspection)?;
        let maps = crate::inspected_maps(inspection)?;
        let report = self.figure("Graph", "", &graph);
        Ok(report.figure("Feature maps", MAPS_CAPTION, &maps))
    }

    /// Histograms of tensors, see [`weights`](crate::weights).
    pub fn weights<'a, N: AsRef<str>, V: IntoIterator<Item = &'a f32>>(
        self,
        tensors: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.figure("Weights", MOMENTS, &crate::weights(tensors))
    }

    /// Histograms of gradients, see [`gradients`](crate::gradients).
    pub fn gradients<'a, N: AsRef<str>, V: IntoIterator<Item = &'a f32>>(
        self,
        tensors: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.figure("Gradients", MOMENTS, &crate::gradients(tensors))
    }

    /// Any picture under a heading, with a caption below it, which may be empty.
    pub fn figure(self, heading: &str, caption: &str, picture: &Picture) -> Self {
        self.section(heading, figure(picture, caption))
    }

    /// A paragraph under a heading.
    pub fn text(self, heading: &str, text: &str) -> Self {
        self.section(heading, html::paragraph(text))
    }

    fn section(mut self, heading: &str, body: String) -> Self {
        self.sections.push(Section {
            heading: heading.to_owned(),
            body,
        });
        self
    }

    /// The text of the file.
    pub fn html(&self) -> String {
        let sections = self.sections.iter();
        let sections = sections.map(|section| (section.heading.as_str(), section.body.as_str()));
        html::page(&self.title, &self.date, sections)
    }

    /// Writes the report to a file. One that was there before is overwritten.
    ///
    /// # Errors
    ///
    /// [`PlotError::File`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PlotError> {
        write(path.as_ref(), self.html().as_bytes())
    }
}

/// A row for each epoch, with all its scores.
fn epochs_table(history: &History) -> Table {
    let epochs = &history.epochs;
    let mut columns = vec!["epoch".to_owned()];
    let first = epochs.first();
    let has_validation = epochs.iter().any(|epoch| epoch.validation.is_some());
    let names: Vec<String> = (first.iter())
        .flat_map(|epoch| epoch.scores.named())
        .map(|(name, _)| name)
        .collect();
    columns.extend(names.iter().cloned());
    if has_validation {
        columns.extend(names.iter().map(|name| format!("val_{name}")));
    }
    columns.extend(["learning rate", "seconds"].map(str::to_owned));
    let columns: Vec<_> = columns
        .iter()
        .map(|name| (name.as_str(), Align::Right))
        .collect();
    let mut table = Table::new(&columns);
    for epoch in epochs {
        let mut row = vec![epoch.number.to_string()];
        let values = |scores: &cnn_runtime::Scores| {
            let named = scores.named().into_iter();
            named.map(|(_, value)| short(value)).collect::<Vec<_>>()
        };
        row.extend(values(&epoch.scores));
        if has_validation {
            match &epoch.validation {
                Some(scores) => row.extend(values(scores)),
                None => row.extend(names.iter().map(|_| String::new())),
            }
        }
        row.extend([short(epoch.learning_rate), format!("{:.1}", epoch.seconds)]);
        table.row(row);
    }
    table
}
