//! The schemas of the key commands. Lake tables have no keys (V-18), so their answers are empty.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

fn name(name: &str) -> Field {
    Field::new(name, DataType::Utf8, false)
}

/// Of primary keys.
pub(super) fn primary() -> SchemaRef {
    Arc::new(Schema::new(vec![
        text("catalog_name"),
        text("db_schema_name"),
        name("table_name"),
        name("column_name"),
        Field::new("key_sequence", DataType::Int32, false),
        text("key_name"),
    ]))
}

/// Of foreign keys, seen from either side.
pub(super) fn foreign() -> SchemaRef {
    Arc::new(Schema::new(vec![
        text("pk_catalog_name"),
        text("pk_db_schema_name"),
        name("pk_table_name"),
        name("pk_column_name"),
        text("fk_catalog_name"),
        text("fk_db_schema_name"),
        name("fk_table_name"),
        name("fk_column_name"),
        Field::new("key_sequence", DataType::Int32, false),
        text("fk_key_name"),
        text("pk_key_name"),
        Field::new("update_rule", DataType::UInt8, false),
        Field::new("delete_rule", DataType::UInt8, false),
    ]))
}
