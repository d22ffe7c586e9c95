//! [`filters`]: the kernel of a convolution.

use cnn_runtime::ndarray::{ArrayView4, Axis};

use crate::color::ColorMap;
use crate::image::{Images, Sheet, mapped, photograph, shown};
use crate::picture::Picture;
use crate::ramp;
use crate::raster::Raster;
use crate::scale::{short, thousands};
use crate::svg::{Anchor, Svg};
use crate::theme::WIDTH;

/// The most filters of a list of tiles.
const MOST: usize = 128;
/// The most channels and filters of a table of tiles.
const MOST_CHANNELS: usize = 16;
const MOST_FILTERS: usize = 32;
/// The longer side of a tile.
const SIDE: f64 = 46.0;
const SIDE_IN_TABLE: f64 = 21.0;
const HEADING: f64 = 26.0;
const GAP: f64 = 4.0;

/// A kernel `[height, width, input channels, filters]`, as `net.conv2d_1().kernel()` gives it.
///
/// Of one input channel, each filter is a tile. Of three, which are taken as red, green and blue, each filter is a
/// coloured tile, whose mid grey is 0. Otherwise there is a row of tiles for each input channel, the first 16 of them, and
/// a column for each filter, the first 32. Blue weights are negative and red ones positive; all tiles have the same
/// scale, which stands above them.
///
/// ```
/// # cnn::network! {
/// #     network Digits {
/// #         input(28x28x1);
/// #         conv2d(16, 3x3, activation = relu);
/// #         global_avg_pool2d;
/// #     }
/// # }
/// let net = Digits::new(0);
/// let picture = cnn::plots::filters(net.conv2d_1().kernel());
/// assert!(picture.svg().contains("16 filters of 3×3"));
/// assert!(picture.png().is_some());
/// ```
pub fn filters(kernel: ArrayView4<'_, f32>) -> Picture {
    let (height, width, channels, filters) = kernel.dim();
    let mut svg = Svg::new();
    if kernel.is_empty() {
        svg.text((0.0, 16.0), Anchor::Start, "note", "The kernel is empty.");
        return Picture::new(svg, (WIDTH, HEADING), "an empty kernel");
    }
    let is_table = !matches!(channels, 1 | 3);
    let (rows, columns) = match is_table {
        true => (channels.min(MOST_CHANNELS), filters.min(MOST_FILTERS)),
        false => (1, filters.min(MOST)),
    };
    let title = format!("{filters} filters of {height}×{width}");
    let about = match (channels, is_table) {
        (_, true) => {
            let all = format!("over {channels} channels. A row is a channel, a column a filter");
            let is_whole = rows == channels && columns == filters;
            match is_whole {
                true => all,
                false => format!("{all}: the first {rows} and {columns}"),
            }
        }
        _ if columns < filters => format!("the first {columns}"),
        (3, _) => "over red, green and blue".to_owned(),
        _ => String::new(),
    };
    svg.text_and_note((0.0, 14.0), &title, &about);
    let map = ColorMap::diverging(kernel.iter());
    match channels {
        3 => {
            let most = short(f64::from(map.range().1));
            let text = format!("mid grey is 0, black and white are ±{most}");
            svg.text((WIDTH, 14.0), Anchor::End, "note", &text);
        }
        _ => ramp::draw(&mut svg, (WIDTH, 14.0), map),
    }
    let mut top = HEADING;
    let lost = kernel.iter().filter(|value| !value.is_finite()).count();
    if lost > 0 {
        let text = format!("{} values are not finite (magenta)", thousands(lost));
        svg.text((0.0, top + 8.0), Anchor::Start, "warn", &text);
        top += 18.0;
    }

    let side = if is_table { SIDE_IN_TABLE } else { SIDE };
    let size = shown((height, width), side);
    let in_row = match is_table {
        true => columns,
        false => ((WIDTH + GAP) / (size.0 + GAP)).floor().max(1.0) as usize,
    };
    let mut sheet = Sheet::new((height, width), size, GAP, (in_row, rows * columns));
    for row in 0..rows {
        for filter in 0..columns {
            let filter_values = kernel.index_axis(Axis(3), filter);
            let tile = match channels {
                3 => colored(filter_values.iter(), (height, width), map),
                _ => mapped((height, width), map, |y, x| filter_values[[y, x, row]]),
            };
            sheet.put(row * columns + filter, &tile);
        }
    }
    let mut images = Images::default();
    let area = sheet.area((0.0, top));
    images.put(&mut svg, area, sheet.image(), &title);
    let size = (WIDTH.max(area.right()), area.bottom() + 4.0);
    Picture::new(svg, size, &title).with_raster(images.raster())
}

/// A filter over red, green and blue, whose zeros are mid grey.
fn colored<'a>(
    values: impl Iterator<Item = &'a f32>,
    (height, width): (usize, usize),
    map: ColorMap,
) -> Raster {
    let (least, most) = map.range();
    // Halves, as the length of the range may not be finite.
    let share = |value: &f32| match most > 0.0 {
        true => (value / 2.0 - least / 2.0) / most,
        false => 0.5,
    };
    let shares: Vec<f32> = values.map(share).collect();
    photograph((height, width, 3), &shares).expect("an image of three channels")
}
