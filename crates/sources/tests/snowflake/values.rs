//! Snowflake's types as a generated table declares them, values of each, and what must come of them.
//!
//! What is expected is written down when a value is drawn; nothing here uses the code under test.

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Field, Float32Type, Float64Type, Int16Type,
        Int32Type, Int64Type, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
        TimestampNanosecondType,
    },
};
use chrono::{DateTime, NaiveDate};
use rand::{Rng, rngs::StdRng, seq::IndexedRandom as _};

const DAY: i64 = 86_400_000_000;
/// 0001-01-01 and the last microsecond of 9999, as Snowflake's years end.
const YEARS: (i64, i64) = (-62_135_596_800_000_000, 253_402_300_799_999_999);
/// The instants that nanoseconds reach, in whole microseconds.
const NANOSECONDS: (i64, i64) = (-9_223_372_036_854_775, 9_223_372_036_854_775);

/// A declared type that the simulator offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Declared {
    Number {
        precision: u32,
        scale: u32,
    },
    Float,
    Text,
    Boolean,
    Date,
    Time(u32),
    Ntz(u32),
    Ltz(u32),
    Tz(u32),
    Binary,
    /// VARIANT, OBJECT, ARRAY, GEOGRAPHY, GEOMETRY: texts by other names.
    Json(&'static str),
    Geo(&'static str),
    Integers(usize),
    Floats(usize),
}

/// A value: how SQL writes it, and how [`shown`] must show what arrives.
#[derive(Debug, Clone)]
pub(crate) struct Drawn {
    pub(crate) sql: String,
    pub(crate) shown: String,
    /// The offset of a TIMESTAMP_TZ, in minutes.
    pub(crate) offset: i64,
}

impl Drawn {
    fn text(text: impl Into<String>, shown: impl Into<String>) -> Self {
        Self {
            sql: format!("'{}'", text.into().replace('\'', "''")),
            shown: shown.into(),
            offset: 0,
        }
    }
}

impl Declared {
    pub(crate) fn any(chance: &mut StdRng) -> Self {
        let scale = chance.random_range(0..=9);
        match chance.random_range(0..14) {
            0..=2 => {
                let precision = chance.random_range(1..=38);
                let scale = *[
                    0,
                    chance.random_range(0..=precision.min(37)),
                    precision.min(37),
                ]
                .choose(chance)
                .unwrap();
                Self::Number { precision, scale }
            }
            3 => Self::Float,
            4 => Self::Text,
            5 => Self::Boolean,
            6 => Self::Date,
            7 => Self::Time(scale),
            8 => Self::Ntz(scale),
            9 => Self::Ltz(scale),
            10 => Self::Tz(scale),
            11 => Self::Binary,
            12 => *[
                Self::Json("VARIANT"),
                Self::Json("OBJECT"),
                Self::Json("ARRAY"),
                Self::Geo("GEOGRAPHY"),
                Self::Geo("GEOMETRY"),
            ]
            .choose(chance)
            .unwrap(),
            _ => *[
                Self::Integers(chance.random_range(1..5)),
                Self::Floats(chance.random_range(1..5)),
            ]
            .choose(chance)
            .unwrap(),
        }
    }

    pub(crate) fn sql(self) -> String {
        match self {
            Self::Number { precision, scale } => format!("NUMBER({precision}, {scale})"),
            Self::Float => "FLOAT".to_owned(),
            Self::Text => "VARCHAR".to_owned(),
            Self::Boolean => "BOOLEAN".to_owned(),
            Self::Date => "DATE".to_owned(),
            Self::Time(scale) => format!("TIME({scale})"),
            Self::Ntz(scale) => format!("TIMESTAMP_NTZ({scale})"),
            Self::Ltz(scale) => format!("TIMESTAMP_LTZ({scale})"),
            Self::Tz(scale) => format!("TIMESTAMP_TZ({scale})"),
            Self::Binary => "BINARY".to_owned(),
            Self::Json(name) | Self::Geo(name) => name.to_owned(),
            Self::Integers(dimension) => format!("VECTOR(INT, {dimension})"),
            Self::Floats(dimension) => format!("VECTOR(FLOAT, {dimension})"),
        }
    }

    /// The type it must have in Arrow (S-10); `in_ns` asks for nanoseconds where there are digits for them.
    pub(crate) fn arrow(self, in_ns: bool) -> DataType {
        let list = |element| DataType::List(Field::new("item", element, true).into());
        let utc = || Some("UTC".into());
        match self {
            Self::Number {
                precision: ..=18,
                scale: 0,
            } => DataType::Int64,
            Self::Number { precision, scale } => DataType::Decimal128(precision as u8, scale as i8),
            Self::Float => DataType::Float64,
            Self::Boolean => DataType::Boolean,
            Self::Date => DataType::Date32,
            Self::Time(_) => DataType::Time64(TimeUnit::Microsecond),
            Self::Ntz(scale) | Self::Ltz(scale) | Self::Tz(scale) if in_ns && scale > 6 => {
                DataType::Timestamp(TimeUnit::Nanosecond, None)
            }
            Self::Ntz(_) => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Ltz(_) | Self::Tz(_) => DataType::Timestamp(TimeUnit::Microsecond, utc()),
            Self::Binary => DataType::Binary,
            Self::Text | Self::Json(_) | Self::Geo(_) => DataType::Utf8,
            Self::Integers(_) => list(DataType::Int32),
            Self::Floats(_) => list(DataType::Float32),
        }
    }

    /// A value, which is often one at the edge of its type.
    pub(crate) fn draw(self, chance: &mut StdRng, in_ns: bool) -> Drawn {
        match self {
            Self::Number { precision, scale } => number(chance, precision, scale),
            Self::Float => {
                let value = float(chance);
                Drawn::text(value.to_string(), bits(value))
            }
            Self::Text => {
                let text = text(chance);
                Drawn::text(text.clone(), text)
            }
            Self::Boolean => {
                let value = chance.random::<bool>();
                Drawn {
                    sql: value.to_string(),
                    ..Drawn::text("", value.to_string())
                }
            }
            Self::Date => {
                let days = *[
                    -719_162,
                    -1,
                    0,
                    1,
                    2_932_896,
                    chance.random_range(-719_162..2_932_896),
                ]
                .choose(chance)
                .unwrap();
                let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
                let date = epoch + chrono::TimeDelta::days(days);
                Drawn::text(date.format("%Y-%m-%d").to_string(), days.to_string())
            }
            Self::Time(scale) => {
                let count = [0, DAY - 1, chance.random_range(0..DAY)];
                let micros = cut(*count.choose(chance).unwrap(), scale);
                let text = instant(micros).format("%H:%M:%S%.6f").to_string();
                Drawn::text(text, micros.to_string())
            }
            Self::Ntz(scale) => {
                let micros = micros(chance, scale, in_ns);
                Drawn::text(written(micros), told(micros, scale, in_ns))
            }
            Self::Ltz(scale) => {
                let micros = micros(chance, scale, in_ns);
                Drawn::text(written(micros) + "+00:00", told(micros, scale, in_ns))
            }
            Self::Tz(scale) => {
                // A day from either end, so that the local time has a year as well.
                let micros = micros(chance, scale, in_ns).clamp(YEARS.0 + DAY, YEARS.1 - DAY);
                let micros = cut(micros, scale);
                let offset: i64 = *[0, 1, -1, 840, -720, 330, -570].choose(chance).unwrap();
                let sign = if offset < 0 { '-' } else { '+' };
                let (hours, minutes) = (offset.abs() / 60, offset.abs() % 60);
                let local = written(micros + offset * 60_000_000);
                Drawn {
                    sql: format!("'{local} {sign}{hours:02}:{minutes:02}'::TIMESTAMP_TZ"),
                    shown: told(micros, scale, in_ns),
                    offset,
                }
            }
            Self::Binary => {
                let length = *[0, 1, 2, chance.random_range(0..300)]
                    .choose(chance)
                    .unwrap();
                let digits: String = (0..length)
                    .map(|_| format!("{:02X}", chance.random::<u8>()))
                    .collect();
                Drawn {
                    sql: format!("to_binary('{digits}', 'HEX')"),
                    shown: digits,
                    offset: 0,
                }
            }
            Self::Json(_) => {
                let text = [
                    "{}",
                    "[]",
                    "null",
                    "1",
                    "\"it's\"",
                    "{\"k\":[1,null,\"ü\"]}",
                ];
                let text = *text.choose(chance).unwrap();
                Drawn::text(text, text)
            }
            Self::Geo(_) => Drawn::text("POINT(1 2)", "POINT(1 2)"),
            Self::Integers(dimension) => {
                let edges = [i32::MIN, -1, 0, i32::MAX, chance.random()];
                list(dimension, || edges.choose(chance).unwrap().to_string())
            }
            Self::Floats(dimension) => {
                let edges = [0.0, -0.0, 1e-45, f32::MAX, -1.5, chance.random::<f32>()];
                let values: Vec<f32> = (0..dimension)
                    .map(|_| *edges.choose(chance).unwrap())
                    .collect();
                let mut texts = values.iter().map(|value| value.to_string());
                let mut drawn = list(dimension, || texts.next().unwrap());
                let exact: Vec<_> = values.iter().map(|value| bits(f64::from(*value))).collect();
                drawn.shown = format!("[{}]", exact.join(","));
                drawn
            }
        }
    }
}

fn list(dimension: usize, mut value: impl FnMut() -> String) -> Drawn {
    let values: Vec<String> = (0..dimension).map(|_| value()).collect();
    let text = format!("[{}]", values.join(","));
    Drawn::text(text.clone(), text)
}

fn number(chance: &mut StdRng, precision: u32, scale: u32) -> Drawn {
    let most = 10_i128.pow(precision) - 1;
    let width = *[8, 16, 32, 64].choose(chance).unwrap();
    let bound = 1_i128 << (width - 1);
    let digits = chance.random_range(1..=precision);
    let edges = [
        0,
        1,
        most,
        bound,
        bound - 1,
        chance.random_range(0..10_i128.pow(digits)),
    ];
    let size = (*edges.choose(chance).unwrap()).min(most);
    let unscaled = if chance.random() { -size } else { size };
    let digits = format!(
        "{:0>width$}",
        unscaled.unsigned_abs(),
        width = scale as usize + 1
    );
    let (whole, fraction) = digits.split_at(digits.len() - scale as usize);
    let sign = if unscaled < 0 { "-" } else { "" };
    let point = if scale > 0 { "." } else { "" };
    let text = format!("{sign}{whole}{point}{fraction}");
    Drawn::text(text.clone(), text)
}

fn float(chance: &mut StdRng) -> f64 {
    let edges = [
        0.0,
        -0.0,
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
        f64::INFINITY,
        f64::NEG_INFINITY,
        0.1,
        f64::from_bits(chance.random()),
    ];
    let value = *edges.choose(chance).unwrap();
    // One NaN for all: which of its many forms arrives is nobody's promise.
    if value.is_nan() { f64::NAN } else { value }
}

fn text(chance: &mut StdRng) -> String {
    let pieces = ["", "a", "it's", "Grüße", "世界", "🦆", "\n\t ", "\"", "0"];
    let length = *[0, 1, 3, chance.random_range(0..200)]
        .choose(chance)
        .unwrap();
    (0..length)
        .map(|_| *pieces.choose(chance).unwrap())
        .collect()
}

/// An instant in whole microseconds with no digits below 10^-`scale` s.
fn micros(chance: &mut StdRng, scale: u32, in_ns: bool) -> i64 {
    let range = if in_ns && scale > 6 {
        NANOSECONDS
    } else {
        YEARS
    };
    let edges = [
        range.0,
        range.1,
        -1,
        0,
        1,
        NANOSECONDS.0 - 1,
        NANOSECONDS.1 + 1,
        chance.random_range(range.0..range.1),
    ];
    let micros = (*edges.choose(chance).unwrap()).clamp(range.0, range.1);
    let cut = cut(micros, scale);
    if cut < range.0 { cut + 1_000_000 } else { cut }
}

fn cut(micros: i64, scale: u32) -> i64 {
    let unit = 10_i64.pow(6 - scale.min(6));
    micros.div_euclid(unit) * unit
}

fn told(micros: i64, scale: u32, in_ns: bool) -> String {
    let factor = if in_ns && scale > 6 { 1000 } else { 1 };
    (i128::from(micros) * factor).to_string()
}

fn instant(micros: i64) -> DateTime<chrono::Utc> {
    DateTime::from_timestamp_micros(micros).unwrap()
}

fn written(micros: i64) -> String {
    instant(micros).format("%Y-%m-%d %H:%M:%S%.6f").to_string()
}

fn bits(value: f64) -> String {
    format!("{value:?} {:016x}", value.to_bits())
}

/// A cell that arrived, so that equal texts are equal values.
pub(crate) fn shown(array: &ArrayRef, row: usize) -> String {
    if array.is_null(row) {
        return "NULL".to_owned();
    }
    match array.data_type() {
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).to_string(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Float32 => bits(array.as_primitive::<Float32Type>().value(row).into()),
        DataType::Float64 => {
            let value = array.as_primitive::<Float64Type>().value(row);
            bits(if value.is_nan() { f64::NAN } else { value })
        }
        DataType::Decimal128(..) => array.as_primitive::<Decimal128Type>().value_as_string(row),
        DataType::Date32 => array.as_primitive::<Date32Type>().value(row).to_string(),
        DataType::Time64(_) => {
            let times = array.as_primitive::<Time64MicrosecondType>();
            times.value(row).to_string()
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            let instants = array.as_primitive::<TimestampNanosecondType>();
            instants.value(row).to_string()
        }
        DataType::Timestamp(..) => {
            let instants = array.as_primitive::<TimestampMicrosecondType>();
            instants.value(row).to_string()
        }
        DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        DataType::Binary => {
            let bytes = array.as_binary::<i32>().value(row).iter();
            bytes.map(|byte| format!("{byte:02X}")).collect()
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>().value(row);
            let cells: Vec<_> = (0..list.len()).map(|at| shown(&list, at)).collect();
            format!("[{}]", cells.join(","))
        }
        other => unreachable!("no cell of {other}"),
    }
}
