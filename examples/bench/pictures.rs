//! Images to time with: digits of MNIST, or enlarged and coloured ones where a network takes other images. A shorter row
//! of values gets the middle of a digit's.
//!
//! Kernels that leave out what is zero are as fast as the data let them be, so noise would not do:
//! a network soon dies of learning noise, and dead units cost nothing.

use std::error::Error;
use std::path::Path;

use cnn::ndarray::ArrayD;
use cnn::runtime::spec::Spec;
use cnn::{Dataset, Examples};

use crate::networks::{Entry, Targets};

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

    /// [`COUNT`] examples for `network`: images of the shape that it takes, with its targets.
    pub fn pictures(&self, network: Entry) -> Result<Examples<'static>, Box<dyn Error>> {
        let Spec { input, output, .. } = (network.spec)();
        let count = COUNT.min(self.test.len());
        let size: usize = input.iter().product();
        let mut values = vec![0.0; count * size];
        let mut digit = [0.0; SIDE * SIDE];
        for (index, image) in values.chunks_exact_mut(size).enumerate() {
            self.test.read_input(index, &mut digit);
            match **input {
                [height, width, channels] if size != digit.len() => {
                    colour(&digit, image, [height, width, channels], index);
                }
                _ => image.copy_from_slice(&digit[(digit.len() - size) / 2..][..size]),
            }
        }
        let images = ArrayD::from_shape_vec([&[count], *input].concat(), values)?;
        Ok(match network.targets {
            Targets::Labels => {
                let classes: usize = output.iter().product();
                let labels = (0..count).filter_map(|index| self.test.label(index));
                Examples::labelled(images, labels.map(|label| label % classes))?
            }
            Targets::Inputs => Examples::with_values(images.clone(), images)?,
        })
    }
}

/// Draws `digit` in the middle of `image`, as often enlarged as it fits, both it and what is behind it in a colour of
/// its own. What does not fit is cut off.
fn colour(digit: &[f32], image: &mut [f32], [height, width, channels]: [usize; 3], index: usize) {
    let times = (height.min(width) / SIDE).max(1);
    for (place, value) in image.iter_mut().enumerate() {
        let (pixel, channel) = (place / channels, place % channels);
        let row = in_digit(pixel / width, height, times);
        let column = in_digit(pixel % width, width, times);
        let ink = match (row, column) {
            (Some(y), Some(x)) => digit[y * SIDE + x],
            _ => 0.0,
        };
        // Odd factors, so that neighbours in the set and channels differ.
        let behind = ((index * 37 + channel * 91) % 128) as f32 / 256.0;
        *value = behind + (1.0 - behind) * ink;
    }
}

/// Which row of a digit, enlarged `times` times, lies in the row `place` of an image with `size` rows, if any does.
fn in_digit(place: usize, size: usize, times: usize) -> Option<usize> {
    let from_middle = place + SIDE * times / 2;
    let row = from_middle.checked_sub(size / 2)? / times;
    (row < SIDE).then_some(row)
}
