//! The engine's settings. Reading them from files and the environment is the composition's task.

use std::{path::PathBuf, time::Duration};

use ducksync_core::secret::SecretText;

/// How the engine works.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Where the lake's files lie: an absolute directory, or `s3://bucket/prefix`.
    pub data_path: String,
    /// Threads that DuckDB computes with, for client statements.
    pub threads: usize,
    /// Memory for client statements, in DuckDB's notation such as `4GB`.
    pub memory_limit: String,
    /// Where both instances spill what does not fit in memory.
    pub temp_directory: PathBuf,
    /// How much each instance may spill, in DuckDB's notation; `None` = 90 % of the free disk.
    pub max_temp_size: Option<String>,
    /// Where signed DuckDB extensions lie, as `<version>/<platform>/<name>.duckdb_extension`.
    pub extension_directory: PathBuf,
    /// Client statements that run at once; one whose reader is slow counts as running.
    pub max_running: usize,
    /// Statements that may wait for others to end.
    pub max_waiting: usize,
    /// How long a statement waits for others to end.
    pub queue_wait: Duration,
    /// The instance that writes what sources send.
    pub loading: LoadingConfig,
    /// How S3 is reached; needed for an `s3://` data path.
    pub s3: Option<S3Settings>,
}

/// How the loading instance works.
#[derive(Debug, Clone)]
pub struct LoadingConfig {
    /// Threads that DuckDB writes with.
    pub threads: usize,
    /// Memory for loads, in DuckDB's notation such as `2GB`.
    pub memory_limit: String,
    /// Loads that write at once; others wait.
    pub max_running: usize,
}

/// How an S3-compatible store is reached.
#[derive(Debug, Clone)]
pub struct S3Settings {
    /// `host[:port]` of the store; `None` = AWS.
    pub endpoint: Option<String>,
    /// The region.
    pub region: String,
    /// The access key.
    pub key: String,
    /// The secret key.
    pub secret: SecretText,
    /// Whether buckets are a part of the host name or of the path.
    pub url_style: UrlStyle,
    /// Whether TLS is spoken.
    pub use_ssl: bool,
}

/// Where a bucket's name stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UrlStyle {
    /// `https://bucket.host/key`.
    #[default]
    Virtual,
    /// `https://host/bucket/key`.
    Path,
}

impl EngineConfig {
    /// Settings for a lake at `data_path` on this machine's disk: all processors, half a gigabyte
    /// for loads, spilling beside the data.
    pub fn local(data_path: impl Into<PathBuf>) -> Self {
        let data_path: PathBuf = data_path.into();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            temp_directory: data_path.join(".spill"),
            extension_directory: data_path.join(".extensions"),
            data_path: data_path.to_string_lossy().into_owned(),
            threads,
            memory_limit: "2GB".into(),
            max_temp_size: None,
            max_running: 64,
            max_waiting: 256,
            queue_wait: Duration::from_secs(30),
            loading: LoadingConfig {
                threads,
                memory_limit: "1GB".into(),
                max_running: 4,
            },
            s3: None,
        }
    }
}
