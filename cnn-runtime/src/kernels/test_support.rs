//! Random values, buffers that notice stray writes, and a comparison that reports every failing
//! case.

/// A small generator (SplitMix64), so that every run tests the same cases.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }

    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// A number in -1.0..1.0, exact in single precision.
    pub fn value(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    pub fn floats(&mut self, length: usize) -> Vec<f32> {
        (0..length).map(|_| self.value()).collect()
    }

    pub fn doubles(&mut self, length: usize) -> Vec<f64> {
        (0..length).map(|_| self.value().into()).collect()
    }
}

pub fn to_f64(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

/// The distance of `actual` from `exact` in units of the last place that `exact` has in single
/// precision.
pub fn units_off(actual: f32, exact: f64) -> f64 {
    let nearest = (exact as f32).abs().max(f32::MIN_POSITIVE);
    let unit = f32::from_bits(nearest.to_bits() + 1) - nearest;
    (f64::from(actual) - exact).abs() / f64::from(unit)
}

/// A buffer between two guard zones. All of it starts as NaN, so that a kernel which reads what
/// it should overwrite shows it.
pub struct Guarded {
    buffer: Vec<f32>,
}

const GUARD: usize = 40;
const GUARD_BITS: u32 = 0x7fc0_beef;

impl Guarded {
    pub fn new(length: usize) -> Self {
        Self {
            buffer: vec![f32::from_bits(GUARD_BITS); length + 2 * GUARD],
        }
    }

    pub fn holding(values: &[f32]) -> Self {
        let mut guarded = Self::new(values.len());
        guarded.values().copy_from_slice(values);
        guarded
    }

    pub fn values(&mut self) -> &mut [f32] {
        let end = self.buffer.len() - GUARD;
        &mut self.buffer[GUARD..end]
    }

    /// The values, after a check of the guard zones.
    pub fn into_values(mut self) -> Vec<f32> {
        let values = self.values().to_vec();
        let zones = self.buffer[..GUARD]
            .iter()
            .chain(&self.buffer[GUARD + values.len()..]);
        assert!(
            zones.into_iter().all(|v| v.to_bits() == GUARD_BITS),
            "a write beside the buffer"
        );
        values
    }
}

/// The cases that failed.
#[derive(Default)]
pub struct Failures {
    cases: Vec<String>,
    compared: usize,
}

impl Failures {
    /// Compares values with a tolerance relative to `1 + |expected|`. NaN equals NaN only, an
    /// infinity itself only.
    pub fn compare<A: Copy + Into<f64>, E: Copy + Into<f64>>(
        &mut self,
        case: impl Fn() -> String,
        actual: &[A],
        expected: &[E],
        tolerance: f64,
    ) {
        self.compared += 1;
        if actual.len() != expected.len() {
            self.cases.push(format!(
                "{}: {} values, not {}",
                case(),
                actual.len(),
                expected.len()
            ));
            return;
        }
        let pairs = actual
            .iter()
            .zip(expected)
            .map(|(a, e)| ((*a).into(), (*e).into()));
        let wrong = pairs.enumerate().find(|(_, (a, e)): &(usize, (f64, f64))| {
            let close = (a - e).abs() <= tolerance * (1.0 + e.abs());
            let same = a == e || (a.is_nan() && e.is_nan());
            !(same || (e.is_finite() && close))
        });
        if let Some((i, (a, e))) = wrong {
            self.cases
                .push(format!("{}: value {i} is {a:e}, not {e:e}", case()));
        }
    }

    pub fn report(self) {
        let Self { cases, compared } = self;
        assert!(compared > 0, "nothing was compared");
        assert!(
            cases.is_empty(),
            "{} of {compared} failed:\n{}",
            cases.len(),
            cases.join("\n")
        );
    }
}
