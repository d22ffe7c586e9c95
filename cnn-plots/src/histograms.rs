//! [`weights`] and [`gradients`]: how the values of tensors are distributed.

use crate::picture::Picture;
use crate::scale::{Scale, short, thousands};
use crate::svg::{Anchor, Area, BOLD, Svg, shorten, text_width};
use crate::theme::{TEXT, WIDTH};

const COLUMNS: usize = 4;
const GAP: f64 = 20.0;
/// The height of the bars, and of a whole histogram with its texts.
const BARS: f64 = 80.0;
const HEIGHT: f64 = 166.0;
const BINS: usize = 40;

/// A histogram of each tensor of a network: 40 bins from its least to its largest value. Below it stand how many values
/// it has, their mean and their standard deviation; values that are not finite are counted for themselves.
///
/// ```
/// # cnn::network! { network Digits { input(28x28x1); flatten; dense(10, activation = softmax); } }
/// let net = Digits::new(0);
/// let picture = cnn::plots::weights(net.tensors());
/// assert!(picture.svg().contains("dense_1.kernel"));
/// ```
pub fn weights<'a, N: AsRef<str>, V: IntoIterator<Item = &'a f32>>(
    tensors: impl IntoIterator<Item = (N, V)>,
) -> Picture {
    histograms("weights", tensors)
}

/// The same of the gradients of tensors.
///
/// ```
/// let gradients = [("dense_1.kernel", [0.5, -0.25, 0.0].as_slice())];
/// let picture = cnn::plots::gradients(gradients);
/// assert!(picture.svg().contains("3 gradients"));
/// ```
pub fn gradients<'a, N: AsRef<str>, V: IntoIterator<Item = &'a f32>>(
    tensors: impl IntoIterator<Item = (N, V)>,
) -> Picture {
    histograms("gradients", tensors)
}

fn histograms<'a, N: AsRef<str>, V: IntoIterator<Item = &'a f32>>(
    what: &str,
    tensors: impl IntoIterator<Item = (N, V)>,
) -> Picture {
    let mut svg = Svg::new();
    let width = (WIDTH - GAP * (COLUMNS - 1) as f64) / COLUMNS as f64;
    let mut count = 0usize;
    for (place, (name, values)) in tensors.into_iter().enumerate() {
        let x = (place % COLUMNS) as f64 * (width + GAP);
        let y = (place / COLUMNS) as f64 * HEIGHT;
        let values: Vec<f32> = values.into_iter().copied().collect();
        let area = Area::new(x, y, width, HEIGHT);
        histogram(&mut svg, area, what, name.as_ref(), &values);
        count += 1;
    }
    if count == 0 {
        svg.text((0.0, 18.0), Anchor::Start, "note", "There are no tensors.");
        return Picture::new(svg, (WIDTH, 28.0), "histograms of no tensors");
    }
    let height = count.div_ceil(COLUMNS) as f64 * HEIGHT - 8.0;
    Picture::new(
        svg,
        (WIDTH, height),
        &format!("histograms of the {what} of {count} tensors"),
    )
}

fn histogram(svg: &mut Svg, area: Area, what: &str, name: &str, values: &[f32]) {
    let plot = Area::new(area.x, area.y + 22.0, area.width, BARS);
    let title = shorten(name, TEXT * BOLD, area.width);
    svg.text((area.x, area.y + 14.0), Anchor::Start, "bold", &title);
    let numbers = Moments::of(values);
    let bins = bins(values, numbers.least, numbers.most);
    let highest = bins.iter().copied().max().unwrap_or(0).max(1);
    let step = plot.width / BINS as f64;
    for (place, bin) in bins.iter().enumerate().filter(|(_, bin)| **bin > 0) {
        // A bin with a value is seen, however few they are.
        let height = (*bin as f64 / highest as f64 * plot.height).max(1.0);
        let x = plot.x + place as f64 * step;
        let bar = Area::new(x, plot.bottom() - height, step - 0.6, height);
        let [from, to] = [place, place + 1].map(|edge| {
            let t = edge as f64 / BINS as f64;
            short(numbers.least * (1.0 - t) + numbers.most * t)
        });
        let tip = format!("{from} to {to}: {}", thousands(*bin));
        svg.rect(bar, "bar", &tip);
    }
    svg.line(
        (plot.x, plot.bottom()),
        (plot.right(), plot.bottom()),
        "axis",
    );
    if numbers.count > 0 {
        let scale = match numbers.least < numbers.most {
            true => Scale::between(numbers.least, numbers.most),
            false => Scale::between(numbers.least - 1.0, numbers.least + 1.0),
        };
        let ticks = match numbers.least < numbers.most {
            true => scale.ticks(4),
            false => Vec::new(),
        };
        if ticks.is_empty() {
            let at = (plot.x + plot.width / 2.0, plot.bottom() + 17.0);
            let text = format!("all {}", short(numbers.least));
            svg.text(at, Anchor::Middle, "note", &text);
        }
        for tick in ticks {
            let x = plot.x + scale.place(tick.value) * plot.width;
            svg.line((x, plot.bottom()), (x, plot.bottom() + 4.0), "axis");
            // Labels at the ends stay within their histogram.
            let half = text_width(&tick.label, TEXT) / 2.0;
            let x = x.clamp(plot.x + half, (plot.right() - half).max(plot.x + half));
            svg.text(
                (x, plot.bottom() + 17.0),
                Anchor::Middle,
                "note",
                &tick.label,
            );
        }
    }
    let line = plot.bottom() + 34.0;
    let text = format!("{} {what}", thousands(values.len()));
    svg.text((area.x, line), Anchor::Start, "note", &text);
    let lost = values.len() - numbers.count;
    if lost > 0 {
        let text = format!("{} not finite", thousands(lost));
        svg.text((area.right(), line), Anchor::End, "warn", &text);
    }
    if numbers.count > 0 {
        let text = format!(
            "mean {} ± {}",
            short(numbers.mean),
            short(numbers.deviation)
        );
        svg.text((area.x, line + 16.0), Anchor::Start, "note", &text);
    }
}

/// What is said of the finite values of a tensor.
struct Moments {
    count: usize,
    least: f64,
    most: f64,
    mean: f64,
    /// Their standard deviation, that of a whole population.
    deviation: f64,
}

impl Moments {
    fn of(values: &[f32]) -> Self {
        let finite = || {
            values
                .iter()
                .map(|value| f64::from(*value))
                .filter(|value| value.is_finite())
        };
        let count = finite().count();
        let mean = finite().sum::<f64>() / count.max(1) as f64;
        let square = |value: f64| (value - mean) * (value - mean);
        let variance = finite().map(square).sum::<f64>() / count.max(1) as f64;
        Self {
            count,
            least: finite().reduce(f64::min).unwrap_or(0.0),
            most: finite().reduce(f64::max).unwrap_or(0.0),
            mean,
            deviation: variance.sqrt(),
        }
    }
}

/// How many finite values lie in each of the bins of equal width. The last one holds the largest value; where all values
/// are the same, the middle one holds them.
fn bins(values: &[f32], least: f64, most: f64) -> [usize; BINS] {
    let mut bins = [0; BINS];
    for value in values.iter().filter(|value| value.is_finite()) {
        let share = (f64::from(*value) - least) / (most - least);
        let place = match least < most {
            true => ((share * BINS as f64) as usize).min(BINS - 1),
            false => BINS / 2,
        };
        bins[place] += 1;
    }
    bins
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finite_value_is_in_one_bin() {
        let values = [-1.0, -0.95, 0.0, 0.01, 1.0, f32::NAN, f32::INFINITY];
        let bins = bins(&values, -1.0, 1.0);
        assert_eq!(bins.iter().sum::<usize>(), 5);
        assert_eq!((bins[0], bins[1], bins[20], bins[39]), (1, 1, 2, 1));
        let same = super::bins(&[3.0; 4], 3.0, 3.0);
        assert_eq!(same[20], 4);
    }

    #[test]
    fn moments_are_those_of_the_finite_values() {
        let moments = Moments::of(&[1.0, 3.0, f32::NAN, 5.0]);
        assert_eq!((moments.count, moments.least, moments.most), (3, 1.0, 5.0));
        assert_eq!(
            (moments.mean, moments.deviation),
            (3.0, (8.0f64 / 3.0).sqrt())
        );
        let none = Moments::of(&[f32::NAN]);
        assert_eq!((none.count, none.mean, none.deviation), (0, 0.0, 0.0));
    }
}
