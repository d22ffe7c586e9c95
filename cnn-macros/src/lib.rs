//! The procedural macros of `cnn`: tokens in, Rust out.
#![forbid(unsafe_code)]
#![deny(missing_docs)]
