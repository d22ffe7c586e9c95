//! Pictures of networks and of their training, and one HTML report of a training.
//!
//! Each picture is one call, and comes as an SVG:
//!
//! | | |
//! |---|---|
//! | [`learning_curves`] | loss and metrics over the epochs |
//! | [`confusion_matrix`] | which classes are taken for which |
//! | [`mistakes`] | the examples that are classified wrongly |
//! | [`filters`] | the kernel of a convolution |
//! | [`feature_maps`] | the values of all layers for one input |
//! | [`weights`], [`gradients`] | histograms of tensors |
//! | [`graph`] | the layers of a network and what flows between them |
//! | `inspected_maps`, `inspected_graph` | feature maps and graph from what `inspect` hands out, with the feature of that name |
//! | [`Report`] | all of these in one HTML file |
//!
//! ```text
//! History, ConfusionMatrix, slices ──▶ learning_curves, … ──▶ Picture ──▶ .svg, .png
//!                                                                ╰──▶ Report ──▶ .html
//! ```
//!
//! ```
//! # cnn::network! {
//! #     network Xor {
//! #         input(2);
//! #         dense(8, activation = tanh);
//! #         dense(1, activation = sigmoid);
//! #         train { loss = binary_crossentropy; metrics = [accuracy]; epochs = 5; }
//! #     }
//! # }
//! # let inputs = cnn::ndarray::array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
//! # let train = cnn::Examples::labelled(&inputs, [0, 1, 1, 0])?;
//! # let mut net = Xor::new(0);
//! # let path = std::env::temp_dir().join("cnn_plots_lib.svg");
//! let history = net.fit(&train)?;
//! cnn::plots::learning_curves(&history).save(&path)?;
//! # std::fs::remove_file(path)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A picture has a transparent background, and its colours follow the reader's choice of light or dark. It needs nothing
//! beside its file: no script, no font, no address. Names and labels are escaped, whatever is in them. Data that is empty
//! or not finite is no error: the picture says so.
//!
//! Pictures are 800 pixels wide or less, with texts of 12 pixels, as a page of documentation has them.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod color;
mod confusion_matrix;
mod error;
mod feature_maps;
mod filters;
mod graph;
mod histograms;
mod image;
#[cfg(feature = "inspect")]
mod inspected;
mod learning_curves;
mod mistakes;
mod picture;
mod ramp;
mod raster;
mod report;
mod scale;
mod svg;
mod theme;

pub use confusion_matrix::confusion_matrix;
pub use error::PlotError;
pub use feature_maps::{FeatureMap, feature_maps};
pub use filters::filters;
pub use graph::{Node, graph};
pub use histograms::{gradients, weights};
#[cfg(feature = "inspect")]
pub use inspected::{inspected_graph, inspected_maps};
pub use learning_curves::learning_curves;
pub use mistakes::mistakes;
pub use picture::Picture;
pub use report::Report;
