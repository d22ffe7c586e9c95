//! Images read at places of an affine map, or beside these, bilinearly, with zeros outside.
//!
//! The image lies in a frame of zeros: [`framed_len`] floats, with one row and column before it and two behind it.
//! Coordinates are cut off where all neighbours are zeros of the frame, so the loop over the pixels looks at no border.
//! For each row, coordinates come first, which LLVM vectorises, and then the pixels:
//!
//! ```text
//! x, y ─ map, cut off ─▶ place of the upper left neighbour, parts of a pixel to its right and below ─▶ four neighbours ─▶ pixel
//! ```
//!
//! The arithmetic is that of plain `f32`, so every instruction set makes the same bits.

use super::Isa;
use super::simd::{Kernel, Simd};

/// Rows of zeros above the image, and columns to its left.
const BEFORE: usize = 1;
/// Rows below it and columns to its right: where a coordinate is cut off, and the neighbour of that.
const AFTER: usize = 2;

/// The pixels of a row that are computed at once.
const AT_ONCE: usize = 64;

/// A map from pixels of the result to places in the image, in rows and columns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Affine {
    /// How many rows and columns further a place is, by row and by column of the result.
    pub(crate) linear: [[f32; 2]; 2],
    /// The place of the first pixel of the result.
    pub(crate) origin: [f32; 2],
}

/// The floats of an image `[H, W, C]` in its frame.
pub(crate) const fn framed_len([height, width, channels]: [usize; 3]) -> usize {
    let frame = BEFORE + AFTER;
    (height + frame) * (width + frame) * channels
}

/// The rows of an image in its frame, without the zeros.
pub(crate) fn rows_mut(
    [height, width, channels]: [usize; 3],
    framed: &mut [f32],
) -> impl Iterator<Item = &mut [f32]> {
    let row = (width + BEFORE + AFTER) * channels;
    let rows = framed.chunks_exact_mut(row).skip(BEFORE).take(height);
    rows.map(move |row| &mut row[BEFORE * channels..][..width * channels])
}

/// A row of an image in its frame, without the zeros.
pub(crate) fn row([_, width, channels]: [usize; 3], framed: &[f32], index: usize) -> &[f32] {
    let row = (width + BEFORE + AFTER) * channels;
    &framed[(index + BEFORE) * row + BEFORE * channels..][..width * channels]
}

/// Reads the image of the frame at the places of the map, and overwrites `result`, `[H, W, C]`. Each place is moved by
/// its displacement, of rows and of columns, `[H, 2, W]`; an empty slice moves none.
///
/// # Panics
/// If a slice has another length than the shape says.
pub(crate) fn resample(
    isa: Isa,
    map: &Affine,
    displacements: &[f32],
    shape: [usize; 3],
    framed: &[f32],
    result: &mut [f32],
) {
    let places = shape[0] * shape[1];
    assert!(
        [0, 2 * places].contains(&displacements.len()),
        "two for each pixel, or none"
    );
    assert_eq!(framed.len(), framed_len(shape), "an image in its frame");
    assert_eq!(result.len(), shape.iter().product::<usize>(), "an image");
    assert!(i32::try_from(framed.len()).is_ok(), "places are 32 bits");
    isa.run(Resample {
        map,
        displacements,
        shape,
        framed,
        result,
    });
}

/// The lengths are those of the shape, as [`resample`] checks.
struct Resample<'a> {
    map: &'a Affine,
    displacements: &'a [f32],
    shape: [usize; 3],
    framed: &'a [f32],
    result: &'a mut [f32],
}

impl Kernel for Resample<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        match self.shape[2] {
            1 => self.with_channels::<1>(),
            3 => self.with_channels::<3>(),
            // Of any number.
            _ => self.with_channels::<0>(),
        }
    }
}

impl Resample<'_> {
    #[inline(always)]
    fn with_channels<const CHANNELS: usize>(self) {
        let Self {
            map,
            displacements,
            shape: [height, width, channels],
            framed,
            result,
        } = self;
        let channels = if CHANNELS == 0 { channels } else { CHANNELS };
        let row = (width + BEFORE + AFTER) * channels;
        let ends = [height, width].map(|side| (side + BEFORE) as f32);
        let [
            [down_by_row, down_by_column],
            [right_by_row, right_by_column],
        ] = map.linear;
        let zeros = [0.0; AT_ONCE];
        let (mut places, mut downs, mut rights) =
            ([0_u32; AT_ONCE], [0.0; AT_ONCE], [0.0; AT_ONCE]);
        for (y, result) in result.chunks_exact_mut(width * channels).enumerate() {
            let first_down = map.origin[0] + down_by_row * y as f32 + BEFORE as f32;
            let first_right = map.origin[1] + right_by_row * y as f32 + BEFORE as f32;
            for (part, result) in result.chunks_mut(AT_ONCE * channels).enumerate() {
                let count = result.len() / channels;
                let (mut moved_down, mut moved_right) = (&zeros[..count], &zeros[..count]);
                if !displacements.is_empty() {
                    let first = 2 * y * width + part * AT_ONCE;
                    moved_down = &displacements[first..][..count];
                    moved_right = &displacements[first + width..][..count];
                }
                let (places, downs, rights) = (
                    &mut places[..count],
                    &mut downs[..count],
                    &mut rights[..count],
                );
                for column in 0..count {
                    let x = (part * AT_ONCE + column) as f32;
                    let down = first_down + down_by_column * x + moved_down[column];
                    let right = first_right + right_by_column * x + moved_right[column];
                    // What is no number becomes 0.
                    let down = down.max(0.0).min(ends[0]);
                    let right = right.max(0.0).min(ends[1]);
                    // SAFETY: both are numbers of at most `ends`, which are less than 2^31, as the frame has less places.
                    let (whole_down, whole_right) = unsafe {
                        (
                            down.to_int_unchecked::<i32>(),
                            right.to_int_unchecked::<i32>(),
                        )
                    };
                    downs[column] = down - whole_down as f32;
                    rights[column] = right - whole_right as f32;
                    places[column] =
                        whole_down as u32 * row as u32 + whole_right as u32 * channels as u32;
                }
                for (index, pixel) in result.chunks_exact_mut(channels).enumerate() {
                    let (place, down, right) =
                        (places[index] as usize, downs[index], rights[index]);
                    for (channel, value) in pixel.iter_mut().enumerate() {
                        let at = place + channel;
                        // SAFETY: `place` is of a row up to `height + 1` and a column up to `width + 1`, so the pixels to its right, below it and
                        // beside that are in the frame, which has three rows and columns more than the image.
                        let (a, b, c, d) = unsafe {
                            (
                                *framed.get_unchecked(at),
                                *framed.get_unchecked(at + channels),
                                *framed.get_unchecked(at + row),
                                *framed.get_unchecked(at + row + channels),
                            )
                        };
                        let above = a + right * (b - a);
                        let below = c + right * (d - c);
                        *value = above + down * (below - above);
                    }
                }
            }
        }
    }
}
