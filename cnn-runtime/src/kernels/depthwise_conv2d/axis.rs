//! Which taps see the inside of an image, along one axis.
//!
//! The forward pass and the input gradient gather: each position of their target is a sum over the places of their source
//! that it sees through the taps of a kernel.
//!
//! ```text
//! forward          target y, source x      y[i]  sees x[i stride - padding + tap dilation]
//! input gradient   target dx, source dy    dx[i] sees dy[(i + padding - tap dilation) / stride], where that is whole
//! ```
//!
//! Positions of `dx` with the same remainder by the stride have the same taps: they are a phase. The forward pass has one
//! phase. A phase is cut into spans: what sees the source through all its taps, and single positions at the edges.

use cnn_ir::operation::DepthwiseConv2d;

/// Positions of the target at equal distances that see the source through the same taps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// The first position.
    pub(super) first: usize,
    /// From a position to the next.
    pub(super) step: usize,
    /// How many positions.
    pub(super) len: usize,
    /// The first tap.
    pub(super) tap: usize,
    /// From a tap to the next.
    pub(super) tap_step: usize,
    /// How many taps.
    pub(super) taps: usize,
    /// The place in the source that the first position sees through the first tap; outside it, if some tap is.
    pub(super) place: isize,
    /// How far places move from a position to the next.
    pub(super) place_step: usize,
    /// How far a place moves from a tap to the next.
    pub(super) tap_distance: isize,
}

/// A pass that gathers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pass {
    Forward,
    InputGradient,
}

impl Pass {
    /// The shapes of the source and of the target.
    pub(super) const fn shapes(self, conv: &DepthwiseConv2d) -> [[usize; 3]; 2] {
        match self {
            Self::Forward => [conv.input, conv.output],
            Self::InputGradient => [conv.output, conv.input],
        }
    }

    /// All positions of the target along an axis.
    pub(super) fn spans(self, conv: &DepthwiseConv2d, axis: usize) -> impl Iterator<Item = Span> {
        let [source, _] = self.shapes(conv);
        let phases = match self {
            Self::Forward => 1,
            Self::InputGradient => conv.strides[axis],
        };
        (0..phases).flat_map(move |phase| self.phase(conv, axis, phase).spans(source[axis]))
    }

    fn phase(self, conv: &DepthwiseConv2d, axis: usize, phase: usize) -> Span {
        let (stride, dilation) = (conv.strides[axis], conv.dilation[axis]);
        let (kernel, padding) = (conv.kernel[axis], conv.padding[axis]);
        match self {
            Self::Forward => Span {
                first: 0,
                step: 1,
                len: conv.output[axis],
                tap: 0,
                tap_step: 1,
                taps: kernel,
                place: -(padding as isize),
                place_step: stride,
                tap_distance: dilation as isize,
            },
            Self::InputGradient => {
                let divisor = greatest_common_divisor(stride, dilation);
                let tap_step = stride / divisor;
                // The place that the first position sees through a tap, times the stride.
                let offset = |tap: usize| (phase + padding) as isize - (tap * dilation) as isize;
                let is_whole = |tap: &usize| offset(*tap) % stride as isize == 0;
                let tap = (0..tap_step.min(kernel)).find(is_whole);
                Span {
                    first: phase,
                    step: stride,
                    len: conv.input[axis].saturating_sub(phase).div_ceil(stride),
                    tap: tap.unwrap_or(0),
                    tap_step,
                    taps: tap.map_or(0, |tap| (kernel - tap).div_ceil(tap_step)),
                    place: tap.map_or(0, |tap| offset(tap) / stride as isize),
                    place_step: 1,
                    tap_distance: -((dilation / divisor) as isize),
                }
            }
        }
    }
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    match b {
        0 => a,
        _ => greatest_common_divisor(b, a % b),
    }
}

impl Span {
    /// The positions of a phase, of which the first and the last may see what lies outside a source of `len` places, as
    /// spans that do not.
    #[inline]
    fn spans(self, len: usize) -> impl Iterator<Item = Self> {
        let [start, end] = self.inner(len);
        let inner = (start < end).then(|| self.part(start, end - start));
        let single = move |index| self.part(index, 1).trimmed(len);
        let before = (0..start).map(single);
        before.chain(inner).chain((end..self.len).map(single))
    }

    /// The first position whose taps all see a source of `len` places, and the one after the last.
    fn inner(self, len: usize) -> [usize; 2] {
        if self.taps == 0 {
            return [0, self.len];
        }
        let last = self.place + (self.taps as isize - 1) * self.tap_distance;
        let [least, greatest] = [self.place.min(last), self.place.max(last)];
        // From here on the least place is not negative; up to there the greatest one is below `len`.
        let start = least.min(0).unsigned_abs().div_ceil(self.place_step);
        let end = (len as isize - greatest).max(0) as usize;
        let end = end.div_ceil(self.place_step).min(self.len);
        [start.min(end), end]
    }

    fn part(self, index: usize, len: usize) -> Self {
        Self {
            first: self.first + index * self.step,
            len,
            place: self.place + (index * self.place_step) as isize,
            ..self
        }
    }

    /// Without the taps of the first position that see what lies outside a source of `len` places.
    fn trimmed(self, len: usize) -> Self {
        let place = |tap: usize| self.place + tap as isize * self.tap_distance;
        let inside = |tap: &usize| (0..len as isize).contains(&place(*tap));
        let taps = (0..self.taps).filter(inside).count();
        let before = (0..self.taps).find(inside).unwrap_or(0);
        Self {
            tap: self.tap + before * self.tap_step,
            taps,
            place: if taps == 0 { 0 } else { place(before) },
            ..self
        }
    }
}
