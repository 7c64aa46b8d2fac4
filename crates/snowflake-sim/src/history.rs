//! What tables with change tracking have held: for CHANGES and for time travel.
//!
//! A history has one entry for each version of each row: the row's number, its place in the table
//! (DuckDB's `rowid`), the changes that made and ended the version, and the values. It is brought up
//! to date after each commit by comparison with the table, so it does not matter which statement
//! changed what. Two points of a history differ by the versions that are alive at exactly one of them.
//!
//! An UPDATE keeps a row's place, and so its number; DuckDB moves a row only if a VECTOR of it is
//! assigned, which then shows as a deletion and an insertion of two rows.

use std::collections::BTreeSet;

use duckdb::Connection;

use crate::catalog::{Catalog, Change, Column, Object};
use crate::engine::{Context, Engine};
use crate::error::SqlError;
use crate::names::{self, ObjectName};
use crate::types::SnowflakeType;

/// The attached database that holds the histories.
pub(crate) const HISTORY_CATALOG: &str = "sim~history";

/// Makes that database. Checkpoints would move rows to other places.
pub(crate) const SETUP: &str =
    "ATTACH ':memory:' AS \"sim~history\"; CREATE SEQUENCE \"sim~history\".main.ROW_NUMBERS;
     SET GLOBAL checkpoint_threshold = '1TB';";

/// What CHANGES is asked to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Information {
    /// The difference between two points.
    Default,
    /// The rows inserted between them, as inserted, whatever became of them.
    AppendOnly,
}

/// The history of the table whose changes have been tracked since this change.
pub(crate) fn table(since: Change) -> String {
    format!("\"{HISTORY_CATALOG}\".main.\"H{since}\"")
}

/// The table whose history DuckDB knows by this name.
pub(crate) fn owner<'a>(catalog: &'a Catalog, history: &str) -> Option<(ObjectName, &'a Object)> {
    catalog.tracked_since(history.strip_prefix('H')?.parse().ok()?)
}

/// Makes the histories that tables lack, and drops those whose tables are gone. For the holder of
/// `commits`.
pub(crate) fn reconcile(engine: &Engine) -> Result<(), SqlError> {
    let connection = engine.connect(&Context::default())?;
    let tracked: Vec<(ObjectName, Object)> = engine
        .catalog()
        .objects()
        .filter(|(_, object)| object.tracked().is_some())
        .map(|(name, object)| (name, object.clone()))
        .collect();
    let found = histories(&connection)?;
    let wanted: BTreeSet<Change> = tracked.iter().filter_map(|(_, o)| o.tracked()).collect();
    for since in found.difference(&wanted) {
        connection.execute_batch(&format!("DROP TABLE {}", table(*since)))?;
    }
    for (name, object) in &tracked {
        if let Some(since) = object.tracked().filter(|since| !found.contains(since)) {
            create(&connection, object, since)?;
            record(&connection, name, object, since)?;
        }
    }
    Ok(())
}

fn histories(connection: &Connection) -> Result<BTreeSet<Change>, SqlError> {
    let mut statement = connection.prepare(&format!(
        "SELECT CAST(substr(table_name, 2) AS UBIGINT) FROM duckdb_tables() WHERE database_name = '{HISTORY_CATALOG}'"
    ))?;
    let found = statement.query_map([], |row| row.get::<_, Change>(0))?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn create(connection: &Connection, object: &Object, since: Change) -> Result<(), SqlError> {
    let columns = object.columns.iter().map(|column| {
        format!(
            ", {} {}",
            names::quoted(&column.name),
            column.kind.physical()
        )
    });
    let columns: String = columns.collect();
    Ok(connection.execute_batch(&format!(
        "CREATE TABLE {} (\"sim~row\" UBIGINT, \"sim~place\" BIGINT, \"sim~first\" BOOLEAN, \"sim~born\" UBIGINT, \"sim~died\" UBIGINT{columns})",
        table(since)
    ))?)
}

/// Brings a table's history, if it has one, up to what the table holds after a change.
pub(crate) fn record(
    connection: &Connection,
    name: &ObjectName,
    object: &Object,
    change: Change,
) -> Result<(), SqlError> {
    let Some(since) = object.tracked() else {
        return Ok(());
    };
    let history = table(since);
    let rows = name.quoted();
    let columns: Vec<String> = object
        .columns
        .iter()
        .map(|column| names::quoted(&column.name))
        .collect();
    let same: String = object.columns.iter().map(unchanged).collect();
    let listed: String = columns.iter().map(|column| format!(", {column}")).collect();
    let chosen: String = columns
        .iter()
        .map(|column| format!(", t.{column}"))
        .collect();
    Ok(connection.execute_batch(&format!(
        "BEGIN TRANSACTION;
         UPDATE {history} AS h SET \"sim~died\" = {change} WHERE \"sim~died\" IS NULL
             AND NOT EXISTS (FROM {rows} AS t WHERE t.rowid = h.\"sim~place\"{same});
         INSERT INTO {history} (\"sim~row\", \"sim~place\", \"sim~first\", \"sim~born\"{listed})
             SELECT coalesce(h.\"sim~row\", nextval('\"{HISTORY_CATALOG}\".main.ROW_NUMBERS')), t.rowid, h.\"sim~row\" IS NULL, {change}{chosen}
             FROM {rows} AS t LEFT JOIN {history} AS h ON h.\"sim~place\" = t.rowid AND h.\"sim~died\" = {change}
             WHERE t.rowid NOT IN (SELECT \"sim~place\" FROM {history} WHERE \"sim~died\" IS NULL);
         COMMIT;"
    ))?)
}

/// Whether a column holds the same value. DuckDB has `0.0` equal to `-0.0`, which are told apart on the wire.
fn unchanged(column: &Column) -> String {
    let name = names::quoted(&column.name);
    match column.kind {
        SnowflakeType::Real => {
            format!(" AND CAST(t.{name} AS VARCHAR) IS NOT DISTINCT FROM CAST(h.{name} AS VARCHAR)")
        }
        _ => format!(" AND t.{name} IS NOT DISTINCT FROM h.{name}"),
    }
}

/// Drops the versions that ended before this change.
pub(crate) fn forget(
    connection: &Connection,
    since: Change,
    change: Change,
) -> Result<(), SqlError> {
    let history = table(since);
    connection.execute(
        &format!("DELETE FROM {history} WHERE \"sim~died\" <= {change}"),
        [],
    )?;
    Ok(())
}

/// The table's rows at a point, as a query.
pub(crate) fn rows_at(object: &Object, since: Change, at: Change) -> String {
    format!(
        "SELECT {} FROM {} AS h WHERE {}",
        columns(object),
        table(since),
        alive(at)
    )
}

/// What changed after one point and up to another, as a query with CHANGES's three columns at its end.
pub(crate) fn changes(
    object: &Object,
    since: Change,
    information: Information,
    (from, to): (Change, Change),
) -> String {
    let (action, updated, chosen) = match information {
        Information::Default => (
            format!("CASE WHEN {} THEN 'DELETE' ELSE 'INSERT' END", alive(from)),
            "count(*) OVER (PARTITION BY h.\"sim~row\") > 1",
            format!("({}) <> ({})", alive(from), alive(to)),
        ),
        Information::AppendOnly => (
            "'INSERT'".to_owned(),
            "FALSE",
            format!("h.\"sim~first\" AND h.\"sim~born\" > {from} AND h.\"sim~born\" <= {to}"),
        ),
    };
    format!(
        "SELECT {}, {action} AS \"METADATA$ACTION\", {updated} AS \"METADATA$ISUPDATE\", \
         sha1(concat('{since}:', h.\"sim~row\")) AS \"METADATA$ROW_ID\" FROM {} AS h WHERE {chosen}",
        columns(object),
        table(since)
    )
}

fn columns(object: &Object) -> String {
    let columns: Vec<String> = object
        .columns
        .iter()
        .map(|column| format!("h.{}", names::quoted(&column.name)))
        .collect();
    columns.join(", ")
}

/// Whether a version is alive at a point.
fn alive(at: Change) -> String {
    format!("h.\"sim~born\" <= {at} AND coalesce(h.\"sim~died\" > {at}, TRUE)")
}
