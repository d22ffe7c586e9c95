//! PNG and JPEG files to pixels, and from some channels to others.

use std::io::{BufRead, Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::ImageError;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const JPEG: &[u8] = b"\xff\xd8\xff";

/// A picture with 8 bits a sample, `[H, W, C]`.
pub(super) struct Picture {
    pub(super) height: usize,
    pub(super) width: usize,
    /// 1 of grey, 2 of grey and alpha, 3 of red, green and blue, 4 of these and alpha.
    channels: usize,
    samples: Vec<u8>,
}

impl Picture {
    /// Decodes a file of at most so many pixels.
    pub(super) fn decode(
        mut reader: impl BufRead + Seek,
        max_pixels: u64,
    ) -> Result<Self, ImageError> {
        let mut first = Vec::new();
        reader
            .by_ref()
            .take(PNG.len() as u64)
            .read_to_end(&mut first)?;
        reader.rewind()?;
        let picture = if first == PNG {
            Self::decode_png(reader, max_pixels)?
        } else if first.starts_with(JPEG) {
            Self::decode_jpeg(reader, max_pixels)?
        } else {
            return Err(ImageError::Format { found: first });
        };
        match picture.samples.is_empty() {
            true => Err(ImageError::Decode("it has no pixels".into())),
            false => Ok(picture),
        }
    }

    fn decode_png(reader: impl BufRead + Seek, max_pixels: u64) -> Result<Self, ImageError> {
        // What the decoder itself allocates: rows, and what compressed metadata unpacks to.
        const BYTES: usize = 64 << 20;
        let mut decoder = png::Decoder::new_with_limits(reader, png::Limits { bytes: BYTES });
        decoder.set_ignore_text_chunk(true);
        decoder.set_ignore_iccp_chunk(true);
        decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
        let (width, height) = decoder.read_header_info()?.size();
        check(u64::from(height), u64::from(width), max_pixels)?;
        let mut reader = decoder.read_info()?;
        let (color, _) = reader.output_color_type();
        let too_large = ImageError::TooLarge {
            found: [u64::from(height), u64::from(width)],
            limit: max_pixels,
        };
        let Some(mut samples) = reader.output_buffer_size().and_then(zeros) else {
            return Err(too_large);
        };
        reader.next_frame(&mut samples)?;
        Ok(Self {
            height: height as usize,
            width: width as usize,
            channels: color.samples(),
            samples,
        })
    }

    fn decode_jpeg(reader: impl BufRead + Seek, max_pixels: u64) -> Result<Self, ImageError> {
        // The decoder promises memory safety, but its authors count a panic as an error to be reported.
        let decoded = catch_unwind(AssertUnwindSafe(|| {
            Self::decode_jpeg_or_panic(reader, max_pixels)
        }));
        decoded.unwrap_or_else(|_| Err(ImageError::Decode("the decoder has panicked".into())))
    }

    fn decode_jpeg_or_panic(
        reader: impl BufRead + Seek,
        max_pixels: u64,
    ) -> Result<Self, ImageError> {
        let wrong = |error: zune_jpeg::errors::DecodeErrors| {
            // An error of the reader is inside, but cannot be taken out.
            ImageError::Decode(error.to_string().into())
        };
        // The size is compared with the limit below. Strict: a file that ends early is no picture with grey blocks.
        let options = DecoderOptions::new_safe()
            .set_max_width(usize::MAX)
            .set_max_height(usize::MAX)
            .set_strict_mode(true);
        let mut decoder = JpegDecoder::new_with_options(reader, options);
        decoder.decode_headers().map_err(wrong)?;
        let info = decoder.info();
        let (height, width) = info.map_or((0, 0), |info| (info.height, info.width));
        check(u64::from(height), u64::from(width), max_pixels)?;
        let (color, channels) = match decoder.input_colorspace() {
            Some(ColorSpace::Luma) => (ColorSpace::Luma, 1),
            _ => (ColorSpace::RGB, 3),
        };
        decoder.set_options(options.jpeg_set_out_colorspace(color));
        let Some(mut samples) = decoder.output_buffer_size().and_then(zeros) else {
            return Err(ImageError::TooLarge {
                found: [u64::from(height), u64::from(width)],
                limit: max_pixels,
            });
        };
        decoder.decode_into(&mut samples).map_err(wrong)?;
        Ok(Self {
            height: usize::from(height),
            width: usize::from(width),
            channels,
            samples,
        })
    }

    /// The samples of a picture of so many channels. Alpha is dropped, or opaque where there is none; grey is luma after
    /// ITU-R 601, `0.299 R + 0.587 G + 0.114 B`.
    pub(super) fn into_channels(self, channels: usize) -> Result<Vec<u8>, ImageError> {
        let Self { samples, .. } = self;
        let luma = |[r, g, b]: [u8; 3]| {
            let [r, g, b] = [r, g, b].map(u32::from);
            // In 16 bits after the point, as Pillow computes it.
            ((19_595 * r + 38_470 * g + 7_471 * b + 0x8000) >> 16) as u8
        };
        Ok(match (self.channels, channels) {
            (from @ (1 | 3 | 4), to) if from == to => samples,
            (1, 3) => samples.iter().flat_map(|&grey| [grey; 3]).collect(),
            (1, 4) => (samples.iter())
                .flat_map(|&grey| [grey, grey, grey, u8::MAX])
                .collect(),
            (2, 1) => each(&samples, |[grey, _]| [grey]),
            (2, 3) => each(&samples, |[grey, _]| [grey; 3]),
            (2, 4) => each(&samples, |[grey, alpha]| [grey, grey, grey, alpha]),
            (3, 1) => each(&samples, |pixel| [luma(pixel)]),
            (3, 4) => each(&samples, |[r, g, b]| [r, g, b, u8::MAX]),
            (4, 1) => each(&samples, |[r, g, b, _]| [luma([r, g, b])]),
            (4, 3) => each(&samples, |[r, g, b, _]| [r, g, b]),
            (_, asked) => return Err(ImageError::Channels { asked }),
        })
    }
}

/// Changes each pixel.
fn each<const FROM: usize, const TO: usize>(
    samples: &[u8],
    f: impl Fn([u8; FROM]) -> [u8; TO],
) -> Vec<u8> {
    let (pixels, _) = samples.as_chunks::<FROM>();
    pixels.iter().flat_map(|pixel| f(*pixel)).collect()
}

/// Compares the size of a picture with the limit.
fn check(height: u64, width: u64, max_pixels: u64) -> Result<(), ImageError> {
    match height.saturating_mul(width) <= max_pixels {
        true => Ok(()),
        false => Err(ImageError::TooLarge {
            found: [height, width],
            limit: max_pixels,
        }),
    }
}

/// So many zeros, if memory has room for them.
fn zeros(length: usize) -> Option<Vec<u8>> {
    let mut zeros = Vec::new();
    zeros.try_reserve_exact(length).ok()?;
    zeros.resize(length, 0);
    Some(zeros)
}
