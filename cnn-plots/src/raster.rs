//! [`Raster`]: an image of pixels, and its PNG file.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A colour: red, green, blue, and how opaque it is.
pub(crate) type Rgba = [u8; 4];

/// An image of pixels, row by row from the upper left corner. It is transparent at first.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Raster {
    width: usize,
    height: usize,
    pixels: Vec<Rgba>,
}

impl Raster {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            pixels: vec![[0; 4]; width * height],
        }
    }

    /// An image whose colours are those of `color(row, column)`.
    pub(crate) fn from_fn(
        width: usize,
        height: usize,
        mut color: impl FnMut(usize, usize) -> Rgba,
    ) -> Self {
        let places = (0..height).flat_map(|row| (0..width).map(move |column| (row, column)));
        Self {
            width,
            height,
            pixels: places.map(|(row, column)| color(row, column)).collect(),
        }
    }

    /// Draws `image` from a place on, in a part of so many pixels: the nearest pixel of `image` for each. What lies
    /// outside is left out.
    pub(crate) fn draw(&mut self, image: &Self, (left, top): (usize, usize), size: (usize, usize)) {
        if image.width == 0 || image.height == 0 {
            return;
        }
        for row in 0..size.1.min(self.height.saturating_sub(top)) {
            for column in 0..size.0.min(self.width.saturating_sub(left)) {
                let (y, x) = (row * image.height / size.1, column * image.width / size.0);
                self.pixels[(top + row) * self.width + left + column] =
                    image.pixels[y * image.width + x];
            }
        }
    }

    pub(crate) fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// The PNG file: of a palette where 256 colours are enough, which is a quarter as large. An image without pixels has
    /// no such file, and is one transparent pixel then.
    pub(crate) fn png(&self) -> Vec<u8> {
        if self.pixels.is_empty() {
            return Self::new(1, 1).png();
        }
        let mut palette: Vec<Rgba> = self.pixels.clone();
        palette.sort_unstable();
        palette.dedup();
        let mut file = Vec::new();
        let [width, height] = [self.width, self.height].map(|side| side as u32);
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::High);
        let data: Vec<u8> = if palette.len() <= 256 {
            encoder.set_color(png::ColorType::Indexed);
            let colors = palette.iter().flat_map(|[r, g, b, _]| [*r, *g, *b]);
            encoder.set_palette(colors.collect::<Vec<u8>>());
            encoder.set_trns(palette.iter().map(|color| color[3]).collect::<Vec<u8>>());
            // Neighbours in a palette have nothing to do with each other.
            encoder.set_filter(png::Filter::NoFilter);
            let place = |color| palette.binary_search(color).unwrap_or_default() as u8;
            self.pixels.iter().map(place).collect()
        } else {
            encoder.set_color(png::ColorType::Rgba);
            self.pixels.as_flattened().to_vec()
        };
        let written = encoder
            .write_header()
            .and_then(|mut writer| writer.write_image_data(&data));
        written.expect("the data is as long as the header says, and memory takes it");
        file
    }

    /// The PNG file as a `data:` address.
    pub(crate) fn data(&self) -> String {
        format!("data:image/png;base64,{}", STANDARD.encode(self.png()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pixels of a file.
    fn decoded(file: &[u8]) -> ((u32, u32), Vec<u8>) {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
        decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::ALPHA);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        ((info.width, info.height), pixels)
    }

    #[test]
    fn files_hold_the_pixels() {
        let few = Raster::from_fn(3, 2, |row, column| [row as u8, column as u8, 7, 255]);
        let many = Raster::from_fn(40, 20, |row, column| {
            [row as u8, column as u8, 0, (row + column) as u8]
        });
        for raster in [few, many] {
            let (size, pixels) = decoded(&raster.png());
            assert_eq!((size.0 as usize, size.1 as usize), raster.size());
            assert_eq!(pixels, raster.pixels.as_flattened());
        }
    }

    #[test]
    fn an_image_without_pixels_is_a_file_too() {
        for (width, height) in [(0, 0), (0, 5), (5, 0)] {
            assert_eq!(
                decoded(&Raster::new(width, height).png()),
                ((1, 1), vec![0; 4])
            );
        }
    }

    #[test]
    fn images_are_drawn_larger_and_cut_off_at_the_border() {
        let image = Raster::from_fn(2, 1, |_, column| [column as u8 + 1; 4]);
        let mut sheet = Raster::new(5, 2);
        sheet.draw(&image, (2, 0), (4, 2));
        let row = [0, 0, 1, 1, 2].map(|value| [value; 4]);
        assert_eq!(sheet.pixels, [row, row].concat());
        sheet.draw(&Raster::new(0, 0), (0, 0), (2, 2));
        assert_eq!(sheet.pixels, [row, row].concat());
    }
}
