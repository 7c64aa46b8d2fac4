//! `ducklake_schema` and `ducklake_view`, as one snapshot shows them.

use std::{collections::HashMap, sync::Arc};

use ducksync_core::{
    id::SnapshotId,
    name::TableName,
    version::{LakeSchema, View},
};

use super::path;
use crate::db::{DbResult, Tx, sql};

/// The schemas of a snapshot by their catalog ids.
pub(crate) type Schemas = HashMap<i64, Arc<LakeSchema>>;

/// A view with its catalog id.
#[derive(Debug, Clone)]
pub(crate) struct LiveView {
    pub(crate) id: i64,
    pub(crate) view: Arc<View>,
}

/// All schemas of `snapshot`.
pub(crate) async fn schemas(
    tx: &mut Tx,
    snapshot: SnapshotId,
    data_path: &str,
) -> DbResult<Schemas> {
    let rows = tx
        .fetch_all(
            sql(
                "SELECT schema_id, schema_name, path, path_is_relative FROM lake.ducklake_schema \
                 WHERE begin_snapshot <= $1 AND (end_snapshot IS NULL OR end_snapshot > $1)",
            )
            .bind(snapshot.0),
        )
        .await?;
    rows.iter()
        .map(|row| {
            let stored = row.optional::<String>(2)?.unwrap_or_default();
            let relative = row.optional(3)?.unwrap_or(true);
            let schema = LakeSchema {
                name: row.get(1)?,
                directory: path::directory(path::resolve(data_path, &stored, relative)),
            };
            Ok((row.get(0)?, Arc::new(schema)))
        })
        .collect()
}

/// All views of `snapshot` in these schemas.
pub(crate) async fn views(
    tx: &mut Tx,
    snapshot: SnapshotId,
    schemas: &Schemas,
) -> DbResult<Vec<LiveView>> {
    let rows = tx
        .fetch_all(
            sql(
                "SELECT view_id, schema_id, view_name, sql, column_aliases FROM lake.ducklake_view \
                 WHERE begin_snapshot <= $1 AND (end_snapshot IS NULL OR end_snapshot > $1)",
            )
            .bind(snapshot.0),
        )
        .await?;
    let mut views = Vec::with_capacity(rows.len());
    for row in rows {
        let schema_id = row.get(1)?;
        let Some(schema) = schemas.get(&schema_id) else {
            continue;
        };
        let aliases: Option<String> = row.optional(4)?;
        let view = View {
            name: TableName::new(&schema.name, row.get::<String>(2)?),
            sql: row.get(3)?,
            column_aliases: parse_aliases(aliases.as_deref().unwrap_or_default()),
        };
        views.push(LiveView {
            id: row.get(0)?,
            view: Arc::new(view),
        });
    }
    Ok(views)
}

/// The text of `column_aliases`: quoted names, comma-separated.
pub(crate) fn alias_text(aliases: &[String]) -> String {
    let quoted: Vec<_> = aliases
        .iter()
        .map(|name| ducksync_core::name::quote(name))
        .collect();
    quoted.join(",")
}

/// Reads `column_aliases`, whether its names are quoted or not.
fn parse_aliases(text: &str) -> Vec<String> {
    let mut aliases = Vec::new();
    let mut chars = text.trim().chars().peekable();
    while chars.peek().is_some() {
        let mut alias = String::new();
        let mut quoted = false;
        while let Some(c) = chars.next_if(|c| quoted || *c != ',') {
            match c {
                '"' if quoted && chars.next_if_eq(&'"').is_some() => alias.push('"'),
                '"' => quoted = !quoted,
                c => alias.push(c),
            }
        }
        chars.next();
        aliases.push(alias.trim().to_owned());
    }
    aliases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_come_back_as_they_were() {
        let aliases = ["a".to_owned(), "b, \"c\"".to_owned()];
        assert_eq!(parse_aliases(&alias_text(&aliases)), aliases);
        assert_eq!(parse_aliases("x, y"), ["x", "y"]);
        assert_eq!(parse_aliases(""), Vec::<String>::new());
    }
}
