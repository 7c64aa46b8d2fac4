//! A lake of one table for one test.

use std::{path::Path, sync::Arc, time::Duration};

use arrow::{array::RecordBatch, compute::concat_batches};
use ducksync_core::{
    BatchStream, Result,
    change::{TableChange, apply},
    engine::{BoundRelation, BoundStatement, QueryEngine, StageRequest, Staged, Stager},
    id::{DatasetId, FieldId, RunId, Seq, SnapshotId},
    name::TableName,
    types::{Field, Fields, LakeType, number_fields, result_schema},
    version::Version,
};
use ducksync_engine::{Engine, EngineConfig};
use futures::stream;
use tempfile::TempDir;

pub(crate) struct Lake {
    pub(crate) engine: Arc<Engine>,
    pub(crate) directory: TempDir,
}

pub(crate) fn config(data_path: &Path) -> EngineConfig {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    EngineConfig {
        extension_directory: root.join(".deps/extensions"),
        threads: 4,
        ..EngineConfig::local(data_path)
    }
}

impl Lake {
    pub(crate) async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    pub(crate) async fn open_with(change: impl FnOnce(&mut EngineConfig)) -> Self {
        let directory = TempDir::new().unwrap();
        let mut config = config(directory.path());
        change(&mut config);
        let engine = Engine::open(config).await.unwrap();
        Self { engine, directory }
    }

    pub(crate) fn table_directory(&self) -> String {
        format!("{}main/t/", self.engine.files().root())
    }

    pub(crate) fn request(&self, columns: &Fields) -> StageRequest {
        StageRequest {
            directory: self.table_directory(),
            run: RunId::generate(),
            ordinal: 0,
            columns: columns.clone(),
        }
    }

    /// A table without rows.
    pub(crate) fn empty(&self, columns: &Fields) -> Arc<Version> {
        let create = TableChange::Create {
            dataset: DatasetId::generate(),
            name: TableName::new("main", "t"),
            directory: self.table_directory(),
            columns: columns.clone(),
        };
        Arc::new(apply(None, &create).unwrap().unwrap())
    }

    /// A table with the rows of a query.
    pub(crate) async fn table(&self, columns: &Fields, sql: &str) -> Arc<Version> {
        let statement = BoundStatement::plain(sql);
        let staged = self
            .engine
            .stage_statement(self.request(columns), statement);
        append(&self.empty(columns), staged.await.unwrap())
    }

    /// Runs a query in which `{t}` is `version`.
    pub(crate) async fn try_query(&self, version: &Arc<Version>, sql: &str) -> Result<RecordBatch> {
        let statement = self.statement(version, false, sql);
        collect(self.engine.execute(statement).await?).await
    }

    pub(crate) async fn query(&self, version: &Arc<Version>, sql: &str) -> RecordBatch {
        self.try_query(version, sql).await.unwrap()
    }

    /// The one number of a query.
    pub(crate) async fn number(&self, version: &Arc<Version>, sql: &str) -> i64 {
        let sql = format!("SELECT ({sql})::BIGINT");
        let batch = self.query(version, &sql).await;
        *batch.column(0).as_primitive_i64().first().unwrap()
    }

    pub(crate) fn statement(
        &self,
        version: &Arc<Version>,
        places: bool,
        sql: &str,
    ) -> BoundStatement {
        let name = self.engine.relation_name(version, places);
        BoundStatement {
            relations: vec![BoundRelation {
                version: version.clone(),
                places,
            }],
            ..BoundStatement::plain(sql.replace("{t}", &name))
        }
    }

    /// Parquet files under the table's directory.
    pub(crate) fn files(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.table_directory()) else {
            return Vec::new();
        };
        entries
            .map(|entry| entry.unwrap().path().to_string_lossy().into_owned())
            .collect()
    }
}

pub(crate) trait Numbers {
    fn as_primitive_i64(&self) -> &[i64];
}

impl Numbers for arrow::array::ArrayRef {
    fn as_primitive_i64(&self) -> &[i64] {
        use arrow::array::AsArray;
        self.as_primitive::<arrow::datatypes::Int64Type>().values()
    }
}

pub(crate) fn append(version: &Version, staged: Staged) -> Arc<Version> {
    let mut after = change(
        version,
        TableChange::Append {
            dataset: version.dataset,
            files: staged.files,
        },
    );
    let published = Arc::make_mut(&mut after);
    published.run = RunId::generate();
    published.seq = Seq(version.seq.0 + 1);
    published.snapshot = SnapshotId(version.snapshot.0 + 1);
    after
}

pub(crate) fn change(version: &Version, change: TableChange) -> Arc<Version> {
    Arc::new(apply(Some(version), &change).unwrap().unwrap())
}

/// Columns with ids from 1 on.
pub(crate) fn columns(columns: &[(&str, LakeType)]) -> Fields {
    let mut fields: Vec<_> = columns
        .iter()
        .map(|(name, lake_type)| Field::new(*name, lake_type.clone()))
        .collect();
    number_fields(&mut fields);
    fields.into()
}

pub(crate) fn column_with_id(id: i64, name: &str, lake_type: LakeType) -> Field {
    Field {
        id: FieldId(id),
        ..Field::new(name, lake_type)
    }
}

/// All rows as one batch of exactly the declared schema.
pub(crate) async fn collect(stream: BatchStream) -> Result<RecordBatch> {
    let schema = stream.schema();
    assert_eq!(schema, result_schema(stream.fields()));
    let batches = stream.collect().await?;
    assert!(batches.iter().all(|batch| batch.schema() == schema));
    Ok(concat_batches(&schema, &batches).unwrap())
}

/// A stream of these items.
pub(crate) fn stream_of(fields: &Fields, items: Vec<Result<RecordBatch>>) -> BatchStream {
    BatchStream::of_fields(fields.clone(), stream::iter(items))
}

/// Waits until `condition` holds; fails after half a minute.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), wait).await;
    assert!(waited.is_ok(), "{what}");
}
