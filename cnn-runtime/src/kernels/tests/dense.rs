use super::support::{Failures, Guarded, Random, to_f64};
use crate::kernels::Dense;
use crate::reference;

#[test]
fn matches_the_reference() {
    const TOLERANCE: f64 = 1e-5;
    let sizes = [1, 2, 3, 5, 7, 16, 17, 33];
    let mut random = Random::new(1);
    let mut failures = Failures::default();
    for inputs in sizes {
        for units in sizes {
            for n in 1..=5 {
                let activation = random.pick(&super::activation::ALL);
                let dense = Dense {
                    inputs,
                    units,
                    activation,
                };
                let biases = random.pick(&[0, units]);
                let [x, kernel, bias, dy] = [n * inputs, inputs * units, biases, n * units]
                    .map(|length| random.floats(length));
                let [x64, kernel64, bias64, dy64] = [&x, &kernel, &bias, &dy].map(|v| to_f64(v));
                let case = |what: &str| format!("{what} of {dense:?}, n {n}, {biases} biases");

                let mut y = Guarded::new(n * units);
                dense.forward(n, &x, &kernel, &bias, y.values());
                let expected = reference::dense::forward(&dense, n, &x64, &kernel64, &bias64);
                failures.compare(|| case("forward"), &y.into_values(), &expected, TOLERANCE);

                let mut kernel_gradient = Guarded::holding(&vec![1.0; kernel.len()]);
                let mut bias_gradient = Guarded::holding(&vec![1.0; biases]);
                let gradients = (kernel_gradient.values(), bias_gradient.values());
                dense.backward_parameters(n, &x, &dy, gradients.0, gradients.1);
                let expected = reference::dense::backward_parameters(&dense, n, &x64, &dy64);
                let plus_one = |values: &[f64]| values.iter().map(|v| v + 1.0).collect::<Vec<_>>();
                let actual = kernel_gradient.into_values();
                failures.compare(
                    || case("kernel"),
                    &actual,
                    &plus_one(&expected.0),
                    TOLERANCE,
                );
                let actual = bias_gradient.into_values();
                failures.compare(
                    || case("bias"),
                    &actual,
                    &plus_one(&expected.1[..biases]),
                    TOLERANCE,
                );

                let mut dx = Guarded::new(x.len());
                dense.backward_input(n, &dy, &kernel, dx.values());
                let expected = reference::dense::backward_input(&dense, n, &dy64, &kernel64);
                failures.compare(|| case("input"), &dx.into_values(), &expected, TOLERANCE);
            }
        }
    }
    failures.report();
}
