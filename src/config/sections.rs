//! The sections of `ducksync.toml` as they are written, each key with its default.
//!
//! Nothing is checked here but names and types; what the values mean together is [`super::check`]'s
//! matter, and what they become is [`super::Config`]'s.

use std::{collections::BTreeMap, path::PathBuf};

use ducksync_core::secret::SecretText;
use serde::Deserialize;

use super::{
    secrets::{SecretSettings, SourceSettings},
    units::{Period, PeriodOrNever, Size},
};

/// A section, its keys and their defaults in one place; a key that is not here is refused.
macro_rules! sections {
    ($($(#[$doc:meta])* $name:ident { $($(#[$key_doc:meta])* $key:ident: $type:ty = $default:expr,)* })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(crate) struct $name {
            $($(#[$key_doc])* pub(crate) $key: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }
    )+};
}

sections! {
    /// The whole file.
    Settings {
        /// Lifts the limits on ranges and allows `http` to sources anywhere; `doctor` reports it.
        testing: bool = false,
        /// Where everything lives that is not said otherwise.
        data_directory: PathBuf = "ducksync-data".into(),
        /// The key of stored secrets, tokens and tickets; the same on every replica (G-11).
        secret_key_file: Option<PathBuf> = None,
        service: Service = Service::default(),
        admin: Admin = Admin::default(),
        catalog: Catalog = Catalog::default(),
        auth: Auth = Auth::default(),
        history: History = History::default(),
        logs: Logs = Logs::default(),
        metrics: Metrics = Metrics::default(),
        flight: Flight = Flight::default(),
        lake: Lake = Lake::default(),
        engine: Engine = Engine::default(),
        serving: Serving = Serving::default(),
        refresh: Refresh = Refresh::default(),
        sync: Sync = Sync::default(),
        maintenance: Maintenance = Maintenance::default(),
        /// Secrets by name; they take part in every look-up, before those of the catalog.
        secrets: BTreeMap<String, SecretSettings> = BTreeMap::new(),
        /// Sources by name; put into the catalog at each start.
        sources: BTreeMap<String, SourceSettings> = BTreeMap::new(),
    }

    /// What this process is.
    Service {
        name: String = "ducksync".into(),
        /// `all`; the other roles of O-1 come with the worker fleet.
        role: String = "all".into(),
        /// How long a shutdown waits for statements in flight (O-6).
        drain: Period = Period::seconds(30),
    }

    /// Health and metrics over HTTP.
    Admin {
        /// `host:port`; empty = none.
        listen: String = "127.0.0.1:8089".into(),
        /// How long a probe of catalog, data path or engine may take.
        probe_timeout: Period = Period::seconds(2),
    }

    /// The catalog database.
    Catalog {
        /// `sqlite:<path>` or `postgresql://…`; empty = SQLite in the data directory.
        url: SecretText = SecretText::new(""),
        /// A file with the URL, for one that holds a password.
        url_file: Option<PathBuf> = None,
        /// The schema of our state tables (C-3).
        schema: String = "ducksync".into(),
        /// How long the start waits for a database that is down.
        connect_timeout: Period = Period::seconds(30),
    }

    /// Logins.
    Auth {
        token_idle: Period = Period::hours(8),
        /// Logins and grants to be there at each start.
        users_file: Option<PathBuf> = None,
        /// Not offered yet.
        jwks_url: String = String::new(),
    }

    /// Run records.
    History {
        retention: Period = Period::days(90),
    }

    /// The log.
    Logs {
        /// `json` or `text`.
        format: String = "json".into(),
        /// A level, or filter directives such as `info,ducksync_query=debug`.
        level: String = "info".into(),
        /// Not offered yet: logs go to stderr.
        dir: String = String::new(),
    }

    /// Metrics.
    Metrics {
        /// Whether the originals' metric names are shown too.
        original_names: bool = true,
    }

    /// Flight SQL.
    Flight {
        /// `grpc://host:port` or `grpc+tls://host:port`; port 0 = any free one.
        listen: Vec<String> = vec!["grpc://127.0.0.1:31337".into()],
        /// Lets `grpc://` listen on other addresses than the loopback's.
        allow_plaintext: bool = false,
        tls_cert: Option<PathBuf> = None,
        tls_key_file: Option<PathBuf> = None,
        /// Certificate authority that clients' certificates must come from.
        client_ca: Option<PathBuf> = None,
        max_message_bytes: Size = Size::mebibytes(64),
        ticket_life: Period = Period::hours(1),
        kept_result: Period = Period::minutes(10),
    }

    /// The lake.
    Lake {
        /// The first part of `{lake}.{schema}.{table}`.
        name: String = "lake".into(),
        /// A directory or `s3://bucket/path/`; empty = `lake/` in the data directory.
        data_path: String = String::new(),
        /// The secret of type `s3` for the data path; empty = the only configured one.
        secret: String = String::new(),
        /// The schema of DuckLake's tables in the catalog database.
        metadata_schema: String = "ducklake".into(),
    }

    /// DuckDB.
    Engine {
        /// Threads of the serving instance; 0 = all cores.
        threads: usize = 0,
        /// Memory of the serving instance; absent = half of the machine's.
        memory_limit: Option<Size> = None,
        loading: Loading = Loading::default(),
        /// Where it spills; absent = `spill` in the data directory.
        temp_directory: Option<PathBuf> = None,
        /// Where extensions are found; absent = `extensions` in the data directory.
        extension_directory: Option<PathBuf> = None,
        /// Not offered yet: `make setup` and the image bring the extensions.
        allow_download: bool = false,
        /// How much each instance may spill; absent = most of the free disk.
        max_temp_size: Option<Size> = None,
        /// Client statements that run at once.
        max_running: usize = 64,
        /// Statements that may wait for others to end.
        max_waiting: usize = 256,
        /// How long a statement waits for others to end.
        queue_wait: Period = Period::seconds(30),
    }

    /// DuckDB's loading instance.
    Loading {
        /// Its threads; 0 = half of the cores.
        threads: usize = 0,
        /// Its memory; absent = a quarter of the machine's.
        memory_limit: Option<Size> = None,
        /// Loads that write at once.
        max_running: usize = 4,
    }

    /// Answering.
    Serving {
        /// The contract of statements that say nothing (V-1).
        consistency: String = "cached".into(),
        wait_timeout: Period = Period::seconds(30),
        stale_if_error: Period = Period::hours(1),
        result_cache_bytes: Size = Size::mebibytes(256),
        passthrough_memory: Size = Size::mebibytes(64),
        mixed_max_bytes: Size = Size::mebibytes(256),
        statement_timeout: Period = Period::minutes(10),
        max_sessions: usize = 500,
        session_idle: Period = Period::minutes(30),
        /// How long a pass-through result may stay unread (V-8).
        unread_life: Period = Period::seconds(60),
        catalog_grace: Period = Period::seconds(300),
        verify_sample: f64 = 0.0,
    }

    /// Runs.
    Refresh {
        /// Loads at work at the same time.
        workers: usize = 4,
        /// Runs at work at the same time, those that only check their source included.
        checks: usize = 64,
        poll_interval: Period = Period::seconds(5),
        notice_interval: Period = Period::seconds(1),
        heartbeat: Period = Period::seconds(30),
        claim_expiry: Period = Period::seconds(300),
        max_retries: u32 = 3,
        /// The first wait between two tries of a run; doubles each time (G-10).
        retry_base: Period = Period::seconds(1),
        run_timeout: Period = Period::hours(1),
        /// How long an unmoved fingerprint may put the sure check off (C-7).
        stage1_max_skip: Period = Period::minutes(15),
    }

    /// Transfers from sources.
    Sync {
        /// `stream`; `staged` and `auto` come with table sync.
        transfer: String = "stream".into(),
        staged_threshold: Size = Size::gibibytes(20),
        /// Chunks of one result in flight, for sources that do not say; absent = the driver's default.
        prefetch: Option<usize> = None,
        /// Bytes of one result in flight, likewise.
        memory_budget: Option<Size> = None,
    }

    /// Upkeep of the lake (O-8).
    Maintenance {
        /// How often small files are merged, snapshots expired and files deleted.
        interval: Period = Period::minutes(10),
        /// `""` = never.
        expire_older_than: PeriodOrNever = PeriodOrNever(Some(Period::days(7).0)),
        /// `""` = never.
        cleanup_older_than: PeriodOrNever = PeriodOrNever(Some(Period::days(7).0)),
    }
}
