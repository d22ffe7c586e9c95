//! Images to time with: digits of MNIST, or coloured ones where a network takes 32x32x3.
//!
//! Kernels that leave out what is zero are as fast as the data let them be, so noise would not do:
//! a network soon dies of learning noise, and dead units cost nothing.

use std::error::Error;
use std::path::Path;

use cnn::ndarray::ArrayD;
use cnn::{Dataset, Examples};

/// Images of one set: more than fit the second-level cache.
const COUNT: usize = 2048;

/// The side of a digit, in pixels.
const SIDE: usize = 28;

/// The first test images of MNIST, in bytes.
pub struct Digits {
    test: Examples<'static>,
}

impl Digits {
    /// Reads them from the folder of the four MNIST files.
    pub fn read(folder: &Path) -> Result<Self, cnn::Error> {
        let (_, test) = cnn::data::mnist(folder)?;
        Ok(Self { test })
    }

    /// [`COUNT`] images of the shape that a network takes, and their labels.
    pub fn pictures(&self, shape: &[usize]) -> Result<(ArrayD<f32>, Vec<usize>), Box<dyn Error>> {
        let count = COUNT.min(self.test.len());
        let size: usize = shape.iter().product();
        let mut values = vec![0.0; count * size];
        let mut digit = [0.0; SIDE * SIDE];
        for (index, image) in values.chunks_exact_mut(size).enumerate() {
            self.test.read_input(index, &mut digit);
            match *shape {
                [height, width, channels] if size != digit.len() => {
                    colour(&digit, image, [height, width, channels], index);
                }
                _ => image.copy_from_slice(&digit),
            }
        }
        let shape = [&[count], shape].concat();
        let labels = (0..count).filter_map(|index| self.test.label(index));
        Ok((ArrayD::from_shape_vec(shape, values)?, labels.collect()))
    }
}

/// Draws `digit` in the middle of `image`, both it and what is behind it in a colour of its own.
fn colour(digit: &[f32], image: &mut [f32], [height, width, channels]: [usize; 3], index: usize) {
    let (top, left) = ((height - SIDE) / 2, (width - SIDE) / 2);
    for (place, value) in image.iter_mut().enumerate() {
        let (pixel, channel) = (place / channels, place % channels);
        let row = (pixel / width).checked_sub(top).filter(|&y| y < SIDE);
        let column = (pixel % width).checked_sub(left).filter(|&x| x < SIDE);
        let ink = match (row, column) {
            (Some(y), Some(x)) => digit[y * SIDE + x],
            _ => 0.0,
        };
        // Odd factors, so that neighbours in the set and channels differ.
        let behind = ((index * 37 + channel * 91) % 128) as f32 / 256.0;
        *value = behind + (1.0 - behind) * ink;
    }
}
