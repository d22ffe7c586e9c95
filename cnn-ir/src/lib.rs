//! What the compiler and the runtime of `cnn` both know, said once.
//!
//! Plain data without dependencies, allocation or `std`: the words of the language that name a value ([`Activation`],
//! [`Loss`], [`UpdateRule`], [`Schedule`], [`Metric`], [`Augment`], [`Initializer`], rows of a [`vocabulary`]) and the operations
//! that a plan is made of, with their geometry ([`Operation`]). The compiler builds these values and prints them as
//! Rust by their `Debug` form; the runtime computes what they say, with the kernels that [`choice`] names for its
//! instruction set ([`VectorShape`]).
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod activation;
pub mod augment;
pub mod choice;
pub mod constraint;
pub mod initializer;
pub mod loss;
pub mod metric;
pub mod operation;
pub mod optimizer;
pub mod regularizer;
pub mod schedule;
pub mod tensor;
pub mod vector_shape;
pub mod vocabulary;

pub use activation::Activation;
pub use augment::{Augment, Flip};
pub use constraint::Constraint;
pub use initializer::Initializer;
pub use loss::Loss;
pub use metric::Metric;
pub use operation::Operation;
pub use optimizer::{Clip, Optimizer, UpdateRule};
pub use regularizer::Regularizer;
pub use schedule::Schedule;
pub use tensor::Role;
pub use vector_shape::VectorShape;
