//! Examples in memory: what they are made of, how they are read, and what a loss takes.
#![cfg(feature = "std")]

use cnn_runtime::data::{IntoBatch, IntoInputs, Label, Target};
use cnn_runtime::ndarray::{
    Array1, Array2, Array3, ArrayD, Axis, IxDyn, arr0, arr1, arr2, array, s,
};
use cnn_runtime::{Dataset, Error, Examples, Loss};

fn read_input(data: &dyn Dataset, index: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; data.input_shape().iter().product()];
    data.read_input(index, &mut out);
    out
}

fn read_target(data: &dyn Dataset, index: usize, len: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; len];
    data.read_target(index, &mut out);
    out
}

#[test]
fn examples_are_read_as_they_were_given() {
    let floats: Array2<f32> = array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
    let bytes: Array2<u8> = array![[1, 2], [3, 4], [5, 6]];
    let transposed: Array2<f32> = array![[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]];
    // What is left of a larger array, in front and behind.
    let mut rest: Array2<u8> = array![[9, 9], [1, 2], [3, 4], [5, 6], [9, 9]];
    rest.slice_collapse(s![1..4, ..]);
    let labels = [0_u8, 2, 1];
    let cases = [
        ("owned floats", Examples::labelled(floats.clone(), labels)),
        ("borrowed floats", Examples::labelled(&floats, labels)),
        ("a view of bytes", Examples::labelled(bytes.view(), labels)),
        ("owned bytes", Examples::labelled(bytes.clone(), labels)),
        (
            "a transposed view",
            Examples::labelled(transposed.t(), labels),
        ),
        (
            "a transposed array",
            Examples::labelled(transposed.clone().reversed_axes(), labels),
        ),
        ("a part of an array", Examples::labelled(rest, labels)),
    ];
    for (name, examples) in cases {
        let examples = examples.unwrap().scaled(0.5);
        assert_eq!(
            (examples.len(), examples.input_shape()),
            (3, &[2][..]),
            "{name}"
        );
        for (index, label) in labels.into_iter().enumerate() {
            let expected = [index as f32 + 0.5, index as f32 + 1.0];
            assert_eq!(read_input(&examples, index), expected, "{name}");
            assert_eq!(
                examples.input(index),
                array![expected[0], expected[1]].into_dyn()
            );
            assert_eq!(examples.label(index), Some(usize::from(label)));
        }
        assert_eq!(read_target(&examples, 1, 3), [0.0, 0.0, 1.0]);
        assert_eq!(read_target(&examples, 0, 1), [0.0]);
        assert_eq!(read_target(&examples, 2, 1), [1.0]);
    }
}

/// The labels that are kept, or the error.
fn labels<L: Label>(labels: impl IntoIterator<Item = L>) -> Vec<u32> {
    let inputs = Array2::<u8>::zeros((3, 2));
    let examples = Examples::labelled(&inputs, labels).unwrap();
    let labels: Vec<u32> = examples.labels().unwrap().to_vec();
    let single: Vec<_> = (0..3).map(|index| examples.label(index).unwrap()).collect();
    assert!(labels.iter().map(|&label| label as usize).eq(single));
    assert!(examples.targets().is_none());
    labels
}

#[test]
#[expect(
    clippy::needless_borrows_for_generic_args,
    reason = "references are what is tested"
)]
fn labels_are_integers_of_any_type_by_value_or_by_reference() {
    let list = vec![0_u8, 2, 1];
    let array = arr1(&[0_i64, 2, 1]);
    let column = arr2(&[[0_usize], [2], [1]]);
    let spread = arr1(&[0_u16, 9, 2, 9, 1]);
    let kept = [
        ("an array", labels([0, 2, 1])),
        ("a reference to an array", labels(&[0_u128, 2, 1])),
        ("a slice", labels(&list[..])),
        ("a reference to a list", labels(&list)),
        ("an iterator", labels(list.iter())),
        ("copies", labels(list.iter().copied())),
        (
            "references to references",
            labels(list.iter().collect::<Vec<_>>().iter()),
        ),
        ("a list", labels(list.clone())),
        ("i128", labels([0_i128, 2, 1])),
        ("isize", labels([0_isize, 2, 1])),
        ("a boxed slice", labels(list.into_boxed_slice())),
        ("a reference to an `ndarray` array", labels(&array)),
        ("its view", labels(array.view())),
        ("a reference to its view", labels(&array.view())),
        ("a shared array", labels(array.to_shared())),
        ("an `ndarray` array", labels(array)),
        ("a column", labels(&column)),
        ("a view of a column", labels(column.index_axis(Axis(1), 0))),
        ("every other element", labels(spread.slice(s![..;2]))),
    ];
    let wrong: Vec<_> = kept.iter().filter(|(_, kept)| *kept != [0, 2, 1]).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(labels([false, true, true]), [0, 1, 1]);
    assert_eq!(labels(4..7), [4, 5, 6]);
}

/// The inputs that are kept, and whether they are borrowed.
fn inputs<'a>(given: impl IntoInputs<'a>) -> (ArrayD<f32>, bool) {
    let examples = Examples::labelled(given, 0..3).unwrap();
    let inputs = examples.inputs();
    let singles = (0..3).map(|index| examples.input(index));
    assert!(singles.eq(inputs.outer_iter().map(|input| input.to_owned())));
    (inputs.to_owned(), inputs.is_view())
}

#[test]
#[expect(
    clippy::needless_borrows_for_generic_args,
    reason = "references are what is tested"
)]
fn inputs_are_arrays_of_floats_or_bytes_in_any_order() {
    let floats: Array2<f32> = array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
    let doubles = floats.mapv(f64::from);
    let bytes = floats.mapv(|value| value as u8);
    let reversed = floats.slice(s![..;-1, ..]).to_owned();
    let cases = [
        ("f32", inputs(floats.clone())),
        ("a reference", inputs(&floats)),
        ("a view", inputs(floats.view())),
        ("a reference to a view", inputs(&floats.view())),
        ("shared", inputs(&floats.to_shared())),
        ("another shape", inputs(&floats.to_shape((3, 2)).unwrap())),
        ("dynamic", inputs(floats.view().into_dyn())),
        ("out of order", inputs(reversed.slice(s![..;-1, ..]))),
        ("f64", inputs(doubles.clone())),
        ("a reference to f64", inputs(&doubles)),
        ("a view of f64", inputs(doubles.view())),
        ("f64 out of order", inputs(doubles.t().to_owned().t())),
        ("u8", inputs(bytes.clone())),
        ("a reference to u8", inputs(&bytes)),
        ("a view of u8", inputs(bytes.view())),
    ];
    let expected = floats.into_dyn();
    let wrong: Vec<_> = cases
        .iter()
        .filter(|(name, (kept, borrowed))| *kept != expected || *borrowed == name.contains("u8"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    // Literals without a type are `f64`, and targets are taken likewise.
    let examples = Examples::with_values(array![[0.1], [0.7]], array![[0.1], [0.7]]).unwrap();
    assert_eq!(examples.inputs(), array![[0.1_f32], [0.7]].into_dyn());
    assert_eq!(
        examples.targets().unwrap(),
        array![[0.1_f32], [0.7]].into_dyn()
    );
}

#[test]
fn scales_multiply() {
    let bytes = array![[0_u8, 255], [51, 102]];
    let examples = Examples::labelled(&bytes, [0, 1]).unwrap();
    let scaled = |scales: &[f32]| {
        let start = examples.clone();
        scales
            .iter()
            .fold(start, |examples, scale| examples.scaled(*scale))
    };
    let cases: [(&[f32], [f32; 4]); 5] = [
        (&[], [0.0, 255.0, 51.0, 102.0]),
        (&[2.0, 3.0], [0.0, 1530.0, 306.0, 612.0]),
        (&[2.0, 1.0, 0.5], [0.0, 255.0, 51.0, 102.0]),
        (&[-1.0, 0.5], [0.0, -127.5, -25.5, -51.0]),
        (&[0.0], [0.0; 4]),
    ];
    for (scales, expected) in cases {
        let examples = scaled(scales);
        let found = examples.inputs();
        assert_eq!(found.as_slice().unwrap(), expected, "{scales:?}");
        // Parts of scaled examples can be scaled, too.
        let part = examples.slice(1..2);
        let part = part.clone().scaled(2.0);
        assert_eq!(part.input(0)[1], expected[3] * 2.0, "{scales:?}");
    }
    let found = scaled(&[1.0 / 255.0, 2.0]).input(0)[1];
    assert!((found - 2.0).abs() < 1e-6, "{found}");

    let refused: [(&[f32], &str); 4] = [
        (&[f32::NAN], "`scale` is NaN, but must be finite"),
        (&[f32::NAN, 0.0], "`scale` is NaN, but must be finite"),
        (&[f32::INFINITY], "`scale` is inf, but must be finite"),
        (&[1e30, -1e30], "`scale` is -inf, but must be finite"),
    ];
    for (scales, expected) in refused {
        let error = scaled(scales).check(&[2], &[2]).unwrap_err();
        assert!(matches!(error, Error::Setting { name: "scale", .. }));
        assert_eq!(error.to_string(), expected, "{scales:?}");
    }
    scaled(&[1e30, 1e-30]).check(&[2], &[2]).unwrap();
}

#[test]
fn examples_can_be_looked_at() {
    let images = Array3::from_shape_fn((4, 2, 2), |(i, y, x)| (i * 4 + y * 2 + x) as f32);
    let labelled = Examples::labelled(&images, [3, 1, 0, 2]).unwrap();
    assert_eq!(labelled.inputs(), images.view().into_dyn());
    assert!(labelled.inputs().is_view());
    assert!(!labelled.clone().scaled(2.0).inputs().is_view());
    assert_eq!(labelled.labels(), Some(array![3, 1, 0, 2].view()));
    let back = labelled.slice(1..3);
    assert_eq!(back.inputs(), images.slice(s![1..3, .., ..]).into_dyn());
    assert_eq!(back.labels(), Some(array![1, 0].view()));

    let values = array![[0.0_f32, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]];
    let valued = Examples::with_values(&images, &values).unwrap();
    assert_eq!((valued.labels(), valued.label(0)), (None, None));
    assert_eq!(valued.targets(), Some(values.view().into_dyn()));
    assert_eq!(
        valued.slice(2..4).targets().unwrap(),
        values.slice(s![2.., ..]).into_dyn()
    );
    assert_eq!(
        valued.target(3),
        Target::Values(arr1(&[6.0, 7.0]).view().into_dyn())
    );

    let doubled = labelled.slice(1..4).clone().scaled(2.0);
    assert_eq!(doubled.iter().len(), 3);
    let mut seen: Vec<_> = doubled.iter().rev().collect();
    seen.reverse();
    for (index, (input, target)) in seen.into_iter().enumerate() {
        assert_eq!(
            input,
            images
                .index_axis(Axis(0), index + 1)
                .mapv(|v| v * 2.0)
                .into_dyn()
        );
        assert_eq!(target, Target::Label([1, 0, 2][index]));
    }
    assert_eq!(valued.take(0).iter().count(), 0);
    assert_eq!(valued.take(0).inputs().shape(), [0, 2, 2]);
    assert_eq!(valued.take(0).targets().unwrap().shape(), [0, 2]);
    assert_eq!(labelled.take(0).labels().unwrap().len(), 0);
}

#[test]
fn values_are_such_as_the_loss_takes() {
    let [categorical, binary, mse] = [
        Loss::categorical_crossentropy(),
        Loss::binary_crossentropy(),
        Loss::MeanSquaredError,
    ];
    let no_probability = |loss: &str, value: &str| {
        format!("a target of example 1 is {value}, but the targets of `{loss}` must be from 0 to 1")
    };
    let infinite = |value: &str| {
        format!("a target of example 1 is {value}, but the targets of `mse` must be finite")
    };
    let too_many = |sum: &str| {
        format!(
            "the targets of example 1 sum to {sum}, but those of `categorical_crossentropy` are \
             probabilities, which sum to at most 1"
        )
    };
    let fine = String::new;
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let smoothed = [0.1 / 3.0, 0.9 + 0.1 / 3.0, 0.1 / 3.0];
    let cases = [
        (categorical, [0.0, 1.0, 0.0], fine()),
        // Soft labels, also rounded ones.
        (categorical, smoothed, fine()),
        (categorical, [0.33, 0.34, 0.34], fine()),
        // No label, and one that counts less.
        (categorical, [0.0, 0.0, 0.0], fine()),
        (categorical, [-0.0, 0.5, 0.0], fine()),
        (categorical, [1.0, 1.0, 0.0], too_many("2")),
        (categorical, [0.5, 0.5, 0.25], too_many("1.25")),
        (
            categorical,
            [0.0, 255.0, 0.0],
            no_probability("categorical_crossentropy", "255"),
        ),
        (
            categorical,
            [0.0, 2.0, -1.0],
            no_probability("categorical_crossentropy", "2"),
        ),
        (
            categorical,
            [0.0, 1.0, nan],
            no_probability("categorical_crossentropy", "NaN"),
        ),
        (
            categorical,
            [1.0, -0.5, 0.5],
            no_probability("categorical_crossentropy", "-0.5"),
        ),
        (binary, [0.0, 1.0, 0.5], fine()),
        (binary, [1.0, 1.0, 1.0], fine()),
        (
            binary,
            [0.0, 255.0, 0.0],
            no_probability("binary_crossentropy", "255"),
        ),
        (
            binary,
            [1.0, -1.0, -1.0],
            no_probability("binary_crossentropy", "-1"),
        ),
        (
            binary,
            [1.0, 0.0, inf],
            no_probability("binary_crossentropy", "inf"),
        ),
        (
            binary,
            [nan, 0.0, 2.0],
            no_probability("binary_crossentropy", "NaN"),
        ),
        (
            binary,
            [0.0, 0.0, 1.0_f32.next_up()],
            no_probability("binary_crossentropy", "1.0000001"),
        ),
        (mse, [255.0, -1e30, 0.0], fine()),
        (mse, [0.0, nan, 0.0], infinite("NaN")),
        (mse, [0.0, 0.0, -inf], infinite("-inf")),
    ];
    let mut wrong = Vec::new();
    for (loss, row, expected) in cases {
        let inputs = Array2::<f32>::zeros((3, 1));
        // Rows on either side that every loss takes.
        let values = arr2(&[[0.0, 1.0, 0.0], row, [1.0, 0.0, 0.0]]);
        let examples = Examples::with_values(&inputs, &values).unwrap();
        examples.check(&[1], &[3]).unwrap();
        let error = examples.check_targets(loss, &[3]).err();
        let found = error.map(|error| error.to_string()).unwrap_or_default();
        if found != expected {
            wrong.push(format!("{loss:?} {row:?}: {found:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // A sum is that of a position: pixels have three classes each.
    let inputs = Array2::<f32>::zeros((2, 1));
    let mut pixels = ArrayD::<f32>::zeros(IxDyn(&[2, 2, 2, 3]));
    pixels.slice_mut(s![.., .., .., 1]).fill(1.0);
    let output = [2, 2, 3];
    let examples = Examples::with_values(&inputs, &pixels).unwrap();
    examples.check_targets(categorical, &output).unwrap();
    pixels[[1, 1, 0, 2]] = 1.0;
    let examples = Examples::with_values(&inputs, &pixels).unwrap();
    let error = examples.check_targets(categorical, &output).unwrap_err();
    assert_eq!(
        error.to_string(),
        too_many("2").replace("example 1", "example 1 at row 1, column 0")
    );
    // Labels are what they should be for any loss.
    let examples = Examples::labelled(&inputs, [0, 1]).unwrap();
    for loss in [categorical, binary, mse] {
        examples.check_targets(loss, &[2]).unwrap();
    }
}

/// What `check` says of label maps of a shape for a network with this output, or nothing.
fn map_error(maps: &ArrayD<u8>, output: &[usize]) -> String {
    let inputs = Array2::<f32>::zeros((maps.shape()[0], 1));
    let examples = Examples::with_label_maps(inputs, maps).unwrap();
    let error = examples.check(&[1], output).err();
    error.map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn label_maps_have_the_positions_of_the_output() {
    let shape = |found: &str, expected: &str| {
        format!(
            "the network has an output for each of {expected} positions, but a label map is {found}"
        )
    };
    let cases: [(&[usize], &[usize], String); 10] = [
        (&[4, 5], &[4, 5, 3], String::new()),
        (&[4, 5, 1], &[4, 5, 3], String::new()),
        (&[4, 5], &[4, 5, 1], String::new()),
        (&[4, 5, 1], &[4, 5, 1], String::new()),
        (&[4, 1], &[4, 1, 2], String::new()),
        (&[], &[3], String::new()),
        (&[1], &[3], String::new()),
        (&[5, 4], &[4, 5, 3], shape("5x4", "4x5")),
        (&[20], &[4, 5, 3], shape("20", "4x5")),
        (&[4, 5, 3], &[4, 5, 3], shape("4x5x3", "4x5")),
    ];
    let mut wrong = Vec::new();
    for (map, output, expected) in cases {
        let maps = ArrayD::<u8>::zeros([&[2], map].concat());
        let found = map_error(&maps, output);
        if found != expected {
            wrong.push(format!("{map:?} for {output:?}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let mut maps = ArrayD::<u8>::zeros(IxDyn(&[3, 4, 5]));
    maps[[1, 3, 2]] = 2;
    maps[[2, 0, 0]] = 9;
    let at =
        "the label of example 1 at row 3, column 2 is 2, but there are 2 classes, counted from 0";
    for classes in [1, 2] {
        assert_eq!(map_error(&maps, &[4, 5, classes]), at);
    }
    let at =
        "the label of example 2 at row 0, column 0 is 9, but there are 9 classes, counted from 0";
    assert_eq!(map_error(&maps, &[4, 5, 9]), at);
    assert_eq!(map_error(&maps, &[4, 5, 10]), "");
}

#[test]
fn label_maps_are_read_as_one_hot() {
    let inputs = Array2::<f32>::zeros((2, 1));
    let maps = array![[[0_i8, 1, 2], [2, 1, 0]], [[1, 1, 1], [0, 0, 1]]];
    let examples = Examples::with_label_maps(&inputs, &maps).unwrap();
    let expected: Vec<f32> = maps
        .index_axis(Axis(0), 0)
        .iter()
        .fold(vec![], |mut all, label| {
            all.extend((0..3).map(|class| f32::from(class == *label)));
            all
        });
    assert_eq!(read_target(&examples, 0, 18), expected);
    // One value at each position.
    assert_eq!(read_target(&examples, 1, 6), [1.0, 1.0, 1.0, 0.0, 0.0, 1.0]);
    let nan = read_target(&examples, 0, 12);
    assert_eq!(nan[..4], [1.0, 0.0, 0.0, 1.0]);
    assert!(nan[4..8].iter().all(|value| value.is_nan()));
    for length in [1, 5, 7] {
        let target = read_target(&examples, 0, length);
        assert!(target.iter().all(|value| value.is_nan()), "{target:?}");
    }

    assert_eq!(
        examples.label_maps(),
        Some(maps.mapv(|l| l as u32).view().into_dyn())
    );
    assert_eq!((examples.label(0), examples.labels()), (None, None));
    let part = examples.slice(1..2);
    let second = array![[1_u32, 1, 1], [0, 0, 1]].into_dyn();
    assert_eq!(part.target(0), Target::LabelMap(second.view()));
    let labelled = Examples::labelled(&inputs, [1, 2]).unwrap();
    assert!(labelled.label_maps().is_none());
    assert_eq!(labelled.target(1), Target::Label(2));
    // A label each, as `labelled` takes them.
    let flat = Examples::with_label_maps(&inputs, &array![1_u8, 2]).unwrap();
    assert_eq!(flat.labels(), labelled.labels());

    let text = |result: Result<Examples<'_>, Error>| result.unwrap_err().to_string();
    let scalar = arr0(1_u8);
    assert_eq!(
        text(Examples::with_label_maps(&inputs, &scalar)),
        "an array without axes holds no examples"
    );
    assert_eq!(
        text(Examples::with_label_maps(
            &inputs,
            &Array3::<u8>::zeros((3, 2, 2))
        )),
        "there are 2 inputs, but 3 targets"
    );
    let large = array![[[0_u64, 1]], [[0, 1 << 32]]];
    assert_eq!(
        text(Examples::with_label_maps(&inputs, &large)),
        "the label of example 1 at row 0, column 1 is 4294967296, but labels are at most 4294967295"
    );
}

#[test]
fn values_may_do_without_a_last_axis_of_one() {
    let inputs = Array2::<f32>::zeros((2, 1));
    let cases: [(&[usize], &[usize], bool); 8] = [
        (&[], &[1], true),
        (&[1], &[1], true),
        (&[4, 5], &[4, 5, 1], true),
        (&[4, 5, 1], &[4, 5, 1], true),
        (&[4, 5], &[4, 5, 2], false),
        (&[4, 5, 1], &[4, 5], false),
        (&[5, 1], &[4, 5, 1], false),
        (&[], &[], true),
    ];
    for (shape, output, fits) in cases {
        let values = ArrayD::<f32>::zeros([&[2], shape].concat());
        let examples = Examples::with_values(&inputs, &values).unwrap();
        let result = examples.check(&[1], output);
        assert_eq!(result.is_ok(), fits, "{shape:?} for {output:?}: {result:?}");
    }
}

#[test]
fn targets_that_do_not_fit_are_read_as_nan() {
    let inputs = Array2::<f32>::zeros((2, 1));
    let labelled = Examples::labelled(&inputs, [1, 4]).unwrap();
    let valued = Examples::with_values(&inputs, array![[1.0, 2.0], [3.0, 4.0]]).unwrap();
    let cases = [
        (read_target(&labelled, 0, 1), vec![1.0]),
        (read_target(&labelled, 0, 3), vec![0.0, 1.0, 0.0]),
        (read_target(&labelled, 1, 5), vec![0.0, 0.0, 0.0, 0.0, 1.0]),
        (read_target(&valued, 1, 2), vec![3.0, 4.0]),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
    let misfits = [
        read_target(&labelled, 1, 1),
        read_target(&labelled, 1, 4),
        read_target(&valued, 0, 1),
        read_target(&valued, 1, 3),
    ];
    assert!(
        misfits.iter().flatten().all(|value| value.is_nan()),
        "{misfits:?}"
    );
}

#[test]
fn parts_are_numbered_from_0() {
    let inputs = Array3::from_shape_fn((10, 2, 2), |(i, y, x)| (i * 4 + y * 2 + x) as f32);
    let values = Array2::from_shape_fn((10, 2), |(i, j)| (i * 10 + j) as f32);
    let labelled = Examples::labelled(&inputs, 0..10_i64).unwrap();
    let valued = Examples::with_values(&inputs, values.view()).unwrap();
    let part = labelled.slice(2..8);
    let (front, back) = part.split_at(2);
    assert_eq!((front.len(), back.len()), (2, 4));
    assert_eq!(
        (front.label(0), back.label(0), back.label(3)),
        (Some(2), Some(4), Some(7))
    );
    assert_eq!(read_input(&back, 1), [20.0, 21.0, 22.0, 23.0]);
    let back = valued.split_at(4).1;
    assert_eq!(read_target(&back, 0, 2), [40.0, 41.0]);
    assert_eq!((back.label(0), back.len()), (None, 6));
    assert_eq!((labelled.take(3).len(), labelled.take(30).len()), (3, 10));
    assert!(labelled.take(0).is_empty());
    assert_eq!(
        format!("{part:?}"),
        "Examples { len: 6, input_shape: [2, 2], .. }"
    );
}

#[test]
fn counts_and_labels_are_checked() {
    let inputs = Array2::<f32>::zeros((3, 2));
    let text = |result: Result<Examples<'_>, Error>| result.unwrap_err().to_string();
    assert_eq!(
        text(Examples::labelled(&inputs, [1, 2])),
        "there are 3 inputs, but 2 targets"
    );
    let values = Array1::<f32>::zeros(4);
    assert_eq!(
        text(Examples::with_values(&inputs, values.view())),
        "there are 3 inputs, but 4 targets"
    );
    assert_eq!(
        text(Examples::labelled(&inputs, [1_i64, -1, 0])),
        "the label of example 1 is -1, but labels are counted from 0"
    );
    let at_most = "the label of example 2 is 4294967296, but labels are at most 4294967295";
    assert_eq!(
        text(Examples::labelled(&inputs, [0, 0, 1_u64 << 32])),
        at_most
    );
    let result = Examples::labelled(&inputs, [u128::MAX, 0, 0]);
    let largest = Error::LabelRange {
        index: 0,
        position: Vec::new(),
        label: i128::MAX,
    };
    assert_eq!(text(result), largest.to_string());
    let scalar = arr0(1.0_f32);
    let without_axes = "an array without axes holds no examples";
    assert_eq!(text(Examples::labelled(&scalar, [0])), without_axes);
    assert_eq!(
        text(Examples::with_values(&inputs, scalar.view())),
        without_axes
    );

    let examples = Examples::labelled(&inputs, [0_usize, 2, 1]).unwrap();
    examples.check(&[2], &[3]).unwrap();
    let cases: [(&[usize], &str); 3] = [
        (
            &[2],
            "the label of example 1 is 2, but there are 2 classes, counted from 0",
        ),
        (
            &[1],
            "the label of example 1 is 2, but there are 2 classes, counted from 0",
        ),
        (
            &[5, 5, 3],
            "one class label for each example needs a flat output, but the network's output is 5x5x3",
        ),
    ];
    for (output, expected) in cases {
        assert_eq!(
            examples.check(&[2], output).unwrap_err().to_string(),
            expected
        );
    }
}

/// The shape and the values of a batch of images.
fn batch<'a>(batch: impl IntoBatch<'a, 4>) -> (Vec<usize>, Vec<f32>) {
    let view = batch.into_batch();
    (view.shape().to_vec(), view.iter().copied().collect())
}

#[test]
#[expect(
    clippy::needless_borrows_for_generic_args,
    reason = "references are what is tested"
)]
fn batches_are_arrays_or_nested_arrays() {
    let nested = [[[[1.0], [2.0], [3.0]], [[4.0], [5.0], [6.0]]]; 2];
    let images = arr1(nested.as_flattened().as_flattened().as_flattened());
    let images = images.into_shape_with_order((2, 2, 3, 1)).unwrap();
    let list = nested.to_vec();
    let cases = [
        ("an array", batch(&images)),
        ("a view", batch(images.view())),
        ("a reference to a view", batch(&images.view())),
        ("shared", batch(&images.to_shared())),
        ("dynamic", batch(&images.clone().into_dyn())),
        ("a dynamic view", batch(images.view().into_dyn())),
        ("nested arrays", batch(&nested)),
        ("a slice", batch(&nested[..])),
        ("a list", batch(&list)),
    ];
    let expected = (vec![2, 2, 3, 1], images.iter().copied().collect::<Vec<_>>());
    let wrong: Vec<_> = cases
        .iter()
        .filter(|(_, found)| *found != expected)
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(batch(&Vec::<[[[f32; 1]; 3]; 2]>::new()).0, [0, 2, 3, 1]);
    assert_eq!(
        IntoBatch::<2>::into_batch(&[[1.0, 2.0], [3.0, 4.0]]),
        array![[1.0, 2.0], [3.0, 4.0]].into_dyn()
    );
    assert_eq!(
        IntoBatch::<3>::into_batch(&[[[1.0], [2.0]]]),
        array![[[1.0], [2.0]]].into_dyn()
    );
}
