//! Files in memory, and a stager that only counts rows.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use ducksync_core::{
    BatchStream, Error, Result,
    change::StagedFile,
    engine::{Applied, BoundStatement, StageRequest, Staged, Stager, Touched},
    files::{FileStore, StoredFile},
    version::Version,
};
use futures::StreamExt;

use super::steps::Steps;

/// The data path.
#[derive(Clone)]
pub(crate) struct Storage {
    steps: Steps,
    files: Arc<Mutex<BTreeSet<String>>>,
}

impl Storage {
    pub(crate) fn new(steps: Steps) -> Self {
        Self {
            steps,
            files: Arc::default(),
        }
    }

    /// Locations of all files.
    pub(crate) fn files(&self) -> Vec<String> {
        self.files.lock().unwrap().iter().cloned().collect()
    }

    /// Puts a file there.
    pub(crate) fn put(&self, location: &str) {
        self.files.lock().unwrap().insert(location.to_owned());
    }
}

#[async_trait]
impl FileStore for Storage {
    async fn sync(&self, _: &[String]) -> Result<()> {
        Ok(())
    }

    async fn size(&self, location: &str) -> Result<Option<u64>> {
        Ok(self.files.lock().unwrap().contains(location).then_some(1))
    }

    async fn delete(&self, locations: &[String]) -> Result<()> {
        self.steps.note("delete files");
        let mut files = self.files.lock().unwrap();
        files.retain(|file| !locations.contains(file));
        Ok(())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<StoredFile>> {
        let files = self.files.lock().unwrap();
        let found = files.iter().filter(|file| file.starts_with(prefix));
        Ok(found
            .map(|file| StoredFile {
                location: file.clone(),
                size_bytes: 1,
            })
            .collect())
    }

    async fn probe(&self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl Stager for Storage {
    async fn stage(&self, request: StageRequest, mut input: BatchStream) -> Result<Staged> {
        self.steps.take("stage").await?;
        let mut rows = 0;
        while let Some(batch) = input.next().await {
            rows += batch?.num_rows() as u64;
        }
        self.steps.take("staged").await?;
        if rows == 0 {
            return Ok(Staged::default());
        }
        let prefix = StageRequest::prefix(&request.directory, request.run);
        let location = format!("{prefix}{}.parquet", request.ordinal);
        self.put(&location);
        let file = StagedFile {
            location,
            rows,
            size_bytes: 100,
            footer_bytes: 10,
            stats: Vec::new(),
        };
        Ok(Staged {
            files: vec![file],
            rows,
            bytes: 100,
        })
    }

    async fn stage_statement(&self, _: StageRequest, _: BoundStatement) -> Result<Staged> {
        Err(Error::unimplemented("not needed by feeds"))
    }

    async fn stage_version(&self, _: StageRequest, _: Arc<Version>) -> Result<Staged> {
        Err(Error::unimplemented("not needed by feeds' tests"))
    }

    async fn stage_touched(
        &self,
        _: StageRequest,
        _: Arc<Version>,
        _: BoundStatement,
    ) -> Result<Touched> {
        Err(Error::unimplemented("not needed by feeds"))
    }

    async fn stage_changes(
        &self,
        request: StageRequest,
        _: Arc<Version>,
        action: &str,
        changes: BatchStream,
    ) -> Result<Option<Applied>> {
        assert_eq!(action, "METADATA$ACTION");
        assert_eq!(changes.fields().len(), request.columns.len() + 1);
        self.steps.take("stage changes").await?;
        let staged = self.stage(request, changes).await?;
        let inserted = staged.rows;
        let touched = Touched {
            written: staged,
            ..Touched::default()
        };
        Ok(Some(Applied {
            touched,
            deleted: 0,
            inserted,
        }))
    }
}
