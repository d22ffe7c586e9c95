//! What the kernel sees of an image: the image itself, or a copy with the zeros around it.
//!
//! The kernels that gather patches by their place want every patch whole. Without padding it is whole in
//! the stored image already, and nothing is copied; else an image is copied in, or its gradient out.

use super::Conv2d;

/// The part of the padded input that the outputs of a convolution reach.
#[derive(Clone, Copy)]
pub(super) struct PaddedInput {
    /// Height and width of the rows that patches lie in.
    size: [usize; 2],
    /// Values of a pixel.
    channels: usize,
    /// Whether it is the stored image itself.
    pub stored: bool,
    /// In how many runs of neighbouring values a patch lies on a row.
    pub runs: usize,
    /// Values of a run.
    pub run: usize,
    /// From a run to the next.
    pub run_step: usize,
    /// From a row of a patch to the next.
    pub tap_row: usize,
}

impl PaddedInput {
    pub(super) const fn new(conv: &Conv2d) -> Self {
        let reach = [reach(conv, 0), reach(conv, 1)];
        let [height, width, channels] = conv.input;
        let stored =
            conv.padding[0] == 0 && conv.padding[1] == 0 && reach[0] <= height && reach[1] <= width;
        let size = if stored { [height, width] } else { reach };
        let taps = conv.kernel[1];
        let (runs, run) = match conv.dilation[1] {
            1 => (1, taps * channels),
            _ => (taps, channels),
        };
        Self {
            size,
            channels,
            stored,
            runs,
            run,
            run_step: conv.dilation[1] * channels,
            tap_row: conv.dilation[0] * size[1] * channels,
        }
    }

    /// Floats of the copy; 0 where there is none.
    pub(super) const fn scratch(&self) -> usize {
        if self.stored { 0 } else { self.len() }
    }

    /// Values of the padded_input.
    pub(super) const fn len(&self) -> usize {
        self.size[0] * self.row()
    }

    /// Values from a row to the next.
    const fn row(&self) -> usize {
        self.size[1] * self.channels
    }

    /// Where the patch of an output cell starts. Wraps with the place of the cell.
    #[inline(always)]
    pub(super) const fn patch(&self, conv: &Conv2d, [y, x]: [usize; 2]) -> usize {
        let down = conv.strides[0] * self.row();
        let right = conv.strides[1] * self.channels;
        y.wrapping_mul(down).wrapping_add(x.wrapping_mul(right))
    }

    /// The field of `image`, in `copy` unless that is the image itself.
    pub(super) fn whole<'a>(
        &self,
        conv: &Conv2d,
        image: &'a [f32],
        copy: &'a mut [f32],
    ) -> &'a [f32] {
        if self.stored {
            image
        } else {
            self.fill(conv, image, copy);
            copy
        }
    }

    /// Copies what there is of `image` to `padded_input` and zeros around it.
    fn fill(&self, conv: &Conv2d, image: &[f32], padded_input: &mut [f32]) {
        let [left, end] = self.inside(conv, 1).map(|x| x * self.channels);
        let [top, bottom] = self.inside(conv, 0);
        for (y, to) in padded_input.chunks_exact_mut(self.row()).enumerate() {
            if (top..bottom).contains(&y) {
                let from = self.place(conv, y);
                to[..left].fill(0.0);
                to[left..end].copy_from_slice(&image[from..from + end - left]);
                to[end..].fill(0.0);
            } else {
                to.fill(0.0);
            }
        }
    }

    /// Copies what lies inside the image back to it, and zeros to what the field does not reach.
    pub(super) fn extract(&self, conv: &Conv2d, padded_input: &[f32], image: &mut [f32]) {
        let [left, end] = self.inside(conv, 1).map(|x| x * self.channels);
        let [top, bottom] = self.inside(conv, 0);
        let mut written = 0;
        for y in top..bottom {
            let to = self.place(conv, y);
            image[written..to].fill(0.0);
            written = to + end - left;
            image[to..written].copy_from_slice(&padded_input[y * self.row()..][left..end]);
        }
        image[written..].fill(0.0);
    }

    /// The rows or columns of the field that are the image's: first, end.
    fn inside(&self, conv: &Conv2d, axis: usize) -> [usize; 2] {
        let first = conv.padding[axis].min(self.size[axis]);
        let end = (conv.padding[axis] + conv.input[axis]).min(self.size[axis]);
        [first, end]
    }

    /// Where what is inside of row `y` of the field starts in the image.
    fn place(&self, conv: &Conv2d, y: usize) -> usize {
        (y - conv.padding[0]) * conv.input[1] * self.channels
    }
}

/// Rows or columns of the padded input that the outputs see.
const fn reach(conv: &Conv2d, axis: usize) -> usize {
    let extent = (conv.kernel[axis] - 1) * conv.dilation[axis] + 1;
    (conv.output[axis] - 1) * conv.strides[axis] + extent
}
