//! The types in Arrow, as DuckDB 1.5 produces and reads them.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field as ArrowField, IntervalUnit, Schema, SchemaRef, TimeUnit};

use super::{Field, LakeType};
use crate::error::{Error, Result};

impl LakeType {
    /// The Arrow type in which this type travels.
    pub fn to_arrow(&self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Int8 => DataType::Int8,
            Self::Int16 => DataType::Int16,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::Uint8 => DataType::UInt8,
            Self::Uint16 => DataType::UInt16,
            Self::Uint32 => DataType::UInt32,
            Self::Uint64 => DataType::UInt64,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Decimal { precision, scale } => {
                DataType::Decimal128(*precision, i8::try_from(*scale).unwrap_or(38))
            }
            Self::Date => DataType::Date32,
            Self::Time | Self::TimeTz => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::TimestampS => DataType::Timestamp(TimeUnit::Second, None),
            Self::TimestampMs => DataType::Timestamp(TimeUnit::Millisecond, None),
            Self::TimestampNs => DataType::Timestamp(TimeUnit::Nanosecond, None),
            Self::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
            Self::Varchar | Self::Json | Self::Uuid => DataType::Utf8,
            Self::Blob => DataType::Binary,
            Self::List(element) => DataType::List(Arc::new(ArrowField::new(
                "item",
                element.lake_type.to_arrow(),
                true,
            ))),
            Self::Struct(fields) => {
                DataType::Struct(fields.iter().map(|field| field.to_arrow(true)).collect())
            }
            Self::Map { key, value } => {
                let entries = DataType::Struct(
                    vec![
                        ArrowField::new("key", key.lake_type.to_arrow(), false),
                        ArrowField::new("value", value.lake_type.to_arrow(), true),
                    ]
                    .into(),
                );
                DataType::Map(Arc::new(ArrowField::new("entries", entries, false)), false)
            }
        }
    }

    /// The lake type that stores `data_type` without loss.
    ///
    /// # Errors
    /// `InvalidArgument` for types that Parquet or DuckLake cannot carry, naming a cast that helps.
    pub fn from_arrow(data_type: &DataType) -> Result<Self> {
        Ok(match data_type {
            DataType::Boolean => Self::Boolean,
            DataType::Int8 => Self::Int8,
            DataType::Int16 => Self::Int16,
            DataType::Int32 => Self::Int32,
            DataType::Int64 => Self::Int64,
            DataType::UInt8 => Self::Uint8,
            DataType::UInt16 => Self::Uint16,
            DataType::UInt32 => Self::Uint32,
            DataType::UInt64 => Self::Uint64,
            DataType::Float16 | DataType::Float32 => Self::Float32,
            DataType::Float64 => Self::Float64,
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
                if *scale >= 0 && *precision <= 38 =>
            {
                Self::Decimal {
                    precision: *precision,
                    scale: scale.unsigned_abs(),
                }
            }
            DataType::Date32 => Self::Date,
            DataType::Date64 => Self::Timestamp,
            DataType::Time32(_) | DataType::Time64(TimeUnit::Microsecond) => Self::Time,
            DataType::Timestamp(_, Some(_)) => Self::TimestampTz,
            DataType::Timestamp(TimeUnit::Nanosecond, None) => Self::TimestampNs,
            DataType::Timestamp(TimeUnit::Microsecond, None) => Self::Timestamp,
            DataType::Timestamp(TimeUnit::Millisecond, None) => Self::TimestampMs,
            DataType::Timestamp(TimeUnit::Second, None) => Self::TimestampS,
            DataType::Interval(_) | DataType::Duration(_) => Self::Interval,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => {
                Self::Varchar
            }
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => Self::Blob,
            DataType::List(element)
            | DataType::LargeList(element)
            | DataType::ListView(element)
            | DataType::LargeListView(element)
            | DataType::FixedSizeList(element, _) => {
                Self::list(Self::from_arrow(element.data_type())?)
            }
            DataType::Struct(fields) => Self::Struct(
                fields
                    .iter()
                    .map(|field| Field::from_arrow(field))
                    .collect::<Result<_>>()?,
            ),
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(pair) if pair.len() == 2 => Self::map(
                    Self::from_arrow(pair[0].data_type())?,
                    Self::from_arrow(pair[1].data_type())?,
                ),
                other => return Err(unsupported(other)),
            },
            DataType::Dictionary(_, values) => Self::from_arrow(values)?,
            other => return Err(unsupported(other)),
        })
    }
}

impl Field {
    /// The Arrow field; result fields are nullable whatever the table declares (G-13).
    pub fn to_arrow(&self, nullable: bool) -> ArrowField {
        ArrowField::new(&self.name, self.lake_type.to_arrow(), nullable)
    }

    /// A field of the type that stores `field` without loss.
    ///
    /// # Errors
    /// `InvalidArgument` naming the field whose type cannot be stored.
    pub fn from_arrow(field: &ArrowField) -> Result<Self> {
        let lake_type = LakeType::from_arrow(field.data_type()).map_err(|error| {
            let message = format!("column {:?}: {}", field.name(), error.message());
            let wrapped = Error::new(error.kind(), message);
            match error.remedy() {
                Some(remedy) => wrapped.with_remedy(remedy),
                None => wrapped,
            }
        })?;
        Ok(Self {
            nullable: field.is_nullable(),
            ..Self::new(field.name(), lake_type)
        })
    }
}

/// The Arrow schema of a result with these columns: names and types, all nullable (G-13).
pub fn result_schema(fields: &[Field]) -> SchemaRef {
    Arc::new(Schema::new(
        fields
            .iter()
            .map(|field| field.to_arrow(true))
            .collect::<Vec<_>>(),
    ))
}

impl Field {
    /// The fields of an Arrow schema, without ids.
    ///
    /// # Errors
    /// As [`Field::from_arrow`].
    pub fn list_from_arrow(schema: &Schema) -> Result<Vec<Self>> {
        schema
            .fields()
            .iter()
            .map(|field| Self::from_arrow(field))
            .collect()
    }
}

fn unsupported(data_type: &DataType) -> Error {
    Error::invalid(format!("type {data_type} cannot be stored in the lake"))
        .with_remedy("cast it to VARCHAR or another type that Parquet can carry")
}
