//! The lake's column types: DuckLake's list, with its names in DuckLake, DuckDB and Arrow.
//!
//! A stream carries lake types beside its Arrow schema, because Arrow has no JSON or UUID of DuckDB's:
//! both travel as text and are cast back when they are stored.

mod arrow_types;
mod names;

pub use arrow_types::result_schema;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::FieldId;

/// A type that DuckLake can store and Parquet can carry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LakeType {
    /// True or false.
    Boolean,
    /// Signed, 8 bits.
    Int8,
    /// Signed, 16 bits.
    Int16,
    /// Signed, 32 bits.
    Int32,
    /// Signed, 64 bits.
    Int64,
    /// Unsigned, 8 bits.
    Uint8,
    /// Unsigned, 16 bits.
    Uint16,
    /// Unsigned, 32 bits.
    Uint32,
    /// Unsigned, 64 bits.
    Uint64,
    /// IEEE 754 single.
    Float32,
    /// IEEE 754 double.
    Float64,
    /// Exact decimal of at most 38 digits.
    Decimal {
        /// All digits, 1 to 38.
        precision: u8,
        /// Digits behind the point, 0 to `precision`.
        scale: u8,
    },
    /// Days.
    Date,
    /// Time of day in microseconds.
    Time,
    /// Time of day with zone; Parquet normalizes it to UTC.
    TimeTz,
    /// Microseconds without zone.
    Timestamp,
    /// Seconds without zone; stored as microseconds.
    TimestampS,
    /// Milliseconds without zone; stored as microseconds.
    TimestampMs,
    /// Nanoseconds without zone.
    TimestampNs,
    /// Microseconds, an instant.
    TimestampTz,
    /// Months, days and microseconds.
    Interval,
    /// UTF-8 text.
    Varchar,
    /// Bytes.
    Blob,
    /// JSON text.
    Json,
    /// A UUID; text in Arrow.
    Uuid,
    /// A list of one element type.
    List(Box<Field>),
    /// Named fields.
    Struct(Vec<Field>),
    /// Keys and values.
    Map {
        /// The key; never NULL.
        key: Box<Field>,
        /// The value.
        value: Box<Field>,
    },
}

/// A column of a lake table, or a part of a nested one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Field {
    /// Its id in the catalog and in the Parquet files. Zero in fields that no table has yet.
    pub id: FieldId,
    /// Its name, in the case of its making.
    pub name: String,
    /// Its type.
    pub lake_type: LakeType,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// What rows written before the column was added read as: a literal in DuckDB's text form.
    pub initial_default: Option<String>,
    /// What an INSERT that leaves the column out stores: a literal in DuckDB's text form.
    pub default: Option<String>,
}

impl Field {
    /// A nullable field without id or defaults.
    pub fn new(name: impl Into<String>, lake_type: LakeType) -> Self {
        Self {
            id: FieldId(0),
            name: name.into(),
            lake_type,
            nullable: true,
            initial_default: None,
            default: None,
        }
    }

    /// Gives this field and all its parts fresh ids from `next` on, parents before children.
    pub fn assign_ids(&mut self, next: &mut FieldId) {
        self.id = *next;
        next.0 += 1;
        for child in self.lake_type.children_mut() {
            child.assign_ids(next);
        }
    }

    /// Whether both are the same column but for their ids.
    pub fn same_shape(&self, other: &Self) -> bool {
        self.name == other.name
            && self.nullable == other.nullable
            && self.lake_type.same_shape(&other.lake_type)
    }

    /// The largest id in this field and its parts.
    pub fn max_id(&self) -> FieldId {
        self.lake_type
            .children()
            .iter()
            .map(|child| child.max_id())
            .fold(self.id, Ord::max)
    }
}

/// Gives `fields` fresh ids from 1 on: the columns of a table that does not exist yet.
pub fn number_fields(fields: &mut [Field]) {
    let mut next = FieldId(1);
    for field in fields {
        field.assign_ids(&mut next);
    }
}

/// Whether two column lists are equal but for their ids.
pub fn same_columns(left: &[Field], right: &[Field]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(l, r)| l.same_shape(r))
}

impl LakeType {
    /// The parts of a nested type, in order; none of a plain one.
    pub fn children(&self) -> Vec<&Field> {
        match self {
            Self::List(element) => vec![element],
            Self::Struct(fields) => fields.iter().collect(),
            Self::Map { key, value } => vec![key, value],
            _ => Vec::new(),
        }
    }

    fn children_mut(&mut self) -> Vec<&mut Field> {
        match self {
            Self::List(element) => vec![element],
            Self::Struct(fields) => fields.iter_mut().collect(),
            Self::Map { key, value } => vec![key, value],
            _ => Vec::new(),
        }
    }

    /// Whether this type has parts.
    pub fn is_nested(&self) -> bool {
        matches!(self, Self::List(_) | Self::Struct(_) | Self::Map { .. })
    }

    /// Whether both are the same type but for the ids of their parts.
    pub fn same_shape(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::List(l), Self::List(r)) => l.lake_type.same_shape(&r.lake_type),
            (Self::Struct(l), Self::Struct(r)) => same_columns(l, r),
            (Self::Map { key: lk, value: lv }, Self::Map { key: rk, value: rv }) => {
                lk.lake_type.same_shape(&rk.lake_type) && lv.lake_type.same_shape(&rv.lake_type)
            }
            (left, right) => left == right,
        }
    }

    /// A list of `element`.
    pub fn list(element: Self) -> Self {
        Self::List(Box::new(Field::new("element", element)))
    }

    /// A map from `key` to `value`.
    pub fn map(key: Self, value: Self) -> Self {
        let mut key = Field::new("key", key);
        key.nullable = false;
        Self::Map {
            key: Box::new(key),
            value: Box::new(Field::new("value", value)),
        }
    }
}

/// The columns of a stream or a table, shared.
pub type Fields = Arc<[Field]>;
