//! Logins, their roles, and grants to both (V-12).
//!
//! Logins and roles are one namespace, compared exactly; targets are compared ignoring case, and so
//! are stored folded.

use async_trait::async_trait;
use ducksync_core::{
    auth::{Grant, GrantStore, GrantTarget, Principal, Privilege},
    error::{Error, Result},
    secret::SecretText,
};

use crate::{
    Catalog,
    db::{DbError, DbResult, Row, sql},
    publish::lock,
};

/// Longer names are refused: they travel in every token and log line.
const LONGEST_NAME: usize = 255;

#[async_trait]
impl GrantStore for Catalog {
    async fn principal(&self, name: &str) -> Result<Option<Principal>> {
        let mut tx = self.db.snapshot().await?;
        let known = sql("SELECT name FROM ducksync.principals WHERE name = $1").bind(name);
        let known = tx.fetch_optional(known).await?;
        let roles = sql("SELECT role FROM ducksync.roles WHERE principal = $1 ORDER BY role");
        let roles = tx.fetch_all(roles.bind(name)).await?;
        let roles: Vec<String> = roles
            .iter()
            .map(|row| row.get(0))
            .collect::<DbResult<_>>()?;
        // Asked for a name that nobody has too: it must cost the same (S-1).
        let grantees: Vec<String> = roles.iter().cloned().chain([name.to_owned()]).collect();
        let grants = sql("SELECT DISTINCT privilege, target FROM ducksync.grants \
                          WHERE grantee = ANY($1) ORDER BY privilege, target");
        let grants = tx.fetch_all(grants.bind(grantees)).await?;
        tx.rollback().await?;
        let grants: Vec<Grant> = grants.iter().map(read_grant).collect::<DbResult<_>>()?;
        Ok(known.map(|_| Principal {
            name: name.to_owned(),
            roles,
            grants: grants.into(),
        }))
    }

    async fn password_hash(&self, name: &str) -> Result<Option<SecretText>> {
        let row = self
            .db
            .fetch_optional(
                sql("SELECT password_hash FROM ducksync.principals WHERE name = $1").bind(name),
            )
            .await?;
        let hash: Option<String> = row.map(|row| row.get(0)).transpose()?;
        Ok(hash.map(SecretText::new))
    }

    async fn put_user(
        &self,
        name: &str,
        password_hash: &SecretText,
        roles: &[String],
        only_first: bool,
    ) -> Result<bool> {
        check_name("user", name)?;
        roles.iter().try_for_each(|role| check_name("role", role))?;
        let mut tx = self.db.begin().await?;
        if only_first {
            // Of several servers that start at once on an empty catalog one makes the login.
            lock::take(&mut tx).await?;
            let any = sql("SELECT name FROM ducksync.principals LIMIT 1");
            if tx.fetch_optional(any).await?.is_some() {
                tx.rollback().await?;
                return Ok(false);
            }
        }
        tx.execute(
            sql(
                "INSERT INTO ducksync.principals (name, password_hash) VALUES ($1, $2) \
                 ON CONFLICT (name) DO UPDATE SET password_hash = excluded.password_hash",
            )
            .bind(name)
            .bind(password_hash.expose()),
        )
        .await?;
        tx.execute(sql("DELETE FROM ducksync.roles WHERE principal = $1").bind(name))
            .await?;
        for role in roles {
            tx.execute(
                sql(
                    "INSERT INTO ducksync.roles (principal, role) VALUES ($1, $2) \
                     ON CONFLICT (principal, role) DO NOTHING",
                )
                .bind(name)
                .bind(role.as_str()),
            )
            .await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    async fn grant(&self, to: &str, grant: &Grant) -> Result<()> {
        check_name("grantee", to)?;
        self.db
            .execute(
                sql("INSERT INTO ducksync.grants (grantee, privilege, target) \
                     VALUES ($1, $2, $3) ON CONFLICT (grantee, privilege, target) DO NOTHING")
                .bind(to)
                .bind(grant.privilege.as_str())
                .bind(stored_target(&grant.target)?),
            )
            .await?;
        Ok(())
    }

    async fn revoke(&self, from: &str, grant: &Grant) -> Result<()> {
        self.db
            .execute(
                sql("DELETE FROM ducksync.grants \
                     WHERE grantee = $1 AND privilege = $2 AND target = $3")
                .bind(from)
                .bind(grant.privilege.as_str())
                .bind(stored_target(&grant.target)?),
            )
            .await?;
        Ok(())
    }

    async fn has_users(&self) -> Result<bool> {
        let statement = sql("SELECT name FROM ducksync.principals LIMIT 1");
        Ok(self.db.fetch_optional(statement).await?.is_some())
    }
}

fn read_grant(row: &Row) -> DbResult<Grant> {
    let privilege: String = row.get(0)?;
    let target = row.json::<GrantTarget>(1)?;
    Ok(Grant {
        privilege: Privilege::parse(&privilege)
            .map_err(|error| DbError::Shape(error.message().to_owned()))?,
        target: target.ok_or_else(|| DbError::Shape("a grant has no target".to_owned()))?,
    })
}

fn stored_target(target: &GrantTarget) -> DbResult<String> {
    let folded = match target {
        GrantTarget::Server => GrantTarget::Server,
        GrantTarget::Source(name) => GrantTarget::Source(name.to_lowercase()),
        GrantTarget::Schema(name) => GrantTarget::Schema(name.to_lowercase()),
        GrantTarget::Table(schema, name) => {
            GrantTarget::Table(schema.to_lowercase(), name.to_lowercase())
        }
    };
    serde_json::to_string(&folded).map_err(|error| DbError::Shape(error.to_string()))
}

fn check_name(what: &str, name: &str) -> Result<()> {
    if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(Error::invalid(format!("{what} name {name:?} is not valid"))
            .with_remedy("use 1 to 255 bytes without control characters"));
    }
    Ok(())
}
