//! Definitions of sources.

use ducksync_core::{
    error::{Error, Result},
    name::Name,
    source::SourceDefinition,
};

use super::{bump, feeds, in_use, mark_deleted};
use crate::{
    Catalog,
    db::{DbError, DbResult, Tx, sql},
};

impl Catalog {
    pub(super) async fn store_source(&self, source: SourceDefinition, replace: bool) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let revision = bump(&mut tx).await?;
        if let Some(stored) = stored(&mut tx, &source.name).await?
            && !replace
        {
            tx.rollback().await?;
            if stored.same_as(&source) {
                return Ok(());
            }
            return Err(Error::already_exists(format!(
                "source {} exists with another definition",
                source.name
            ))
            .with_remedy("give or_replace := true to replace it"));
        }
        write(&mut tx, &source, revision).await?;
        self.commit_state(tx).await
    }

    pub(super) async fn forget_source(&self, name: &Name) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let revision = bump(&mut tx).await?;
        let users = source_users(&mut tx, name).await?;
        if !users.is_empty() {
            tx.rollback().await?;
            return Err(in_use(&format!("source {name}"), &users));
        }
        let removed = tx
            .execute(sql("DELETE FROM ducksync.sources WHERE name_folded = $1").bind(name.folded()))
            .await?;
        if removed == 0 {
            tx.rollback().await?;
            return Err(Error::not_found(format!("there is no source {name}"))
                .with_remedy("list_sources shows those there are"));
        }
        mark_deleted(&mut tx, revision).await?;
        self.commit_state(tx).await
    }
}

/// What decides whether two definitions of one name are the same: all but the time of making.
struct Stored {
    driver: String,
    secret: String,
    passthrough_enabled: bool,
    options: serde_json::Value,
}

impl Stored {
    fn same_as(&self, source: &SourceDefinition) -> bool {
        self.driver == source.driver.as_str()
            && source.secret.matches(&self.secret)
            && self.passthrough_enabled == source.passthrough_enabled
            && serde_json::to_value(&source.options).is_ok_and(|options| options == self.options)
    }
}

async fn stored(tx: &mut Tx, name: &Name) -> DbResult<Option<Stored>> {
    let row = tx
        .fetch_optional(
            sql(
                "SELECT driver, secret, passthrough_enabled, options FROM ducksync.sources \
                 WHERE name_folded = $1",
            )
            .bind(name.folded()),
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Stored {
        driver: row.get(0)?,
        secret: row.get(1)?,
        passthrough_enabled: row.get(2)?,
        options: row.json(3)?.unwrap_or_default(),
    }))
}

async fn write(tx: &mut Tx, source: &SourceDefinition, revision: i64) -> DbResult<()> {
    let options = serde_json::to_string(&source.options)
        .map_err(|error| DbError::Shape(error.to_string()))?;
    tx.execute(
        sql(
            "INSERT INTO ducksync.sources (name_folded, name, driver, secret, \
             passthrough_enabled, options, created_at, revision) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
             ON CONFLICT (name_folded) DO UPDATE SET name = excluded.name, \
             driver = excluded.driver, secret = excluded.secret, \
             passthrough_enabled = excluded.passthrough_enabled, options = excluded.options, \
             revision = excluded.revision",
        )
        .bind(source.name.folded())
        .bind(source.name.as_str())
        .bind(source.driver.as_str())
        .bind(source.secret.as_str())
        .bind(source.passthrough_enabled)
        .bind(options)
        .bind(source.created_at)
        .bind(revision),
    )
    .await?;
    Ok(())
}

async fn source_users(tx: &mut Tx, name: &Name) -> DbResult<Vec<String>> {
    let stored = feeds::stored(tx).await?;
    Ok(stored
        .into_iter()
        .filter(|(_, feed)| feeds::source(feed).matches(name.as_str()))
        .map(|(dataset, _)| dataset.to_string())
        .collect())
}
