//! From Snowflake's declared columns to ours (S-10).
//!
//! The types follow from the declaration alone. What arrives is narrower or wider chunk by chunk (an
//! integer has as many bits as the values of its chunk need), so a type taken from the first chunk
//! would be wrong in the next.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use ducksync_core::{
    error::{Error, FailureClass, Result},
    source::{SubMicroseconds, TypeMapping, TypeOptions},
    types::{Field, Fields, LakeType, result_schema},
};

use super::protocol::RowType;

/// Snowflake's types, as far as they are converted differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Number {
        precision: u8,
        scale: u8,
    },
    Real,
    Text,
    Boolean,
    Date,
    Time {
        scale: u8,
    },
    Timestamp {
        scale: u8,
        zone: Zone,
    },
    Binary,
    /// VARIANT, OBJECT, ARRAY, MAP.
    Json,
    Vector {
        integers: bool,
    },
    /// GEOGRAPHY, GEOMETRY.
    Geo,
    DecFloat,
    IntervalMonths,
    IntervalNanoseconds,
    Unknown,
}

/// What a timestamp knows of zones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zone {
    None,
    Session,
    Offset,
}

/// One column of a result.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) target: LakeType,
    /// Whether a column with the offset follows.
    pub(super) with_offset: bool,
    pub(super) sub_us: SubMicroseconds,
}

/// All columns of a result, and how they are converted.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) columns: Vec<Column>,
    /// With declared nullability.
    pub(super) fields: Fields,
    /// Everything nullable (G-13).
    pub(super) schema: SchemaRef,
    /// Names of columns whose texts compare byte by byte.
    pub(super) plain_texts: Vec<String>,
    pub(super) warnings: Vec<String>,
}

impl Plan {
    /// The plan of a result with this declaration.
    ///
    /// # Errors
    /// `InvalidArgument` if an offset column would take the name of another.
    pub(super) fn of(rowtype: &[RowType], options: &TypeOptions) -> Result<Arc<Self>> {
        let mut columns = Vec::with_capacity(rowtype.len());
        let mut fields = Vec::with_capacity(rowtype.len());
        let mut warnings = Vec::new();
        for declared in rowtype {
            let column = Column::of(declared, options, &mut warnings);
            fields.push(field(
                &column.name,
                column.target.clone(),
                declared.nullable,
            ));
            if column.with_offset {
                let name = format!("{}__offset", column.name);
                if rowtype
                    .iter()
                    .any(|other| other.name.eq_ignore_ascii_case(&name))
                {
                    return Err(Error::invalid(format!(
                        "keep_offset needs the name {name:?}, which the result has already"
                    ))
                    .with_class(FailureClass::Schema)
                    .with_remedy("rename that column, or unset keep_offset"));
                }
                fields.push(field(&name, LakeType::Int16, declared.nullable));
            }
            columns.push(column);
        }
        Ok(Arc::new(Self {
            columns,
            schema: result_schema(&fields),
            fields: fields.into(),
            plain_texts: plain_texts(rowtype),
            warnings,
        }))
    }
}

/// Names of columns whose texts compare byte by byte.
fn plain_texts(rowtype: &[RowType]) -> Vec<String> {
    let collated = |declared: &RowType| {
        let collation = declared.collation.as_deref().unwrap_or_default();
        !matches!(collation, "" | "utf8" | "bin")
    };
    rowtype
        .iter()
        .filter(|declared| Kind::of(declared) == Kind::Text && !collated(declared))
        .map(|declared| declared.name.clone())
        .collect()
}

fn field(name: &str, lake_type: LakeType, nullable: bool) -> Field {
    Field {
        nullable,
        ..Field::new(name, lake_type)
    }
}

impl Column {
    fn of(declared: &RowType, options: &TypeOptions, warnings: &mut Vec<String>) -> Self {
        let kind = Kind::of(declared);
        let name = declared.name.clone();
        let type_name = declared.type_name.to_uppercase();
        let becomes_text = matches!(
            kind,
            Kind::DecFloat | Kind::IntervalMonths | Kind::IntervalNanoseconds | Kind::Unknown
        );
        if becomes_text {
            warnings.push(format!("column {name:?} of type {type_name} becomes text"));
        }
        let target = kind.target(options);
        if let (Kind::Timestamp { zone, .. }, LakeType::TimestampNs) = (kind, &target)
            && zone != Zone::None
        {
            warnings.push(format!(
                "column {name:?} of type {type_name} becomes TIMESTAMP_NS, in UTC"
            ));
        }
        let has_offset = matches!(
            kind,
            Kind::Timestamp {
                zone: Zone::Offset,
                ..
            }
        );
        Self {
            with_offset: has_offset && options.keep_offset,
            sub_us: options.sub_us,
            name,
            kind,
            target,
        }
    }
}

impl Kind {
    fn of(declared: &RowType) -> Self {
        let small = |value: Option<i64>, default: u8, most: u8| {
            value
                .and_then(|value| u8::try_from(value).ok())
                .unwrap_or(default)
                .min(most)
        };
        let scale = small(declared.scale, 9, 9);
        let timestamp = |zone| Self::Timestamp { scale, zone };
        match declared.type_name.to_ascii_lowercase().as_str() {
            "fixed" => {
                let scale = small(declared.scale, 0, 38);
                let precision = small(declared.precision, 38, 38).max(scale).max(1);
                Self::Number { precision, scale }
            }
            "real" => Self::Real,
            "text" | "char" | "string" => Self::Text,
            "boolean" => Self::Boolean,
            "date" => Self::Date,
            "time" => Self::Time { scale },
            "timestamp_ntz" => timestamp(Zone::None),
            "timestamp_ltz" => timestamp(Zone::Session),
            "timestamp_tz" => timestamp(Zone::Offset),
            "binary" => Self::Binary,
            "variant" | "object" | "array" | "map" => Self::Json,
            "vector" => Self::Vector {
                integers: declared
                    .fields
                    .iter()
                    .flatten()
                    .any(|part| part.type_name == "fixed"),
            },
            "geography" | "geometry" => Self::Geo,
            "decfloat" => Self::DecFloat,
            name if name.starts_with("interval_year") => Self::IntervalMonths,
            name if name.starts_with("interval_day") => Self::IntervalNanoseconds,
            _ => Self::Unknown,
        }
    }

    fn target(self, options: &TypeOptions) -> LakeType {
        match options.type_mapping {
            TypeMapping::Lossless => self.lossless(options.sub_us),
            TypeMapping::Double => self.double(options.sub_us),
        }
    }

    fn lossless(self, sub_us: SubMicroseconds) -> LakeType {
        match self {
            Self::Number {
                precision,
                scale: 0,
            } if precision <= 18 => LakeType::Int64,
            Self::Number { precision, scale } => LakeType::Decimal { precision, scale },
            Self::Real => LakeType::Float64,
            Self::Boolean => LakeType::Boolean,
            Self::Date => LakeType::Date,
            Self::Time { .. } => LakeType::Time,
            Self::Timestamp { scale, .. } if scale > 6 && sub_us == SubMicroseconds::Ns => {
                LakeType::TimestampNs
            }
            Self::Timestamp {
                zone: Zone::None, ..
            } => LakeType::Timestamp,
            Self::Timestamp { .. } => LakeType::TimestampTz,
            Self::Binary => LakeType::Blob,
            Self::Json => LakeType::Json,
            Self::Vector { integers: true } => LakeType::list(LakeType::Int32),
            Self::Vector { integers: false } => LakeType::list(LakeType::Float32),
            Self::Text
            | Self::Geo
            | Self::DecFloat
            | Self::IntervalMonths
            | Self::IntervalNanoseconds
            | Self::Unknown => LakeType::Varchar,
        }
    }

    fn double(self, sub_us: SubMicroseconds) -> LakeType {
        match self {
            Self::Number { .. } => LakeType::Float64,
            Self::Timestamp { .. } => match self.lossless(sub_us) {
                LakeType::TimestampNs => LakeType::TimestampNs,
                _ => LakeType::Timestamp,
            },
            Self::Time { .. } | Self::Binary | Self::Json | Self::Vector { .. } => {
                LakeType::Varchar
            }
            Self::Real
            | Self::Text
            | Self::Boolean
            | Self::Date
            | Self::Geo
            | Self::DecFloat
            | Self::IntervalMonths
            | Self::IntervalNanoseconds
            | Self::Unknown => self.lossless(sub_us),
        }
    }
}
