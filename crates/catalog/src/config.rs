//! Where the catalog is and how its process behaves; parsed and checked before anything is opened.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use ducksync_core::{
    error::{Error, Result},
    id::OwnerId,
};

use crate::crypto::SecretKey;

/// How to open a catalog.
#[derive(Clone)]
pub struct CatalogConfig {
    /// `sqlite:<path>` or `postgresql://…`; may hold a password and is never shown.
    pub url: String,
    /// The schema of our tables on Postgres (`catalog.schema`).
    pub schema: String,
    /// The schema of DuckLake's tables on Postgres (`lake.metadata_schema`).
    pub metadata_schema: String,
    /// The lake's name (`lake.name`).
    pub lake_name: String,
    /// Where the lake's files lie: an absolute directory or `s3://…`, ending in `/`.
    pub data_path: String,
    /// This process.
    pub owner: OwnerId,
    /// Seals the secrets in the catalog.
    pub secret_key: SecretKey,
    /// How long a claim lasts without a heartbeat (`refresh.claim_expiry`).
    pub claim_expiry: Duration,
    /// How often claims are renewed (`refresh.heartbeat`).
    pub heartbeat: Duration,
    /// How often the catalog is asked for news without a notification (`refresh.notice_interval`).
    pub notice_interval: Duration,
    /// How long one statement of the catalog may take before its connection counts as lost.
    pub statement_timeout: Duration,
}

impl CatalogConfig {
    /// The defaults of the specification for a catalog at `url` and files at `data_path`.
    pub fn new(
        url: impl Into<String>,
        data_path: impl Into<String>,
        secret_key: SecretKey,
    ) -> Self {
        Self {
            url: url.into(),
            schema: "ducksync".into(),
            metadata_schema: "ducklake".into(),
            lake_name: "lake".into(),
            data_path: data_path.into(),
            owner: OwnerId::generate(),
            secret_key,
            claim_expiry: Duration::from_secs(300),
            heartbeat: Duration::from_secs(30),
            notice_interval: Duration::from_secs(1),
            statement_timeout: Duration::from_secs(35),
        }
    }

    /// Where the catalog is.
    ///
    /// # Errors
    /// `InvalidArgument` naming the key that is wrong.
    pub(crate) fn location(&self) -> Result<Location> {
        if let Some(path) = self.url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.contains(":memory:") {
                return Err(Error::invalid("catalog.url names no SQLite file")
                    .with_remedy("use sqlite:<path>"));
            }
            return Ok(Location::Sqlite(PathBuf::from(path)));
        }
        if self.url.starts_with("postgresql://") || self.url.starts_with("postgres://") {
            return Ok(Location::Postgres);
        }
        Err(Error::invalid("catalog.url has an unknown form")
            .with_remedy("use sqlite:<path> or postgresql://user:password@host/database"))
    }

    /// Checks what can be checked without opening anything.
    pub(crate) fn check(&self) -> Result<()> {
        let absolute = Path::new(&self.data_path).is_absolute() || self.data_path.contains("://");
        if !absolute || !self.data_path.ends_with('/') {
            return Err(Error::invalid(format!(
                "lake.data_path {:?} is not an absolute directory ending in /",
                self.data_path
            )));
        }
        for (key, value) in [
            ("catalog.schema", &self.schema),
            ("lake.metadata_schema", &self.metadata_schema),
        ] {
            if value.is_empty() || value.contains('\0') {
                return Err(Error::invalid(format!("{key} is empty")));
            }
        }
        if self.schema == self.metadata_schema {
            return Err(
                Error::invalid("catalog.schema and lake.metadata_schema are the same")
                    .with_remedy("give our tables a schema of their own"),
            );
        }
        Ok(())
    }
}

impl fmt::Debug for CatalogConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CatalogConfig")
            .field("url", &"[redacted]")
            .field("schema", &self.schema)
            .field("metadata_schema", &self.metadata_schema)
            .field("lake_name", &self.lake_name)
            .field("data_path", &self.data_path)
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

/// Which database holds the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    Sqlite(PathBuf),
    Postgres,
}
