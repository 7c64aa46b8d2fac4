//! The lake's files, on disk or in an object store.

use async_trait::async_trait;

use crate::error::Result;

/// A file as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Absolute path or `s3://` URL.
    pub location: String,
    /// Size in bytes.
    pub size_bytes: u64,
}

/// The files under one data path. Locations are absolute paths or `s3://` URLs; anything outside the
/// data path is refused.
#[async_trait]
pub trait FileStore: Send + Sync {
    /// Makes what was written to these files survive a power cut: fsync of each file and of its
    /// directory, and of directories made for it. Object stores are durable already.
    async fn sync(&self, locations: &[String]) -> Result<()>;

    /// Size in bytes; `None` if there is no such file.
    async fn size(&self, location: &str) -> Result<Option<u64>>;

    /// Deletes files; one that is gone already is no error.
    async fn delete(&self, locations: &[String]) -> Result<()>;

    /// Files whose location begins with `prefix`.
    async fn list(&self, prefix: &str) -> Result<Vec<StoredFile>>;

    /// Writes, reads and deletes a small file under the data path.
    ///
    /// # Errors
    /// `FailedPrecondition` saying what could not be done and how to mend it.
    async fn probe(&self) -> Result<()>;
}
