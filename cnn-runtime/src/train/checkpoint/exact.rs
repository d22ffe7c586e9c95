//! Floats as text, for `#[serde(with = "…")]`: they are read back as the same value, and JSON has neither NaN nor
//! infinity.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Exact(f64);

impl From<Exact> for String {
    fn from(Exact(value): Exact) -> Self {
        format!("{value:?}")
    }
}

impl TryFrom<String> for Exact {
    type Error = std::num::ParseFloatError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

pub(in crate::train) fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
    Exact(*value).serialize(to)
}

pub(in crate::train) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<f64, D::Error> {
    Exact::deserialize(from).map(|Exact(value)| value)
}

/// Of an `Option`.
pub(in crate::train) mod option {
    use super::{Deserialize, Deserializer, Exact, Serialize, Serializer};

    pub(in crate::train) fn serialize<S: Serializer>(
        value: &Option<f64>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        value.map(Exact).serialize(to)
    }

    pub(in crate::train) fn deserialize<'d, D: Deserializer<'d>>(
        from: D,
    ) -> Result<Option<f64>, D::Error> {
        let value = Option::<Exact>::deserialize(from)?;
        Ok(value.map(|Exact(value)| value))
    }
}

/// Of a list.
pub(in crate::train) mod list {
    use super::{Deserialize, Deserializer, Exact, Serializer};

    pub(in crate::train) fn serialize<S: Serializer>(
        values: &[f64],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(values.iter().map(|value| Exact(*value)))
    }

    pub(in crate::train) fn deserialize<'d, D: Deserializer<'d>>(
        from: D,
    ) -> Result<Vec<f64>, D::Error> {
        let values = Vec::<Exact>::deserialize(from)?;
        Ok(values.into_iter().map(|Exact(value)| value).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Record {
        #[serde(with = "super")]
        one: f64,
        #[serde(with = "super::list")]
        many: Vec<f64>,
    }

    #[test]
    fn floats_come_back_bit_for_bit() {
        let many = vec![
            0.1,
            -0.0,
            1.0 / 3.0,
            f64::MIN_POSITIVE / 8.0,
            f64::MAX,
            f64::INFINITY,
        ];
        let record = Record {
            one: f64::NAN,
            many,
        };
        let text = serde_json::to_string(&record).expect("a string takes everything");
        let found: Record = serde_json::from_str(&text).expect("what was written");
        assert!(found.one.is_nan());
        let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&found.many), bits(&record.many));
        assert!(serde_json::from_str::<Record>(r#"{"one":"x","many":[]}"#).is_err());
    }
}
