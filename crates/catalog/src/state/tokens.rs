//! What is kept of bearer tokens.

use async_trait::async_trait;
use ducksync_core::{error::Result, time::Instant};
use uuid::Uuid;

use crate::{Catalog, auth::TokenStore, db::sql};

#[async_trait]
impl TokenStore for Catalog {
    async fn revoke_token(&self, token: Uuid, principal: &str, at: Instant) -> Result<()> {
        self.db
            .execute(
                sql(
                    "INSERT INTO ducksync.tokens (id, principal, used_at, revoked_at) \
                     VALUES ($1, $2, $3, $3) ON CONFLICT (id) DO UPDATE SET \
                     used_at = excluded.used_at, revoked_at = excluded.revoked_at",
                )
                .bind(token)
                .bind(principal)
                .bind(at),
            )
            .await?;
        Ok(())
    }

    async fn revoked_tokens(&self) -> Result<Vec<Uuid>> {
        let rows = self
            .db
            .fetch_all(sql(
                "SELECT id FROM ducksync.tokens WHERE revoked_at IS NOT NULL",
            ))
            .await?;
        let tokens: Result<Vec<_>, _> = rows.iter().map(|row| row.get(0)).collect();
        Ok(tokens?)
    }

    async fn record_use(
        &self,
        token: Uuid,
        principal: &str,
        at: Instant,
        idle_since: Instant,
    ) -> Result<()> {
        let mut tx = self.db.begin().await?;
        tx.execute(
            sql(
                "INSERT INTO ducksync.tokens (id, principal, used_at) VALUES ($1, $2, $3) \
                 ON CONFLICT (id) DO UPDATE SET used_at = excluded.used_at \
                 WHERE ducksync.tokens.used_at < excluded.used_at",
            )
            .bind(token)
            .bind(principal)
            .bind(at),
        )
        .await?;
        tx.execute(sql("DELETE FROM ducksync.tokens WHERE used_at < $1").bind(idle_since))
            .await?;
        Ok(tx.commit().await?)
    }

    async fn last_use(&self, token: Uuid) -> Result<Option<Instant>> {
        let row = self
            .db
            .fetch_optional(sql("SELECT used_at FROM ducksync.tokens WHERE id = $1").bind(token))
            .await?;
        Ok(row.map(|row| row.get(0)).transpose()?)
    }
}
