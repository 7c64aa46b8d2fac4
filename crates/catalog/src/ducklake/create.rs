//! Finds the lake of a catalog, or makes an empty one.

use ducksync_core::{
    error::{Error, Result},
    name::quote,
};
use uuid::Uuid;

use super::FORMAT;
use crate::{
    config::CatalogConfig,
    db::{Database, DbResult, Engine, Tx, Value, sql},
    migrate::{create_schema, table_exists},
    publish::lock,
};

const TABLES_POSTGRES: &str = include_str!("../migrations/ducklake_1_0.postgres.sql");
const TABLES_SQLITE: &str = include_str!("../migrations/ducklake_1_0.sqlite.sql");
const INDEXES: &str = include_str!("../migrations/ducklake_indexes.sql");

/// What `ducklake_metadata` says of a lake.
pub(crate) struct Metadata {
    pub(crate) version: String,
    pub(crate) data_path: String,
    pub(crate) encrypted: bool,
}

/// Opens the lake that the configuration names, or the one that `init` adopted; makes it if there is
/// none.
///
/// # Errors
/// `FailedPrecondition` for another format, an encrypted lake or another data path, naming both.
pub(crate) async fn open(db: Database, config: &CatalogConfig) -> Result<Database> {
    let mut tx = db.begin().await?;
    let row = tx
        .fetch_one(sql("SELECT metadata_schema FROM ducksync.state"))
        .await?;
    let adopted: Option<String> = row.optional(0)?;
    tx.rollback().await?;
    let schema = adopted
        .clone()
        .unwrap_or_else(|| config.metadata_schema.clone());
    let db = db.with_lake(&config.schema, &schema);
    let mut tx = db.begin().await?;
    lock::take(&mut tx).await?;
    if table_exists(&mut tx, &schema, "", "ducklake_metadata").await? {
        let metadata = metadata(&mut tx).await?;
        check(&metadata)?;
        if adopted.is_none() && metadata.data_path != config.data_path {
            return Err(other_data_path(&metadata.data_path, &config.data_path));
        }
    } else {
        create(&mut tx, &schema, &config.data_path).await?;
    }
    tx.execute_script(INDEXES).await?;
    tx.commit().await?;
    Ok(db)
}

/// Reads what a lake says of itself.
pub(crate) async fn metadata(tx: &mut Tx) -> Result<Metadata> {
    let rows = tx
        .fetch_all(sql(
            "SELECT key, value FROM lake.ducklake_metadata WHERE scope IS NULL",
        ))
        .await?;
    let mut found = Metadata {
        version: String::new(),
        data_path: String::new(),
        encrypted: false,
    };
    for row in rows {
        let value: String = row.get(1)?;
        match row.get::<String>(0)?.as_str() {
            "version" => found.version = value,
            "data_path" => found.data_path = super::path::directory(value),
            "encrypted" => found.encrypted = value == "true",
            _ => {}
        }
    }
    Ok(found)
}

/// Where the lake's files lie.
pub(crate) async fn data_path(tx: &mut Tx) -> Result<String> {
    Ok(metadata(tx).await?.data_path)
}

/// Whether this server can work with such a lake.
pub(crate) fn check(metadata: &Metadata) -> Result<()> {
    if metadata.version != FORMAT {
        return Err(Error::failed_precondition(format!(
            "the lake has DuckLake format {:?}, this server reads and writes {FORMAT:?}",
            metadata.version
        ))
        .with_remedy("migrate the lake with DuckDB's ducklake extension, or use another catalog"));
    }
    if metadata.encrypted {
        return Err(Error::failed_precondition(
            "the lake encrypts its files, which this server cannot read",
        )
        .with_remedy("use a lake that was created without ENCRYPTED"));
    }
    Ok(())
}

fn other_data_path(found: &str, configured: &str) -> Error {
    Error::failed_precondition(format!(
        "the lake's files lie at {found:?}, but lake.data_path is {configured:?}"
    ))
    .with_remedy("set lake.data_path to the first, or use another catalog")
}

/// Makes an empty lake: schema `main` at snapshot 0.
async fn create(tx: &mut Tx, schema: &str, data_path: &str) -> DbResult<()> {
    let tables = match tx.engine() {
        Engine::Postgres => {
            create_schema(tx, schema).await?;
            TABLES_POSTGRES
        }
        Engine::Sqlite => TABLES_SQLITE,
    };
    tx.execute_script(tables).await?;
    let made_by = concat!("DuckSync ", env!("CARGO_PKG_VERSION"));
    for (key, value) in [
        ("version", FORMAT),
        ("created_by", made_by),
        ("data_path", data_path),
        ("encrypted", "false"),
        // Rows that other clients insert become files, too: we do not read inlined rows.
        ("data_inlining_row_limit", "0"),
    ] {
        let insert = "INSERT INTO lake.ducklake_metadata (key, value) VALUES ($1, $2)";
        tx.execute(sql(insert).bind(key).bind(value)).await?;
    }
    let now = tx.now().await?;
    tx.execute(
        sql("INSERT INTO lake.ducklake_snapshot VALUES (0, $1, 0, 1, 0)")
            .bind(Value::LakeTime(Some(now))),
    )
    .await?;
    let created = format!("created_schema:{}", quote("main"));
    tx.execute(
        sql(
            "INSERT INTO lake.ducklake_snapshot_changes (snapshot_id, changes_made) VALUES (0, $1)",
        )
        .bind(created),
    )
    .await?;
    tx.execute(
        sql("INSERT INTO lake.ducklake_schema VALUES (0, $1, 0, NULL, 'main', 'main/', $2)")
            .bind(Uuid::new_v4())
            .bind(true),
    )
    .await?;
    Ok(())
}
