//! The language of `cnn`: text in, a checked network or diagnostics out.
//!
//! ```
//! let network = cnn_dsl::check("network Tiny { input(28x28x1); flatten; dense(10); }")?;
//! assert_eq!(network.parameter_count(), 7850);
//!
//! let diagnostics = cnn_dsl::check("network Tiny { input(28x28x1); dense(10); }").unwrap_err();
//! assert_eq!(
//!     diagnostics.to_string(),
//!     "error[not_flat]: `dense_1` needs a flat input, but `input` produces 28x28x1",
//! );
//! # Ok::<(), cnn_dsl::Diagnostics>(())
//! ```
//!
//! Data flows one way: `parse` makes a [`syntax`] tree of the text (by the total grammar of
//! `grammar.pest`, so that every mistake is found in one run), `resolve` a flat list of layers
//! whose names and arguments are known, `shape` a [`graph`] in which every shape is known.
//! Each stage pushes into the same [`Diagnostics`]. The crate works on plain text and byte
//! offsets and knows nothing of Rust's tokens.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

// The generated parser names it.
extern crate alloc;

mod analyse;
mod arguments;
mod boxes;
mod catalogue;
pub mod diagnostic;
mod flops;
#[allow(dead_code)] // pest generates more than is called
#[rustfmt::skip]
mod grammar;
pub mod graph;
mod layers;
mod names;
pub mod parameters;
mod parse;
pub mod plan;
mod render;
mod resolve;
mod shape;
mod statements;
mod suggest;
mod summary;
mod suspicious;
pub mod syntax;
mod train;
mod typed;
mod values;

pub use analyse::{Analysis, Outline, OutlineLayer, analyse, check};
pub use diagnostic::{Code, Diagnostic, Diagnostics, Severity};
pub use graph::Network;
