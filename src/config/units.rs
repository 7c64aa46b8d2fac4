//! Durations and sizes as people write them: `"8h"`, `"500ms"`, `"256MiB"`.

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, de};

/// A length of time, written as a number with its unit: `"500ms"`, `"1h 30m"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Period(pub(crate) Duration);

impl Period {
    /// That many milliseconds.
    pub(crate) const fn milliseconds(count: u64) -> Self {
        Self(Duration::from_millis(count))
    }

    /// That many seconds.
    pub(crate) const fn seconds(count: u64) -> Self {
        Self(Duration::from_secs(count))
    }

    /// That many minutes.
    pub(crate) const fn minutes(count: u64) -> Self {
        Self::seconds(60 * count)
    }

    /// That many hours.
    pub(crate) const fn hours(count: u64) -> Self {
        Self::minutes(60 * count)
    }

    /// That many days.
    pub(crate) const fn days(count: u64) -> Self {
        Self::hours(24 * count)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PeriodVisitor)
    }
}

struct PeriodVisitor;

impl de::Visitor<'_> for PeriodVisitor {
    type Value = Period;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration with its unit in quotes, such as \"30s\", \"500ms\" or \"8h\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Period, E> {
        humantime::parse_duration(text)
            .map(Period)
            .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

/// A length of time or, written as `""`, never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PeriodOrNever(pub(crate) Option<Duration>);

impl<'de> Deserialize<'de> for PeriodOrNever {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = PeriodOrNever;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"7d\", or \"\" for never")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<PeriodOrNever, E> {
                if text.is_empty() {
                    return Ok(PeriodOrNever(None));
                }
                humantime::parse_duration(text)
                    .map(|period| PeriodOrNever(Some(period)))
                    .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A number of bytes, written plainly or with a unit: `67108864`, `"256MiB"`, `"12GB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size(pub(crate) u64);

impl Size {
    /// That many MiB.
    pub(crate) const fn mebibytes(count: u64) -> Self {
        Self(count << 20)
    }

    /// That many GiB.
    pub(crate) const fn gibibytes(count: u64) -> Self {
        Self(count << 30)
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            "tb" => 1_000_000_000_000,
            "kib" => 1 << 10,
            "mib" => 1 << 20,
            "gib" => 1 << 30,
            "tib" => 1 << 40,
            _ => return None,
        };
        if let Ok(whole) = number.parse::<u64>() {
            return whole.checked_mul(factor).map(Self);
        }
        let bytes = number.parse::<f64>().ok()? * factor as f64;
        // Everything from 2^63 on is no size that any machine has.
        (bytes.is_finite() && bytes < 9.2e18).then_some(Self(bytes as u64))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of bytes, or a size such as \"256MiB\" or \"12GB\"")
            }

            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<Size, E> {
                Ok(Size(bytes))
            }

            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<Size, E> {
                u64::try_from(bytes)
                    .map(Size)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(bytes), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                Size::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o1_sizes_are_read_with_their_units() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("67108864", Some(67_108_864)),
            ("256MiB", Some(256 << 20)),
            ("12GB", Some(12_000_000_000)),
            ("1.5 GiB", Some(3 << 29)),
            ("20gib", Some(20 << 30)),
            ("7 parsecs", None),
            ("MiB", None),
            ("-1", None),
            ("", None),
            ("99999999999TiB", None),
        ] {
            assert_eq!(Size::parse(text).map(|size| size.0), bytes, "{text}");
        }
    }

    #[test]
    fn o1_durations_allow_milliseconds_and_need_a_unit() {
        let read = |text: &str| serde_json::from_value::<Period>(serde_json::json!(text));
        assert_eq!(read("500ms").unwrap(), Period::milliseconds(500));
        assert_eq!(read("8h").unwrap(), Period::hours(8));
        assert_eq!(read("1h 30m").unwrap(), Period::minutes(90));
        for bad in ["30", "soon", "", "-1s"] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.contains("with its unit"), "{error}");
        }
    }
}
