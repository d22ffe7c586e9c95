//! The key of a colour map: a ramp of its colours between its least and its largest value.

use crate::color::ColorMap;
use crate::image::mapped;
use crate::scale::short;
use crate::svg::{Anchor, Area, Svg, text_width};
use crate::theme::TEXT;

/// Draws it so that it ends at a place, on the line of a text.
pub(crate) fn draw(svg: &mut Svg, (right, line): (f64, f64), map: ColorMap) {
    const WIDTH: f64 = 80.0;
    let (least, most) = map.range();
    let [from, to] = [least, most].map(|value| short(f64::from(value)));
    svg.text((right, line), Anchor::End, "note", &to);
    let x = right - text_width(&to, TEXT) - 8.0 - WIDTH;
    // From the least to the largest: halves, as the length of the range may not be finite.
    let value = |_, column: usize| {
        let t = column as f32 / 63.0;
        least * (1.0 - t) + most * t
    };
    let area = Area::new(x, line - 9.0, WIDTH, 10.0);
    svg.image(area, "", &mapped((1, 64), map, value).data(), "");
    svg.text((x - 6.0, line), Anchor::End, "note", &from);
}
