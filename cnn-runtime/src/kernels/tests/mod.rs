//! Each kernel against its twin in [`reference`](crate::reference), over odd shapes.

pub mod activation;
pub mod conv2d;
mod dense;
mod dropout;
pub mod loss;
mod math;
mod metric;
#[cfg(feature = "std")]
mod optimizer;
pub mod pool2d;
pub mod support;
#[cfg(feature = "std")]
mod thread_pool;
