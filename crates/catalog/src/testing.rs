//! Catalogs to test on: one suite, a fresh database of each engine for each test.
//!
//! SQLite always; Postgres where `DUCKSYNC_TEST_POSTGRES` names a server whose administrator we are.

use std::{env, future::Future, sync::Arc};

use ducksync_core::{
    catalog::{DatasetStore, Publisher},
    change::{Basis, Publication, Published, StagedFile, TableChange},
    dataset::{
        Checkpoint, Feed, InvalidationMode, Proof, QueryCache, RefreshMethod, SourceState,
        TtlAction,
    },
    id::{ClaimToken, DatasetId, FieldId, OwnerId, RunId, Seq},
    name::{Name, TableName},
    run::{RunCompletion, RunOutcome, RunReason, RunStatus},
    source::{Driver, SourceDefinition, TypeOptions},
    time::Instant,
    types::{Field, LakeType},
};
use sqlx::{Connection, Executor, PgConnection};
use tempfile::TempDir;

use crate::{Catalog, CatalogConfig, crypto::SecretKey};

/// An empty catalog database, and how to open it.
pub(crate) struct Place {
    home: TempDir,
    /// Change it before opening.
    pub(crate) config: CatalogConfig,
    postgres: Option<(String, String)>,
}

impl Place {
    /// Opens the catalog as a new process would.
    pub(crate) async fn open(&self) -> Arc<Catalog> {
        let config = CatalogConfig {
            owner: OwnerId::generate(),
            ..self.config.clone()
        };
        Catalog::open(config).await.unwrap()
    }

    /// A directory of the test's own.
    pub(crate) fn home(&self) -> &std::path::Path {
        self.home.path()
    }

    /// Whether several processes may have it open.
    pub(crate) fn is_postgres(&self) -> bool {
        self.postgres.is_some()
    }

    fn sqlite() -> Self {
        let home = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", home.path().join("catalog.sqlite").display());
        Self::at(home, url, None)
    }

    async fn postgres(server: &str) -> Self {
        let database = format!("ducksync_{}", OwnerId::generate().0.simple());
        let mut admin = PgConnection::connect(server).await.unwrap();
        let create = format!("CREATE DATABASE {database}");
        admin.execute(sqlx::AssertSqlSafe(create)).await.unwrap();
        let (address, _) = server.rsplit_once('/').unwrap();
        let url = format!("{address}/{database}");
        let home = tempfile::tempdir().unwrap();
        Self::at(home, url, Some((server.to_owned(), database)))
    }

    fn at(home: TempDir, url: String, postgres: Option<(String, String)>) -> Self {
        let data_path = format!("{}/data/", home.path().display());
        let config = CatalogConfig::new(url, data_path, SecretKey::generate().unwrap());
        Self {
            home,
            config,
            postgres,
        }
    }

    async fn remove(self) {
        if let Some((server, database)) = &self.postgres {
            let mut admin = PgConnection::connect(server).await.unwrap();
            let drop = format!("DROP DATABASE {database} WITH (FORCE)");
            admin.execute(sqlx::AssertSqlSafe(drop)).await.unwrap();
        }
    }
}

/// Runs the test on each engine at hand.
pub(crate) async fn on_each_engine<F: Future<Output = Place>>(test: impl Fn(Place) -> F) {
    test(Place::sqlite()).await;
    match env::var("DUCKSYNC_TEST_POSTGRES") {
        Ok(server) => test(Place::postgres(&server).await).await.remove().await,
        Err(_) => println!("skipped: postgres"),
    }
}

pub(crate) fn name(text: &str) -> Name {
    Name::parse("name", text).unwrap()
}

/// A cache of that source.
pub(crate) fn cache_of(source: &str) -> Feed {
    Feed::QueryCache(QueryCache {
        source: name(source),
        query: "SELECT 1 AS a".into(),
        monitor_tables: None,
        ttl: None,
        invalidation_mode: InvalidationMode::Auto,
        metadata_secret: None,
        ttl_action: TtlAction::Reload,
        refresh_method: RefreshMethod::Auto,
        named_tables: Vec::new(),
        plain_texts: Vec::new(),
        changes: None,
        refresh_every: None,
        types: TypeOptions::default(),
    })
}

/// A source with the secret `login`.
pub(crate) fn source(text: &str, at: Instant) -> SourceDefinition {
    SourceDefinition {
        name: name(text),
        driver: Driver::Snowflake,
        secret: name("login"),
        passthrough_enabled: false,
        options: [("role".to_owned(), "reader".into())].into(),
        created_at: at,
    }
}

/// Defines the cache `prod.<table>`.
pub(crate) async fn define(catalog: &Catalog, table: &str) -> DatasetId {
    let id = DatasetId::generate();
    catalog
        .create(id, TableName::new("prod", table), cache_of("prod"))
        .await
        .unwrap();
    id
}

/// A staged file of one column `a`.
pub(crate) fn file(location: impl Into<String>, rows: u64) -> StagedFile {
    StagedFile {
        location: location.into(),
        rows,
        size_bytes: 1000,
        footer_bytes: 100,
        stats: vec![],
    }
}

/// One column `a BIGINT`.
pub(crate) fn columns() -> ducksync_core::types::Fields {
    vec![Field {
        id: FieldId(1),
        ..Field::new("a", LakeType::Int64)
    }]
    .into()
}

pub(crate) fn proof(at: Instant) -> Proof {
    Proof {
        tokens: SourceState::default(),
        data_timestamp: at,
        checked_at: at,
        expires_at: None,
    }
}

pub(crate) fn completed() -> RunCompletion {
    RunCompletion {
        status: RunStatus::Completed,
        reason: Some(RunReason::Initial),
        attempts: 1,
        outcome: RunOutcome::default(),
        failure: None,
    }
}

/// Publishes a new content of a cache, of one file, for a run that holds the claim.
pub(crate) async fn publish_cache(
    catalog: &Catalog,
    dataset: DatasetId,
    run: RunId,
    claim: ClaimToken,
    location: &str,
) -> ducksync_core::Result<Published> {
    let lake = catalog.known.refresh().await?;
    let known = lake.datasets.get(&dataset).cloned();
    let version = lake.versions.get(&dataset);
    let files = vec![file(location, 3)];
    let mut changes = Vec::new();
    match (&known, version) {
        (Some(known), None) => {
            changes.push(TableChange::Create {
                dataset,
                name: known.name.clone(),
                directory: lake.new_table_directory(&known.name, dataset),
                columns: columns(),
            });
            changes.push(TableChange::Append { dataset, files });
        }
        _ => changes.push(TableChange::Replace {
            dataset,
            columns: None,
            files,
        }),
    }
    let at = catalog.db.now().await?;
    let publication = Publication {
        run,
        basis: vec![Basis {
            dataset,
            seq: version.map(|version| -> Seq { version.seq }),
            claim: Some(claim),
        }],
        changes,
        checkpoints: vec![(
            dataset,
            Checkpoint {
                definition_hash: cache_of("prod").definition_hash(),
                proof: proof(at),
            },
        )],
        completion: Some(completed()),
    };
    catalog.publish(publication).await
}

/// Claims, begins, publishes and releases: a whole refresh to the file `<file>.parquet`.
pub(crate) async fn refresh(catalog: &Catalog, dataset: DatasetId, file: &str) -> Published {
    use ducksync_core::{
        catalog::{ClaimOutcome, ClaimStore, RunLedger},
        run::RunTrigger,
    };
    let run = RunId::generate();
    let ClaimOutcome::Held(token) = catalog.claim(dataset, run).await.unwrap() else {
        panic!("the claim is held by another run")
    };
    catalog
        .begin(run, dataset, RunTrigger::Manual)
        .await
        .unwrap();
    let location = location(catalog, dataset, file);
    catalog.record_staging(run, &location, None).await.unwrap();
    let published = publish_cache(catalog, dataset, run, token, &location)
        .await
        .unwrap();
    catalog.release(dataset, token).await.unwrap();
    published
}

/// Where a file of a cache of that name lies.
pub(crate) fn location(catalog: &Catalog, dataset: DatasetId, file: &str) -> String {
    let lake = catalog.known.current();
    let directory = match lake.versions.get(&dataset) {
        Some(version) => version.directory.clone(),
        None => lake.new_table_directory(&lake.datasets[&dataset].name, dataset),
    };
    format!("{directory}{file}.parquet")
}
