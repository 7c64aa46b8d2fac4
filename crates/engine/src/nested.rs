//! Guards nested columns of files that are read by field id.
//!
//! DuckDB maps field ids of top-level columns only: a renamed part of a nested one would read as NULL
//! without an error. So the parts of every such file are compared with the version's, and a difference
//! is refused by name. Our own DDL changes top-level columns only, so this is about foreign writers.

use std::collections::HashMap;

use arrow::{
    array::{Array, AsArray},
    datatypes::Int64Type,
};
use ducksync_core::{Error, Result, types::Field, version::Version};

use crate::{duck::Connection, relation::file_list};

/// Names and ids of a column's parts, parents before children.
type Parts = Vec<(i64, String)>;

/// Checks every file of `version` that is read by field id.
///
/// # Errors
/// `Unimplemented` naming file and column whose parts differ.
pub(crate) fn check(connection: &Connection, version: &Version) -> Result<()> {
    let nested: Vec<&Field> = version
        .columns
        .iter()
        .filter(|column| column.lake_type.is_nested())
        .collect();
    if nested.is_empty() {
        return Ok(());
    }
    for file in version.files.iter().filter(|file| !file.current_columns) {
        let stored = parts_of_file(connection, &file.location)?;
        for column in &nested {
            let differ = stored
                .get(&column.id.0)
                .is_some_and(|parts| *parts != parts_of_field(column));
            if differ {
                return Err(Error::unimplemented(format!(
                    "column {:?} of {} has other parts in {}",
                    column.name, version.name, file.location
                ))
                .with_remedy("rewrite the table, so that all its files have the same columns"));
            }
        }
    }
    Ok(())
}

fn parts_of_field(field: &Field) -> Parts {
    let mut parts = Parts::new();
    for child in field.lake_type.children() {
        parts.push((child.id.0, child.name.clone()));
        parts.extend(parts_of_field(child));
    }
    parts
}

struct Node {
    name: String,
    id: Option<i64>,
    children: i64,
}

fn parts_of_file(connection: &Connection, location: &str) -> Result<HashMap<i64, Parts>> {
    let nodes = read_nodes(connection, location)?;
    let mut nodes = nodes.into_iter();
    let root = nodes.next();
    let mut columns = HashMap::new();
    for _ in 0..root.map_or(0, |root| root.children) {
        let mut parts = Parts::new();
        if let Some(id) = collect(&mut nodes, &mut parts) {
            parts.remove(0);
            columns.insert(id, parts);
        }
    }
    Ok(columns)
}

/// Collects one node and all below it; nodes without an id are Parquet's own layers.
fn collect(nodes: &mut impl Iterator<Item = Node>, parts: &mut Parts) -> Option<i64> {
    let node = nodes.next()?;
    if let Some(id) = node.id {
        parts.push((id, node.name));
    }
    for _ in 0..node.children {
        collect(nodes, parts);
    }
    node.id
}

fn read_nodes(connection: &Connection, location: &str) -> Result<Vec<Node>> {
    let list = file_list([location].into_iter());
    let sql = format!(
        "SELECT name::VARCHAR, field_id::BIGINT, coalesce(num_children, 0)::BIGINT \
         FROM parquet_schema({list})"
    );
    let fail = |error: crate::duck::DuckError| error.into_error("engine.memory_limit");
    let mut rows = connection.query(&sql).map_err(fail)?;
    let mut nodes = Vec::new();
    while let Some(chunk) = rows.next().map_err(fail)? {
        let names = chunk.column(0).as_string::<i32>();
        let ids = chunk.column(1).as_primitive::<Int64Type>();
        let children = chunk.column(2).as_primitive::<Int64Type>();
        nodes.extend((0..chunk.len()).map(|row| Node {
            name: names.value(row).to_owned(),
            id: ids.is_valid(row).then(|| ids.value(row)),
            children: children.value(row),
        }));
    }
    Ok(nodes)
}
