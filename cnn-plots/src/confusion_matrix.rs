//! [`confusion_matrix`]: which classes are taken for which, as a coloured table.

use std::fmt::Write;

use cnn_runtime::ConfusionMatrix;

use crate::picture::Picture;
use crate::scale::thousands;
use crate::svg::{Anchor, Area, Number, Svg, shorten, text_width};
use crate::theme::{TEXT, WIDTH};

/// The largest side of a cell.
const LARGEST: f64 = 56.0;
/// From so large a cell on it has its count, and its percentage below.
const WITH_PERCENT: f64 = 44.0;
const WITH_COUNT: f64 = 22.0;
/// The longest label of a class.
const LABEL: f64 = 120.0;
/// Up to so many classes, each cell is an element of its own that tells what it is.
const MOST_TIPS: usize = 40;
/// From this opacity on, a cell is dark enough for a text in the colour of the page.
const DARK: f64 = 0.72;

/// A confusion matrix: a row for each actual class and a column for each predicted one.
///
/// A cell holds the count and its share of the row, as far as there is room, and is as opaque as the square root of that
/// share: so a mistake in one of a hundred is still seen. Right answers are blue, wrong ones orange.
/// The names are those of [`ConfusionMatrix::with_names`].
///
/// ```
/// use cnn::ConfusionMatrix;
/// use cnn::ndarray::array;
///
/// // As `net.confusion_matrix(&test)?` gives it.
/// let matrix = ConfusionMatrix::from_counts(array![[95, 5], [10, 90]])?.with_names(["cat", "dog"])?;
/// let picture = cnn::plots::confusion_matrix(&matrix);
/// assert!(picture.svg().contains("actual cat, predicted dog: 5 (5.0 %)"));
/// # Ok::<(), cnn::Error>(())
/// ```
pub fn confusion_matrix(matrix: &ConfusionMatrix) -> Picture {
    let mut svg = Svg::new();
    let (counts, names, classes) = (matrix.counts(), matrix.names(), matrix.classes());
    if classes == 0 {
        svg.text(
            (0.0, 18.0),
            Anchor::Start,
            "note",
            "The matrix has no classes.",
        );
        return Picture::new(svg, (WIDTH, 28.0), "confusion matrix of no classes");
    }
    let widths = names.iter().map(|name| text_width(name, TEXT));
    let label = widths.fold(0.0, f64::max).min(LABEL);
    // The word beside the labels, and their distances.
    let left = 24.0 + label + 10.0;
    let cell = ((WIDTH - left - 8.0) / classes as f64).min(LARGEST);
    let side = cell * classes as f64;
    let is_upright = label > cell - 4.0;
    let top = 26.0 + if is_upright { label } else { 14.0 } + 8.0;
    let grid = Area::new(left, top, side, side);

    svg.text(
        (grid.x + side / 2.0, 14.0),
        Anchor::Middle,
        "bold",
        "predicted",
    );
    svg.text_upwards(
        (12.0, grid.y + side / 2.0),
        Anchor::Middle,
        "bold",
        "actual",
    );
    labels(&mut svg, names, grid, cell, is_upright);

    let row_sums: Vec<u64> = counts.rows().into_iter().map(|row| row.sum()).collect();
    let share = |actual: usize, found: usize| match row_sums[actual] {
        0 => 0.0,
        sum => counts[[actual, found]] as f64 / sum as f64,
    };
    let shares = Shares {
        classes,
        grid,
        cell,
    };
    match classes <= MOST_TIPS {
        true => {
            let tip = |actual: usize, found: usize, count: u64| {
                format!(
                    "actual {}, predicted {}: {} ({:.1} %)",
                    names[actual],
                    names[found],
                    thousands(count as usize),
                    share(actual, found) * 100.0
                )
            };
            for ((actual, found), count) in counts.indexed_iter() {
                let tip = tip(actual, found, *count);
                shares.cell(
                    &mut svg,
                    (actual, found),
                    *count,
                    share(actual, found),
                    &tip,
                );
            }
        }
        false => shares.all(&mut svg, share),
    }
    frame(&mut svg, grid, cell, classes);

    let legend = grid.bottom() + 16.0;
    key(&mut svg, grid.x, legend);
    let total = format!(
        "accuracy {:.2} % of {}",
        matrix.accuracy() * 100.0,
        thousands(matrix.total() as usize)
    );
    // Beside the key where there is room for both.
    let (beside, below) = (KEY + 24.0 + text_width(&total, TEXT), legend + 58.0);
    let (x, y) = match beside <= WIDTH - grid.x {
        true => (grid.x + KEY + 24.0, legend + 11.0),
        false => (grid.x, below),
    };
    svg.text((x, y), Anchor::Start, "", &total);
    let width = grid
        .right()
        .max(x + text_width(&total, TEXT))
        .max(grid.x + KEY)
        + 8.0;
    let description = format!("confusion matrix of {classes} classes, {total}");
    Picture::new(
        svg,
        (width.min(WIDTH), y.max(legend + 36.0) + 8.0),
        &description,
    )
}

/// The names beside the rows and above the columns: each, or each second, third, … where there are too many.
fn labels(svg: &mut Svg, names: &[String], grid: Area, cell: f64, is_upright: bool) {
    let stride = (13.0 / cell).ceil().max(1.0) as usize;
    for (class, name) in names.iter().enumerate().step_by(stride) {
        let middle = (class as f64 + 0.5) * cell;
        let name = shorten(name, TEXT, LABEL);
        let at = (grid.x - 8.0, grid.y + middle + 4.0);
        svg.text(at, Anchor::End, "", &name);
        let x = grid.x + middle;
        match is_upright {
            true => svg.text_upwards((x + 4.0, grid.y - 8.0), Anchor::Start, "", &name),
            false => svg.text((x, grid.y - 8.0), Anchor::Middle, "", &name),
        }
    }
}

/// Draws the cells.
struct Shares {
    classes: usize,
    grid: Area,
    cell: f64,
}

impl Shares {
    fn cell(
        &self,
        svg: &mut Svg,
        (actual, found): (usize, usize),
        count: u64,
        share: f64,
        tip: &str,
    ) {
        let Self { grid, cell, .. } = *self;
        let (x, y) = (grid.x + found as f64 * cell, grid.y + actual as f64 * cell);
        let opacity = share.sqrt();
        svg.tinted(
            Area::new(x, y, cell, cell),
            class(actual == found),
            opacity,
            tip,
        );
        let ink = match (count, opacity >= DARK) {
            (0, _) => "mid note",
            (_, true) => "mid over",
            (_, false) => "mid",
        };
        let (x, y) = (x + cell / 2.0, y + cell / 2.0);
        let text = count.to_string();
        let fits = text_width(&text, TEXT) <= cell - 2.0;
        // Many zeros are only noise in small cells.
        if cell < WITH_COUNT || !fits || (count == 0 && cell < WITH_PERCENT) {
            return;
        }
        if cell < WITH_PERCENT || count == 0 {
            return svg.text((x, y + 4.0), Anchor::Start, ink, &text);
        }
        svg.text((x, y - 2.0), Anchor::Start, &format!("{ink} bold"), &text);
        let percent = match share * 100.0 {
            percent if percent < 10.0 => format!("{percent:.1} %"),
            percent => format!("{percent:.0} %"),
        };
        svg.text((x, y + 14.0), Anchor::Start, ink, &percent);
    }

    /// All cells that are not empty, those of about the same share as one path.
    fn all(&self, svg: &mut Svg, share: impl Fn(usize, usize) -> f64) {
        const LEVELS: usize = 25;
        let Self {
            classes,
            grid,
            cell,
        } = *self;
        let mut paths = vec![String::new(); 2 * (LEVELS + 1)];
        for actual in 0..classes {
            for found in 0..classes {
                let share = share(actual, found);
                if share > 0.0 {
                    let level = ((share.sqrt() * LEVELS as f64).round() as usize).max(1);
                    let path = &mut paths[2 * level + usize::from(actual == found)];
                    let (x, y) = (grid.x + found as f64 * cell, grid.y + actual as f64 * cell);
                    let side = Number(cell);
                    write!(path, "M{} {}h{side}v{side}h-{side}z", Number(x), Number(y))
                        .expect("a string takes what is written");
                }
            }
        }
        for (place, path) in paths.iter().enumerate() {
            if !path.is_empty() {
                let opacity = (place / 2) as f64 / LEVELS as f64;
                svg.tinted_path(path, class(place % 2 == 1), opacity);
            }
        }
    }
}

fn class(is_right: bool) -> &'static str {
    match is_right {
        true => "right",
        false => "wrong",
    }
}

/// Lines between the cells, as far as there is room for them, and around all.
fn frame(svg: &mut Svg, grid: Area, cell: f64, classes: usize) {
    if cell >= 8.0 {
        for line in 1..classes {
            let at = line as f64 * cell;
            svg.line((grid.x + at, grid.y), (grid.x + at, grid.bottom()), "grid");
            svg.line((grid.x, grid.y + at), (grid.right(), grid.y + at), "grid");
        }
    }
    svg.rect(grid, "axis", "");
}

/// The width of the key.
const KEY: f64 = 330.0;

/// Which colour stands for which share.
fn key(svg: &mut Svg, x: f64, y: f64) {
    const SHARES: [f64; 5] = [0.01, 0.05, 0.2, 0.5, 1.0];
    for (row, (is_right, what)) in [(true, "right"), (false, "wrong")].into_iter().enumerate() {
        let y = y + row as f64 * 14.0;
        svg.text((x, y + 10.0), Anchor::Start, "", what);
        for (place, share) in SHARES.iter().enumerate() {
            let area = Area::new(x + 46.0 + place as f64 * 40.0, y, 40.0, 12.0);
            svg.tinted(area, class(is_right), share.sqrt(), "");
        }
    }
    for (place, share) in SHARES.iter().enumerate() {
        let at = (x + 66.0 + place as f64 * 40.0, y + 40.0);
        svg.text(at, Anchor::Middle, "note", &format!("{} %", share * 100.0));
    }
    svg.text((x + 256.0, y + 40.0), Anchor::Start, "note", "of the row");
}
