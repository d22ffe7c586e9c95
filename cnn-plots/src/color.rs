//! Colours of numbers: [`ColorMap`].

use crate::raster::Rgba;

/// What colours the values of an array.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ColorMap {
    /// Values that are not negative: viridis from 0 up to the number.
    Sequential(f32),
    /// Values of both signs: blue for minus the number, light grey for 0, red for the number.
    Diverging(f32),
}

/// What is drawn for a value that is not finite: magenta, which no map has.
pub(crate) const NOT_FINITE: Rgba = [255, 0, 255, 255];

impl ColorMap {
    /// The map that shows all of these values: diverging where one is negative.
    pub(crate) fn of<'a>(values: impl IntoIterator<Item = &'a f32>) -> Self {
        let (mut least, mut most) = (0.0f32, 0.0f32);
        for value in values.into_iter().filter(|value| value.is_finite()) {
            least = least.min(*value);
            most = most.max(*value);
        }
        match least < 0.0 {
            true => Self::Diverging(most.max(-least)),
            false => Self::Sequential(most),
        }
    }

    /// The map of values of both signs.
    pub(crate) fn diverging<'a>(values: impl IntoIterator<Item = &'a f32>) -> Self {
        let finite = values.into_iter().filter(|value| value.is_finite());
        Self::Diverging(finite.fold(0.0, |most, value| most.max(value.abs())))
    }

    /// The colour of a value; [`NOT_FINITE`] of NaN and of infinities.
    pub(crate) fn color(self, value: f32) -> Rgba {
        if !value.is_finite() {
            return NOT_FINITE;
        }
        let share = |most: f32| match most > 0.0 {
            // Both may be subnormal or huge, where a quotient of `f32` is not exact.
            true => (f64::from(value) / f64::from(most)).clamp(-1.0, 1.0),
            false => 0.0,
        };
        match self {
            Self::Sequential(most) => viridis(share(most).max(0.0)),
            Self::Diverging(most) => diverging(share(most)),
        }
    }

    /// The least and the largest value that it tells apart.
    pub(crate) fn range(self) -> (f32, f32) {
        match self {
            Self::Sequential(most) => (0.0, most),
            Self::Diverging(most) => (-most, most),
        }
    }
}

/// The map viridis of matplotlib (van der Walt & Smith 2015) at `t` from 0 to 1, between nine of its colours.
fn viridis(t: f64) -> Rgba {
    const COLORS: [[u8; 3]; 9] = [
        [68, 1, 84],
        [71, 44, 122],
        [59, 81, 139],
        [44, 113, 142],
        [33, 144, 141],
        [39, 173, 129],
        [92, 200, 99],
        [170, 220, 50],
        [253, 231, 37],
    ];
    between(&COLORS, t)
}

/// The map RdBu of ColorBrewer (Harrower & Brewer 2003), from blue at -1 to red at 1, between eleven of its colours.
fn diverging(t: f64) -> Rgba {
    const COLORS: [[u8; 3]; 11] = [
        [5, 48, 97],
        [33, 102, 172],
        [67, 147, 195],
        [146, 197, 222],
        [209, 229, 240],
        [247, 247, 247],
        [253, 219, 199],
        [244, 165, 130],
        [214, 96, 77],
        [178, 24, 43],
        [103, 0, 31],
    ];
    between(&COLORS, (t + 1.0) / 2.0)
}

/// The colour at `t` from 0 to 1 of a list of colours with equal distances. There are 255 steps, so that an image has a
/// palette.
fn between(colors: &[[u8; 3]], t: f64) -> Rgba {
    let t = (t * 254.0).round() / 254.0 * (colors.len() - 1) as f64;
    let place = (t as usize).min(colors.len() - 2);
    let share = t - place as f64;
    let mix = |channel: usize| {
        let [from, to] = [place, place + 1].map(|place| f64::from(colors[place][channel]));
        (from + (to - from) * share).round() as u8
    };
    [mix(0), mix(1), mix(2), 255]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_begin_and_end_in_their_colours() {
        let cases = [
            (ColorMap::Sequential(4.0), 0.0, [68, 1, 84, 255]),
            (ColorMap::Sequential(4.0), 2.0, [33, 144, 141, 255]),
            (ColorMap::Sequential(4.0), 4.0, [253, 231, 37, 255]),
            (ColorMap::Diverging(1.0), -1.0, [5, 48, 97, 255]),
            (ColorMap::Diverging(1.0), 0.0, [247, 247, 247, 255]),
            (ColorMap::Diverging(1.0), 1.0, [103, 0, 31, 255]),
            (ColorMap::Diverging(f32::MAX), f32::MIN, [5, 48, 97, 255]),
            (ColorMap::Diverging(0.0), 0.0, [247, 247, 247, 255]),
            (ColorMap::Sequential(1.0), f32::NAN, NOT_FINITE),
            (ColorMap::Diverging(1.0), f32::NEG_INFINITY, NOT_FINITE),
        ];
        for (map, value, color) in cases {
            assert_eq!(map.color(value), color, "{value} of {map:?}");
        }
    }

    #[test]
    fn the_signs_of_values_choose_the_map() {
        let cases: [(&[f32], ColorMap); 4] = [
            (&[], ColorMap::Sequential(0.0)),
            (&[0.5, 2.0, f32::INFINITY], ColorMap::Sequential(2.0)),
            (&[-3.0, 2.0], ColorMap::Diverging(3.0)),
            (&[f32::NAN], ColorMap::Sequential(0.0)),
        ];
        for (values, map) in cases {
            assert_eq!(ColorMap::of(values), map, "{values:?}");
        }
    }
}
