//! Arrays as images: pixels, a part of the picture for them, and the file of pixels of a whole picture.

use crate::color::{ColorMap, NOT_FINITE};
use crate::raster::{Raster, Rgba};
use crate::svg::{Area, Svg};

/// The most pixels of an image's side in a file. Of larger images some rows and columns are left out, as they are shown
/// smaller than this anyway.
const MOST_PIXELS: usize = 256;

/// An image from a function of row and column.
pub(crate) fn mapped(
    (height, width): (usize, usize),
    map: ColorMap,
    value: impl Fn(usize, usize) -> f32,
) -> Raster {
    Raster::from_fn(width, height, |row, column| map.color(value(row, column)))
}

/// An input `[H, W, channels]` of one or three channels as a person sees it: grey or RGB. `None` of other channels.
///
/// Values from 0 to 1 are shown as they are, and so are those from 0 to 255 where one is above 1. Of other values the
/// least is black and the largest is white.
pub(crate) fn photograph(
    (height, width, channels): (usize, usize, usize),
    values: &[f32],
) -> Option<Raster> {
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let (least, most) = (finite().fold(0.0, f32::min), finite().fold(0.0, f32::max));
    let (black, white) = match (least, most) {
        (least, most) if least >= 0.0 && most <= 1.0 => (0.0, 1.0),
        (least, most) if least >= 0.0 && most <= 255.0 && most > 32.0 => (0.0, 255.0),
        extent => extent,
    };
    let level = |value: f32| {
        // Halves, as the difference of two finite values may not be one.
        let share = (value / 2.0 - black / 2.0) / (white / 2.0 - black / 2.0);
        (share.clamp(0.0, 1.0) * 255.0).round() as u8
    };
    let color = |pixel: &[f32]| -> Rgba {
        match pixel {
            pixel if pixel.iter().any(|value| !value.is_finite()) => NOT_FINITE,
            [grey] => [level(*grey), level(*grey), level(*grey), 255],
            [red, green, blue] => [level(*red), level(*green), level(*blue), 255],
            _ => NOT_FINITE,
        }
    };
    let (rows, columns) = (height.min(MOST_PIXELS), width.min(MOST_PIXELS));
    matches!(channels, 1 | 3).then(|| {
        Raster::from_fn(columns, rows, |row, column| {
            let (row, column) = (row * height / rows, column * width / columns);
            let place = (row * width + column) * channels;
            color(&values[place..place + channels])
        })
    })
}

/// The size at which an image of `height` times `width` pixels is shown, whose longer side is about `side`: a multiple of
/// its pixels where it is enlarged, so that all are shown equally large.
pub(crate) fn shown((height, width): (usize, usize), side: f64) -> (f64, f64) {
    let longest = height.max(width).max(1) as f64;
    let factor = match side / longest {
        factor if factor >= 1.0 => factor.floor(),
        factor => factor,
    };
    // However long an image is, something of it is seen.
    let length = |pixels: usize| (pixels as f64 * factor).max(2.0);
    (length(width), length(height))
}

/// Tiles of one size in rows, as one image: many small files would be several times as large.
pub(crate) struct Sheet {
    raster: Raster,
    /// The tiles of a row.
    columns: usize,
    /// The size of a tile and the gap between two, in pixels of the image: one or more for each value, but not more than
    /// [`MOST_PIXELS`] because of many values.
    tile: (usize, usize),
    gap: usize,
    /// How large one of these pixels is in the picture.
    pixel: f64,
}

impl Sheet {
    /// A sheet of `count` tiles with `columns` in a row: each of `height` times `width` values, and shown in a size with a
    /// gap.
    pub(crate) fn new(
        (height, width): (usize, usize),
        size: (f64, f64),
        gap: f64,
        (columns, count): (usize, usize),
    ) -> Self {
        let longest = size.0.max(size.1);
        let pixel = (longest / height.max(width).clamp(1, MOST_PIXELS) as f64).min(1.0);
        let pixels = |length: f64| (length / pixel).round().max(1.0) as usize;
        let (tile, gap) = ((pixels(size.0), pixels(size.1)), pixels(gap));
        let (columns, rows) = (columns.min(count).max(1), count.div_ceil(columns.max(1)));
        let extent = |count: usize, tile: usize| (count * (tile + gap)).saturating_sub(gap);
        Self {
            raster: Raster::new(extent(columns, tile.0), extent(rows, tile.1)),
            columns,
            tile,
            gap,
            pixel,
        }
    }

    /// Draws tile number `place`.
    pub(crate) fn put(&mut self, place: usize, tile: &Raster) {
        let (width, height) = self.tile;
        let corner = (
            place % self.columns * (width + self.gap),
            place / self.columns * (height + self.gap),
        );
        self.raster.draw(tile, corner, self.tile);
    }

    /// The part of a picture that it takes, from a place on.
    pub(crate) fn area(&self, (x, y): (f64, f64)) -> Area {
        let (width, height) = self.raster.size();
        Area::new(x, y, width as f64 * self.pixel, height as f64 * self.pixel)
    }

    pub(crate) fn image(self) -> Raster {
        self.raster
    }
}

/// Images of a picture at their places.
#[derive(Default)]
pub(crate) struct Images {
    placed: Vec<(Area, Raster)>,
}

impl Images {
    /// Puts an image into the picture; `tip` is shown while the pointer is over it.
    pub(crate) fn put(&mut self, svg: &mut Svg, area: Area, image: Raster, tip: &str) {
        svg.image(area, "pixels", &image.data(), tip);
        self.placed.push((area, image));
    }

    /// All of them as one image. It is as large as the picture.
    pub(crate) fn raster(&self) -> Raster {
        let right = self.placed.iter().map(|(area, _)| area.right());
        let bottom = self.placed.iter().map(|(area, _)| area.bottom());
        let pixels = |length: f64| length.round().max(0.0) as usize;
        let mut all = Raster::new(
            pixels(right.fold(0.0, f64::max)),
            pixels(bottom.fold(0.0, f64::max)),
        );
        for (area, image) in &self.placed {
            let size = (pixels(area.width), pixels(area.height));
            all.draw(image, (pixels(area.x), pixels(area.y)), size);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_look_as_they_were_taken() {
        let grey = |value: u8| [value, value, value, 255];
        let cases: [(usize, &[f32], &[Rgba]); 6] = [
            (1, &[0.0, 1.0], &[grey(0), grey(255)]),
            (1, &[0.2, 0.4], &[grey(51), grey(102)]),
            (1, &[0.0, 128.0], &[grey(0), grey(128)]),
            (1, &[-1.0, 1.0], &[grey(0), grey(255)]),
            (1, &[f32::NAN, 1.0], &[NOT_FINITE, grey(255)]),
            (
                3,
                &[1.0, 0.0, 0.0, 0.0, 0.0, 1.0],
                &[[255, 0, 0, 255], [0, 0, 255, 255]],
            ),
        ];
        for (channels, values, pixels) in cases {
            let image = photograph((1, 2, channels), values).unwrap();
            let expected = Raster::from_fn(2, 1, |_, column| pixels[column]);
            assert_eq!(image, expected, "{values:?}");
        }
        assert_eq!(photograph((1, 1, 2), &[0.0, 1.0]), None);
    }

    /// Images of any size, and in any number, take files of a few megabytes at most.
    #[test]
    fn large_images_are_reduced() {
        let ramp = |pixels: usize| (0..pixels).map(|place| place as f32).collect::<Vec<_>>();
        let cases = [
            ((1000, 500), (256, 256)),
            ((1, 1000), (256, 1)),
            ((96, 96), (96, 96)),
        ];
        for ((height, width), size) in cases {
            let values = ramp(height * width);
            let image = photograph((height, width, 1), &values).unwrap();
            assert_eq!(image.size(), size, "{height}x{width}");
        }
        let cases = [
            ((1000, 1000), 46.0, 1),
            ((1, 100_000), 112.0, 1),
            ((4, 4), 46.0, 9),
        ];
        for (values, side, count) in cases {
            let size = shown(values, side);
            let sheet = Sheet::new(values, size, 3.0, (3, count));
            let (width, height) = sheet.raster.size();
            let longest = width.max(height);
            assert!(longest <= 300, "{values:?}: {longest}");
            let area = sheet.area((0.0, 0.0));
            let rows = count.div_ceil(3) as f64;
            let expected = rows * size.1 + (rows - 1.0) * 3.0;
            assert!((area.height - expected).abs() < 0.5, "{values:?}: {area:?}");
        }
    }

    #[test]
    fn sizes_are_multiples_of_the_pixels() {
        let cases = [
            ((28, 28), 90.0, (84.0, 84.0)),
            ((96, 96), 90.0, (90.0, 90.0)),
            ((49, 10), 90.0, (10.0, 49.0)),
            ((1, 1000), 90.0, (90.0, 2.0)),
            ((0, 0), 90.0, (2.0, 2.0)),
        ];
        for (pixels, side, size) in cases {
            assert_eq!(shown(pixels, side), size, "{pixels:?}");
        }
    }
}
