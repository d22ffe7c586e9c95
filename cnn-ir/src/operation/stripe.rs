//! Stripes: some rows of an operation's output, as an operation of its own.
//!
//! Images are stored row by row. So some rows of an output are one slice, and so is what they see of the input:
//!
//! ```text
//! rows of the output ──▶ rows of the input that they see, zeros above them ──▶ the same operation on smaller images
//! ```
//!
//! A stripe at the upper edge keeps the zeros above the image, one at the lower edge those below it, and any other has
//! none. The bits are those of the whole, where the algorithm does not cut the rows in another way: which rows may begin
//! a stripe is said by [`choice::stripes`](crate::choice::stripes) and, of convolutions, by `choice::conv2d::cut`.

use crate::choice::stripes::Work;
use core::ops::Range;

/// An operation that computes some rows of the output of another one.
#[derive(Clone, Debug, PartialEq)]
pub struct Stripe<O> {
    /// Its input are the rows that it sees, its output are the rows that it computes.
    pub operation: O,
    /// The rows of the whole input that it sees. Of several inputs these are the rows of each, but where an input has one
    /// row, which all see.
    pub input: Range<usize>,
}

impl<O> Stripe<O> {
    /// What it sees of one of the inputs, whose rows have so many values.
    pub fn seen<'a>(&self, input: &'a [f32], row: usize) -> &'a [f32] {
        match input.len() == row {
            true => input,
            false => &input[self.input.start * row..self.input.end * row],
        }
    }
}

/// An operation on images whose rows of output can be computed apart.
pub trait Rows: Sized {
    /// Rows of its output.
    fn rows(&self) -> usize;

    /// Values of a row of one of its inputs.
    fn input_row(&self, place: usize) -> usize;

    /// Values of a row of its output.
    fn output_row(&self) -> usize;

    /// What it takes for one example.
    fn work(&self) -> Work;

    /// The operation that computes the rows `rows` of its output. None where they see padding alone.
    fn stripe(&self, rows: Range<usize>) -> Option<Stripe<Self>>;
}

/// The shape of so many rows of an image of this shape.
pub(super) fn with_rows([_, width, channels]: [usize; 3], rows: usize) -> [usize; 3] {
    [rows, width, channels]
}

/// Windows along the rows of an image.
#[derive(Clone, Copy)]
pub(super) struct RowWindows {
    /// Rows of the image.
    pub height: usize,
    /// Rows from the first to the last one that a window sees.
    pub extent: usize,
    /// From a window to the next.
    pub stride: usize,
    /// Rows above the image.
    pub padding: usize,
}

impl RowWindows {
    /// The rows of the image that the windows `windows` see, and the rows of padding above them.
    pub fn seen(&self, windows: &Range<usize>) -> Option<(Range<usize>, usize)> {
        let Self {
            height,
            extent,
            stride,
            padding,
        } = *self;
        let top = windows.start * stride;
        let bottom = (windows.end.checked_sub(1)? * stride + extent).saturating_sub(padding);
        let rows = top.saturating_sub(padding)..bottom.min(height);
        (!rows.is_empty()).then(|| (rows, padding.saturating_sub(top)))
    }
}
