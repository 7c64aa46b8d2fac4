//! Rows that other clients keep in the catalog instead of files ("inlined"): found, not read.

use std::collections::HashSet;

use ducksync_core::{id::SnapshotId, name::quote};

use super::tables::Which;
use crate::db::{DbResult, Engine, Row, Statement, Tx, sql};

/// Where other clients keep rows, and where deletions: the latter is listed nowhere but in the
/// database's own catalog.
const PLACES_POSTGRES: &str = "SELECT table_id, table_name, false FROM lake.ducklake_inlined_data_tables \
     UNION ALL SELECT substr(c.relname::text, 25)::bigint, c.relname::text, true FROM pg_class c \
     WHERE c.relname ~ '^ducklake_inlined_delete_[0-9]+$' AND c.relnamespace = \
     (SELECT relnamespace FROM pg_class WHERE oid = 'lake.ducklake_table'::regclass)";
const PLACES_SQLITE: &str = "SELECT table_id, table_name, 0 FROM lake.ducklake_inlined_data_tables \
     UNION ALL SELECT CAST(substr(name, 25) AS INTEGER), name, 1 FROM sqlite_master \
     WHERE name GLOB 'ducklake_inlined_delete_[0-9]*' AND type = 'table'";

/// The tables among `which` that have inlined rows, or inlined deletions, at `snapshot`.
pub(crate) async fn inlined_tables(
    tx: &mut Tx,
    snapshot: SnapshotId,
    which: &Which,
) -> DbResult<HashSet<i64>> {
    let places = match tx.engine() {
        Engine::Postgres => sql(PLACES_POSTGRES),
        Engine::Sqlite => sql(PLACES_SQLITE),
    };
    let mut found = HashSet::new();
    for row in tx.fetch_all(places).await? {
        let table: i64 = row.get(0)?;
        let asked = match which {
            Which::All => true,
            Which::Tables(ids) => ids.contains(&table),
        };
        if asked && !found.contains(&table) && has_rows(tx, snapshot, &row).await? {
            found.insert(table);
        }
    }
    Ok(found)
}

async fn has_rows(tx: &mut Tx, snapshot: SnapshotId, place: &Row) -> DbResult<bool> {
    let name = quote(&place.get::<String>(1)?);
    let live = match place.get::<bool>(2)? {
        // A deletion stays until it is flushed.
        true => "",
        false => "AND (end_snapshot IS NULL OR end_snapshot > $1)",
    };
    let rows = format!("SELECT 1 FROM lake.{name} WHERE begin_snapshot <= $1 {live} LIMIT 1");
    let rows = Statement::once(rows).bind(snapshot.0);
    Ok(tx.fetch_optional(rows).await?.is_some())
}
