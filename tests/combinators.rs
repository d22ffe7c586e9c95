//! Parts of datasets, in any order, with inputs and targets changed as they are read.

#[path = "support/small.rs"]
mod small;

use std::sync::Arc;

use cnn::data::{Normalization, Subset};
use cnn::runtime::{Dataset, Error, Examples, Model};
use ndarray::{Array1, Array2, Array4, array};
use small::{STRIPES, XOR, bits, stripe_images, stripes, xor};

/// Examples whose input, label and weight are made of their number.
fn numbered(count: usize, classes: usize) -> Examples<'static> {
    let inputs = Array1::from_iter((0..count).map(|n| n as f32)).insert_axis(ndarray::Axis(1));
    let examples = Examples::labelled(inputs, (0..count).map(|n| n * n % classes)).unwrap();
    let weights = (0..count).map(|n| n as f32 * 0.5);
    examples.with_sample_weights(weights).unwrap()
}

/// The numbers of the examples, in order, of a part of [`numbered`].
fn numbers(data: &dyn Dataset) -> Vec<usize> {
    let read = |index| {
        let mut input = [f32::NAN];
        data.read_input(index, &mut input);
        let number = input[0] as usize;
        // Everything else belongs to the same example.
        assert_eq!(data.weight_of(0, index), number as f32 * 0.5);
        assert_eq!(data.original_index(index), number);
        let mut same = [f32::NAN];
        data.try_read_input_of(0, index, &mut same).unwrap();
        assert_eq!(same, input);
        number
    };
    (0..data.len()).map(read).collect()
}

#[test]
fn selections_are_in_the_given_order_and_may_repeat() {
    let data = numbered(10, 4);
    let some = (&data).select([7, 0, 7, 3]).unwrap();
    assert_eq!(numbers(&some), [7, 0, 7, 3]);
    assert_eq!(some.label_of(3), Some(1));
    let mut target = [0.0; 4];
    some.read_target(3, &mut target);
    assert_eq!(target, [0.0, 1.0, 0.0, 0.0]);
    // Parts of parts name the examples of the whole.
    let part = some.select([3, 1]).unwrap();
    assert_eq!(numbers(&part), [3, 0]);
    assert!((&data).select([]).unwrap().is_empty());
    let error = (&data).select([2, 10]).unwrap_err();
    assert!(matches!(
        error,
        Error::ExampleIndex {
            index: 10,
            examples: 10
        }
    ));
    assert_eq!(
        error.to_string(),
        "there is no example 10: there are 10, counted from 0"
    );
}

#[test]
fn a_shuffled_dataset_is_a_permutation_that_the_seed_determines() {
    let data = numbered(100, 4);
    let order = |seed| numbers(&(&data).shuffled(seed));
    assert_eq!(order(1), order(1));
    assert_ne!(order(1), order(2));
    let mut sorted = order(3);
    assert_ne!(sorted, numbers(&data));
    sorted.sort_unstable();
    assert_eq!(sorted, numbers(&data));
}

#[test]
fn splits_share_out_every_example_once() {
    for count in [0, 1, 2, 10, 57] {
        let data = numbered(count, 4);
        for fraction in [0.0, 0.1, 0.5, 0.57, 0.8, 1.0] {
            let expected = (count as f64 * fraction).round() as usize;
            for stratified in [false, true] {
                let (first, second) = match stratified {
                    false => data.split(fraction, 5).unwrap(),
                    true => data.split_stratified(fraction, 5).unwrap(),
                };
                assert_eq!(first.len(), expected, "{fraction} of {count}, {stratified}");
                let mut all = [numbers(&first), numbers(&second)].concat();
                all.sort_unstable();
                assert_eq!(all, numbers(&data), "{fraction} of {count}, {stratified}");
            }
        }
    }
    let data = numbered(100, 4);
    assert_ne!(
        numbers(&data.split(0.5, 1).unwrap().0),
        numbers(&data.split(0.5, 2).unwrap().0)
    );
    for wrong in [-0.1, 1.1, f64::NAN] {
        let errors = [
            data.split(wrong, 1).err(),
            data.split_stratified(wrong, 1).err(),
        ];
        for error in errors {
            assert_eq!(
                error.unwrap().to_string(),
                format!("`fraction` is {wrong:?}, but must be from 0 to 1")
            );
        }
    }
}

#[test]
fn a_stratified_split_keeps_the_shares_of_the_classes() {
    // 700 of class 0, 200 of class 2, 100 of class 9.
    let labels = (0..1000).map(|n| [0, 0, 0, 0, 0, 0, 0, 2, 2, 9][n % 10]);
    let data = Examples::labelled(Array2::<f32>::zeros((1000, 1)), labels).unwrap();
    let count = |data: &dyn Dataset, class| {
        let labels = (0..data.len()).map(|index| data.label_of(index));
        labels.filter(|label| *label == Some(class)).count()
    };
    let (first, second) = data.split_stratified(0.25, 3).unwrap();
    for (class, expected) in [(0, [175, 525]), (2, [50, 150]), (9, [25, 75])] {
        assert_eq!([count(&first, class), count(&second, class)], expected);
    }
    // Largest remainders: of 4.5, 4.5 and 1.0, the lower class gets the one that is left.
    let labels = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2];
    let data = Examples::labelled(Array2::<f32>::zeros((20, 1)), labels).unwrap();
    let (first, _) = data.split_stratified(0.5, 3).unwrap();
    assert_eq!([0, 1, 2].map(|class| count(&first, class)), [5, 4, 1]);

    let values = Examples::with_values(array![[0.0], [1.0]], array![0.0, 1.0]).unwrap();
    let part = (&values).select([1]).unwrap();
    let error = part.split_stratified(0.5, 0).unwrap_err();
    assert!(matches!(error, Error::Unlabelled { index: 1 }), "{error}");
}

#[test]
fn training_on_a_part_is_training_on_a_copy_of_it() {
    let data = stripes(40);
    let picked: Vec<usize> = (0..40).filter(|n| n % 3 != 1).rev().collect();
    let part = (&data).select(picked.iter().copied()).unwrap();
    let images = stripe_images(40).select(ndarray::Axis(0), &picked);
    let labels = picked.iter().map(|&index| data.label(index).unwrap());
    let copy = Examples::labelled(images, labels).unwrap();
    let [mut on_part, mut on_copy] = [(); 2].map(|()| Model::new(&STRIPES, 4));
    on_part.trainer().epochs(2).fit(&part).unwrap();
    on_copy.trainer().epochs(2).fit(&copy).unwrap();
    assert_eq!(bits(on_part.parameters()), bits(on_copy.parameters()));
    let scores = [on_part.evaluate(&part), on_copy.evaluate(&copy)];
    let [found, expected] = scores.map(Result::unwrap);
    assert_eq!(found.loss.to_bits(), expected.loss.to_bits());
}

#[test]
fn examples_outside_of_a_part_do_not_matter_and_errors_name_those_of_the_whole() {
    let images = stripe_images(9);
    let labels = [0, 1, 2, 0, 1, 2, 7, 1, 9];
    let data = Examples::labelled(&images, labels).unwrap();
    let mut model = Model::new(&STRIPES, 1);
    let good = (&data).select([5, 4, 3, 2, 1, 0]).unwrap();
    model.fit(&good).unwrap();
    let wrong = (&data).select([0, 6]).unwrap().shuffled(1);
    let error = model.fit(&wrong).unwrap_err().to_string();
    assert!(
        error.starts_with("training data: the label of example 6 is 7"),
        "{error}"
    );
    // The check of the whole finds example 6 first, which is none of these; reading finds the other one.
    let wrong = (&data).select([1, 8]).unwrap();
    let error = model.fit(&wrong).unwrap_err();
    let Error::Training { source } = &error else {
        panic!("{error}")
    };
    assert!(
        matches!(**source, Error::TargetValue { index: 8, .. }),
        "{error}"
    );
    let error = model.evaluate(&wrong).unwrap_err();
    assert!(
        matches!(error, Error::TargetValue { index: 8, .. }),
        "{error}"
    );
}

#[test]
fn maps_change_inputs_and_targets_each_time_they_are_read() {
    let data = numbered(4, 4);
    let mapped = (&data)
        .map_input(|input| input[0] = 10.0 * input[0] + 1.0)
        .map_input(|input| input[0] *= 2.0)
        .map_target(|target| target.reverse());
    let (mut input, mut target) = ([0.0], [0.0; 4]);
    mapped.read_input(3, &mut input);
    mapped.read_target(3, &mut target);
    assert_eq!((input, target), ([62.0], [0.0, 0.0, 1.0, 0.0]));
    assert_eq!(mapped.weight_of(0, 3), 1.5);
    assert_eq!(mapped.label_of(3), Some(1));

    // Another input or target than the first.
    let two = Examples::labelled(array![[1.0]], [1])
        .and_then(|one| one.and_input(array![[2.0, 3.0]]))
        .and_then(|one| one.and_values(array![[5.0]]))
        .unwrap();
    let mapped = two
        .map_input_of(1, |input| input.reverse())
        .map_target_of(1, |target| target[0] = -target[0]);
    let mut values = [0.0; 2];
    mapped.read_input_of(1, 0, &mut values);
    assert_eq!(values, [3.0, 2.0]);
    mapped.try_read_input_of(0, 0, &mut values[..1]).unwrap();
    assert_eq!(values[0], 1.0);
    mapped.try_read_target_of(1, 0, &mut values[..1]).unwrap();
    assert_eq!(values[0], -5.0);
    mapped.read_target_of(0, 0, &mut values);
    assert_eq!(values, [0.0, 1.0]);
}

#[test]
fn what_a_map_makes_of_targets_is_what_the_loss_must_take() {
    let inputs = array![[0.0_f32, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
    let percent = Examples::with_values(&inputs, array![0.0, 100.0, 100.0, 0.0]).unwrap();
    let mut model = Model::new(&XOR, 1);
    assert!(model.fit(&percent).is_err());
    let data = (&percent).map_target(|target| target[0] /= 100.0);
    model.fit(&data).unwrap();
    let mut expected = Model::new(&XOR, 1);
    expected.fit(&xor()).unwrap();
    assert_eq!(bits(model.parameters()), bits(expected.parameters()));
    let wrong = xor().map_target(|target| target[0] -= 1.0);
    let error = model.fit(&wrong).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the targets of `binary_crossentropy`"),
        "{error}"
    );
}

#[test]
fn pointers_to_datasets_are_datasets() {
    let data = numbered(5, 4);
    let shared: Arc<dyn Dataset + Send> = Arc::new(data.clone());
    let boxed: Box<dyn Dataset> = Box::new(Arc::clone(&shared).shuffled(2));
    assert_eq!(numbers(&boxed), numbers(&(&data).shuffled(2)));
    assert_eq!(numbers(&&shared), [0, 1, 2, 3, 4]);
    let part: Subset<_> = shared.select([1]).unwrap();
    assert_eq!(part.whole().len(), 5);
    assert_eq!(part.into_whole().len(), 5);
}

/// The slow twin of [`Normalization::of`]: all values of a channel, in two passes.
fn twin(images: &Array4<f32>, channel: usize) -> [f64; 2] {
    let values: Vec<f64> = (images.index_axis(ndarray::Axis(3), channel).iter())
        .map(|&value| f64::from(value))
        .collect();
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    [mean, (squares / count).sqrt()]
}

#[test]
fn normalization_is_by_channel_over_the_training_examples() {
    let images = Array4::from_shape_fn((13, 5, 7, 3), |(n, y, x, c)| match c {
        // Far from zero beside its spread, where a sum of squares would cancel.
        0 => 1e4 + ((n * 31 + y * 17 + x) % 23) as f32 * 1e-2,
        1 => ((n * 7 + y + x * 5) % 11) as f32 - 5.0,
        _ => 0.25,
    });
    let data = Examples::labelled(&images, vec![0; 13]).unwrap();
    let normalization = Normalization::of(&data).unwrap();
    for channel in 0..2 {
        let [mean, std] = twin(&images, channel);
        let (found_mean, found_std) = (normalization.mean()[channel], normalization.std()[channel]);
        assert!(
            (f64::from(found_mean) / mean - 1.0).abs() < 1e-7,
            "{found_mean} {mean}"
        );
        assert!(
            (f64::from(found_std) / std - 1.0).abs() < 1e-7,
            "{found_std} {std}"
        );
    }
    // A constant channel becomes zero, not infinite.
    assert_eq!(
        (normalization.mean()[2], normalization.std()[2]),
        (0.25, 1.0)
    );

    let normalized = normalization.normalize(&data);
    let mut input = vec![0.0; 5 * 7 * 3];
    normalized.read_input(3, &mut input);
    for (place, value) in input.iter().enumerate() {
        let channel = place % 3;
        let raw = images[[3, place / 21, place / 3 % 7, channel]];
        let expected = (raw - normalization.mean()[channel]) / normalization.std()[channel];
        assert_eq!(*value, expected);
    }
    // The numbers come back from what `{:?}` writes.
    let read = |text: String| -> Vec<f32> {
        let numbers = text.trim_matches(['[', ']']).split(", ");
        numbers.map(|number| number.parse().unwrap()).collect()
    };
    let mean = read(format!("{:?}", normalization.mean()));
    let std = read(format!("{:?}", normalization.std()));
    assert_eq!(Normalization::new(mean, std).unwrap(), normalization);
}

#[test]
fn normalization_refuses_what_has_no_mean() {
    let nan = Examples::labelled(array![[0.0, 1.0], [2.0, f32::NAN]], [0, 1]).unwrap();
    let error = Normalization::of(&nan.shuffled(0)).unwrap_err();
    assert!(
        matches!(&error, Error::InputValue { index: 1, position, value } if *position == [1] && value.is_nan()),
        "{error}"
    );
    let none = Examples::labelled(Array2::<f32>::zeros((0, 2)), [0; 0]).unwrap();
    assert!(matches!(Normalization::of(&none), Err(Error::EmptyDataset)));
    assert!(matches!(
        Normalization::of_input(1, &xor()),
        Err(Error::Parts { .. })
    ));
    for (mean, std) in [
        (vec![], vec![]),
        (vec![0.0], vec![1.0, 1.0]),
        (vec![f32::NAN], vec![1.0]),
        (vec![0.0], vec![0.0]),
        (vec![0.0], vec![f32::INFINITY]),
    ] {
        assert!(matches!(
            Normalization::new(mean, std),
            Err(Error::Setting { .. })
        ));
    }
    // Of another number of channels.
    let data = Normalization::new([0.0; 2], [1.0; 2])
        .unwrap()
        .normalize(stripes(6));
    let error = Model::new(&STRIPES, 1).fit(&data).unwrap_err().to_string();
    assert!(
        error.contains("`normalization` is of 2 channels"),
        "{error}"
    );
}

/// An example that cannot be read.
struct Failing(Examples<'static>);

impl Dataset for Failing {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn input_shape(&self) -> &[usize] {
        self.0.input_shape()
    }

    fn read_input(&self, index: usize, out: &mut [f32]) {
        self.0.read_input(index, out);
    }

    fn read_target(&self, index: usize, out: &mut [f32]) {
        self.0.read_target(index, out);
    }

    fn try_read_input_of(&self, _: usize, index: usize, out: &mut [f32]) -> Result<(), Error> {
        self.read_input(index, out);
        match index {
            5 | 7 => Err(Error::Unlabelled { index }),
            _ => Ok(()),
        }
    }
}

#[test]
fn an_example_that_cannot_be_read_is_an_error_wherever_examples_are_read() {
    let data = Failing(stripes(9));
    let mut model = Model::new(&STRIPES, 1);
    let before = bits(model.parameters());
    let is_fifth = |error: &Error| matches!(error, Error::Unlabelled { index: 5 });
    let error = model.fit(&data).unwrap_err();
    assert!(
        matches!(&error, Error::Training { source } if is_fifth(source)),
        "{error}"
    );
    assert_eq!(bits(model.parameters()), before);
    let errors = [
        model.evaluate(&data).err(),
        model.gradients(&data, 0).err(),
        model.predict_dataset::<ndarray::Ix2>(&data).err(),
        model
            .evaluate(&(&data).shuffled(1).map_input(|_| ()))
            .err()
            .map(|error| match error {
                // In a shuffled order, either may come first.
                Error::Unlabelled { index: 7 } => Error::Unlabelled { index: 5 },
                error => error,
            }),
        Normalization::of(&data).err(),
    ];
    for error in errors {
        assert!(error.as_ref().is_some_and(is_fifth), "{error:?}");
    }
    model.fit(&(&data).select([0, 1, 2, 8]).unwrap()).unwrap();
}

#[test]
fn chunks_become_one() {
    let parts = |range: std::ops::Range<usize>| {
        let inputs = Array2::from_shape_fn((range.len(), 2), |(n, f)| {
            ((range.start + n) * 2 + f) as f32
        });
        Examples::labelled(inputs, range)
    };
    let whole = parts(0..9).unwrap();
    let all = Examples::from_chunks([0..4, 4..4, 4..9].map(parts)).unwrap();
    assert_eq!(
        (all.len(), all.labels(), all.inputs()),
        (9, whole.labels(), whole.inputs())
    );
    assert_eq!(all.weight_of(0, 3), 1.0);

    // Chunks of other forms: bytes, scales, weights.
    let bytes = Examples::labelled(array![[2_u8, 4]], [1])
        .unwrap()
        .scaled(0.5);
    let same = Examples::labelled(array![[6_u8, 8]], [2])
        .unwrap()
        .scaled(0.5);
    let weighted = parts(3..5)
        .unwrap()
        .with_sample_weights([0.5, 2.0])
        .unwrap();
    let chunks = || [bytes.take(1), same.take(1), weighted.take(2), bytes.take(1)];
    let all = Examples::from_chunks(chunks().map(Ok::<_, Error>)).unwrap();
    let expected = [[1.0, 2.0], [3.0, 4.0], [6.0, 7.0], [8.0, 9.0], [1.0, 2.0]];
    assert_eq!(all.inputs(), ndarray::arr2(&expected).into_dyn());
    assert_eq!(all.labels().unwrap().to_vec(), [1, 2, 3, 4, 1]);
    let weights = [0, 1, 2, 3, 4].map(|index| all.weight_of(0, index));
    assert_eq!(weights, [1.0, 1.0, 0.5, 2.0, 1.0]);
    // As each chunk says by itself.
    let mut start = 0;
    for chunk in chunks() {
        for index in 0..chunk.len() {
            assert_eq!(all.input(start + index), chunk.input(index));
            assert_eq!(all.weight_of(0, start + index), chunk.weight_of(0, index));
        }
        start += chunk.len();
    }

    // Weights of two outputs, of one for both, and of none.
    let two = || parts(0..2).and_then(|part| part.and_labels([0, 1]));
    let of_both = two().and_then(|part| part.with_sample_weights([0.25, 0.5]));
    let of_each = two().and_then(|part| {
        let part = part.with_sample_weights([3.0, 4.0])?;
        part.and_sample_weights([5.0, 6.0])
    });
    let chunks = [two(), of_both, of_each].map(Result::unwrap);
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let picked = order.map(|place| Ok::<_, Error>(chunks[place].clone()));
        let all = Examples::from_chunks(picked).unwrap();
        for (place, chunk) in order.into_iter().enumerate() {
            for (output, index) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                let (found, expected) = (
                    all.weight_of(output, 2 * place + index),
                    chunks[chunk].weight_of(output, index),
                );
                assert_eq!(found, expected, "{order:?}, output {output}");
            }
        }
    }

    let none = Examples::from_chunks(Vec::<Result<Examples<'_>, Error>>::new());
    assert!(matches!(none, Err(Error::EmptyDataset)));
    let values = Examples::with_values(array![[0.0, 1.0]], array![[1.0, 2.0]]);
    let wide = Examples::labelled(array![[0.0, 1.0, 2.0]], [0]);
    let two = parts(0..1).and_then(|part| part.and_input(array![[1.0]]));
    for (other, expected) in [
        (values, "a target is 2"),
        (wide, "an example is 3"),
        (two, "examples of 1 inputs, these have 2"),
        (
            parts(0..1).and_then(|part| part.and_labels([-1])),
            "counted from 0",
        ),
    ] {
        let error = Examples::from_chunks([parts(0..2), other])
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}
