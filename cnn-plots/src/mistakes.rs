//! [`mistakes`]: the examples that a network classifies wrongly, the most confident mistakes first.

use std::borrow::Cow;

use cnn_runtime::Dataset;
use cnn_runtime::ndarray::ArrayView2;

use crate::error::PlotError;
use crate::image::{Images, photograph, shown};
use crate::picture::Picture;
use crate::scale::{short, thousands};
use crate::svg::{Anchor, Area, Svg, shorten, text_width};
use crate::theme::{TEXT, WIDTH};

/// The tiles of a row: with long names fewer, which are larger.
const COLUMNS: usize = 8;
const COLUMNS_OF_LONG_NAMES: usize = 6;
/// The most tiles of a sheet.
const MOST: usize = 40;
/// What the longer side of an image leaves free of its column.
const MARGIN: f64 = 10.0;
/// The two lines below an image.
const LINES: f64 = 36.0;
const HEADING: f64 = 30.0;

/// A contact sheet of the examples that were classified wrongly: below each image the predicted class with its score, and
/// the actual class. The ones with the highest score come first, and at most 40 are shown.
///
/// `scores` are the outputs for all examples of `data`, `[N, classes]`, as `predict_dataset` gives them; of one column,
/// a score above 0.5 is a yes, class 1. `names` are those of the classes, or empty, for their numbers. Inputs are
/// images of one or three channels. An example without a label is not looked at, nor is a score of NaN.
///
/// ```
/// # cnn::network! {
/// #     network Corner {
/// #         input(8x8x1);
/// #         flatten;
/// #         dense(2, activation = softmax);
/// #         train { loss = categorical_crossentropy; }
/// #     }
/// # }
/// # let images = cnn::ndarray::Array4::from_shape_fn((6, 8, 8, 1), |(n, y, x, _)| f32::from(y + x < n));
/// # let net = Corner::new(0);
/// let test = cnn::Examples::labelled(&images, [0, 0, 0, 1, 1, 1])?;
/// let scores = net.predict_dataset(&test)?;
/// let picture = cnn::plots::mistakes(&test, scores.view(), &["cat", "dog"])?;
/// # assert!(picture.svg().contains(" in 6 examples"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`PlotError::Scores`], [`PlotError::Names`], and [`PlotError::NotAnImage`] of other inputs.
pub fn mistakes(
    data: &dyn Dataset,
    scores: ArrayView2<'_, f32>,
    names: &[&str],
) -> Result<Picture, PlotError> {
    let shape = data.input_shape();
    let (height, width, channels) = match *shape {
        [height, width] => (height, width, 1),
        [height, width, channels @ (1 | 3)] => (height, width, channels),
        _ => {
            return Err(PlotError::NotAnImage {
                shape: shape.to_vec(),
            });
        }
    };
    let (all, outputs) = scores.dim();
    if all != data.len() {
        return Err(PlotError::Scores {
            expected: data.len(),
            found: all,
        });
    }
    let classes = if outputs == 1 { 2 } else { outputs };
    if !names.is_empty() && names.len() != classes {
        return Err(PlotError::Names {
            expected: classes,
            found: names.len(),
        });
    }
    let found = find(data, scores);

    let mut svg = Svg::new();
    let (count, examples) = (thousands(found.len()), thousands(all));
    let heading = match found.len() {
        0 => format!("No mistakes in {examples} examples"),
        1 => format!("1 mistake in {examples} examples"),
        2..=MOST => format!("{count} mistakes in {examples} examples"),
        _ => format!("The {MOST} most confident of {count} mistakes in {examples} examples"),
    };
    svg.text((0.0, 16.0), Anchor::Start, "bold", &heading);
    if found.is_empty() {
        return Ok(Picture::new(svg, (WIDTH, HEADING), &heading));
    }
    svg.text(
        (WIDTH - 60.0, 16.0),
        Anchor::End,
        "said",
        "predicted · score",
    );
    svg.text((WIDTH, 16.0), Anchor::End, "note", "actual");

    let name = |class: usize| match names.get(class) {
        Some(name) => Cow::Borrowed(*name),
        None => Cow::Owned(class.to_string()),
    };
    // With a score behind it.
    let widest = (names.iter()).fold(0.0, |most: f64, name| most.max(text_width(name, TEXT)));
    let is_long = widest + text_width(" · 99 %", TEXT) > WIDTH / COLUMNS as f64 - MARGIN;
    let columns = if is_long {
        COLUMNS_OF_LONG_NAMES
    } else {
        COLUMNS
    };
    let column = WIDTH / columns as f64;
    let (image_width, image_height) = shown((height, width), column - MARGIN);
    let mut images = Images::default();
    let mut input = vec![0.0; shape.iter().product()];
    let mut bottom = 0.0f64;
    for (place, mistake) in found.iter().take(MOST).enumerate() {
        data.read_input(mistake.index, &mut input);
        let x = (place % columns) as f64 * column;
        let y = HEADING + (place / columns) as f64 * (image_height + LINES + 10.0);
        let (predicted, actual) = (name(mistake.predicted), name(mistake.actual));
        let score = percent(mistake.score);
        let image = photograph((height, width, channels), &input);
        let area = Area::new(x, y, image_width, image_height);
        let tip = format!(
            "example {}: predicted {predicted} ({score}), actual {actual}",
            mistake.index
        );
        // There is one for one or three channels.
        if let Some(image) = image {
            images.put(&mut svg, area, image, &tip);
        }
        let below = y + image_height;
        let room = column - 8.0 - text_width(" · ", TEXT) - text_width(&score, TEXT);
        let first = format!("{} · {score}", shorten(&predicted, TEXT, room));
        svg.text((x, below + 15.0), Anchor::Start, "said", &first);
        let second = shorten(&actual, TEXT, column - 8.0);
        svg.text((x, below + 30.0), Anchor::Start, "note", &second);
        bottom = bottom.max(below + LINES);
    }
    let picture = Picture::new(svg, (WIDTH, bottom), &heading);
    Ok(picture.with_raster(images.raster()))
}

/// An example that was classified wrongly.
struct Mistake {
    index: usize,
    actual: usize,
    predicted: usize,
    /// How sure the network was of what it predicted.
    score: f32,
}

/// All mistakes, the most confident first; those of the same score in the order of the examples.
fn find(data: &dyn Dataset, scores: ArrayView2<'_, f32>) -> Vec<Mistake> {
    let mut target = vec![0.0; scores.ncols()];
    let mut found = Vec::new();
    for (index, row) in scores.rows().into_iter().enumerate() {
        data.read_target(index, &mut target);
        let row = row.to_vec();
        let (predicted, score) = match row[..] {
            [yes] if yes.is_nan() => continue,
            [yes] => (usize::from(yes > 0.5), yes.max(1.0 - yes)),
            _ => match largest(&row) {
                Some(class) => (class, row[class]),
                None => continue,
            },
        };
        let actual = match target[..] {
            [yes] => usize::from(yes > 0.5),
            // Zeros are an example without a label.
            _ => match largest(&target) {
                Some(class) if target[class] > 0.0 => class,
                _ => continue,
            },
        };
        if predicted != actual {
            found.push(Mistake {
                index,
                actual,
                predicted,
                score,
            });
        }
    }
    found.sort_by(|one, other| other.score.total_cmp(&one.score));
    found
}

/// The place of the largest value of a row, the first one of several; `None` of a row with NaN, or an empty one.
fn largest(row: &[f32]) -> Option<usize> {
    if row.iter().any(|value| value.is_nan()) {
        return None;
    }
    (0..row.len()).reduce(|best, place| match row[place] > row[best] {
        true => place,
        false => best,
    })
}

/// A probability in percent; other scores as they are.
fn percent(score: f32) -> String {
    match score {
        score if !(0.0..=1.0).contains(&score) => short(f64::from(score)),
        // Rounding must not turn it into certainty.
        score if (0.999..1.0).contains(&score) => ">99.9 %".to_owned(),
        score if score < 0.995 => format!("{:.0} %", score * 100.0),
        score => format!("{:.1} %", score * 100.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_read_as_percent_where_they_are_probabilities() {
        let cases = [
            (0.5, "50 %"),
            (0.994, "99 %"),
            (0.9951, "99.5 %"),
            (0.9996, ">99.9 %"),
            (1.0, "100.0 %"),
            (4.25, "4.25"),
            (-1.0, "-1"),
        ];
        for (score, text) in cases {
            assert_eq!(percent(score), text);
        }
    }
}
