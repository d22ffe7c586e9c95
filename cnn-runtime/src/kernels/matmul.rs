//! General matrix products: `C = alpha * A * B + beta * C`.
//!
//! [`gemm`] is matrixmultiply's `sgemm`. It computes all products on an instruction set without explicit vectors
//! ([`Isa::PORTABLE`]), and on others those products of dense layers that register tiles are slow at. A value of `C`
//! does not depend on the number of rows or columns. matrixmultiply allocates and needs `std`; without it register
//! tiles compute all products, and `gemm` is a plain loop.
//!
//! A view checks once, at construction, that every element lies inside its slice.

#[cfg(doc)]
use super::Isa;
use super::simd::{Simd, of_this_build};

/// Whether [`gemm`] computes all products in place of this instruction set. Kernels that are then never called ask in
/// a `const` block, so that they are not compiled.
pub(crate) const fn replaces<S: Simd>() -> bool {
    of_this_build(S::SHAPE).prefers_matrixmultiply()
}

/// A read-only view of a matrix in a slice, with any strides.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    data: &'a [f32],
    layout: Layout,
}

/// A mutable view of a matrix in a slice, with strides that give each element an address of its own.
#[derive(Debug)]
pub struct MatrixMut<'a> {
    data: &'a mut [f32],
    layout: Layout,
}

#[derive(Clone, Copy, Debug)]
struct Layout {
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl Layout {
    /// A layout whose elements all lie below `length`.
    fn new(length: usize, [rows, columns]: [usize; 2], strides: [usize; 2]) -> Self {
        let [row_stride, column_stride] = strides;
        if rows > 0 && columns > 0 {
            let last = (rows - 1)
                .checked_mul(row_stride)
                .zip((columns - 1).checked_mul(column_stride))
                .and_then(|(row, column)| row.checked_add(column));
            assert!(
                last.is_some_and(|last| last < length),
                "a {rows}x{columns} matrix with strides {strides:?} does not fit {length} values"
            );
        }
        // The stride of an axis of one element, or of an empty matrix, is never used. Zero is
        // always valid.
        let used = |stride, axis| {
            if rows > 0 && columns > 0 && axis > 1 {
                stride
            } else {
                0
            }
        };
        Self {
            rows,
            columns,
            row_stride: used(row_stride, rows),
            column_stride: used(column_stride, columns),
        }
    }

    /// Whether no two elements have the same address: one axis steps over all that the other one spans.
    fn is_injective(&self) -> bool {
        let apart = |count, stride, span| count <= 1 || stride > span;
        let Self {
            rows,
            columns,
            row_stride,
            column_stride,
        } = *self;
        if rows == 0 || columns == 0 {
            return true;
        }
        let row_span = (columns - 1) * column_stride;
        let column_span = (rows - 1) * row_stride;
        apart(columns, column_stride, 0) && apart(rows, row_stride, row_span)
            || apart(rows, row_stride, 0) && apart(columns, column_stride, column_span)
    }

    fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }

    #[cfg(any(test, not(feature = "std")))]
    fn offset(&self, row: usize, column: usize) -> usize {
        row * self.row_stride + column * self.column_stride
    }
}

impl<'a> Matrix<'a> {
    /// A row-major matrix at the front of `data`.
    ///
    /// # Panics
    /// If it does not fit.
    pub fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::with_strides(data, [rows, columns], [columns, 1])
    }

    /// A matrix of `[rows, columns]` whose neighbours are `strides` apart, down and across.
    ///
    /// # Panics
    /// If an element lies outside `data`.
    pub fn with_strides(data: &'a [f32], shape: [usize; 2], strides: [usize; 2]) -> Self {
        Self {
            data,
            layout: Layout::new(data.len(), shape, strides),
        }
    }

    /// The transposed matrix; nothing moves.
    pub fn transposed(self) -> Self {
        Self {
            data: self.data,
            layout: self.layout.transposed(),
        }
    }

    #[cfg(any(test, not(feature = "std")))]
    fn at(&self, row: usize, column: usize) -> f32 {
        self.data[self.layout.offset(row, column)]
    }
}

impl<'a> MatrixMut<'a> {
    /// A row-major matrix at the front of `data`.
    ///
    /// # Panics
    /// If it does not fit.
    pub fn new(data: &'a mut [f32], rows: usize, columns: usize) -> Self {
        Self::with_strides(data, [rows, columns], [columns, 1])
    }

    /// A matrix of `[rows, columns]` whose neighbours are `strides` apart, down and across.
    ///
    /// # Panics
    /// If an element lies outside `data`, or two have the same address.
    pub fn with_strides(data: &'a mut [f32], shape: [usize; 2], strides: [usize; 2]) -> Self {
        let layout = Layout::new(data.len(), shape, strides);
        assert!(
            layout.is_injective(),
            "elements of a {shape:?} matrix with strides {strides:?} overlap"
        );
        Self { data, layout }
    }
}

/// `c = alpha * a * b + beta * c`. Where `beta` is 0, `c` is not read.
///
/// # Panics
/// If the shapes do not fit: `[m, k] * [k, n] = [m, n]`.
pub fn gemm(alpha: f32, a: Matrix<'_>, b: Matrix<'_>, beta: f32, c: MatrixMut<'_>) {
    #[cfg(feature = "std")]
    packed(alpha, a, b, beta, c);
    #[cfg(not(feature = "std"))]
    by_definition(alpha, a, b, beta, c);
}

/// The sizes `[m, k, n]` of a product, after a check that they agree.
fn product(a: &Matrix<'_>, b: &Matrix<'_>, c: &MatrixMut<'_>) -> [usize; 3] {
    let [m, k, n] = [a.layout.rows, a.layout.columns, b.layout.columns];
    assert_eq!(b.layout.rows, k, "inner sizes of a matrix product");
    assert_eq!(c.layout.rows, m, "rows of a matrix product");
    assert_eq!(c.layout.columns, n, "columns of a matrix product");
    [m, k, n]
}

#[cfg(feature = "std")]
fn packed(alpha: f32, a: Matrix<'_>, b: Matrix<'_>, beta: f32, c: MatrixMut<'_>) {
    let [m, k, n] = product(&a, &b, &c);
    let strides =
        |layout: Layout| [layout.row_stride, layout.column_stride].map(|stride| stride as isize);
    let [[a_row, a_column], [b_row, b_column], [c_row, c_column]] =
        [a.layout, b.layout, c.layout].map(strides);
    // SAFETY: `Layout::new` has checked, without overflow, that all elements of the three
    // matrices lie inside their slices; so no stride in use exceeds a slice's length, which
    // fits an `isize`. `product` has checked that the sizes agree. `c` is borrowed mutably, so
    // it overlaps neither `a` nor `b`, and `MatrixMut` makes sure that its elements are distinct.
    unsafe {
        matrixmultiply::sgemm(
            m,
            k,
            n,
            alpha,
            a.data.as_ptr(),
            a_row,
            a_column,
            b.data.as_ptr(),
            b_row,
            b_column,
            beta,
            c.data.as_mut_ptr(),
            c_row,
            c_column,
        );
    }
}

/// The slow, obvious twin: element by element.
#[cfg(any(test, not(feature = "std")))]
fn by_definition(alpha: f32, a: Matrix<'_>, b: Matrix<'_>, beta: f32, c: MatrixMut<'_>) {
    let [m, k, n] = product(&a, &b, &c);
    for i in 0..m {
        for j in 0..n {
            let sum: f32 = (0..k).map(|p| a.at(i, p) * b.at(p, j)).sum();
            let c = &mut c.data[c.layout.offset(i, j)];
            *c = alpha * sum + if beta == 0.0 { 0.0 } else { beta * *c };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::test_support::{Failures, Guarded, Random};

    type Gemm = fn(f32, Matrix<'_>, Matrix<'_>, f32, MatrixMut<'_>);

    /// Each engine on its own, and the choice between them.
    const ENGINES: &[(&str, Gemm)] = &[
        ("gemm", gemm),
        ("by definition", by_definition),
        #[cfg(feature = "std")]
        ("packed", packed),
    ];

    /// Strides of a `[rows, columns]` matrix and the length of the slice it needs.
    #[derive(Clone, Copy, Debug)]
    enum Order {
        RowMajor,
        ColumnMajor,
        /// Gaps between rows and between elements.
        Gaps,
    }

    impl Order {
        fn strides(self, [rows, columns]: [usize; 2]) -> [usize; 2] {
            match self {
                Self::RowMajor => [columns, 1],
                Self::ColumnMajor => [1, rows],
                Self::Gaps => [2 * columns + 3, 2],
            }
        }

        fn length(self, shape: [usize; 2]) -> usize {
            let [row, column] = self.strides(shape);
            if shape.contains(&0) {
                0
            } else {
                (shape[0] - 1) * row + (shape[1] - 1) * column + 1
            }
        }
    }

    const ORDERS: [Order; 3] = [Order::RowMajor, Order::ColumnMajor, Order::Gaps];

    /// One product by every engine, compared with the definition. With `beta` 0, `c` starts as NaN.
    fn check(
        random: &mut Random,
        [m, k, n]: [usize; 3],
        orders: [Order; 3],
        failures: &mut Failures,
    ) {
        let shapes = [[m, k], [k, n], [m, n]];
        let strides = [0, 1, 2].map(|i| orders[i].strides(shapes[i]));
        let lengths = [0, 1, 2].map(|i| orders[i].length(shapes[i]));
        let [a, b] = [lengths[0], lengths[1]].map(|length| random.floats(length));
        for (alpha, beta) in [(1.0, 0.0), (1.0, 1.0), (-0.5, 0.25)] {
            let start = if beta == 0.0 {
                vec![f32::NAN; lengths[2]]
            } else {
                random.floats(lengths[2])
            };
            let mut expected = start.clone();
            for i in 0..m {
                for j in 0..n {
                    let product = |p| {
                        let a = a[i * strides[0][0] + p * strides[0][1]];
                        let b = b[p * strides[1][0] + j * strides[1][1]];
                        f64::from(a) * f64::from(b)
                    };
                    let sum = f64::from(alpha) * (0..k).map(product).sum::<f64>();
                    let c = &mut expected[i * strides[2][0] + j * strides[2][1]];
                    let kept = if beta == 0.0 {
                        0.0
                    } else {
                        f64::from(beta) * f64::from(*c)
                    };
                    *c = (sum + kept) as f32;
                }
            }
            for (name, engine) in ENGINES {
                let mut c = Guarded::holding(&start);
                let a = Matrix::with_strides(&a, shapes[0], strides[0]);
                let b = Matrix::with_strides(&b, shapes[1], strides[1]);
                engine(
                    alpha,
                    a,
                    b,
                    beta,
                    MatrixMut::with_strides(c.values(), shapes[2], strides[2]),
                );
                // The gaps of `c` must be as they were: NaN, or their bits.
                let case = || format!("{name} {m}x{k}x{n}, {orders:?}, alpha {alpha}, beta {beta}");
                failures.compare(case, &c.into_values(), &expected, 1e-5);
            }
        }
    }

    #[test]
    fn small_sizes() {
        let mut random = Random::new(1);
        let mut failures = Failures::default();
        for m in 0..12 {
            for k in 0..12 {
                for n in 0..12 {
                    let orders = [0; 3].map(|_| random.pick(&ORDERS));
                    check(&mut random, [m, k, n], orders, &mut failures);
                }
            }
        }
        failures.report();
    }

    #[test]
    fn odd_sizes_in_every_order() {
        let mut random = Random::new(2);
        let mut failures = Failures::default();
        for shape in [
            [1, 5, 9],
            [5, 1, 9],
            [9, 5, 1],
            [3, 7, 5],
            [17, 33, 19],
            [33, 130, 15],
        ] {
            for a in ORDERS {
                for b in ORDERS {
                    for c in ORDERS {
                        check(&mut random, shape, [a, b, c], &mut failures);
                    }
                }
            }
        }
        failures.report();
    }

    #[test]
    fn nan_is_not_lost_to_a_zero() {
        for (name, engine) in ENGINES {
            let mut c = [0.0; 4];
            let [a, b] = [[0.0; 4], [f32::NAN, 1.0, 1.0, 1.0]];
            engine(
                1.0,
                Matrix::new(&a, 2, 2),
                Matrix::new(&b, 2, 2),
                0.0,
                MatrixMut::new(&mut c, 2, 2),
            );
            assert!(
                c[0].is_nan() && c[2].is_nan() && c[1] == 0.0,
                "{name}: {c:?}"
            );
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refused = |f: fn()| std::panic::catch_unwind(f).is_err();
        let max = usize::MAX;
        let cases: [(&str, fn()); 6] = [
            ("too short", || {
                Matrix::new(&[0.0; 5], 2, 3);
            }),
            ("product overflows", || {
                Matrix::with_strides(&[0.0; 5], [3, 1], [usize::MAX, 1]);
            }),
            ("sum overflows", || {
                Matrix::with_strides(&[0.0; 5], [2, 2], [usize::MAX, 1]);
            }),
            ("rows overlap", || {
                MatrixMut::with_strides(&mut [0.0; 9], [2, 3], [2, 1]);
            }),
            ("no stride", || {
                MatrixMut::with_strides(&mut [0.0; 9], [2, 1], [0, 1]);
            }),
            ("inner sizes", || {
                let a = [0.0; 6];
                let mut c = [0.0; 6];
                let c = MatrixMut::new(&mut c, 2, 3);
                gemm(1.0, Matrix::new(&a, 2, 3), Matrix::new(&a, 2, 3), 0.0, c);
            }),
        ];
        for (name, case) in cases {
            assert!(refused(case), "{name}");
        }
        // Strides that are never used may be anything.
        Matrix::with_strides(&[0.0; 5], [1, 5], [max, 1]);
        Matrix::with_strides(&[], [0, 5], [max, max]);
    }
}
