use super::copy;
use crate::kernels::Isa;
use crate::kernels::test_support::{Guarded, Random};

#[test]
fn copies_the_columns_and_nothing_else() {
    let mut random = Random::new(1);
    for case in 0..400 {
        let width = 1 + random.below(if case % 2 == 0 { 20 } else { 150 });
        let [x_row, y_row] = [0, 1].map(|_| width + random.below(3) * random.below(30));
        let rows = random.below(6);
        // The last rows may be shorter.
        let mut values = |row: usize| match rows {
            0 => 0,
            rows => rows * row - random.below(row - width + 1),
        };
        let [x_len, y_len] = [x_row, y_row].map(&mut values);
        let (x, before) = (random.floats(x_len), random.floats(y_len));
        let mut expected = before.clone();
        for row in 0..rows {
            for column in 0..width {
                expected[row * y_row + column] = x[row * x_row + column];
            }
        }
        for isa in Isa::available() {
            let mut y = Guarded::holding(&before);
            copy(isa, width, [x_row, y_row], &x, y.values());
            let name = isa.name();
            assert_eq!(
                y.into_values(),
                expected,
                "{rows} x {width} of {x_row} to {y_row}, {name}"
            );
        }
    }
}
