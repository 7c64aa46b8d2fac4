//! Which tables a snapshot changed, read from DuckLake's `changes_made`:
//! `created_table:"s"."t",inserted_into_table:12`.

use std::collections::HashMap;

use ducksync_core::{id::DatasetId, name::TableName};

use crate::db::{DbResult, Tx, sql};

/// Every table that some snapshot shows, under all names it had.
pub(super) struct TableNames {
    by_id: HashMap<i64, Vec<Naming>>,
}

struct Naming {
    table: ChangedTable,
    begin: i64,
    end: i64,
}

/// A table as a snapshot names it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ChangedTable {
    pub(super) dataset: DatasetId,
    pub(super) name: TableName,
}

impl TableNames {
    pub(super) async fn load(tx: &mut Tx) -> DbResult<Self> {
        let rows = tx
            .fetch_all(sql(
                "SELECT t.table_id, t.table_uuid, t.begin_snapshot, t.end_snapshot, \
                 s.schema_name, t.table_name FROM lake.ducklake_table t \
                 JOIN lake.ducklake_schema s ON s.schema_id = t.schema_id",
            ))
            .await?;
        let mut by_id: HashMap<i64, Vec<Naming>> = HashMap::new();
        for row in rows {
            let table = ChangedTable {
                dataset: DatasetId(row.get(1)?),
                name: TableName::new(row.get::<String>(4)?, row.get::<String>(5)?),
            };
            by_id.entry(row.get(0)?).or_default().push(Naming {
                table,
                begin: row.get(2)?,
                end: row.optional(3)?.unwrap_or(i64::MAX),
            });
        }
        Ok(Self { by_id })
    }

    /// The tables that `snapshot` changed. One that was dropped and that no snapshot shows any more
    /// has no name left, and is left out.
    pub(super) fn changed(&self, snapshot: i64, changes: &str) -> Vec<ChangedTable> {
        let mut changed = Vec::new();
        for change in split(changes) {
            let Some((kind, object)) = change.split_once(':') else {
                continue;
            };
            if ["schema", "view", "macro"]
                .iter()
                .any(|other| kind.contains(other))
            {
                continue;
            }
            let table = match object.parse() {
                Ok(id) => self.named(id, snapshot),
                Err(_) => self.created(object, snapshot),
            };
            if let Some(table) = table.filter(|table| !changed.contains(*table)) {
                changed.push(table.clone());
            }
        }
        changed
    }

    /// The name at that snapshot; the last one for a table that it dropped.
    fn named(&self, id: i64, snapshot: i64) -> Option<&ChangedTable> {
        let namings = self.by_id.get(&id)?;
        let at = namings
            .iter()
            .find(|n| n.begin <= snapshot && snapshot < n.end);
        at.or_else(|| namings.iter().find(|n| n.end == snapshot))
            .map(|naming| &naming.table)
    }

    fn created(&self, quoted: &str, snapshot: i64) -> Option<&ChangedTable> {
        let (schema, name) = unquote(quoted)?;
        let wanted = TableName::new(schema, name);
        let mut namings = self.by_id.values().flatten();
        namings
            .find(|n| n.begin == snapshot && n.table.name == wanted)
            .map(|naming| &naming.table)
    }
}

/// The changes, separated by commas that are not inside quotes.
fn split(changes: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    changes.split(move |c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
}

/// The parts of `"schema"."table"`, quotes doubled inside.
fn unquote(text: &str) -> Option<(String, String)> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let mut places = inner.match_indices("\".\"").map(|(place, _)| place);
    // The border is where an even number of quotes lies before it: quotes inside are doubled.
    let border = places.find(|place| inner[..*place].matches('"').count() % 2 == 0)?;
    let part = |text: &str| text.replace("\"\"", "\"");
    Some((part(&inner[..border]), part(&inner[border + 3..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_commas_and_quotes_are_read_as_written() {
        let changes = r#"created_table:"a,b"."c"".""d",inserted_into_table:12"#;
        let parts: Vec<_> = split(changes).collect();
        assert_eq!(
            parts,
            [r#"created_table:"a,b"."c"".""d""#, "inserted_into_table:12"]
        );
        assert_eq!(
            unquote(r#""a,b"."c"".""d""#),
            Some(("a,b".to_owned(), r#"c"."d"#.to_owned()))
        );
        assert_eq!(unquote("12"), None);
    }
}
