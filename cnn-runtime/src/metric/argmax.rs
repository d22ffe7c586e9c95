//! The place of the largest value of a row: the class that a network chooses.

use ndarray::{Array, ArrayRef, Axis, RemoveAxis};

/// The place of the largest value along the last axis: the classes that `[N, classes]` outputs choose,
/// as `[N]`.
///
/// The first one wins on ties. NaN counts as larger than every number, as in NumPy, so the place of the
/// first NaN shows where an output is none.
///
/// ```
/// use cnn_runtime::argmax;
/// use ndarray::array;
///
/// let outputs = array![[0.1, 0.7, 0.2], [0.4, 0.2, 0.4]];
/// assert_eq!(argmax(&outputs), array![1, 0]);
/// ```
///
/// # Panics
///
/// When there are no axes, or the last one is empty and the others are not.
pub fn argmax<A: PartialOrd, D: RemoveAxis>(values: &ArrayRef<A, D>) -> Array<usize, D::Smaller> {
    let last = values.ndim().checked_sub(1).expect("at least one axis");
    values.map_axis(Axis(last), |row| {
        place(row.iter()).expect("a value in each row")
    })
}

/// The place of the largest value, the first one on ties and among NaN, which is larger than every
/// number; `None` of nothing.
pub(super) fn place<'a, A: PartialOrd + 'a>(row: impl IntoIterator<Item = &'a A>) -> Option<usize> {
    let is_nan = |value: &A| value.partial_cmp(value).is_none();
    let mut row = row.into_iter().enumerate();
    let (mut place, mut largest) = row.next()?;
    for (other, value) in row {
        if value > largest || (is_nan(value) && !is_nan(largest)) {
            (place, largest) = (other, value);
        }
    }
    Some(place)
}
