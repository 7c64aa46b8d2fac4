//! The lake's types as clients' catalogs name them: XDBC codes, sizes and field metadata.

use std::collections::HashMap;

use arrow::datatypes::{Field as ArrowField, Schema};
use arrow_flight::sql::XdbcDataType;
use ducksync_core::types::{Field, LakeType};
use ducksync_query::CatalogObject;

/// A type's name without digits or parts: the same in XdbcTypeInfo and in field metadata, because
/// Power BI joins the two by it.
pub(crate) fn type_name(lake_type: &LakeType) -> &'static str {
    match lake_type {
        LakeType::Boolean => "BOOLEAN",
        LakeType::Int8 => "TINYINT",
        LakeType::Int16 => "SMALLINT",
        LakeType::Int32 => "INTEGER",
        LakeType::Int64 => "BIGINT",
        LakeType::Uint8 => "UTINYINT",
        LakeType::Uint16 => "USMALLINT",
        LakeType::Uint32 => "UINTEGER",
        LakeType::Uint64 => "UBIGINT",
        LakeType::Float32 => "FLOAT",
        LakeType::Float64 => "DOUBLE",
        LakeType::Decimal { .. } => "DECIMAL",
        LakeType::Date => "DATE",
        LakeType::Time => "TIME",
        LakeType::TimeTz => "TIMETZ",
        LakeType::Timestamp => "TIMESTAMP",
        LakeType::TimestampS => "TIMESTAMP_S",
        LakeType::TimestampMs => "TIMESTAMP_MS",
        LakeType::TimestampNs => "TIMESTAMP_NS",
        LakeType::TimestampTz => "TIMESTAMPTZ",
        LakeType::Interval => "INTERVAL",
        LakeType::Varchar => "VARCHAR",
        LakeType::Blob => "BLOB",
        LakeType::Json => "JSON",
        LakeType::Uuid => "UUID",
        LakeType::List(_) => "LIST",
        LakeType::Struct(_) => "STRUCT",
        LakeType::Map { .. } => "MAP",
    }
}

/// The XDBC code nearest to a type.
pub(crate) fn xdbc_type(lake_type: &LakeType) -> XdbcDataType {
    match lake_type {
        LakeType::Boolean => XdbcDataType::XdbcBit,
        LakeType::Int8 | LakeType::Uint8 => XdbcDataType::XdbcTinyint,
        LakeType::Int16 | LakeType::Uint16 => XdbcDataType::XdbcSmallint,
        LakeType::Int32 | LakeType::Uint32 => XdbcDataType::XdbcInteger,
        LakeType::Int64 | LakeType::Uint64 => XdbcDataType::XdbcBigint,
        LakeType::Float32 => XdbcDataType::XdbcReal,
        LakeType::Float64 => XdbcDataType::XdbcDouble,
        LakeType::Decimal { .. } => XdbcDataType::XdbcDecimal,
        LakeType::Date => XdbcDataType::XdbcDate,
        LakeType::Time | LakeType::TimeTz => XdbcDataType::XdbcTime,
        LakeType::Timestamp
        | LakeType::TimestampS
        | LakeType::TimestampMs
        | LakeType::TimestampNs
        | LakeType::TimestampTz => XdbcDataType::XdbcTimestamp,
        LakeType::Interval => XdbcDataType::XdbcInterval,
        LakeType::Varchar | LakeType::Json | LakeType::Uuid => XdbcDataType::XdbcVarchar,
        LakeType::Blob => XdbcDataType::XdbcVarbinary,
        LakeType::List(_) | LakeType::Struct(_) | LakeType::Map { .. } => {
            XdbcDataType::XdbcUnknownType
        }
    }
}

/// Decimal digits of a number, characters of a time or UUID; `None` where there is no bound.
pub(crate) fn precision(lake_type: &LakeType) -> Option<i32> {
    Some(match lake_type {
        LakeType::Boolean => 1,
        LakeType::Int8 | LakeType::Uint8 => 3,
        LakeType::Int16 | LakeType::Uint16 => 5,
        LakeType::Int32 | LakeType::Uint32 => 10,
        LakeType::Int64 => 19,
        LakeType::Uint64 => 20,
        LakeType::Float32 => 7,
        LakeType::Float64 => 15,
        LakeType::Decimal { precision, .. } => i32::from(*precision),
        LakeType::Date => 10,
        LakeType::Time => 15,
        LakeType::TimeTz => 21,
        LakeType::TimestampS => 19,
        LakeType::TimestampMs => 23,
        LakeType::Timestamp => 26,
        LakeType::TimestampNs => 29,
        LakeType::TimestampTz => 32,
        LakeType::Uuid => 36,
        LakeType::Interval
        | LakeType::Varchar
        | LakeType::Blob
        | LakeType::Json
        | LakeType::List(_)
        | LakeType::Struct(_)
        | LakeType::Map { .. } => return None,
    })
}

/// Digits behind the point.
pub(crate) fn scale(lake_type: &LakeType) -> Option<i32> {
    match lake_type {
        LakeType::Decimal { scale, .. } => Some(i32::from(*scale)),
        LakeType::Int8 | LakeType::Int16 | LakeType::Int32 | LakeType::Int64 => Some(0),
        LakeType::Uint8 | LakeType::Uint16 | LakeType::Uint32 | LakeType::Uint64 => Some(0),
        LakeType::TimestampS => Some(0),
        LakeType::TimestampMs => Some(3),
        LakeType::Time | LakeType::TimeTz | LakeType::Timestamp | LakeType::TimestampTz => Some(6),
        LakeType::TimestampNs => Some(9),
        _ => None,
    }
}

/// An object's schema as GetTables shows it: declared nullability, and what drivers read from the
/// metadata of fields. Query schemas carry none of this.
pub(crate) fn described_schema(object: &CatalogObject) -> Schema {
    let fields: Vec<_> = object
        .columns
        .iter()
        .map(|field| described(object, field))
        .collect();
    let mut metadata = HashMap::new();
    if let Some(remarks) = &object.remarks {
        metadata.insert(key("REMARKS"), remarks.clone());
    }
    Schema::new_with_metadata(fields, metadata)
}

fn described(object: &CatalogObject, field: &Field) -> ArrowField {
    let mut metadata: HashMap<_, _> = [
        ("CATALOG_NAME", object.catalog.as_str()),
        ("SCHEMA_NAME", object.schema.as_str()),
        ("TABLE_NAME", object.name.as_str()),
        ("TYPE_NAME", type_name(&field.lake_type)),
        ("REMARKS", ""),
        ("IS_AUTO_INCREMENT", "0"),
        ("IS_CASE_SENSITIVE", "1"),
        ("IS_SEARCHABLE", "1"),
    ]
    .map(|(name, value)| (key(name), value.to_owned()))
    .into();
    if let Some(digits) = precision(&field.lake_type) {
        metadata.insert(key("PRECISION"), digits.to_string());
    }
    if let Some(digits) = scale(&field.lake_type) {
        metadata.insert(key("SCALE"), digits.to_string());
    }
    field.to_arrow(field.nullable).with_metadata(metadata)
}

fn key(name: &str) -> String {
    format!("ARROW:FLIGHT:SQL:{name}")
}

#[cfg(test)]
mod tests {
    use ducksync_query::ObjectKind;

    use super::*;

    #[test]
    fn g13_tables_show_declared_nullability_and_what_drivers_read() {
        let mut id = Field::new(
            "id",
            LakeType::Decimal {
                precision: 18,
                scale: 2,
            },
        );
        id.nullable = false;
        let object = CatalogObject {
            catalog: "lake".into(),
            schema: "main".into(),
            name: "sales".into(),
            kind: ObjectKind::Table,
            columns: vec![id, Field::new("note", LakeType::Varchar)].into(),
            remarks: Some("query_cache, FRESH".into()),
        };
        let schema = described_schema(&object);
        let (id, note) = (schema.field(0), schema.field(1));
        assert!(!id.is_nullable() && note.is_nullable());
        for (name, value) in [
            ("TYPE_NAME", "DECIMAL"),
            ("PRECISION", "18"),
            ("SCALE", "2"),
            ("IS_AUTO_INCREMENT", "0"),
            ("TABLE_NAME", "sales"),
        ] {
            assert_eq!(id.metadata()[&key(name)], value, "{name}");
        }
        assert!(!note.metadata().contains_key(&key("SCALE")));
        assert_eq!(schema.metadata()[&key("REMARKS")], "query_cache, FRESH");
    }
}
