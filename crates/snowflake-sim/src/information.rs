//! The information schema: a copy per statement, made of what the catalog knows at that moment.

use duckdb::Connection;

use crate::catalog::{Catalog, Object, ObjectKind};
use crate::engine::Engine;
use crate::error::SqlError;
use crate::names::ObjectName;
use crate::rewrite::{literal, scratch_schema};

const TABLES: &str = "TABLE_CATALOG VARCHAR, TABLE_SCHEMA VARCHAR, TABLE_NAME VARCHAR, TABLE_OWNER VARCHAR, TABLE_TYPE VARCHAR, \
     IS_TRANSIENT VARCHAR, CLUSTERING_KEY VARCHAR, ROW_COUNT DECIMAL(38,0), BYTES DECIMAL(38,0), RETENTION_TIME DECIMAL(38,0), \
     CREATED TIMESTAMPTZ, LAST_ALTERED TIMESTAMPTZ, LAST_DDL TIMESTAMPTZ, LAST_DDL_BY VARCHAR, AUTO_CLUSTERING_ON VARCHAR, COMMENT VARCHAR";
const VIEWS: &str = "TABLE_CATALOG VARCHAR, TABLE_SCHEMA VARCHAR, TABLE_NAME VARCHAR, TABLE_OWNER VARCHAR, VIEW_DEFINITION VARCHAR, \
     CHECK_OPTION VARCHAR, IS_UPDATABLE VARCHAR, IS_SECURE VARCHAR, CREATED TIMESTAMPTZ, LAST_ALTERED TIMESTAMPTZ, LAST_DDL TIMESTAMPTZ, COMMENT VARCHAR";
const COLUMNS: &str = "TABLE_CATALOG VARCHAR, TABLE_SCHEMA VARCHAR, TABLE_NAME VARCHAR, COLUMN_NAME VARCHAR, ORDINAL_POSITION DECIMAL(9,0), \
     COLUMN_DEFAULT VARCHAR, IS_NULLABLE VARCHAR, DATA_TYPE VARCHAR, CHARACTER_MAXIMUM_LENGTH DECIMAL(9,0), CHARACTER_OCTET_LENGTH DECIMAL(9,0), \
     NUMERIC_PRECISION DECIMAL(9,0), NUMERIC_PRECISION_RADIX DECIMAL(9,0), NUMERIC_SCALE DECIMAL(9,0), DATETIME_PRECISION DECIMAL(9,0), COMMENT VARCHAR";
const SCHEMATA: &str = "CATALOG_NAME VARCHAR, SCHEMA_NAME VARCHAR, SCHEMA_OWNER VARCHAR, CREATED TIMESTAMPTZ, LAST_ALTERED TIMESTAMPTZ, COMMENT VARCHAR";
const DATABASES: &str = "DATABASE_NAME VARCHAR, DATABASE_OWNER VARCHAR, IS_TRANSIENT VARCHAR, COMMENT VARCHAR, CREATED TIMESTAMPTZ, LAST_ALTERED TIMESTAMPTZ";

/// Makes the copy for one database; rows and bytes are counted as the tables are now.
pub(crate) fn create(
    engine: &Engine,
    connection: &Connection,
    scratch: u64,
    database: &str,
) -> Result<(), SqlError> {
    let objects = objects(&engine.catalog(), database)?;
    let mut tables = Vec::new();
    let mut views = Vec::new();
    let mut columns = Vec::new();
    for (name, object) in &objects {
        let size = if object.is_view() {
            None
        } else {
            Some(engine.size(connection, name)?)
        };
        tables.push(table_row(name, object, size));
        views.extend(view_row(name, object));
        columns.extend(column_rows(name, object));
    }
    let (schemata, databases) = containers(&engine.catalog(), database);
    let schema = scratch_schema(scratch, database);
    let mut sql = format!("CREATE SCHEMA {schema};");
    for (name, definition, rows) in [
        ("TABLES", TABLES, tables),
        ("VIEWS", VIEWS, views),
        ("COLUMNS", COLUMNS, columns),
        ("SCHEMATA", SCHEMATA, schemata),
        ("DATABASES", DATABASES, databases),
    ] {
        sql.push_str(&format!("CREATE TABLE {schema}.\"{name}\" ({definition});"));
        if !rows.is_empty() {
            sql.push_str(&format!(
                "INSERT INTO {schema}.\"{name}\" VALUES {};",
                rows.join(", ")
            ));
        }
    }
    Ok(connection.execute_batch(&sql)?)
}

pub(crate) fn drop(connection: &Connection, scratch: u64, database: &str) -> Result<(), SqlError> {
    Ok(connection.execute_batch(&format!(
        "DROP SCHEMA {} CASCADE",
        scratch_schema(scratch, database)
    ))?)
}

fn objects(catalog: &Catalog, database: &str) -> Result<Vec<(ObjectName, Object)>, SqlError> {
    let found = catalog
        .databases
        .get(database)
        .ok_or_else(|| SqlError::missing("Database", database))?;
    let every = found.schemas.iter().flat_map(|(schema, objects)| {
        objects
            .objects
            .iter()
            .map(move |(name, object)| (ObjectName::new(database, schema, name), object.clone()))
    });
    Ok(every.collect())
}

fn row(cells: &[Option<String>]) -> String {
    let cells: Vec<String> = cells
        .iter()
        .map(|cell| cell.as_deref().map_or_else(|| "NULL".to_owned(), literal))
        .collect();
    format!("({})", cells.join(", "))
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn table_row(name: &ObjectName, object: &Object, size: Option<(u64, u64)>) -> String {
    row(&[
        some(&name.database),
        some(&name.schema),
        some(&name.name),
        some("SYSADMIN"),
        some(if object.is_view() {
            "VIEW"
        } else {
            "BASE TABLE"
        }),
        size.map(|_| "NO".to_owned()),
        None,
        size.map(|(rows, _)| rows.to_string()),
        size.map(|(_, bytes)| bytes.to_string()),
        match object.kind {
            ObjectKind::Table { retention_days, .. } => Some(retention_days.to_string()),
            ObjectKind::View { .. } => None,
        },
        Some(object.created.to_rfc3339()),
        Some(object.last_altered.to_rfc3339()),
        Some(object.last_ddl.to_rfc3339()),
        some("SYSADMIN"),
        some("NO"),
        Some(object.comment.clone()).filter(|comment| !comment.is_empty()),
    ])
}

fn view_row(name: &ObjectName, object: &Object) -> Option<String> {
    let ObjectKind::View { text, secure, .. } = &object.kind else {
        return None;
    };
    Some(row(&[
        some(&name.database),
        some(&name.schema),
        some(&name.name),
        some("SYSADMIN"),
        some(text),
        some("NONE"),
        some("NO"),
        some(if *secure { "YES" } else { "NO" }),
        Some(object.created.to_rfc3339()),
        Some(object.last_altered.to_rfc3339()),
        Some(object.last_ddl.to_rfc3339()),
        Some(object.comment.clone()).filter(|comment| !comment.is_empty()),
    ]))
}

fn column_rows(name: &ObjectName, object: &Object) -> Vec<String> {
    let number = |value: Option<u64>| value.map(|value| value.to_string());
    let rows = object.columns.iter().enumerate().map(|(at, column)| {
        let kind = &column.kind;
        let numeric = kind.data_type() == "NUMBER";
        let temporal = !numeric && kind.scale().is_some();
        row(&[
            some(&name.database),
            some(&name.schema),
            some(&name.name),
            some(&column.name),
            Some((at + 1).to_string()),
            column.default.clone(),
            some(if column.nullable { "YES" } else { "NO" }),
            Some(kind.data_type()),
            number(kind.length()),
            number(kind.byte_length()),
            number(kind.precision().filter(|_| numeric).map(u64::from)),
            number(numeric.then_some(10)),
            number(kind.scale().filter(|_| numeric).map(u64::from)),
            number(kind.scale().filter(|_| temporal).map(u64::from)),
            column.comment.clone(),
        ])
    });
    rows.collect()
}

/// The rows of SCHEMATA (with the information schema itself) and DATABASES.
fn containers(catalog: &Catalog, of: &str) -> (Vec<String>, Vec<String>) {
    let mut schemata = Vec::new();
    let mut databases = Vec::new();
    for (name, database) in &catalog.databases {
        let created = Some(database.created.to_rfc3339());
        databases.push(row(&[
            some(name),
            some("SYSADMIN"),
            some("NO"),
            None,
            created.clone(),
            created.clone(),
        ]));
        if name == of {
            schemata.push(row(&[
                some(name),
                some("INFORMATION_SCHEMA"),
                None,
                created.clone(),
                created.clone(),
                None,
            ]));
            for (schema, entry) in &database.schemas {
                let created = Some(entry.created.to_rfc3339());
                schemata.push(row(&[
                    some(name),
                    some(schema),
                    some("SYSADMIN"),
                    created.clone(),
                    created,
                    None,
                ]));
            }
        }
    }
    (schemata, databases)
}
