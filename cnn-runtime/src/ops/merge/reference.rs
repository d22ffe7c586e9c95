//! Merged values by their definition, for any [`Real`] type.

use crate::reference::{Real, pixel};
use cnn_ir::operation::{Merge, MergeKind};
use std::vec;
use std::vec::Vec;

/// The places in `[n, ..shape]` that an operand of this shape has for `[n, ..output]`, one after the other. With one row,
/// column or channel, it has that for all. What lies side by side has channels of its own.
fn places(layer: &Merge, shape: [usize; 3], n: usize) -> impl Iterator<Item = usize> {
    let [rows, columns, channels] = layer.output;
    let channels = match layer.kind {
        MergeKind::Concat => shape[2],
        MergeKind::Add
        | MergeKind::Subtract
        | MergeKind::Multiply
        | MergeKind::Average
        | MergeKind::Maximum
        | MergeKind::Minimum => channels,
    };
    let cells = rows * columns * channels;
    (0..n * cells).map(move |place| {
        let (image, place) = (place / cells, place % cells);
        let at = [
            place / (columns * channels),
            place / channels % columns,
            place % channels,
        ];
        let [row, column, channel] =
            core::array::from_fn(|axis| if shape[axis] == 1 { 0 } else { at[axis] });
        pixel(shape, image, row, column, channel)
    })
}

/// An operand of this shape as the output has it.
pub fn operand<T: Real>(layer: &Merge, shape: [usize; 3], n: usize, x: &[T]) -> Vec<T> {
    places(layer, shape, n).map(|place| x[place]).collect()
}

/// The values of cells of so many channels each, without activation.
pub fn forward<T: Real>(kind: MergeKind, inputs: &[Vec<T>], channels: &[usize]) -> Vec<T> {
    if kind == MergeKind::Concat {
        let cells = inputs[0].len() / channels[0];
        let of_cell = |cell: usize| {
            let parts = inputs.iter().zip(channels);
            parts.flat_map(move |(x, channels)| x[cell * channels..(cell + 1) * channels].to_vec())
        };
        return (0..cells).flat_map(of_cell).collect();
    }
    let value = |place: usize| {
        let values = || inputs.iter().map(|x| x[place]);
        let all = |combine: fn(T, T) -> T| values().reduce(combine).expect("an input");
        match kind {
            MergeKind::Add => all(|a, b| a + b),
            MergeKind::Subtract => all(|a, b| a - b),
            MergeKind::Multiply => all(|a, b| a * b),
            MergeKind::Average => all(|a, b| a + b) / T::from_f64(inputs.len() as f64),
            MergeKind::Maximum => all(|a, b| if b > a { b } else { a }),
            MergeKind::Minimum => all(|a, b| if b < a { b } else { a }),
            MergeKind::Concat => unreachable!("side by side"),
        }
    };
    (0..inputs[0].len()).map(value).collect()
}

/// The gradients with respect to the inputs, each `[n, ..]` as it is stored, from the one before the activation.
pub fn backward<T: Real>(layer: &Merge, n: usize, inputs: &[&[T]], dz: &[T]) -> Vec<Vec<T>> {
    let zero = T::from_f64(0.0);
    let shapes = layer.inputs.shapes();
    let all = 0..shapes.len();
    let len = |shape: [usize; 3]| n * shape.iter().product::<usize>();
    if layer.kind == MergeKind::Concat {
        let mut first = 0;
        let part = |shape: &[usize; 3]| {
            let range = first..first + shape[2];
            first = range.end;
            let cells = dz.chunks_exact(layer.output[2]);
            let mut dx = vec![zero; len(*shape)];
            for (place, dz) in
                places(layer, *shape, n).zip(cells.flat_map(|cell| &cell[range.clone()]))
            {
                dx[place] = *dz;
            }
            dx
        };
        return shapes.iter().map(part).collect();
    }
    let inputs: Vec<Vec<T>> = (shapes.iter().zip(inputs))
        .map(|(shape, x)| operand(layer, *shape, n, x))
        .collect();
    let winner = |place: usize, wins: fn(T, T) -> bool| {
        all.clone().reduce(|a, b| {
            if wins(inputs[b][place], inputs[a][place]) {
                b
            } else {
                a
            }
        })
    };
    let of_input = |input: usize| {
        let value = |(place, &dz): (usize, &T)| match layer.kind {
            MergeKind::Add => dz,
            MergeKind::Subtract if input == 0 => dz,
            MergeKind::Subtract => -dz,
            MergeKind::Average => dz / T::from_f64(shapes.len() as f64),
            MergeKind::Multiply => {
                let others = all.clone().filter(|other| *other != input);
                others.fold(dz, |product, other| product * inputs[other][place])
            }
            MergeKind::Maximum if winner(place, |b, a| b > a) == Some(input) => dz,
            MergeKind::Minimum if winner(place, |b, a| b < a) == Some(input) => dz,
            MergeKind::Maximum | MergeKind::Minimum => zero,
            MergeKind::Concat => unreachable!("side by side"),
        };
        // What is repeated has the sum of the gradients of all its places.
        let mut dx = vec![zero; len(shapes[input])];
        let places = places(layer, shapes[input], n);
        for (place, dz) in places.zip(dz.iter().enumerate().map(value)) {
            dx[place] += dz;
        }
        dx
    };
    all.clone().map(of_input).collect()
}
