//! [`learning_curves`]: loss and metrics of a training over its epochs.
//!
//! ```text
//! History ──▶ series: one name, values of the training and of the validation ──▶ a panel for each
//! ```

use std::fmt::Write;

use cnn_runtime::{Epoch, History, Scores};

use crate::picture::Picture;
use crate::scale::{Scale, short};
use crate::svg::{Anchor, Area, BOLD, Number, Svg, text_width};
use crate::theme::{TEXT, WIDTH};

/// The room of a panel for its heading, for the labels of its axes, and between panels.
const HEADING: f64 = 26.0;
const Y_LABELS: f64 = 56.0;
const X_LABELS: f64 = 40.0;
const GAP: f64 = 16.0;
/// The height of the legend.
const LEGEND: f64 = 28.0;
/// Up to so many epochs, each has a dot.
const DOTS: usize = 40;

/// The loss and each metric over the epochs: a panel for each, with the training in blue and the validation in orange.
///
/// The best epoch is marked: that of [early stopping](History::best_epoch), else the one with the least loss of the
/// validation, or of the training where there is no validation. The axis of a loss is logarithmic where its values span
/// two decades or more. The learning rate has a panel where it changes. A value that is not finite leaves a gap.
///
/// ```
/// # cnn::network! {
/// #     network Xor {
/// #         input(2);
/// #         dense(8, activation = tanh);
/// #         dense(1, activation = sigmoid);
/// #         train { loss = binary_crossentropy; metrics = [accuracy]; epochs = 5; }
/// #     }
/// # }
/// # let inputs = cnn::ndarray::array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
/// # let train = cnn::Examples::labelled(&inputs, [0, 1, 1, 0])?;
/// # let mut net = Xor::new(0);
/// # let folder = std::env::temp_dir();
/// let history = net.trainer().validation(&train).fit(&train)?;
/// let picture = cnn::plots::learning_curves(&history);
/// assert!(picture.svg().contains("best epoch"));
/// picture.save(folder.join("learning_curves.svg"))?;
/// # std::fs::remove_file(folder.join("learning_curves.svg"))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn learning_curves(history: &History) -> Picture {
    let epochs = &history.epochs;
    let series = series(epochs);
    let mut svg = Svg::new();
    if series.is_empty() {
        svg.text(
            (0.0, 18.0),
            Anchor::Start,
            "note",
            "The history has no epochs.",
        );
        return Picture::new(svg, (WIDTH, 28.0), "learning curves of no epochs");
    }
    let best = best_epoch(history);
    let columns = series.len().min(2);
    let width = (WIDTH - GAP * (columns - 1) as f64) / columns as f64;
    let height = if columns == 1 { 300.0 } else { 250.0 };
    legend(&mut svg, epochs, best);
    for (place, series) in series.iter().enumerate() {
        let left = (place % columns) as f64 * (width + GAP);
        let top = LEGEND + (place / columns) as f64 * (height + GAP);
        panel(
            &mut svg,
            Area::new(left, top, width, height),
            epochs,
            series,
            best,
        );
    }
    let rows = series.len().div_ceil(columns) as f64;
    let size = (WIDTH, LEGEND + rows * (height + GAP) - GAP);
    let description = format!("learning curves of {} epochs", epochs.len());
    Picture::new(svg, size, &description)
}

/// What the values of a panel are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Loss,
    Metric,
    LearningRate,
}

/// What a panel shows.
struct Series {
    name: String,
    kind: Kind,
    /// A value for each epoch; NaN where there is none.
    training: Vec<f64>,
    validation: Vec<f64>,
}

fn series(epochs: &[Epoch]) -> Vec<Series> {
    let Some(first) = epochs.first() else {
        return Vec::new();
    };
    let value = |scores: Option<&Scores>, place: usize| {
        let named = scores.map(Scores::named).unwrap_or_default();
        named.get(place).map_or(f64::NAN, |(_, value)| *value)
    };
    let names = first.scores.named().into_iter().enumerate();
    let mut all: Vec<Series> = names
        .map(|(place, (name, _))| Series {
            kind: match name == "loss" || name.ends_with("_loss") {
                true => Kind::Loss,
                false => Kind::Metric,
            },
            name,
            training: epochs
                .iter()
                .map(|epoch| value(Some(&epoch.scores), place))
                .collect(),
            validation: epochs
                .iter()
                .map(|epoch| value(epoch.validation.as_ref(), place))
                .collect(),
        })
        .collect();
    let rates: Vec<f64> = epochs.iter().map(|epoch| epoch.learning_rate).collect();
    if rates.iter().any(|rate| *rate != rates[0]) {
        all.push(Series {
            name: "learning rate".to_owned(),
            kind: Kind::LearningRate,
            validation: vec![f64::NAN; rates.len()],
            training: rates,
        });
    }
    all
}

/// The place of the best epoch.
fn best_epoch(history: &History) -> Option<usize> {
    let epochs = &history.epochs;
    if let Some(number) = history.best_epoch {
        return epochs.iter().position(|epoch| epoch.number == number);
    }
    let has_validation = epochs.iter().any(|epoch| epoch.validation.is_some());
    let losses = epochs.iter().map(|epoch| match has_validation {
        true => epoch
            .validation
            .as_ref()
            .map_or(f64::NAN, |scores| scores.loss),
        false => epoch.scores.loss,
    });
    let finite = losses.enumerate().filter(|(_, loss)| loss.is_finite());
    let best = finite.min_by(|(_, one), (_, other)| one.total_cmp(other));
    best.map(|(place, _)| place)
}

fn legend(svg: &mut Svg, epochs: &[Epoch], best: Option<usize>) {
    let mut x = Y_LABELS;
    let y = 14.0;
    let mut entry = |x: &mut f64, class: &str, text: &str, width: f64| {
        svg.line((*x, y), (*x + 22.0, y), class);
        svg.text((*x + 28.0, y + 4.0), Anchor::Start, "", text);
        *x += width;
    };
    entry(&mut x, "curve one", "training", 104.0);
    if epochs.iter().any(|epoch| epoch.validation.is_some()) {
        entry(&mut x, "curve two", "validation", 112.0);
    }
    if let Some(best) = best {
        let text = format!("best epoch: {}", epochs[best].number);
        entry(&mut x, "best", &text, 0.0);
    }
}

fn panel(svg: &mut Svg, area: Area, epochs: &[Epoch], series: &Series, best: Option<usize>) {
    let plot = Area::new(
        area.x + Y_LABELS,
        area.y + HEADING,
        area.width - Y_LABELS - 12.0,
        area.height - HEADING - X_LABELS,
    );
    let values = series.training.iter().chain(&series.validation).copied();
    let y_scale = match series.kind {
        Kind::Loss | Kind::LearningRate => Scale::log_if_wide(values.clone()),
        Kind::Metric => Scale::linear(values.clone()),
    };
    let finite = values.clone().filter(|value| value.is_finite());
    // A share has no room beyond its bounds.
    let y_scale = match finite.clone().all(|value| (0.0..=1.0).contains(&value)) {
        true if !y_scale.is_log() => y_scale.within(0.0, 1.0),
        _ => y_scale,
    };
    let numbers = epochs.iter().map(|epoch| epoch.number as f64);
    let (first, last) = (
        epochs[0].number as f64,
        epochs[epochs.len() - 1].number as f64,
    );
    let x_scale = match first < last {
        true => Scale::between(first, last),
        false => Scale::between(first - 0.5, first + 0.5),
    };
    let x = |number: f64| plot.x + x_scale.place(number) * plot.width;
    let y = |value: f64| plot.bottom() - y_scale.place(value).clamp(0.0, 1.0) * plot.height;

    let title = match y_scale.is_log() {
        true => format!("{} (logarithmic)", series.name),
        false => series.name.clone(),
    };
    svg.text((plot.x, area.y + 14.0), Anchor::Start, "title", &title);
    let lost = series
        .training
        .iter()
        .filter(|value| !value.is_finite())
        .count();
    if lost > 0 {
        let text = format!("{lost} not finite");
        svg.text((plot.right(), area.y + 14.0), Anchor::End, "warn", &text);
    }
    let has_values = finite.count() > 0;
    for tick in y_scale.ticks(if has_values { 5 } else { 0 }) {
        let y = y(tick.value);
        svg.line((plot.x, y), (plot.right(), y), "grid");
        svg.text((plot.x - 8.0, y + 4.0), Anchor::End, "note", &tick.label);
    }
    for tick in x_scale.integer_ticks((plot.width / 50.0) as usize) {
        let x = x(tick.value);
        svg.line((x, plot.bottom()), (x, plot.bottom() + 4.0), "axis");
        svg.text(
            (x, plot.bottom() + 17.0),
            Anchor::Middle,
            "note",
            &tick.label,
        );
    }
    svg.line(
        (plot.x, plot.bottom()),
        (plot.right(), plot.bottom()),
        "axis",
    );
    let middle = plot.x + plot.width / 2.0;
    svg.text(
        (middle, plot.bottom() + 34.0),
        Anchor::Middle,
        "note",
        "epoch",
    );

    if let Some(best) = best {
        let x = x(epochs[best].number as f64);
        svg.line((x, plot.y), (x, plot.bottom()), "best");
    }
    let mut curves = Vec::new();
    for (values, class, what) in [
        (&series.training, "one", "training"),
        (&series.validation, "two", "validation"),
    ] {
        let points: Vec<_> = (numbers.clone().zip(values))
            .map(|(number, value)| value.is_finite().then(|| (x(number), y(*value))))
            .collect();
        let path = curve(&points);
        if !path.is_empty() {
            svg.path(&path, &format!("curve {class}"));
        }
        for (place, point) in points.iter().enumerate() {
            // A point without neighbours is no curve.
            let next = points.get(place + 1).copied().flatten();
            let before = place.checked_sub(1).and_then(|before| points[before]);
            let is_alone = next.is_none() && before.is_none();
            if let Some(point) = point
                && (points.len() <= DOTS || is_alone)
            {
                let tip = format!(
                    "epoch {}: {what} {} {}",
                    epochs[place].number,
                    series.name,
                    short(values[place])
                );
                svg.circle(*point, 3.0, &format!("dot {class}"), &tip);
            }
        }
        curves.push(points);
    }
    if !has_values {
        let at = (middle, plot.y + plot.height / 2.0);
        svg.text(at, Anchor::Middle, "warn", "no finite value");
    }
    if let Some(best) = best
        && series.kind != Kind::LearningRate
    {
        let at = |value: f64| (x(epochs[best].number as f64), y(value));
        let (value, class) = match series.validation[best] {
            value if value.is_finite() => (value, "two"),
            _ => (series.training[best], "one"),
        };
        if value.is_finite() {
            let best = Best {
                at: at(value),
                value,
                class,
            };
            mark(svg, &best, plot, &curves);
        }
    }
}

/// A ring around the value of the best epoch, with its number beside it, at the place where it hides least of the curves.
fn mark(svg: &mut Svg, best: &Best<'_>, plot: Area, curves: &[Vec<Option<(f64, f64)>>]) {
    let Best { at, value, class } = *best;
    svg.circle(at, 6.0, &format!("ring {class}"), "");
    let text = short(value);
    let width = text_width(&text, TEXT * BOLD);
    let (x, y) = at;
    let places = [
        (10.0, -11.0),
        (10.0, 21.0),
        (-10.0 - width, -11.0),
        (-10.0 - width, 21.0),
    ];
    let hidden = |(right, down): &(f64, f64)| {
        let area = Area::new(x + right, y + down - TEXT, width, TEXT + 3.0);
        let is_outside = area.right() > plot.right()
            || area.bottom() > plot.bottom()
            || area.x < plot.x
            || area.y < plot.y;
        let hidden = curves
            .iter()
            .map(|curve| hidden(curve, area))
            .sum::<usize>();
        // Outside is worse than on any curve.
        (is_outside, hidden)
    };
    let Some((right, down)) = places.into_iter().min_by_key(hidden) else {
        return;
    };
    svg.text((x + right, y + down), Anchor::Start, "bold", &text);
}

/// The value of the best epoch in a panel.
struct Best<'a> {
    at: (f64, f64),
    value: f64,
    class: &'a str,
}

/// How much of a curve lies in a part of the picture: of 16 points on each of its lines.
fn hidden(curve: &[Option<(f64, f64)>], area: Area) -> usize {
    const POINTS: usize = 16;
    let lines = curve
        .windows(2)
        .filter_map(|ends| Some((ends[0]?, ends[1]?)));
    // Most lines are beside the area.
    let near = lines.filter(|((x1, _), (x2, _))| *x2 >= area.x && *x1 <= area.right());
    let points = near.flat_map(|((x1, y1), (x2, y2))| {
        (0..=POINTS).map(move |place| {
            let t = place as f64 / POINTS as f64;
            (x1 + (x2 - x1) * t, y1 + (y2 - y1) * t)
        })
    });
    let is_inside = |(x, y): &(f64, f64)| {
        (area.x..=area.right()).contains(x) && (area.y..=area.bottom()).contains(y)
    };
    points.filter(is_inside).count()
}

/// The path through points, with gaps where there are none; empty where no two points are neighbours.
fn curve(points: &[Option<(f64, f64)>]) -> String {
    let mut path = String::new();
    for run in points.split(|point| point.is_none()) {
        if run.len() < 2 {
            continue;
        }
        for (place, (x, y)) in run.iter().flatten().enumerate() {
            let command = if place == 0 { 'M' } else { 'L' };
            write!(path, "{command}{} {}", Number(*x), Number(*y))
                .expect("a string takes what is written");
        }
    }
    path
}
