//! Convolutional networks checked while Rust compiles.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub use cnn_runtime as runtime;
