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
//! Data flows one way: `parse` makes a [`syntax`] tree of the text (by the total grammar of `grammar.pest`, so that
//! every mistake is found in one run), `check` a [`graph`] in which every name, argument and shape is known, and
//! `Plan::new` a [`plan`] of how it runs. What a layer is stands in `layers`, a file for each family. Each stage pushes
//! into the same [`Diagnostics`]. The crate works on plain text and byte offsets and knows nothing of Rust's tokens.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

// The generated parser names it.
extern crate alloc;

mod analyse;
mod check;
pub mod diagnostic;
pub mod graph;
mod layers;
pub mod plan;
mod ports;
mod reference;
mod summary;
pub mod syntax;
mod text_table;
pub mod words;

pub use analyse::{Analysis, Outline, OutlineLayer, analyse, check};
pub use check::names::is_keyword;
pub use diagnostic::{Code, Diagnostic, Diagnostics, Severity};
pub use graph::Network;
pub use reference::{layer_table, reference};
