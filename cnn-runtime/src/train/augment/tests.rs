//! The twins, which look at one pixel after the other in `f64`, and what is drawn.

use super::draw::{Drawn, Mix, Recipe};
use super::philox::{Purpose, Stream};
use super::{Augmentation, Mixing, Rows, check, framed_len, geometry, resample, text};
use crate::kernels::Isa;
use crate::objective::Objective;
use crate::spec::Port;
use cnn_ir::{Activation, Augment, Flip, Loss};

const SHAPES: [[usize; 3]; 9] = [
    [1, 1, 1],
    [2, 2, 1],
    [7, 1, 2],
    [1, 9, 3],
    [5, 3, 1],
    [8, 9, 3],
    [6, 131, 2],
    [28, 28, 1],
    [17, 64, 5],
];

/// Values from -1 to 2, so that clipping has something to do.
fn image(shape: [usize; 3]) -> Vec<f32> {
    let len = shape.iter().product();
    let value = |place: usize| ((place * 7919 + 13) % 1009) as f32 / 336.0 - 1.0;
    (0..len).map(value).collect()
}

/// What the numbers of an example make of an image.
fn augmented(list: &[Augment], shape: [usize; 3], stream: (u64, u64, usize), isa: Isa) -> Vec<f32> {
    let mut augmentation = Augmentation::new(list, &shape, isa).expect("a list");
    let (seed, epoch, example) = stream;
    augmentation.begin(seed, epoch);
    let mut result = image(shape);
    // Whatever another example has left in it.
    let mut scratch = vec![0.0; augmentation.scratch()];
    augmentation.apply(example + 1, &mut result, &mut scratch);
    result = image(shape);
    augmentation.apply(example, &mut result, &mut scratch);
    result
}

fn numbers(
    list: &[Augment],
    shape: [usize; 3],
    (seed, epoch, example): (u64, u64, usize),
) -> Drawn {
    let stream = Stream::new(seed, epoch, example as u64);
    Recipe::new(list).draw(stream, [shape[0], shape[1]])
}

/// The pixel at a whole place; 0 outside.
fn pixel(
    image: &[f64],
    [height, width, channels]: [usize; 3],
    place: [i64; 2],
    channel: usize,
) -> f64 {
    let [row, column] = place;
    let is_inside = (0..height as i64).contains(&row) && (0..width as i64).contains(&column);
    match is_inside {
        true => image[(row as usize * width + column as usize) * channels + channel],
        false => 0.0,
    }
}

/// Mirrored, then turned and scaled about the centre, then moved: one pixel after the other.
fn twin_of_geometry(
    drawn: &Drawn,
    displacement: impl Fn(usize, [usize; 2]) -> f64,
    shape: [usize; 3],
    image: &[f64],
) -> Vec<f64> {
    let [height, width, channels] = shape;
    let centre = [height, width].map(|side| (side as f64 - 1.0) / 2.0);
    let (sin, cos) = f64::from(drawn.angle).to_radians().sin_cos();
    let mut result = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let down = y as f64 - centre[0] - drawn.shift[0] as f64;
            let right = x as f64 - centre[1] - drawn.shift[1] as f64;
            let turned = [cos * down + sin * right, cos * right - sin * down];
            let mut q = [0.0; 2];
            for axis in [0, 1] {
                let from_centre = f64::from(drawn.zoom) * turned[axis];
                q[axis] = match drawn.flip[axis] {
                    true => centre[axis] - from_centre,
                    false => centre[axis] + from_centre,
                };
                q[axis] += displacement(axis, [y, x]);
            }
            for channel in 0..channels {
                let mut value = 0.0;
                for (dy, dx) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                    let place = [q[0].floor() as i64 + dy, q[1].floor() as i64 + dx];
                    let weight = |axis: usize| 1.0 - (q[axis] - place[axis] as f64).abs();
                    value += weight(0) * weight(1) * pixel(image, shape, place, channel);
                }
                result.push(value);
            }
        }
    }
    result
}

/// The displacement of a pixel: the mean of the random numbers around it, with the weights of a Gaussian in two dimensions.
fn twin_of_elastic(
    alpha: f32,
    sigma: f32,
    [height, width, _]: [usize; 3],
    (seed, epoch, example): (u64, u64, usize),
    axis: usize,
    [y, x]: [usize; 2],
) -> f64 {
    let stream = Stream::new(seed, epoch, example as u64);
    let radius = (4.0 * sigma + 0.5) as i64;
    let weight = |distance: i64| (-0.5 * (distance as f64 / f64::from(sigma)).powi(2)).exp();
    let sum: f64 = (-radius..=radius).map(weight).sum();
    let mut total = 0.0;
    for down in -radius..=radius {
        for right in -radius..=radius {
            let (row, column) = (y as i64 + down, x as i64 + right);
            if !(0..height as i64).contains(&row) || !(0..width as i64).contains(&column) {
                continue;
            }
            let place = (row as usize * 2 + axis) * width + column as usize;
            let word = stream.block(Purpose::Elastic, (place / 4) as u32)[place % 4];
            let drawn = 2.0 * f64::from(word >> 8) / f64::from(1 << 24) - 1.0;
            total += weight(down) * weight(right) / (sum * sum) * drawn;
        }
    }
    f64::from(alpha) * total
}

/// What an augmentation makes of an image, of its description in the language reference.
fn twin(list: &[Augment], shape: [usize; 3], stream: (u64, u64, usize)) -> Vec<f64> {
    let [height, width, channels] = shape;
    let drawn = numbers(list, shape, stream);
    let recipe = Recipe::new(list);
    let image: Vec<f64> = image(shape).into_iter().map(f64::from).collect();
    let displacement = |axis: usize, at: [usize; 2]| match recipe.elastic {
        Some((alpha, sigma)) => twin_of_elastic(alpha, sigma, shape, stream, axis, at),
        None => 0.0,
    };
    let mut image = twin_of_geometry(&drawn, displacement, shape, &image);
    if let Some((_, clips)) = recipe.contrast {
        for channel in 0..channels {
            let values = || image.iter().skip(channel).step_by(channels);
            let mean = values().sum::<f64>() / (height * width) as f64;
            for value in image.iter_mut().skip(channel).step_by(channels) {
                *value = (*value - mean) * f64::from(drawn.contrast) + mean;
                *value = if clips { value.clamp(0.0, 1.0) } else { *value };
            }
        }
    }
    if let Some((_, clips)) = recipe.brightness {
        for value in &mut image {
            *value += f64::from(drawn.brightness);
            *value = if clips { value.clamp(0.0, 1.0) } else { *value };
        }
    }
    if let Some(stddev) = recipe.noise {
        let (seed, epoch, example) = stream;
        let stream = Stream::new(seed, epoch, example as u64);
        for (place, value) in image.iter_mut().enumerate() {
            let words = stream.block(Purpose::Noise, (place / 4) as u32);
            let pair = place % 4 / 2;
            let [radius, angle] = [words[2 * pair], words[2 * pair + 1]];
            let radius = (f64::from(radius >> 8) + 1.0) / f64::from(1 << 24);
            let angle = f64::from(angle >> 8) / f64::from(1 << 24) * std::f64::consts::TAU;
            let radius = (-2.0 * radius.ln()).sqrt();
            let normal = if place % 2 == 0 {
                angle.cos()
            } else {
                angle.sin()
            };
            *value += f64::from(stddev) * radius * normal;
        }
    }
    if let Some(size) = recipe.cutout {
        let first = drawn.cutout.map(|middle| middle as i64 - size as i64 / 2);
        let covers = |axis: usize, place: usize| {
            (first[axis]..first[axis] + size as i64).contains(&(place as i64))
        };
        for (place, value) in image.iter_mut().enumerate() {
            let (row, column) = (place / channels / width, place / channels % width);
            if covers(0, row) && covers(1, column) {
                *value = 0.0;
            }
        }
    }
    image
}

/// The lists of the tests, such as an image of this shape can have.
fn lists(shape: [usize; 3]) -> Vec<Vec<Augment>> {
    let most = shape[0].min(shape[1]) as u64 - 1;
    let singles = [
        Augment::shift(most.min(3)),
        Augment::rotate(30.0),
        Augment::rotate(180.0),
        Augment::zoom(0.3),
        Augment::flip(Flip::Horizontal),
        Augment::flip(Flip::Vertical),
        Augment::flip(Flip::Both),
        Augment::contrast(0.4),
        Augment::Contrast {
            factor: 0.4,
            clip: false,
        },
        Augment::brightness(0.4),
        Augment::Brightness {
            factor: 0.4,
            clip: false,
        },
        Augment::noise(0.2),
        Augment::cutout(most.min(4)),
    ];
    let mut lists: Vec<Vec<Augment>> = singles.iter().map(|single| vec![*single]).collect();
    // As wide as the image, where that is small.
    let sigma = (most as f32).clamp(0.3, 2.0);
    lists.push(vec![Augment::elastic(20.0, sigma)]);
    lists.push(vec![singles[1], singles[6], Augment::elastic(10.0, 0.1)]);
    lists.push(vec![singles[0], singles[6]]);
    lists.push(vec![singles[0], singles[1], singles[3], singles[6]]);
    lists.push(vec![
        singles[12],
        singles[11],
        singles[10],
        singles[8],
        singles[6],
        singles[3],
        singles[1],
        singles[0],
    ]);
    lists
}

#[test]
fn every_augmentation_is_what_its_twin_makes() {
    for shape in SHAPES {
        for list in lists(shape) {
            for example in 0..12 {
                let stream = (3, 5, example);
                let expected = twin(&list, shape, stream);
                for isa in Isa::available() {
                    let found = augmented(&list, shape, stream, isa);
                    let errors = found.iter().zip(&expected);
                    let errors =
                        errors.map(|(found, expected)| (f64::from(*found) - expected).abs());
                    let worst = errors.fold(0.0, f64::max);
                    assert!(
                        worst < 5e-5,
                        "{list:?} of {shape:?}, example {example}, {isa:?}: off by {worst}"
                    );
                }
            }
        }
    }
}

#[test]
fn every_instruction_set_makes_the_same_bits() {
    for shape in SHAPES {
        for list in lists(shape) {
            let of = |isa| augmented(&list, shape, (1, 2, 3), isa);
            let bits = |image: Vec<f32>| image.into_iter().map(f32::to_bits).collect::<Vec<_>>();
            let expected = bits(of(Isa::PORTABLE));
            for isa in Isa::available() {
                assert_eq!(bits(of(isa)), expected, "{list:?} of {shape:?}, {isa:?}");
            }
        }
    }
}

/// Without an angle and a zoom, the map copies pixels, as a shift and a flip do by themselves.
#[test]
fn what_moves_by_whole_pixels_is_copied() {
    for shape in SHAPES {
        let most = shape[0].min(shape[1]) as u64 - 1;
        let nothing = [
            Augment::rotate(0.0),
            Augment::zoom(0.0),
            Augment::shift(0),
            Augment::elastic(0.0, 1.0),
        ];
        assert_eq!(
            augmented(&nothing, shape, (0, 0, 1), Isa::PORTABLE),
            image(shape)
        );
        let moved = [Augment::shift(most), Augment::flip(Flip::Both)];
        let mapped = [moved[0], moved[1], Augment::rotate(0.0)];
        for example in 0..50 {
            let stream = (7, 0, example);
            let of = |list: &[Augment]| augmented(list, shape, stream, Isa::PORTABLE);
            assert_eq!(of(&moved), of(&mapped), "{shape:?}, example {example}");
            let exact: Vec<f64> = image(shape).into_iter().map(f64::from).collect();
            let exact =
                twin_of_geometry(&numbers(&moved, shape, stream), |_, _| 0.0, shape, &exact);
            let exact: Vec<f32> = exact.into_iter().map(|value| value as f32).collect();
            assert_eq!(of(&moved), exact, "{shape:?}, example {example}");
        }
    }
}

/// A quarter turn takes columns to rows: with a positive angle the image turns counter-clockwise.
#[test]
fn an_image_turns_the_way_it_should() {
    let quarter = Drawn {
        flip: [false; 2],
        shift: [0; 2],
        angle: 90.0,
        zoom: 1.0,
        contrast: 1.0,
        brightness: 0.0,
        cutout: [0; 2],
    };
    let shape = [3, 3, 1];
    let image = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
    let mut framed = vec![0.0; framed_len(shape)];
    geometry::frame(shape, &image, &mut framed);
    let mut result = [0.0; 9];
    resample(
        Isa::PORTABLE,
        &geometry::map(&quarter, [3, 3]),
        &[],
        shape,
        &framed,
        &mut result,
    );
    assert_eq!(result, [3.0, 6.0, 9.0, 2.0, 5.0, 8.0, 1.0, 4.0, 7.0]);
    // Twice as far from the centre: the image is half as large.
    let smaller = Drawn {
        angle: 0.0,
        zoom: 2.0,
        ..quarter
    };
    resample(
        Isa::PORTABLE,
        &geometry::map(&smaller, [3, 3]),
        &[],
        shape,
        &framed,
        &mut result,
    );
    assert_eq!(result, [0.0, 0.0, 0.0, 0.0, 5.0, 0.0, 0.0, 0.0, 0.0]);
}

/// The numbers of many examples.
fn many(list: &[Augment]) -> Vec<Drawn> {
    (0..20_000)
        .map(|example| numbers(list, [11, 11, 1], (42, 3, example)))
        .collect()
}

#[test]
fn numbers_are_spread_over_their_ranges() {
    let list = [
        Augment::shift(2),
        Augment::rotate(10.0),
        Augment::zoom(0.1),
        Augment::flip(Flip::Both),
        Augment::brightness(0.2),
        Augment::contrast(0.3),
        Augment::cutout(3),
    ];
    let drawn = many(&list);
    let count = drawn.len() as f64;
    // Uniform numbers: their mean and variance within five standard deviations, and their ends.
    let uniform = |name: &str, middle: f64, most: f64, of: fn(&Drawn) -> f32| {
        let values: Vec<f64> = drawn
            .iter()
            .map(|drawn| f64::from(of(drawn)) - middle)
            .collect();
        assert!(
            values
                .iter()
                .all(|value| value.abs() <= most * (1.0 + 1e-6)),
            "{name}"
        );
        let ends = values
            .iter()
            .fold((0.0, 0.0), |(least, largest): (f64, f64), value| {
                (least.min(*value), largest.max(*value))
            });
        assert!(
            ends.0 < -0.999 * most && ends.1 > 0.999 * most,
            "{name}: {ends:?}"
        );
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|value| value * value).sum::<f64>() / count;
        let expected = most * most / 3.0;
        assert!(
            mean.abs() < 5.0 * (expected / count).sqrt(),
            "{name}: a mean of {mean}"
        );
        // The fourth moment is `most^4 / 5`.
        let deviation = ((most.powi(4) / 5.0 - expected * expected) / count).sqrt();
        assert!(
            (variance - expected).abs() < 5.0 * deviation,
            "{name}: {variance}"
        );
    };
    uniform("angle", 0.0, 10.0, |drawn| drawn.angle);
    uniform("zoom", 1.0, 0.1, |drawn| drawn.zoom);
    uniform("brightness", 0.0, 0.2, |drawn| drawn.brightness);
    uniform("contrast", 1.0, 0.3, |drawn| drawn.contrast);
    // Whole numbers: how often each of `n` comes, within five standard deviations.
    let even = |name: &str, n: usize, of: &dyn Fn(&Drawn) -> usize| {
        let mut counts = vec![0_u32; n];
        drawn.iter().for_each(|drawn| counts[of(drawn)] += 1);
        let expected = count / n as f64;
        let deviation = (expected * (1.0 - 1.0 / n as f64)).sqrt();
        let worst = counts
            .iter()
            .map(|count| (f64::from(*count) - expected).abs());
        assert!(
            worst.fold(0.0, f64::max) < 5.0 * deviation,
            "{name}: {counts:?}"
        );
    };
    for axis in [0, 1] {
        even("shift", 5, &|drawn| (drawn.shift[axis] + 2) as usize);
        even("flip", 2, &|drawn| usize::from(drawn.flip[axis]));
        even("cutout", 11, &|drawn| drawn.cutout[axis]);
    }
    even("both shifts", 25, &|drawn| {
        ((drawn.shift[0] + 2) * 5 + drawn.shift[1] + 2) as usize
    });
    even("both flips", 4, &|drawn| {
        2 * usize::from(drawn.flip[0]) + usize::from(drawn.flip[1])
    });
    for (direction, axis) in [(Flip::Horizontal, 0), (Flip::Vertical, 1)] {
        let drawn = many(&[Augment::flip(direction)]);
        assert!(drawn.iter().all(|drawn| !drawn.flip[axis]));
        assert!(drawn.iter().any(|drawn| drawn.flip[1 - axis]));
    }
}

/// An augmentation draws the same, whatever else is in the list.
#[test]
fn numbers_do_not_depend_on_the_rest_of_the_list() {
    let all = lists([28, 28, 1]).pop().expect("a list");
    let stream = (9, 1, 4);
    let of_all = numbers(&all, [28, 28, 1], stream);
    for augment in all {
        let alone = numbers(&[augment], [28, 28, 1], stream);
        let (found, expected) = match augment {
            Augment::Rotate { .. } => (alone.angle, of_all.angle),
            Augment::Zoom { .. } => (alone.zoom, of_all.zoom),
            Augment::Contrast { .. } => (alone.contrast, of_all.contrast),
            Augment::Brightness { .. } => (alone.brightness, of_all.brightness),
            Augment::Shift { .. } => (alone.shift[0] as f32, of_all.shift[0] as f32),
            Augment::Cutout { .. } => (alone.cutout[1] as f32, of_all.cutout[1] as f32),
            Augment::Flip { .. } => (f32::from(alone.flip[1]), f32::from(of_all.flip[1])),
            Augment::Noise { .. } | Augment::Mixup { .. } | Augment::Elastic { .. } => continue,
        };
        assert_eq!(found, expected, "{augment}");
    }
}

#[test]
fn noise_is_normal() {
    let mut augmentation =
        Augmentation::new(&[Augment::noise(0.5)], &[100_000], Isa::detect()).expect("a list");
    augmentation.begin(11, 0);
    let mut values = vec![0.0; 100_000];
    augmentation.apply(0, &mut values, &mut []);
    let count = values.len() as f64;
    let moment = |power: i32| {
        values
            .iter()
            .map(|value| (f64::from(*value) / 0.5).powi(power))
            .sum::<f64>()
            / count
    };
    // Within five standard deviations: the moments of a normal number are 0, 1, 0, 3, and its variances 1, 2, 15, 96.
    for (power, expected, variance) in
        [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)]
    {
        let (found, bound) = (moment(power), 5.0 * f64::sqrt(variance / count));
        assert!((found - expected).abs() < bound, "moment {power}: {found}");
    }
    // Neighbours, of the same block and of two, are independent.
    for distance in [1, 2, 3, 4] {
        let pairs = values.iter().zip(&values[distance..]);
        let product = pairs
            .map(|(a, b)| f64::from(*a) * f64::from(*b) / 0.25)
            .sum::<f64>()
            / count;
        assert!(
            product.abs() < 5.0 / count.sqrt(),
            "{distance} apart: {product}"
        );
    }
}

#[test]
fn shares_are_from_the_beta_distribution() {
    for alpha in [0.05, 0.2, 0.9, 1.0, 2.5, 40.0] {
        let shares: Vec<f64> = (0..20_000)
            .map(|example| Mix::draw(Stream::new(1, 0, example), 7, alpha))
            .map(|mix| f64::from(mix.share))
            .collect();
        assert!(
            shares.iter().all(|share| (0.0..=1.0).contains(share)),
            "{alpha}"
        );
        let count = shares.len() as f64;
        let moment = |power: i32| {
            shares
                .iter()
                .map(|share| (share - 0.5).powi(power))
                .sum::<f64>()
                / count
        };
        let alpha = f64::from(alpha);
        // Those of the beta distribution about its mean.
        let second = 1.0 / (4.0 * (2.0 * alpha + 1.0));
        let fourth = 3.0 / (16.0 * (2.0 * alpha + 1.0) * (2.0 * alpha + 3.0));
        assert!(
            moment(1).abs() < 5.0 * (second / count).sqrt(),
            "{alpha}: {}",
            moment(1)
        );
        let bound = 5.0 * ((fourth - second * second) / count).sqrt();
        assert!(
            (moment(2) - second).abs() < bound,
            "{alpha}: {} for {second}",
            moment(2)
        );
        assert!(
            (moment(4) - fourth).abs() < 0.05 * fourth,
            "{alpha}: {} for {fourth}",
            moment(4)
        );
    }
    // One that is so small that the numbers behind it underflow.
    let tiny = Mix::draw(Stream::new(1, 0, 0), 7, f32::MIN_POSITIVE);
    assert!((0.0..=1.0).contains(&tiny.share), "{tiny:?}");
    let mut partners = [0; 7];
    for example in 0..7000 {
        partners[Mix::draw(Stream::new(1, 0, example), 7, 0.2).partner] += 1;
    }
    assert!(
        partners.iter().all(|count| (850..1150).contains(count)),
        "{partners:?}"
    );
}

#[test]
fn examples_targets_and_weights_are_mixed_alike() {
    let (examples, lengths) = (5, [3, 2, 1]);
    let mut augmentation =
        Augmentation::new(&[Augment::mixup(1.0)], &[3], Isa::PORTABLE).expect("a list");
    augmentation.begin(2, 8);
    let batch = [40, 7, 99, 3, 12];
    let value = |place: usize| place as f32 * 0.5;
    let input: Vec<f32> = (0..15).map(value).collect();
    let target: Vec<f32> = (0..10).map(|place| f32::from(place % 3 == 0)).collect();
    let weights = [1.0, 1.0, 2.0, 0.0, 1.0];
    let mut mixing = Mixing::new(8, lengths);
    for (part, range) in mixing.parts([2, 3].into_iter(), lengths).zip([0..2, 2..5]) {
        let mut part: Rows<'_> = part;
        let of = |len: usize| range.start * len..range.end * len;
        part.copy_from(&input[of(3)], &target[of(2)], &weights[of(1)]);
    }
    let mixed = |first: usize, end: usize| {
        let of = |len: usize| first * len..end * len;
        let (mut inputs, mut targets) = (input[of(3)].to_vec(), target[of(2)].to_vec());
        let mut all = weights[of(1)].to_vec();
        let rows = Rows {
            input: &mut inputs,
            target: &mut targets,
            weights: &mut all,
        };
        let are_even = mixing.mix(&augmentation, &batch, first, rows, lengths);
        assert_eq!(are_even, all.iter().all(|weight| *weight == 1.0));
        (inputs, targets, all)
    };
    let (inputs, targets, all) = mixed(0, examples);
    let mut partners = Vec::new();
    for (place, &index) in batch.iter().enumerate() {
        let Mix { partner, share } = Mix::draw(Stream::new(2, 8, index as u64), examples, 1.0);
        partners.push(partner);
        let mix = |values: &[f32], len: usize, of: usize| {
            let (own, other) = (values[place * len + of], values[partner * len + of]);
            f64::from(share) * f64::from(own) + (1.0 - f64::from(share)) * f64::from(other)
        };
        for of in 0..3 {
            let (found, expected) = (inputs[place * 3 + of], mix(&input, 3, of));
            assert!(
                (f64::from(found) - expected).abs() < 1e-5,
                "input {of} of {place}"
            );
        }
        for of in 0..2 {
            let (found, expected) = (targets[place * 2 + of], mix(&target, 2, of));
            assert!(
                (f64::from(found) - expected).abs() < 1e-6,
                "target {of} of {place}"
            );
        }
        assert!(
            (f64::from(all[place]) - mix(&weights, 1, 0)).abs() < 1e-6,
            "weight of {place}"
        );
    }
    assert!(
        partners
            .iter()
            .enumerate()
            .any(|(place, partner)| place != *partner),
        "{partners:?}"
    );
    // Whoever mixes a part of the batch.
    let (of_two, of_three) = (mixed(0, 2), mixed(2, 5));
    assert_eq!([of_two.0, of_three.0].concat(), inputs);
    assert_eq!([of_two.1, of_three.1].concat(), targets);
}

#[test]
fn lists_are_checked() {
    let port = |name, shape, activation| Port {
        name,
        shape,
        offset: 0,
        activation,
    };
    let image = [port("input", &[8, 8, 1], Activation::Linear)];
    let scores = [port("dense_1", &[3], Activation::Softmax)];
    let objectives = [Objective::new(Loss::categorical_crossentropy(), 1.0, &[])];
    let refusal = |list: &[Augment]| match check(list, &image, &scores, &objectives) {
        Ok(()) => String::new(),
        Err(error) => error.to_string(),
    };
    let cases = [
        (vec![Augment::shift(2), Augment::mixup(0.2)], ""),
        (
            vec![Augment::shift(8)],
            "`augment` is shift(8), but must be less than a side of the image",
        ),
        (
            vec![Augment::rotate(181.0)],
            "`augment` is rotate(181.0), but must be 180 degrees or less",
        ),
        (
            vec![Augment::zoom(1.0)],
            "`factor` is 1.0, but must be at least 0 and less than 1 as `f32`",
        ),
        (
            vec![Augment::noise(f32::NAN)],
            "`stddev` is NaN, but must be zero or more and finite as `f32`",
        ),
        (
            vec![Augment::shift(1), Augment::shift(2)],
            "`augment` is shift(2), but must be listed once",
        ),
    ];
    for (list, expected) in cases {
        assert_eq!(refusal(&list), expected, "{list:?}");
    }
    let row = [port("input", &[8], Activation::Linear)];
    let of_row = |augment| check(&[augment], &row, &scores, &objectives).is_ok();
    assert!(of_row(Augment::noise(0.1)) && !of_row(Augment::flip(Flip::Both)));
    let two = [image[0], row[0]];
    assert!(check(&[Augment::noise(0.1)], &two, &scores, &objectives).is_err());
    assert!(check(&[], &two, &scores, &objectives).is_ok());
    let maps = [port("conv2d_1", &[8, 8, 3], Activation::Softmax)];
    assert!(check(&[Augment::rotate(5.0)], &image, &maps, &objectives).is_err());
    assert!(check(&[Augment::contrast(0.1)], &image, &maps, &objectives).is_ok());
    let hinge = [Objective::new(Loss::hinge(), 1.0, &[])];
    assert!(check(&[Augment::mixup(0.1)], &image, &scores, &hinge).is_err());
}

#[test]
fn lists_that_do_the_same_are_the_same_text() {
    let [a, b] = [Augment::shift(2), Augment::flip(Flip::Horizontal)];
    assert_eq!(text(&[a, b]), "flip(horizontal), shift(2)");
    assert_eq!(text(&[b, a]), text(&[a, b]));
    assert_eq!(text(&[]), "");
}

/// The table of `docs/data.md`, which another implementation has computed: the first words of `shift`, and the numbers
/// of a list for 28x28 images in a batch of 64.
#[test]
fn streams_are_those_of_the_documentation() {
    let list = [
        Augment::shift(2),
        Augment::rotate(10.0),
        Augment::zoom(0.1),
        Augment::flip(Flip::Both),
        Augment::brightness(0.2),
        Augment::contrast(0.2),
        Augment::noise(1.0),
        Augment::cutout(8),
        Augment::mixup(0.2),
    ];
    let page = include_str!("../../../../docs/data.md");
    let cases: [(u64, u64, u64); 3] = [
        (0, 0, 0),
        (1, 2, 3),
        (0x0123_4567_89ab_cdef, 7, 4_294_967_298),
    ];
    for (seed, epoch, example) in cases {
        let stream = Stream::new(seed, epoch, example);
        let recipe = Recipe::new(&list);
        let drawn = recipe.draw(stream, [28, 28]);
        let mix = Mix::draw(stream, 64, 0.2);
        let words = stream
            .block(Purpose::Shift, 0)
            .map(|word| format!("{word:08x}"));
        let row = format!(
            "| {seed:#x} | {epoch} | {example} | `{}` |",
            words.join(" ")
        );
        assert!(page.contains(&row), "{row}");
        let axes = ["vertical", "horizontal"].into_iter().zip(drawn.flip);
        let axes: Vec<_> = axes
            .filter(|(_, is_flipped)| *is_flipped)
            .map(|(axis, _)| axis)
            .collect();
        let mut noise = [0.0; 4];
        super::values::noise(1.0, stream, &mut noise);
        let noise = noise.map(|value| format!("{value:.4}"));
        let ([down, right], [row, column]) = (drawn.shift, drawn.cutout);
        let row = format!(
            "| {seed:#x} | {down}, {right} | {:.4} | {:.4} | {} | {:.4} | {:.4} | {} | {row}, {column} | {}, {:.4} |",
            drawn.angle,
            drawn.zoom,
            if axes.is_empty() {
                "none".to_owned()
            } else {
                axes.join(", ")
            },
            drawn.brightness,
            drawn.contrast,
            noise.join(", "),
            mix.partner,
            mix.share,
        );
        assert!(page.contains(&row), "{row}");
    }
}
