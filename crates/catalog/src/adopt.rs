//! `init`: makes a DuckLake that is in the catalog's database already the lake of this catalog (C-1).

use ducksync_core::{
    error::{Error, Result},
    name::Name,
};

use crate::{
    Catalog,
    config::CatalogConfig,
    db::{Database, Engine, Tx, sql},
    ducklake,
    migrate::table_exists,
    publish::lock,
};

impl Catalog {
    /// Makes the DuckLake in `metadata_schema` of this catalog's database the lake, under the name
    /// `lake_name`. It takes effect when the catalog is opened again. (A SQLite file holds one lake:
    /// only the name changes.)
    ///
    /// # Errors
    /// `NotFound` if there is no lake; `FailedPrecondition` if it is of another format, or if this
    /// catalog has tables or datasets already.
    pub async fn adopt(&self, lake_name: &Name, metadata_schema: &str) -> Result<()> {
        let mut tx = self.db.begin().await?;
        lock::take(&mut tx).await?;
        let moves =
            self.db.engine() == Engine::Postgres && metadata_schema != self.db.metadata_schema();
        if moves {
            require_empty(&mut tx).await?;
            self.check_lake(metadata_schema).await?;
        }
        let schema = moves.then(|| metadata_schema.to_owned());
        let schema = schema.or_else(|| Some(self.db.metadata_schema().to_owned()));
        tx.execute(
            sql("UPDATE ducksync.state SET lake_name = $1, metadata_schema = $2")
                .bind(lake_name.as_str())
                .bind(schema),
        )
        .await?;
        Ok(tx.commit().await?)
    }

    async fn check_lake(&self, metadata_schema: &str) -> Result<()> {
        let there = self.db.with_lake(&self.config.schema, metadata_schema);
        let mut tx = there.snapshot().await?;
        if !table_exists(&mut tx, metadata_schema, "", "ducklake_metadata").await? {
            return Err(Error::not_found(format!(
                "schema {metadata_schema:?} of the catalog database holds no DuckLake"
            )));
        }
        ducklake::check(&ducklake::metadata(&mut tx).await?)?;
        Ok(tx.rollback().await?)
    }
}

async fn require_empty(tx: &mut Tx) -> Result<()> {
    let used = sql("SELECT (SELECT count(*) FROM ducksync.datasets) + \
                    (SELECT count(*) FROM lake.ducklake_table WHERE end_snapshot IS NULL)");
    let used: i64 = tx.fetch_one(used).await?.get(0)?;
    if used == 0 {
        return Ok(());
    }
    Err(
        Error::failed_precondition("this catalog holds datasets or tables already")
            .with_remedy("drop them first, or start a server with another catalog"),
    )
}

/// The lake's name: the one that `init` gave it, or the configured one.
pub(crate) async fn lake_name(db: &Database, config: &CatalogConfig) -> Result<String> {
    let row = db
        .fetch_one(sql("SELECT lake_name FROM ducksync.state"))
        .await?;
    let adopted: Option<String> = row.optional(0)?;
    Ok(adopted.unwrap_or_else(|| config.lake_name.clone()))
}
