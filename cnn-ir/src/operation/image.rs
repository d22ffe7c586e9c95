//! Rows and columns of images.

/// Rows and columns.
pub type Extent = [usize; 2];

/// Height, width and channels of a stored value: a flat one is a single cell, and the last of two axes are the channels.
pub fn image(shape: &[usize]) -> [usize; 3] {
    match *shape {
        [height, width, channels] => [height, width, channels],
        [width, channels] => [1, width, channels],
        _ => [1, 1, shape.iter().product()],
    }
}

/// The rows and columns that a window reads to compute `output` of them: `(output - 1) * stride +
/// extent`, without those before the image, which are padding. A window that hangs over the end
/// reads all there is.
pub(super) fn windows(
    output: Extent,
    whole: Extent,
    size: Extent,
    strides: Extent,
    padding: Extent,
    dilation: Extent,
) -> Extent {
    core::array::from_fn(|axis| {
        let extent = (size[axis] - 1) * dilation[axis] + 1;
        let read = (output[axis] - 1) * strides[axis] + extent;
        // Windows that lie in the padding alone read nothing, but a value has at least one cell.
        read.saturating_sub(padding[axis]).clamp(1, whole[axis])
    })
}
