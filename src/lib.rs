//! Small convolutional networks inside Rust programs.
//!
//! A network is written down in a [`network!`] block. While `cargo check` runs, every shape is
//! checked, and a mistake is shown at the exact token. What comes out is a plain struct:
//!
//! ```
//! use cnn::Examples;
//! use cnn::ndarray::array;
//!
//! cnn::network! {
//!     /// Two bits in, their exclusive or out.
//!     network Xor {
//!         input(2);
//!         dense(8, activation = tanh);
//!         dense(1, activation = sigmoid);
//!
//!         train {
//!             loss = binary_crossentropy;
//!             optimizer = adam(learning_rate = 0.05);
//!             metrics = [accuracy];
//!             epochs = 200;
//!             batch_size = 4;
//!         }
//!     }
//! }
//!
//! let inputs = array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
//! let examples = Examples::labelled(&inputs, [0, 1, 1, 0])?;
//!
//! let mut net = Xor::new(1);
//! net.fit(&examples)?;
//! assert_eq!(net.evaluate(&examples)?.accuracy(), Some(1.0));
//!
//! let [probability] = net.predict(&[0.0, 1.0]);
//! assert!(probability > 0.9);
//! let probabilities = net.predict_batch(&inputs)?;
//! assert_eq!(probabilities.shape(), [4, 1]);
//! # Ok::<(), cnn::Error>(())
//! ```
//!
//! # What a network has
//!
//! For `pub network Mnist { input(28x28x1); … dense(10, …); }`:
//!
//! | | |
//! |---|---|
//! | `Mnist::new(seed)` | fresh parameters: kernels Glorot uniform, biases zero |
//! | `predict(&image)` | `&[[[f32; 1]; 28]; 28]` to `[f32; 10]` |
//! | `predict_slice(&input, &mut output)` | the same with slices, of any size |
//! | `predict_batch(&images)` | `ndarray`, `[N, 28, 28, 1]` to `[N, 10]` |
//! | `predict_dataset(&examples)` | the outputs for all inputs of a dataset, `[N, 10]` |
//! | `fit(&examples)` | training as the `train` block says |
//! | `freeze("conv2d_1")`, `unfreeze(…)`, `trainable_parameters()` | layers and blocks that training leaves as they are |
//! | `trainer()…fit(&examples)` | training with other settings; see [`Trainer`] |
//! | `evaluate(&examples)` | loss and metrics; see [`Scores`] |
//! | `inspect(&image)` | every value, layer by layer, with the feature `inspect`; see `docs/inspect.md` |
//! | `confusion_matrix(&examples)` | which classes are taken for which; see [`ConfusionMatrix`] |
//! | `save(path)`, `Mnist::load(path)`, `Mnist::from_bytes(bytes)` | safetensors |
//! | `Mnist::from_parameters(WEIGHTS)` | parameters from an array, as [`weights!`] gives them |
//! | `conv2d_1().kernel()`, `.bias()` | parameters as `ndarray` views, one method for each layer with parameters |
//! | `parameters()`, `tensors()`, `tensors_mut()` | all parameters |
//! | `INPUT`, `OUTPUT`, `PARAMETERS`, `FLOPS`, `WORKSPACE`, `WORKSPACE_BYTES`, `LAYERS`, `TENSORS`, `SUMMARY`, `PLAN` | constants |
//! | `Mnist::infer(WEIGHTS, &image, &mut workspace)` | a prediction with the caller's memory, also without `std` |
//! | `Mnist::infer_into(WEIGHTS, &image, &mut output, &mut workspace)` | the same with the caller's output, of any size |
//!
//! A network with several inputs takes structs with a field for each: `NameInputs` for one example, `NameInputBatch`
//! for a batch. With several outputs it returns `NameOutputs` and `NameOutputBatch`. The fields are the labels of the
//! description; `docs/language.md` of the repository has an example.
//!
//! A network without a `train` block cannot be trained: a call of `fit`, `trainer` or `evaluate` does not compile, and
//! the error says why.
//!
//! # Data
//!
//! Images are `[N, H, W, C]`. [`Examples`] holds arrays in memory with class labels, label maps or values;
//! anything else implements [`Dataset`]. [`data::mnist`] and [`data::idx`] read the files of
//! the MNIST family (gzipped ones with the feature `gzip`); with the features `npy`, `csv` and `images`, `data::npy`,
//! `data::csv` and `data::images` read arrays of numpy, tables of text, and PNG and JPEG files. [`Dataset`] has methods
//! for parts of any dataset, and [`data::Normalization`] for inputs of mean 0. `predict_dataset` predicts all inputs of
//! a dataset, and [`argmax`] tells the classes.
//!
//! # Features
//!
//! `std` (default) adds training, threads, `ndarray` and safetensors, `progress` (default) the progress bar of
//! `fit`, `gzip` the reading of gzipped data, `npy`, `csv` and `images` that of such files, `plots`
//! pictures of networks and of their training, `inspect` the values of every layer. Without `std` the crate allocates nothing, and there are no values of
//! a network: it has its constants, `infer` and `infer_into`. What compiles without `std` also compiles with it,
//! because another crate of the same program may enable it.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(feature = "plots")]
pub use cnn_plots as plots;
pub use cnn_runtime as runtime;
#[cfg(feature = "inspect")]
pub use cnn_runtime::inspect;
pub use cnn_runtime::{
    Argmax, Augment, Clip, Flip, Loss, Metric, Optimizer, Schedule, UpdateRule, argmax,
};
#[cfg(feature = "std")]
pub use cnn_runtime::{
    CheckpointError, ConfusionMatrix, CustomMetric, Dataset, Epoch, Error, Examples, History,
    IdxError, Model, Network, NonFinite, OtherShape, Report, Scores, Step, Trainer, callbacks,
    data, gradient_deviation, ndarray, set_threads, threads,
};

#[doc(hidden)]
pub use cnn_macros as __macros;

/// The words of the language, for editors: what a word in a description may become is in the module of its place.
#[doc(hidden)]
#[allow(non_upper_case_globals, unused_variables)]
pub mod __language {
    cnn_macros::language! {}
}

/// Compiles the description of a network into a struct.
///
/// A description holds one network. Each line is a layer, with the names and defaults of Keras:
///
/// ```
/// cnn::network! {
///     /// Documentation, which the struct gets together with its summary.
///     pub(crate) network Digits {
///         input(28x28x1);                                  // height x width x channels
///         stem: conv2d(8, 3x3, activation = relu);         // a label names the layer
///         max_pool2d(2x2);
///         flatten;
///         dropout(0.5);
///         dense(10, activation = softmax);
///
///         train {
///             loss = categorical_crossentropy;
///             optimizer = adam;
///             metrics = [accuracy];
///             epochs = 3;
///         }
///     }
/// }
///
/// assert_eq!(Digits::OUTPUT, [10]);
/// let net = Digits::new(0);
/// assert_eq!(net.stem().kernel().shape(), [3, 3, 1, 8]);
/// ```
///
/// Attributes in front of `network` are those of the struct: `#[derive(…)]` (which has `Clone` and `Debug`
/// already), `#[doc(…)]`, `#[cfg_attr(…)]`. `#[cfg(…)]` and `#[allow(…)]`, `#[warn(…)]`, `#[deny(…)]` hold for
/// everything that is generated. The names of the network and of labels may be raw identifiers: the method of
/// `r#type: dense(3);` is `r#type()`. Names that begin with `__cnn` are kept for generated code.
///
/// # Layers
///
/// An argument without a default has to be written; arguments stand in this order or with their names. The
/// repository has all details in `docs/language.md`.
///
#[doc = include_str!("../docs/layers.md")]
///
/// `train` settings: `loss`, which has no default, `optimizer`, `metrics`, `epochs`, `batch_size`, `accumulate`, `seed`, `augment`.
///
/// # Mistakes
///
/// A mistake is an error at the tokens that are wrong, and the rest of the program still
/// compiles:
///
/// ```compile_fail
/// cnn::network! {
///     network Digits {
///         input(28x28x1);
///         dense(10); // `dense_1` needs a flat input, but `input` produces 28x28x1
///     }
/// }
/// ```
#[macro_export]
macro_rules! network {
    ($($description:tt)*) => {
        $crate::__macros::network! { ($crate) $($description)* }
    };
}

/// Compiles a description of a network in a file of its own into a struct.
///
/// `cnn::network_file!("lenet5.cnn");` reads the file beside the source file in which the path is written; the
/// program is rebuilt when the file changes, and mistakes are shown with the file's own lines. The file holds
/// what stands in a [`network!`] block.
///
/// The path is a string, `env!(…)`, or `concat!(…)` of these, as in `concat!(env!("OUT_DIR"), "/lenet5.cnn")`. A
/// `macro_rules!` may write the path or pass one on. The path is relative to the file in which it is written; with
/// `concat!`, to that in which its first part is.
#[macro_export]
macro_rules! network_file {
    ($($path:tt)*) => {
        $crate::__macros::network_file! { ($crate) $($path)* }
    };
}

/// The weights in a file as a part of the program: `&'static [f32; N]`, checked while it compiles.
///
/// `weights!(Digits, "digits.safetensors")` takes a network and the path of a file with exactly the network's tensors,
/// as [`Digits::save`](Model::save) or another program wrote it. It is an expression, also of a constant, and works
/// without `std`. The floats are in the program's read-only data, from the start of a cache line on, in the order of
/// the network's `TENSORS`. When the program runs, nothing is copied and nothing can fail.
///
/// ```
/// # mod program {
/// cnn::network! {
///     pub network Xor {
///         input(2);
///         dense(8, activation = tanh);
///         dense(1, activation = sigmoid);
///     }
/// }
///
/// static WEIGHTS: &[f32; Xor::PARAMETERS] = cnn::weights!(Xor, "../tests/weights/xor.safetensors");
///
/// # pub fn main() {
/// let mut workspace = [0.0; Xor::WORKSPACE];
/// let [probability] = Xor::infer(WEIGHTS, &[0.0, 1.0], &mut workspace); // also without `std`
/// assert!(probability > 0.9);
///
/// let net = Xor::from_parameters(WEIGHTS); // a copy, which can be trained
/// # let [same] = net.predict(&[0.0, 1.0]);
/// # assert!((same - probability).abs() < 1e-6);
/// # }
/// # }
/// # program::main();
/// ```
///
/// A file of another network does not compile. The message names every tensor that differs:
///
/// ```text
/// error[E0080]: evaluation panicked: `xor.safetensors` does not hold the tensors of `Xor`
///                 `dense_1.kernel` is 2x4, but must be 2x8
///                 `dense_2.bias` is missing: 1
/// ```
///
/// The path is relative to the file in which it is written, and may be put together, as that of [`network_file!`]. The
/// program is rebuilt when the file changes.
#[macro_export]
macro_rules! weights {
    ($($arguments:tt)*) => {
        $crate::__macros::weights! { ($crate) $($arguments)* }
    };
}

/// Wraps generated code that needs `std`.
#[doc(hidden)]
#[macro_export]
#[cfg(feature = "std")]
macro_rules! __with_std {
    ($($item:tt)*) => { $($item)* };
}

/// Leaves out generated code that needs `std`.
#[doc(hidden)]
#[macro_export]
#[cfg(not(feature = "std"))]
macro_rules! __with_std {
    ($($item:tt)*) => {};
}

/// The names of the methods that need `std`.
#[doc(hidden)]
#[macro_export]
#[cfg(feature = "std")]
macro_rules! __needs_std {
    ($($names:tt)*) => {};
}

/// The names of the methods that need `std`. They are reserved without `std` too, so that what compiles without it also
/// compiles with it. A call of one is an error that says what is missing. The lifetime `'a` delays the check of the bound
/// until a method is called.
#[doc(hidden)]
#[macro_export]
#[cfg(not(feature = "std"))]
macro_rules! __needs_std {
    ($network:ident $($name:ident)*) => {
        impl $network {$(
            #[doc(hidden)]
            #[allow(dead_code)]
            pub fn $name<T>(_: T)
            where
                for<'a> Self: $crate::runtime::generated::NeedsStd,
            {
            }
        )*}
    };
}

/// The README's code is compiled with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// So is that of the page on pictures.
#[cfg(all(doctest, feature = "plots"))]
#[doc = include_str!("../docs/pictures.md")]
struct Pictures;

/// So is that of the page on deployment.
#[cfg(doctest)]
#[doc = include_str!("../docs/deployment.md")]
struct Deployment;

/// And that of the page on data, with the features that it is about.
#[cfg(all(doctest, feature = "csv", feature = "images", feature = "npy"))]
#[doc = include_str!("../docs/data.md")]
struct Data;
/// And that of the page on what is inside.
#[cfg(all(doctest, feature = "inspect"))]
#[doc = include_str!("../docs/inspect.md")]
struct Inspect;
