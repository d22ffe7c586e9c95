//! The language of `cnn`: text in, a checked network or diagnostics out.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod graph;
pub mod syntax;
