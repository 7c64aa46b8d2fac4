//! Our tables, and forward migrations of them (O-9); DuckLake's tables where there are none.
//!
//! One transaction under the commit lock does everything, so that of several processes that start at
//! once one migrates and the others find it done. What DuckLake's tables look like is
//! `ducklake`'s matter.

use ducksync_core::error::{Error, Result};

use crate::{
    db::{Database, DbResult, Engine, Tx, sql},
    publish::lock,
};

/// The SQL of one step on each engine; the step's place in the list, from 1, is the format it makes.
struct Migration {
    postgres: &'static str,
    sqlite: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration {
        postgres: include_str!("migrations/state_1.postgres.sql"),
        sqlite: include_str!("migrations/state_1.sqlite.sql"),
    },
    Migration {
        postgres: include_str!("migrations/state_2.postgres.sql"),
        sqlite: include_str!("migrations/state_2.sqlite.sql"),
    },
];

/// Brings our tables to this version's format.
///
/// # Errors
/// `FailedPrecondition` if a newer server wrote them, naming both formats.
pub(crate) async fn migrate_state(db: &Database, schema: &str) -> Result<()> {
    let newest = MIGRATIONS.len();
    let mut tx = db.begin().await?;
    lock::take(&mut tx).await?;
    let found = format_version(&mut tx, schema).await?;
    if found > newest {
        return Err(Error::failed_precondition(format!(
            "the catalog has format {found} of ours, this server knows formats up to {newest}"
        ))
        .with_remedy("start the newer server that wrote it"));
    }
    if found == newest {
        return Ok(tx.rollback().await?);
    }
    if found == 0 && tx.engine() == Engine::Postgres {
        create_schema(&mut tx, schema).await?;
    }
    for migration in &MIGRATIONS[found..] {
        let script = match tx.engine() {
            Engine::Postgres => migration.postgres,
            Engine::Sqlite => migration.sqlite,
        };
        tx.execute_script(script).await?;
    }
    let version = i64::try_from(newest).unwrap_or(i64::MAX);
    tx.execute(sql("UPDATE ducksync.state SET format_version = $1").bind(version))
        .await?;
    Ok(tx.commit().await?)
}

/// The format of our tables; 0 = there are none.
async fn format_version(tx: &mut Tx, schema: &str) -> DbResult<usize> {
    if !table_exists(tx, schema, "ducksync_", "state").await? {
        return Ok(0);
    }
    let row = tx
        .fetch_one(sql("SELECT format_version FROM ducksync.state"))
        .await?;
    Ok(usize::try_from(row.get::<i64>(0)?).unwrap_or(usize::MAX))
}

/// Whether there is such a table: in `schema` on Postgres, with `prefix` on SQLite.
pub(crate) async fn table_exists(
    tx: &mut Tx,
    schema: &str,
    prefix: &str,
    name: &str,
) -> DbResult<bool> {
    let statement = match tx.engine() {
        Engine::Postgres => sql(
            "SELECT 1::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = $1 AND c.relname = $2",
        )
        .bind(schema)
        .bind(name),
        Engine::Sqlite => sql("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1")
            .bind(format!("{prefix}{name}")),
    };
    Ok(tx.fetch_optional(statement).await?.is_some())
}

/// Makes a schema on Postgres, unless it is there (a role without CREATE may have been given one).
pub(crate) async fn create_schema(tx: &mut Tx, schema: &str) -> DbResult<()> {
    let found = sql("SELECT 1::bigint FROM pg_namespace WHERE nspname = $1").bind(schema);
    if tx.fetch_optional(found).await?.is_none() {
        let text = format!("CREATE SCHEMA {}", ducksync_core::name::quote(schema));
        tx.execute_script(&text).await?;
    }
    Ok(())
}
