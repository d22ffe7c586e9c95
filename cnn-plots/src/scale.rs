//! [`Scale`]: where a value lies on an axis, and the round numbers that stand beside the axis.

/// An axis from a value to a larger one, linear or logarithmic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    least: f64,
    most: f64,
    /// Whether equal distances are equal factors.
    is_log: bool,
}

/// A value with its label.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    pub(crate) value: f64,
    /// Empty for a line of the grid alone.
    pub(crate) label: String,
}

impl Scale {
    /// A linear axis that holds these values and a little more on both sides. Values that are not finite are ignored;
    /// of none, it is from 0 to 1, and of one value around it.
    pub(crate) fn linear(values: impl IntoIterator<Item = f64>) -> Self {
        let Some((least, most)) = extent(values) else {
            return Self::between(0.0, 1.0);
        };
        // Where the extent is nothing beside the values, rounding would be all that is seen.
        let size = least.abs().max(most.abs());
        // Halves, as the difference of two finite values may not be one.
        let margin = (most / 2.0 - least / 2.0) * 0.1;
        let margin = match margin > size * 1e-9 {
            true => margin,
            false if size > 0.0 => size * 0.05,
            false => 0.5,
        };
        Self::between(
            (least - margin).max(f64::MIN),
            (most + margin).min(f64::MAX),
        )
    }

    /// A logarithmic axis where all finite values are above 0 and span two decades or more, else a linear one.
    pub(crate) fn log_if_wide(values: impl IntoIterator<Item = f64> + Clone) -> Self {
        match extent(values.clone()) {
            // Logarithms, as the quotient of two finite values may not be one.
            Some((least, most)) if least > 0.0 && most.ln() - least.ln() >= 100f64.ln() => {
                let margin = 0.04 * (most.ln() - least.ln());
                Self {
                    // Not 0, of which there is no logarithm.
                    least: (least.ln() - margin).exp().max(f64::from_bits(1)),
                    most: (most.ln() + margin).exp().min(f64::MAX),
                    is_log: true,
                }
            }
            _ => Self::linear(values),
        }
    }

    /// A linear axis from a value to a larger one.
    pub(crate) fn between(least: f64, most: f64) -> Self {
        Self {
            least,
            most,
            is_log: false,
        }
    }

    /// The same axis, which ends at `least` and `most` where it went beyond.
    pub(crate) fn within(self, least: f64, most: f64) -> Self {
        Self {
            least: self.least.max(least),
            most: self.most.min(most),
            ..self
        }
    }

    pub(crate) fn is_log(&self) -> bool {
        self.is_log
    }

    /// Where a value lies: 0 at the beginning of the axis and 1 at its end.
    pub(crate) fn place(&self, value: f64) -> f64 {
        let Self { least, most, .. } = *self;
        match self.is_log {
            true => (value.ln() - least.ln()) / (most.ln() - least.ln()),
            // Halves, as the length of the axis may not be finite.
            false => (value / 2.0 - least / 2.0) / (most / 2.0 - least / 2.0),
        }
    }

    /// Round numbers on the axis, about so many.
    pub(crate) fn ticks(&self, about: usize) -> Vec<Tick> {
        match self.is_log {
            true => self.log_ticks(about),
            false => self.linear_ticks(about, 0.0),
        }
    }

    /// Round integers on the axis, about so many.
    pub(crate) fn integer_ticks(&self, about: usize) -> Vec<Tick> {
        self.linear_ticks(about, 1.0)
    }

    /// Multiples of 1, 2 or 5 times a power of ten that is not less than `least_step`.
    fn linear_ticks(&self, about: usize, least_step: f64) -> Vec<Tick> {
        if about == 0 {
            return Vec::new();
        }
        let rough = (self.most / 2.0 - self.least / 2.0) * 2.0 / about as f64;
        if !(rough.is_finite() && rough > 0.0) {
            return Vec::new();
        }
        let power = 10f64.powi(rough.log10().floor() as i32);
        let factor = match rough / power {
            share if share <= 1.0 => 1.0,
            share if share <= 2.0 => 2.0,
            share if share <= 5.0 => 5.0,
            _ => 10.0,
        };
        let step = (power * factor).max(least_step);
        // A border that is a tick itself may lie a rounding error beyond it.
        let first = (self.least / step - 1e-6).ceil();
        let last = (self.most / step + 1e-6).floor();
        let mut ticks = Vec::new();
        // At most one more than was asked for, or twice that where the step became coarser.
        for place in 0..=2 * about + 1 {
            let multiple = first + place as f64;
            if multiple > last {
                break;
            }
            let value = multiple * step;
            ticks.push(Tick {
                value,
                label: label(value, step),
            });
        }
        ticks
    }

    /// Powers of ten, all of them or each second, third, …; with their double and fivefold where they are few.
    fn log_ticks(&self, about: usize) -> Vec<Tick> {
        let (first, last) = (self.least.log10().floor(), self.most.log10().ceil());
        let stride = ((last - first) / about.max(1) as f64).ceil().max(1.0);
        let factors: &[f64] = match last - first {
            decades if decades <= 2.0 => &[1.0, 2.0, 5.0],
            decades if decades <= 3.0 => &[1.0, 3.0],
            _ => &[1.0],
        };
        let mut ticks = Vec::new();
        let mut exponent = first;
        while exponent <= last {
            for factor in factors {
                let value = factor * 10f64.powi(exponent as i32);
                if (self.least..=self.most).contains(&value) {
                    ticks.push(Tick {
                        value,
                        label: short(value),
                    });
                }
            }
            exponent += stride;
        }
        ticks
    }
}

/// The least and the largest finite value.
fn extent(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    let finite = values.into_iter().filter(|value| value.is_finite());
    finite.fold(None, |extent, value| match extent {
        None => Some((value, value)),
        Some((least, most)) => Some((value.min(least), value.max(most))),
    })
}

/// A multiple of `step` with the decimals that it needs.
fn label(value: f64, step: f64) -> String {
    // A multiple of 0 that rounding has moved.
    let value = if value.abs() < step / 2.0 { 0.0 } else { value };
    let decimals = -step.log10().floor();
    match decimals {
        decimals if value == 0.0 && decimals > 4.0 => "0".to_owned(),
        _ if value != 0.0 && (value.abs() >= 1e6 || decimals > 4.0) => {
            exponent(value, value.abs().log10().floor() + decimals)
        }
        decimals if decimals > 0.0 => format!("{value:.*}", decimals as usize),
        _ => format!("{value:.0}"),
    }
}

/// A number with an exponent, and with as many digits behind its point as are wanted and tell something.
fn exponent(value: f64, digits: f64) -> String {
    let text = format!("{value:.*e}", digits.clamp(0.0, 15.0) as usize);
    match text.split_once('e') {
        Some((digits, exponent)) if digits.contains('.') => {
            format!(
                "{}e{exponent}",
                digits.trim_end_matches('0').trim_end_matches('.')
            )
        }
        _ => text,
    }
}

/// A number in three digits: `0.042`, `12.3`, `4.2e-7`; `NaN` and `inf` as such.
pub(crate) fn short(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return value.to_string();
    }
    let digits = value.abs().log10().floor();
    if !(-4.0..6.0).contains(&digits) {
        return exponent(value, 2.0);
    }
    let text = format!("{value:.*}", (2.0 - digits).max(0.0) as usize);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// A whole number with a comma before each three digits, as the summary of a network has it.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        let cases: [(f64, f64, &[&str]); 7] = [
            (0.0, 1.0, &["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
            (0.93, 0.991, &["0.94", "0.96", "0.98"]),
            (-2.0, 3.0, &["-2", "-1", "0", "1", "2", "3"]),
            (0.0, 120.0, &["0", "50", "100"]),
            (0.0, 4e6, &["0", "1e6", "2e6", "3e6", "4e6"]),
            (1e-7, 4e-7, &["1e-7", "2e-7", "3e-7", "4e-7"]),
            (
                1e-5,
                1.4e-5,
                &["1e-5", "1.1e-5", "1.2e-5", "1.3e-5", "1.4e-5"],
            ),
        ];
        for (least, most, expected) in cases {
            let ticks = Scale::between(least, most).ticks(5);
            assert_eq!(labels(&ticks), expected, "{least} to {most}");
        }
        let epochs = Scale::between(1.0, 3.0).integer_ticks(8);
        assert_eq!(labels(&epochs), ["1", "2", "3"]);
        let epochs = Scale::between(1.0, 200.0).integer_ticks(6);
        assert_eq!(labels(&epochs), ["50", "100", "150", "200"]);
    }

    #[test]
    fn an_axis_is_logarithmic_where_values_span_decades() {
        let wide = Scale::log_if_wide([2.0, 0.002]);
        assert!(wide.is_log());
        assert_eq!(labels(&wide.ticks(5)), ["0.01", "0.1", "1"]);
        assert!((wide.place(0.0632) - 0.5).abs() < 0.01);
        for narrow in [vec![2.0, 0.1], vec![2.0, 0.0], vec![-1.0, 200.0], vec![]] {
            assert!(!Scale::log_if_wide(narrow.clone()).is_log(), "{narrow:?}");
        }
    }

    /// Whatever the values are, each has a finite place, and ticks are few and on the axis.
    #[test]
    fn no_values_are_too_odd() {
        let odd = [
            vec![],
            vec![f64::NAN],
            vec![0.0],
            vec![5.0, 5.0],
            vec![-1e300, 1e300],
            vec![f64::MIN, f64::MAX],
            vec![f64::MIN_POSITIVE, f64::MAX],
            vec![5e-324, 1.0],
            vec![1e-300, f64::INFINITY],
            vec![1.0, 1.0 + f64::EPSILON],
        ];
        for values in odd {
            for scale in [
                Scale::linear(values.clone()),
                Scale::log_if_wide(values.clone()),
            ] {
                for value in values.iter().filter(|value| value.is_finite()) {
                    let place = scale.place(*value);
                    assert!(
                        (-1e-9..=1.0 + 1e-9).contains(&place),
                        "{value} of {values:?}: {place}"
                    );
                }
                let ticks = scale.ticks(5);
                assert!(ticks.len() <= 12, "{values:?}: {ticks:?}");
                for tick in ticks {
                    let place = scale.place(tick.value);
                    assert!(
                        (-1e-6..=1.0 + 1e-6).contains(&place),
                        "{tick:?} of {values:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.0, "0"),
            (0.0421, "0.0421"),
            (12.34, "12.3"),
            (1.0, "1"),
            (100_000.0, "100000"),
            (1_234_567.0, "1.23e6"),
            (4.2e-7, "4.2e-7"),
            (-0.5, "-0.5"),
            (f64::NAN, "NaN"),
        ];
        for (value, text) in cases {
            assert_eq!(short(value), text);
        }
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(thousands),
            ["0", "999", "1,000", "1,234,567"]
        );
    }
}
