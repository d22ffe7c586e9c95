//! Each kernel against its twin in [`reference`](crate::reference), over odd shapes.

pub mod activation;
pub mod conv2d;
mod dense;
mod dropout;
mod few_filters;
pub mod loss;
mod math;
mod metric;
#[cfg(feature = "std")]
mod optimizer;
mod planar;
pub mod pool2d;
mod simd;
mod sparse;
pub mod support;
mod thin;
#[cfg(feature = "std")]
mod thread_pool;
mod winograd;
