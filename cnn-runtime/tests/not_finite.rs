//! What a failed step says of its cause, whether layers can be inspected or not.

use cnn::Network as _;
use cnn_runtime::{Error, Examples, NonFinite};
use ndarray::Array2;

cnn::network! {
    network Two {
        input(2);
        dense(3, activation = tanh);
        dense(1);
        train { loss = mse; batch_size = 2; }
    }
}

/// The error of a training on four examples, of which `inputs` and `targets` have these values in example 3.
fn failure(net: &mut Two, input: [f32; 2], target: f32) -> Error {
    let mut inputs = Array2::from_elem((4, 2), 0.5);
    inputs.row_mut(3).assign(&ndarray::arr1(&input));
    let mut targets = Array2::zeros((4, 1));
    targets[[3, 0]] = target;
    let data = Examples::with_values(inputs, targets).unwrap();
    net.trainer()
        .shuffle(false)
        .progress(false)
        .fit(&data)
        .unwrap_err()
}

#[test]
fn inputs_tensors_losses_and_gradients_are_named() {
    let said = failure(&mut Two::new(0), [0.5, f32::NAN], 0.0).to_string();
    assert_eq!(
        said,
        "the loss is NaN (`input` is NaN at [1] of example 3) in step 2 of epoch 1; \
         the weights are those before that step"
    );

    let mut net = Two::new(0);
    net.model_mut().tensor_mut("dense_2.kernel").unwrap()[[1, 0]] = f32::INFINITY;
    let error = failure(&mut net, [0.5, 0.5], 0.0);
    let origin = NonFinite::Tensor {
        tensor: "dense_2.kernel".to_owned(),
        position: vec![1, 0],
        value: f32::INFINITY,
    };
    assert_eq!(error.origin(), Some(&origin));
    assert_eq!(error.origin().map(NonFinite::layer), Some("dense_2"));

    let error = failure(&mut Two::new(0), [0.5, 0.5], 1e30);
    let origin = NonFinite::Loss {
        output: "dense_2".to_owned(),
        example: 3,
        value: f32::INFINITY,
    };
    assert_eq!(error.origin(), Some(&origin));

    let mut net = Two::new(0);
    net.model_mut()
        .tensor_mut("dense_2.kernel")
        .unwrap()
        .fill(1e30);
    net.model_mut()
        .tensor_mut("dense_1.kernel")
        .unwrap()
        .fill(0.0);
    let error = failure(&mut net, [0.5, 0.5], 1e12);
    assert!(
        matches!(error.origin(), Some(NonFinite::Gradient { tensor, .. }) if tensor == "dense_1.bias"),
        "{error:?}"
    );
}
