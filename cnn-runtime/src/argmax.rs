//! The place of the largest value of a row: the class that a network chooses.

#[cfg(feature = "std")]
use ndarray::{Array, ArrayBase, ArrayRef, Axis, Data, RemoveAxis};

/// The place of the largest value along the last axis: the classes that outputs choose. [`Argmax`] lists what
/// `values` can be.
///
/// The first one wins on ties. NaN counts as larger than every number, as in NumPy, so the place of the
/// first NaN shows where an output is none.
///
/// ```
/// use cnn_runtime::argmax;
///
/// let output: [f32; 3] = [0.1, 0.7, 0.2];                 // of `predict`
/// assert_eq!(argmax(&output), 1);
/// let pixels: [[[f32; 2]; 1]; 2] = [[[0.9, 0.1]], [[0.2, 0.8]]];
/// assert_eq!(argmax(&pixels), [[0], [1]]);
/// # #[cfg(feature = "std")] {
/// use ndarray::array;
///
/// let outputs = array![[0.1, 0.7, 0.2], [0.4, 0.2, 0.4]]; // of `predict_batch`
/// assert_eq!(argmax(&outputs), array![1, 0]);
/// # }
/// ```
///
/// # Panics
///
/// When an `ndarray` array has no axes, or its last one is empty and the others are not.
pub fn argmax<V: Argmax + ?Sized>(values: &V) -> V::Places {
    values.argmax()
}

/// What [`argmax`] takes.
pub trait Argmax {
    /// One place for each row.
    type Places;

    /// What [`argmax`] returns.
    fn argmax(&self) -> Self::Places;
}

/// One row: the output of a classifier for one example.
impl<const N: usize> Argmax for [f32; N] {
    type Places = usize;

    fn argmax(&self) -> usize {
        const { assert!(N > 0, "a row of values") };
        place(self).unwrap_or(0)
    }
}

/// Rows of rows: an output with a class for each position, `[[usize; W]; H]` of `[[[f32; C]; W]; H]`.
impl<V: Argmax, const N: usize> Argmax for [V; N] {
    type Places = [V::Places; N];

    fn argmax(&self) -> Self::Places {
        self.each_ref().map(V::argmax)
    }
}

/// A batch, `[N, …]` of `[N, …, classes]`.
#[cfg(feature = "std")]
impl<A: PartialOrd, D: RemoveAxis> Argmax for ArrayRef<A, D> {
    type Places = Array<usize, D::Smaller>;

    fn argmax(&self) -> Self::Places {
        let last = self.ndim().checked_sub(1).expect("at least one axis");
        self.map_axis(Axis(last), |row| {
            place(row.iter()).expect("a value in each row")
        })
    }
}

/// A batch, `[N, …]` of `[N, …, classes]`.
#[cfg(feature = "std")]
impl<A: PartialOrd, S: Data<Elem = A>, D: RemoveAxis> Argmax for ArrayBase<S, D> {
    type Places = Array<usize, D::Smaller>;

    fn argmax(&self) -> Self::Places {
        (**self).argmax()
    }
}

/// The place of the largest value, the first one on ties and among NaN, which is larger than every
/// number; `None` of nothing.
pub(crate) fn place<'a, A: PartialOrd + 'a>(row: impl IntoIterator<Item = &'a A>) -> Option<usize> {
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

#[cfg(test)]
mod tests {
    use super::argmax;
    use ndarray::{ArrayD, IxDyn, array, aview1};

    #[test]
    fn argmax_is_along_the_last_axis() {
        let cases: [(&[f32], usize); 8] = [
            (&[3.0], 0),
            (&[1.0, 3.0, 2.0], 1),
            (&[-3.0, -1.0, -2.0], 1),
            (&[2.0, 2.0, 1.0], 0),
            (&[f32::NEG_INFINITY, f32::INFINITY], 1),
            (&[0.0, f32::NAN, 5.0, f32::NAN], 1),
            (&[f32::NAN, f32::NAN], 0),
            (&[5.0, f32::NAN], 1),
        ];
        for (row, expected) in cases {
            let found = argmax(&aview1(row)).into_scalar();
            assert_eq!(found, expected, "{row:?}");
        }
        let values = array![[[1, 2], [4, 3]], [[5, 6], [8, 7]], [[0, 0], [0, 9]]];
        assert_eq!(argmax(&values), array![[1, 0], [1, 0], [0, 1]]);
        assert_eq!(argmax(&values.t()), array![[1, 1], [1, 2]]);
        let dynamic: ArrayD<usize> = argmax(&values.into_dyn());
        assert_eq!(dynamic.shape(), [3, 2]);
        let none = ArrayD::<f64>::zeros(IxDyn(&[0, 5]));
        assert_eq!(argmax(&none).shape(), [0]);
        let none = ArrayD::<f64>::zeros(IxDyn(&[0, 0]));
        assert_eq!(argmax(&none).shape(), [0]);
    }

    #[test]
    #[should_panic(expected = "a value in each row")]
    fn argmax_of_nothing() {
        argmax(&ArrayD::<f32>::zeros(IxDyn(&[2, 0])));
    }

    #[test]
    fn argmax_of_plain_arrays() {
        assert_eq!(argmax(&[1.0, 3.0, 3.0]), 1);
        assert_eq!(argmax(&[1.0, f32::NAN, 3.0]), 1);
        assert_eq!(argmax(&[[1.0, 3.0], [2.0, 0.0]]), [1, 0]);
        let positions = [[[0.1, 0.9], [0.8, 0.2], [0.5, 0.5]]];
        assert_eq!(argmax(&positions), [[1, 0, 0]]);
    }
}
