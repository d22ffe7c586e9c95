//! PNG and JPEG files.

use cnn::data::images::{self, Image, ImageError};

/// Files to begin with.
pub const SEEDS: &[&[u8]] = &[
    include_bytes!("../../tests/fixtures/files/grey.png"),
    include_bytes!("../../tests/fixtures/files/grey_alpha.png"),
    include_bytes!("../../tests/fixtures/files/palette.png"),
    include_bytes!("../../tests/fixtures/files/bits.png"),
    include_bytes!("../../tests/fixtures/files/rgb.jpg"),
    include_bytes!("../../tests/fixtures/files/grey.jpg"),
    include_bytes!("../../tests/fixtures/files/progressive.jpg"),
    include_bytes!("../../tests/fixtures/files/sampled.jpg"),
];

/// Reads `bytes`, and checks what comes out.
pub fn run(bytes: &[u8]) {
    check(images::from_bytes::<5, 9, 1>(bytes));
    check(images::from_bytes::<40, 3, 4>(bytes));
}

fn check<const H: usize, const W: usize, const C: usize>(
    image: Result<Image<H, W, C>, ImageError>,
) {
    if let Ok(image) = image {
        let mut values = image.as_flattened().as_flattened().iter();
        assert!(values.all(|value| (0.0..=1.0).contains(value)));
    }
}
