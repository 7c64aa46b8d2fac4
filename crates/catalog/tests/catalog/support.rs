//! A fresh catalog for each test, on either engine, and short ways to publish to it.

use std::{sync::Arc, time::Duration};

use ducksync_catalog::{Catalog, CatalogConfig, crypto::SecretKey};
use ducksync_core::{
    catalog::{Publisher, Versions},
    change::{Basis, Publication, Published, StagedFile, TableChange},
    error::Result,
    id::{DatasetId, FieldId, OwnerId, RunId},
    name::TableName,
    types::{Field, Fields, LakeType, number_fields},
    version::{ColumnStats, Version},
};
use sqlx::{Connection, Executor};
use tempfile::TempDir;
use uuid::Uuid;

/// Where a catalog can be made: a database and a data path of its own.
pub(crate) struct Site {
    _dir: TempDir,
    pub(crate) config: CatalogConfig,
    pub(crate) many: bool,
    _database: Option<TestDatabase>,
}

impl Site {
    pub(crate) fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("ducksync.db").display());
        Self::at(dir, url, None)
    }

    /// `None` where no Postgres is at hand.
    pub(crate) async fn postgres() -> Option<Self> {
        let Ok(server) = std::env::var("DUCKSYNC_TEST_POSTGRES") else {
            eprintln!("skipped: postgres (DUCKSYNC_TEST_POSTGRES not set)");
            return None;
        };
        let database = TestDatabase::create(server).await;
        let url = database.url();
        Some(Self::at(tempfile::tempdir().unwrap(), url, Some(database)))
    }

    fn at(dir: TempDir, url: String, database: Option<TestDatabase>) -> Self {
        let data_path = format!("{}/data/", dir.path().display());
        let key = SecretKey::generate().unwrap();
        let mut config = CatalogConfig::new(url, data_path, key);
        config.notice_interval = Duration::from_millis(200);
        Self {
            _dir: dir,
            config,
            many: database.is_some(),
            _database: database,
        }
    }

    /// The catalog as one more process opens it.
    pub(crate) async fn open(&self) -> Arc<Catalog> {
        Catalog::open(self.process()).await.unwrap()
    }

    pub(crate) fn process(&self) -> CatalogConfig {
        CatalogConfig {
            owner: OwnerId::generate(),
            ..self.config.clone()
        }
    }
}

/// A database that is dropped with the test.
struct TestDatabase {
    server: String,
    name: String,
}

impl TestDatabase {
    async fn create(server: String) -> Self {
        let name = format!("ducksync_{}", Uuid::new_v4().simple());
        let mut admin = sqlx::PgConnection::connect(&server).await.unwrap();
        let create = format!("CREATE DATABASE {name}");
        admin.execute(sqlx::AssertSqlSafe(create)).await.unwrap();
        Self { server, name }
    }

    fn url(&self) -> String {
        let (base, _) = self.server.rsplit_once('/').unwrap();
        format!("{base}/{}", self.name)
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let server = self.server.clone();
        // A runtime of its own: this one may be shutting down.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                let drop = async {
                    if let Ok(mut admin) = sqlx::PgConnection::connect(&server).await {
                        let _ = admin.execute(sqlx::AssertSqlSafe(drop)).await;
                    }
                };
                // Postgres may wait a minute for its own processes to let go; it does that alone.
                let _ = tokio::time::timeout(Duration::from_secs(2), drop).await;
            });
        });
        let _ = dropped.join();
    }
}

/// `a INTEGER, s VARCHAR`.
pub(crate) fn two_columns() -> Fields {
    let mut fields = vec![
        Field::new("a", LakeType::Int32),
        Field::new("s", LakeType::Varchar),
    ];
    number_fields(&mut fields);
    fields.into()
}

/// A file that exists only in the catalog.
pub(crate) fn file(directory: &str, rows: u64) -> StagedFile {
    let stats = |field, min: &str, max: &str| ColumnStats {
        field: FieldId(field),
        size_bytes: Some(10),
        value_count: i64::try_from(rows).unwrap(),
        null_count: 0,
        min: Some(min.into()),
        max: Some(max.into()),
        contains_nan: None,
    };
    StagedFile {
        location: format!("{directory}{}.parquet", Uuid::new_v4()),
        rows,
        size_bytes: 100 * rows,
        footer_bytes: 50,
        stats: vec![stats(1, "1", "9"), stats(2, "a", "b")],
    }
}

/// A publication without claim or run record, as client statements make them.
pub(crate) fn statement(basis: Vec<Basis>, changes: Vec<TableChange>) -> Publication {
    Publication {
        run: RunId::generate(),
        basis,
        changes,
        checkpoints: Vec::new(),
        completion: None,
    }
}

/// What a dataset is now, as a statement that begins now sees it.
pub(crate) fn basis(catalog: &Catalog, dataset: DatasetId) -> Basis {
    Basis {
        dataset,
        seq: catalog
            .current()
            .versions
            .get(&dataset)
            .map(|version| version.seq),
        claim: None,
    }
}

pub(crate) fn version(catalog: &Catalog, dataset: DatasetId) -> Arc<Version> {
    Arc::clone(&catalog.current().versions[&dataset])
}

/// Publishes changes of one plain table on what it is now.
pub(crate) async fn change(
    catalog: &Catalog,
    dataset: DatasetId,
    changes: Vec<TableChange>,
) -> Result<Published> {
    let basis = vec![basis(catalog, dataset)];
    catalog.publish(statement(basis, changes)).await
}

/// A new plain table with one file of `rows` rows.
pub(crate) async fn create(catalog: &Catalog, name: &str, rows: u64) -> DatasetId {
    let dataset = DatasetId::generate();
    let name = TableName::new("main", name);
    let directory = catalog.current().new_table_directory(&name, dataset);
    let files = vec![file(&directory, rows)];
    let create = TableChange::Create {
        dataset,
        name,
        directory,
        columns: two_columns(),
    };
    change(
        catalog,
        dataset,
        vec![create, TableChange::Append { dataset, files }],
    )
    .await
    .unwrap();
    dataset
}
