//! [`feature_maps`]: the values of all layers for one input.
//!
//! ```text
//! FeatureMap ──▶ band: heading, key of its colours ──▶ images [H, W, C]: a tile for each channel
//!                                                 ╰──▶ vectors [C]: a strip of cells
//! ```

use crate::color::ColorMap;
use crate::error::{PlotError, Shape, check_length};
use crate::image::{Images, Sheet, mapped, photograph, shown};
use crate::picture::Picture;
use crate::ramp;
use crate::raster::Raster;
use crate::scale::{short, thousands};
use crate::svg::{Anchor, Area, BOLD, Svg, shorten};
use crate::theme::{TEXT, WIDTH};

/// The most channels of an image, and the most cells of a strip.
const MOST_CHANNELS: usize = 128;
const MOST_CELLS: usize = 1024;
/// Up to so many values of a vector stand beside their cells as numbers.
const NUMBERS: usize = 16;
const HEADING: f64 = 24.0;
const GAP: f64 = 3.0;
/// Between two bands.
const DISTANCE: f64 = 16.0;

/// The value of a layer for one input.
#[derive(Clone, Copy, Debug)]
pub struct FeatureMap<'a> {
    /// The layer: `conv2d_1`.
    pub name: &'a str,
    /// Its shape without the batch axis: `[H, W, C]`, `[H, W]` or `[C]`.
    pub shape: &'a [usize],
    /// Its values, the last axis fastest.
    pub values: &'a [f32],
}

/// The values of layers for one input, a band for each: the input first, as a network computes them.
///
/// Of an image `[H, W, C]`, each channel is a tile, the first 128 of them. A vector `[C]`, or an image of one pixel, is a
/// strip of cells, the first 1024 of them, with its numbers where these are at most 16. The first band, if it is an image
/// of one or three channels, is shown as a person sees it.
/// The others have a key: values that are not negative are coloured from 0 to the largest of the layer, others from blue
/// over light grey for 0 to red. All channels of a layer have the same scale, so a channel that is always 0 is dark.
///
/// ```
/// use cnn::plots::{FeatureMap, feature_maps};
///
/// let picture = feature_maps(&[
///     FeatureMap { name: "input", shape: &[2, 2, 1], values: &[0.0, 0.5, 0.5, 1.0] },
///     FeatureMap { name: "dense_1", shape: &[3], values: &[0.1, 0.7, 0.2] },
/// ])?;
/// assert!(picture.svg().contains("dense_1"));
/// # Ok::<(), cnn::plots::PlotError>(())
/// ```
///
/// # Errors
///
/// [`PlotError::Length`] where values are not as many as their shape says.
pub fn feature_maps(maps: &[FeatureMap<'_>]) -> Result<Picture, PlotError> {
    let mut svg = Svg::new();
    let mut images = Images::default();
    let mut top = 0.0;
    for (place, map) in maps.iter().enumerate() {
        check_length(map.name, map.shape, map.values.len())?;
        top = band(&mut svg, &mut images, map, place == 0, top) + DISTANCE;
    }
    let description = format!("the values of {} layers for one input", maps.len());
    if maps.is_empty() {
        svg.text((0.0, 18.0), Anchor::Start, "note", "There are no layers.");
        return Ok(Picture::new(svg, (WIDTH, 28.0), &description));
    }
    let size = (WIDTH, top - DISTANCE + 4.0);
    Ok(Picture::new(svg, size, &description).with_raster(images.raster()))
}

/// Draws a layer from `top` on, and tells where it ends.
fn band(svg: &mut Svg, images: &mut Images, map: &FeatureMap<'_>, is_input: bool, top: f64) -> f64 {
    let line = top + 14.0;
    let (kind, left_out) = Kind::of(map.shape);
    let mut about = Shape(map.shape, "×").to_string();
    if let Some((shown, all)) = left_out {
        about += &format!(", the first {} of {}", thousands(shown), thousands(all));
    }
    let name = shorten(map.name, TEXT * BOLD, 300.0);
    svg.text_and_note((0.0, line), &name, &about);
    if map.values.is_empty() {
        return top + HEADING;
    }
    let lost = map.values.iter().filter(|value| !value.is_finite()).count();
    if lost > 0 {
        // In front of the key.
        let text = format!("{} not finite (magenta)", thousands(lost));
        svg.text((WIDTH - 200.0, line), Anchor::End, "warn", &text);
    }
    let top = top + HEADING;
    let photo = match (is_input, kind) {
        (true, Kind::Image(height, width, channels)) => {
            photograph((height, width, channels), map.values)
        }
        _ => None,
    };
    if let (Some(photo), Kind::Image(height, width, _)) = (photo, kind) {
        let (width, height) = shown((height, width), 112.0);
        let area = Area::new(0.0, top, width, height);
        images.put(svg, area, photo, map.name);
        return area.bottom();
    }
    let colors = ColorMap::of(map.values);
    ramp::draw(svg, (WIDTH, line), colors);
    match kind {
        Kind::Image(height, width, channels) => {
            let size = (height, width, channels);
            tiles(svg, images, map, size, colors, top)
        }
        Kind::Vector(cells) => strip(svg, images, map, cells, colors, top),
    }
}

/// How a layer is shown.
#[derive(Clone, Copy)]
enum Kind {
    /// Height, width, channels.
    Image(usize, usize, usize),
    /// So many cells.
    Vector(usize),
}

impl Kind {
    /// By the shape of a layer; and of how many channels or cells only some are shown: how many, and of how many.
    fn of(shape: &[usize]) -> (Self, Option<(usize, usize)>) {
        let left_out = |most: usize, all: usize| (all > most).then_some((most, all));
        match *shape {
            [height, width] => (Self::Image(height, width, 1), None),
            [height, width, channels] if height * width > 1 => (
                Self::Image(height, width, channels),
                left_out(MOST_CHANNELS, channels),
            ),
            _ => {
                let all = shape.iter().product();
                (Self::Vector(all), left_out(MOST_CELLS, all))
            }
        }
    }
}

/// A tile for each channel of an image; tells where they end.
fn tiles(
    svg: &mut Svg,
    images: &mut Images,
    map: &FeatureMap<'_>,
    (height, width, channels): (usize, usize, usize),
    colors: ColorMap,
    top: f64,
) -> f64 {
    let count = channels.min(MOST_CHANNELS);
    let side = match count {
        0..=6 => 112.0,
        7..=32 => 56.0,
        _ => 46.0,
    };
    let (tile_width, tile_height) = shown((height, width), side);
    let fit = ((WIDTH + GAP) / (tile_width + GAP)).floor().max(1.0) as usize;
    // Rows of about the same length.
    let columns = count.div_ceil(count.div_ceil(fit));
    let size = (tile_width, tile_height);
    let mut sheet = Sheet::new((height, width), size, GAP, (columns, count));
    for channel in 0..count {
        let tile = mapped((height, width), colors, |y, x| {
            map.values[(y * width + x) * channels + channel]
        });
        sheet.put(channel, &tile);
    }
    let area = sheet.area((0.0, top));
    images.put(svg, area, sheet.image(), map.name);
    area.bottom()
}

/// A cell for each value of a vector; tells where they end.
fn strip(
    svg: &mut Svg,
    images: &mut Images,
    map: &FeatureMap<'_>,
    cells: usize,
    colors: ColorMap,
    top: f64,
) -> f64 {
    let count = cells.min(MOST_CELLS);
    let (width, height) = match count {
        0..=NUMBERS => (48.0, 18.0),
        17..=64 => (12.0, 18.0),
        _ => (6.0, 10.0),
    };
    let columns = count.min((WIDTH / width) as usize);
    let rows = count.div_ceil(columns);
    let sheet = Raster::from_fn(columns, rows, |row, column| {
        match map.values[..count].get(row * columns + column) {
            Some(value) => colors.color(*value),
            None => [0; 4],
        }
    });
    let area = Area::new(0.0, top, columns as f64 * width, rows as f64 * height);
    images.put(svg, area, sheet, map.name);
    if count > NUMBERS {
        return area.bottom();
    }
    let below = area.bottom();
    for (place, value) in map.values[..count].iter().enumerate() {
        let x = (place as f64 + 0.5) * width;
        let value = match *value {
            value if value.abs() < 1e-3 && value != 0.0 => format!("{value:.0e}"),
            value => short(f64::from(value)),
        };
        svg.text((x, below + 14.0), Anchor::Middle, "", &value);
        svg.text(
            (x, below + 29.0),
            Anchor::Middle,
            "note",
            &place.to_string(),
        );
    }
    below + 34.0
}
