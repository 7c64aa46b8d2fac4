//! Secrets, sealed with a key that the catalog does not hold (G-11).

use async_trait::async_trait;
use ducksync_core::{
    catalog::SecretStore,
    error::{Error, Result},
    name::Name,
    secret::{ExposedSecret, Secret},
};

use super::{bump, feeds, in_use};
use crate::{
    Catalog,
    db::{DbResult, Tx, sql},
};

#[async_trait]
impl SecretStore for Catalog {
    async fn put_secret(&self, name: &Name, secret: &Secret, replace: bool) -> Result<()> {
        let clear = serde_json::to_vec(&ExposedSecret::from(secret))
            .map_err(|_| Error::internal("a secret cannot be written as JSON"))?;
        let sealed = self.sealing.seal(&name.folded(), &clear)?;
        let mut tx = self.db.begin().await?;
        let revision = bump(&mut tx).await?;
        let removed = tx
            .execute(sql("DELETE FROM ducksync.secrets WHERE name_folded = $1").bind(name.folded()))
            .await?;
        if removed > 0 && !replace {
            tx.rollback().await?;
            return Err(
                Error::already_exists(format!("secret {name} exists already"))
                    .with_remedy("use CREATE OR REPLACE SECRET to replace it"),
            );
        }
        tx.execute(
            sql(
                "INSERT INTO ducksync.secrets (name_folded, name, kind, sealed) \
                 VALUES ($1, $2, $3, $4)",
            )
            .bind(name.folded())
            .bind(name.as_str())
            .bind(secret.kind.as_str())
            .bind(sealed),
        )
        .await?;
        // Sources that log in with it show as changed, and are opened anew.
        tx.execute(
            sql("UPDATE ducksync.sources SET revision = $1 WHERE lower(secret) = $2")
                .bind(revision)
                .bind(name.folded()),
        )
        .await?;
        self.commit_state(tx).await
    }

    async fn secret(&self, name: &Name) -> Result<Secret> {
        let row = self
            .db
            .fetch_optional(
                sql("SELECT sealed FROM ducksync.secrets WHERE name_folded = $1")
                    .bind(name.folded()),
            )
            .await?
            .ok_or_else(|| not_found(name))?;
        let sealed: Vec<u8> = row.get(0)?;
        self.sealing
            .open(&name.folded(), &sealed)
            .and_then(|clear| serde_json::from_slice::<ExposedSecret>(&clear).ok())
            .map(Secret::from)
            .ok_or_else(|| {
                Error::failed_precondition(format!("secret {name} does not open with this key"))
                    .with_remedy("restore secret_key_file, or create the secret again")
            })
    }

    async fn drop_secret(&self, name: &Name) -> Result<()> {
        let mut tx = self.db.begin().await?;
        bump(&mut tx).await?;
        let users = secret_users(&mut tx, name).await?;
        if !users.is_empty() {
            tx.rollback().await?;
            return Err(in_use(&format!("secret {name}"), &users));
        }
        let removed = tx
            .execute(sql("DELETE FROM ducksync.secrets WHERE name_folded = $1").bind(name.folded()))
            .await?;
        if removed == 0 {
            tx.rollback().await?;
            return Err(not_found(name));
        }
        self.commit_state(tx).await
    }
}

/// Sources that log in with the secret, and caches that check with it.
async fn secret_users(tx: &mut Tx, name: &Name) -> DbResult<Vec<String>> {
    let rows = tx
        .fetch_all(
            sql("SELECT name FROM ducksync.sources WHERE lower(secret) = $1 ORDER BY name_folded")
                .bind(name.folded()),
        )
        .await?;
    let mut users = Vec::with_capacity(rows.len());
    for row in rows {
        users.push(format!("source {}", row.get::<String>(0)?));
    }
    for (dataset, feed) in feeds::stored(tx).await? {
        if feeds::secret(&feed).is_some_and(|secret| secret.matches(name.as_str())) {
            users.push(format!("dataset {dataset}"));
        }
    }
    Ok(users)
}

fn not_found(name: &Name) -> Error {
    Error::not_found(format!("there is no secret {name}"))
        .with_remedy("create it with CREATE SECRET")
}
