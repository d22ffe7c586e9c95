//! Each algorithm of a convolution against the slow twin in [`reference`](crate::reference).

mod case;
mod channel_planes;
mod choice;

mod direct;
mod few_channels;
mod sparse;
mod winograd;

pub use case::{Algorithms, random_conv};
