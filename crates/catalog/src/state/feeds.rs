//! Feeds as they are stored, and what they need.

use ducksync_core::{
    dataset::Feed,
    name::{Name, TableName},
};

use crate::db::{DbError, DbResult, Tx, sql};

/// The stored form of a feed.
pub(super) fn write(feed: &Feed) -> DbResult<String> {
    serde_json::to_string(feed).map_err(|error| DbError::Shape(error.to_string()))
}

/// All datasets with a feed.
pub(super) async fn stored(tx: &mut Tx) -> DbResult<Vec<(TableName, Feed)>> {
    let rows = tx
        .fetch_all(sql(
            "SELECT schema_name, name, feed FROM ducksync.datasets WHERE feed IS NOT NULL \
             ORDER BY schema_name, name",
        ))
        .await?;
    let mut feeds = Vec::with_capacity(rows.len());
    for row in rows {
        let name = TableName::new(row.get::<String>(0)?, row.get::<String>(1)?);
        if let Some(feed) = row.json(2)? {
            feeds.push((name, feed));
        }
    }
    Ok(feeds)
}

/// The source that a feed reads.
pub(super) fn source(feed: &Feed) -> &Name {
    match feed {
        Feed::QueryCache(cache) => &cache.source,
    }
}

/// The secret that a feed names itself, beside its source's.
pub(super) fn secret(feed: &Feed) -> Option<&Name> {
    match feed {
        Feed::QueryCache(cache) => cache.metadata_secret.as_ref(),
    }
}
