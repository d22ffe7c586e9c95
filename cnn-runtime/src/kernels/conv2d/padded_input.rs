//! The padded input of a convolution: an image with the zeros around it that its kernel reads.
//!
//! `sparse` and `permuted` address patches by one offset each, so every patch has to be complete in memory.
//! Without padding that is so in the image itself, and nothing is copied. With padding, the image is copied in, between
//! zeros, and a gradient with respect to it is accumulated there and copied out:
//!
//! ```text
//! image ── padded ──▶ padded input ──▶ patches          gradients of patches ──▶ padded gradient ── crop ──▶ dx
//! ```

use super::Conv2d;

/// The layout of a padded input, as far as the outputs of the convolution see it.
#[derive(Clone, Copy)]
pub(super) struct PaddedInput {
    /// Height and width.
    size: [usize; 2],
    /// Values of a pixel.
    channels: usize,
    /// Whether it is the image itself.
    pub is_image: bool,
    /// In how many runs of neighbouring values a row of a patch lies: one, unless taps are dilated.
    pub runs: usize,
    /// Values of a run.
    pub run: usize,
    /// From a run to the next.
    pub run_step: usize,
    /// From a row of a patch to the next.
    pub patch_row: usize,
}

impl PaddedInput {
    pub(super) const fn new(conv: &Conv2d) -> Self {
        let size = conv.padded_size();
        let channels = conv.input[2];
        let taps = conv.kernel[1];
        let (runs, run) = match conv.dilation[1] {
            1 => (1, taps * channels),
            _ => (taps, channels),
        };
        Self {
            size,
            channels,
            is_image: conv.sees_image_alone(),
            runs,
            run,
            run_step: conv.dilation[1] * channels,
            patch_row: conv.dilation[0] * size[1] * channels,
        }
    }

    /// Floats of the copy; 0 if there is none.
    pub(super) const fn scratch(&self) -> usize {
        if self.is_image { 0 } else { self.len() }
    }

    /// Floats of the padded input.
    pub(super) const fn len(&self) -> usize {
        self.size[0] * self.row()
    }

    /// From a row to the next.
    const fn row(&self) -> usize {
        self.size[1] * self.channels
    }

    /// The offset of the patch of an output cell. The cell may be negative, as a wrapped number; then so is the offset.
    #[inline(always)]
    pub(super) const fn patch(&self, conv: &Conv2d, [y, x]: [usize; 2]) -> usize {
        let down = conv.strides[0] * self.row();
        let right = conv.strides[1] * self.channels;
        y.wrapping_mul(down).wrapping_add(x.wrapping_mul(right))
    }

    /// The padded input of `image`: the image itself, or written to `copy`.
    pub(super) fn of<'a>(&self, conv: &Conv2d, image: &'a [f32], copy: &'a mut [f32]) -> &'a [f32] {
        if self.is_image {
            image
        } else {
            self.pad(conv, image, copy);
            copy
        }
    }

    /// Copies the part of `image` that is seen, with zeros around it.
    fn pad(&self, conv: &Conv2d, image: &[f32], padded: &mut [f32]) {
        let [left, end] = self.image_range(conv, 1).map(|x| x * self.channels);
        let [top, bottom] = self.image_range(conv, 0);
        for (y, to) in padded.chunks_exact_mut(self.row()).enumerate() {
            if (top..bottom).contains(&y) {
                let from = self.offset_in_image(conv, y);
                to[..left].fill(0.0);
                to[left..end].copy_from_slice(&image[from..from + end - left]);
                to[end..].fill(0.0);
            } else {
                to.fill(0.0);
            }
        }
    }

    /// Copies the image out of a padded gradient. Pixels that no output sees become zero.
    pub(super) fn crop(&self, conv: &Conv2d, padded: &[f32], image: &mut [f32]) {
        let [left, end] = self.image_range(conv, 1).map(|x| x * self.channels);
        let [top, bottom] = self.image_range(conv, 0);
        let mut written = 0;
        for y in top..bottom {
            let to = self.offset_in_image(conv, y);
            image[written..to].fill(0.0);
            written = to + end - left;
            image[to..written].copy_from_slice(&padded[y * self.row()..][left..end]);
        }
        image[written..].fill(0.0);
    }

    /// The rows or columns that are the image's: the first, and the one behind the last.
    fn image_range(&self, conv: &Conv2d, axis: usize) -> [usize; 2] {
        let first = conv.padding[axis].min(self.size[axis]);
        let end = (conv.padding[axis] + conv.input[axis]).min(self.size[axis]);
        [first, end]
    }

    /// The offset in the image of the first pixel that row `y` has of it.
    fn offset_in_image(&self, conv: &Conv2d, y: usize) -> usize {
        (y - conv.padding[0]) * conv.input[1] * self.channels
    }
}
