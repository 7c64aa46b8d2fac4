//! [`FileStore`]: the lake's files, on a local disk or in S3.
//!
//! Every location is checked to lie under the data path before anything is done with it.

mod local;
mod s3;

use async_trait::async_trait;
use ducksync_core::{
    Error, Result,
    files::{FileStore, StoredFile},
};

use crate::{config::EngineConfig, threads::Threads};

/// The files under one data path.
#[derive(Clone)]
pub struct Files {
    root: String,
    store: Store,
}

#[derive(Clone)]
enum Store {
    Local(Threads),
    S3(s3::Bucket),
}

impl Files {
    /// The files under the configuration's data path. No contact is made yet.
    ///
    /// # Errors
    /// `FailedPrecondition` for a data path that cannot be used, saying why.
    pub(crate) fn new(config: &EngineConfig, threads: Threads) -> Result<Self> {
        let root = root(&config.data_path)?;
        let store = match root.strip_prefix("s3://") {
            Some(path) => Store::S3(s3::Bucket::new(path, config.s3.as_ref())?),
            None => Store::Local(threads),
        };
        Ok(Self { root, store })
    }

    /// The data path, ending in `/`.
    pub fn root(&self) -> &str {
        &self.root
    }

    pub(crate) fn is_remote(&self) -> bool {
        matches!(self.store, Store::S3(_))
    }

    /// Makes room for files in `directory`. May block.
    pub(crate) fn make_directory(&self, directory: &str) -> Result<()> {
        self.check(directory)?;
        match &self.store {
            Store::Local(_) => local::make_directory(directory),
            Store::S3(_) => Ok(()),
        }
    }

    /// [`FileStore::size`], on an engine thread.
    pub(crate) fn size_now(
        &self,
        location: &str,
        runtime: &tokio::runtime::Handle,
    ) -> Result<Option<u64>> {
        self.check(location)?;
        match &self.store {
            Store::Local(_) => local::size(location),
            Store::S3(bucket) => runtime.block_on(bucket.size(location)),
        }
    }

    /// [`FileStore::sync`], on an engine thread.
    pub(crate) fn sync_now(&self, locations: &[String]) -> Result<()> {
        self.check_all(locations)?;
        match &self.store {
            Store::Local(_) => local::sync(&self.root, locations),
            Store::S3(_) => Ok(()),
        }
    }

    /// Deletes files that no snapshot will ever name, as far as that is possible now.
    pub(crate) fn discard(&self, locations: Vec<String>, runtime: &tokio::runtime::Handle) {
        if locations.is_empty() || self.check_all(&locations).is_err() {
            return;
        }
        match &self.store {
            Store::Local(threads) => {
                let threads = threads.clone();
                runtime.spawn(async move { threads.call(move || local::delete(&locations)).await });
            }
            Store::S3(bucket) => {
                let bucket = bucket.clone();
                runtime.spawn(async move { bucket.delete(&locations).await });
            }
        }
    }

    /// As [`Files::discard`], on an engine thread, and done when it returns.
    pub(crate) fn remove_now(&self, locations: &[String], runtime: &tokio::runtime::Handle) {
        let removed = match &self.store {
            _ if locations.is_empty() => return,
            Store::Local(_) => local::delete(locations),
            Store::S3(bucket) => runtime.block_on(bucket.delete(locations)),
        };
        if let Err(error) = removed {
            tracing::warn!(%error, "files that nobody will name could not be removed");
        }
    }

    fn check(&self, location: &str) -> Result<()> {
        let inside = location
            .strip_prefix(self.root.as_str())
            .is_some_and(|rest| !rest.split('/').any(|part| part == ".." || part == "."));
        match inside {
            true => Ok(()),
            false => Err(Error::invalid(format!(
                "{location} does not lie under the data path {}",
                self.root
            ))),
        }
    }

    fn check_all(&self, locations: &[String]) -> Result<()> {
        locations
            .iter()
            .try_for_each(|location| self.check(location))
    }
}

/// The data path with one `/` at its end.
fn root(data_path: &str) -> Result<String> {
    let refuse = |why: &str| {
        Error::failed_precondition(format!("data path {data_path:?} {why}"))
            .with_remedy("use an absolute directory or s3://bucket/prefix")
    };
    if data_path.contains(['*', '?', '[', ']']) {
        return Err(refuse(
            "contains a character that duckdb reads as a pattern",
        ));
    }
    let path = data_path.trim_end_matches('/');
    let rest = path.strip_prefix("s3://");
    if rest.is_none_or(str::is_empty) && (!path.starts_with('/') || path.len() < 2) {
        return Err(refuse("is not absolute"));
    }
    if path.split('/').any(|part| part == ".." || part == ".") {
        return Err(refuse("contains a relative part"));
    }
    Ok(format!("{path}/"))
}

#[async_trait]
impl FileStore for Files {
    async fn sync(&self, locations: &[String]) -> Result<()> {
        self.check_all(locations)?;
        match &self.store {
            Store::Local(threads) => {
                let (root, locations) = (self.root.clone(), locations.to_vec());
                threads.call(move || local::sync(&root, &locations)).await
            }
            Store::S3(_) => Ok(()),
        }
    }

    async fn size(&self, location: &str) -> Result<Option<u64>> {
        self.check(location)?;
        match &self.store {
            Store::Local(threads) => {
                let location = location.to_owned();
                threads.call(move || local::size(&location)).await
            }
            Store::S3(bucket) => bucket.size(location).await,
        }
    }

    async fn delete(&self, locations: &[String]) -> Result<()> {
        self.check_all(locations)?;
        match &self.store {
            Store::Local(threads) => {
                let locations = locations.to_vec();
                threads.call(move || local::delete(&locations)).await
            }
            Store::S3(bucket) => bucket.delete(locations).await,
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<StoredFile>> {
        self.check(prefix)?;
        match &self.store {
            Store::Local(threads) => {
                let prefix = prefix.to_owned();
                threads.call(move || local::list(&prefix)).await
            }
            Store::S3(bucket) => bucket.list(prefix).await,
        }
    }

    async fn probe(&self) -> Result<()> {
        match &self.store {
            Store::Local(threads) => {
                let root = self.root.clone();
                threads.call(move || local::probe(&root)).await
            }
            Store::S3(bucket) => bucket.probe(&self.root).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_paths_are_absolute_and_plain() {
        assert_eq!(root("/data").unwrap(), "/data/");
        assert_eq!(root("s3://bucket/lake//").unwrap(), "s3://bucket/lake/");
        for bad in ["data", "", "/", "s3://", "/a/../b", "/a*b", "./x"] {
            assert!(root(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn locations_outside_the_data_path_are_refused() {
        let files = Files {
            root: "/data/".into(),
            store: Store::Local(Threads::new("files", 1)),
        };
        assert!(files.check("/data/a/b.parquet").is_ok());
        for bad in [
            "/data",
            "/database/x",
            "/etc/passwd",
            "/data/../etc/x",
            "s3://b/x",
        ] {
            assert!(files.check(bad).is_err(), "{bad}");
        }
    }
}
