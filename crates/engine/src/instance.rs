//! A DuckDB instance in one of its two roles, its connections and its views.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use ducksync_core::{
    Error, Result,
    name::{quote, quote_literal},
};

use crate::{
    config::{EngineConfig, S3Settings, UrlStyle},
    control::{Control, StopCause},
    deleted::Deleted,
    duck::{Connection, Database, DuckError, RowFilter},
    files::Files,
    relation::LIVE,
    relations::Relations,
    spill::Spill,
};

/// Connections that are kept open while unused.
const MAX_IDLE: usize = 64;

/// Options that can only be set once DuckDB runs. Syntax trees of deeper expressions would be read by
/// recursion, on stacks that are smaller than an engine thread's.
const SETTINGS: &str = "SET GLOBAL parquet_metadata_cache = true; \
                        SET GLOBAL max_expression_depth = 500";

/// What an instance is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Runs client SQL, behind walls.
    Serving,
    /// Writes what sources send; never sees client SQL.
    Loading,
}

/// One running DuckDB.
pub(crate) struct Instance {
    database: Arc<Database>,
    idle: Mutex<Vec<Session>>,
    pub(crate) relations: Arc<Relations>,
    running: Mutex<HashMap<u64, Weak<Control>>>,
    next_running: AtomicU64,
    broken: AtomicBool,
}

/// A connection, and the time zone it is set to.
pub(crate) struct Session {
    pub(crate) connection: Connection,
    time_zone: String,
}

impl Instance {
    /// Opens an instance and, if it serves, builds its walls.
    pub(crate) fn open(role: Role, config: &EngineConfig, files: &Files) -> Result<Arc<Self>> {
        let fail = |error: DuckError| {
            Error::failed_precondition(format!("duckdb could not be started: {}", error.message()))
                .with_remedy("check the engine's settings")
        };
        let (threads, memory) = match role {
            Role::Serving => (config.threads, &config.memory_limit),
            Role::Loading => (config.loading.threads, &config.loading.memory_limit),
        };
        let threads = threads.max(1).to_string();
        let extensions = config.extension_directory.to_string_lossy();
        let spill = Spill::create(&config.temp_directory)?;
        let spill_path = spill.directory().to_string_lossy().into_owned();
        let mut options = vec![
            ("threads", threads.as_str()),
            ("memory_limit", memory),
            ("temp_directory", &spill_path),
            ("extension_directory", &extensions),
            ("autoinstall_known_extensions", "false"),
            ("autoload_known_extensions", "false"),
            ("allow_community_extensions", "false"),
            ("allow_persistent_secrets", "false"),
            ("preserve_insertion_order", "true"),
        ];
        if let Some(size) = &config.max_temp_size {
            options.push(("max_temp_directory_size", size));
        }
        let database = Database::open(&options, spill).map_err(fail)?;
        let connection = database.connect().map_err(fail)?;
        connection.execute(SETTINGS).map_err(fail)?;
        if files.is_remote() {
            reach_s3(&connection, config, files)?;
        }
        let deleted = Arc::new(Deleted::default());
        let filter: Arc<dyn RowFilter> = deleted.clone();
        connection.register_filter(LIVE, filter).map_err(fail)?;
        if role == Role::Serving {
            wall_in(&connection, &spill_path, files).map_err(fail)?;
        }
        Ok(Arc::new(Self {
            database,
            idle: Mutex::default(),
            relations: Arc::new(Relations::new(deleted)),
            running: Mutex::default(),
            next_running: AtomicU64::new(0),
            broken: AtomicBool::new(false),
        }))
    }

    /// Runs `work` on a connection in `time_zone`, which is kept for the next.
    pub(crate) fn with_session<T>(
        &self,
        time_zone: &str,
        work: impl FnOnce(&Connection) -> Result<T>,
    ) -> Result<T> {
        let idle = lock(&self.idle).pop();
        let mut session = match idle {
            Some(session) => session,
            None => self.fresh_session()?,
        };
        session.set_time_zone(time_zone)?;
        let outcome = work(&session.connection);
        let mut idle = lock(&self.idle);
        if idle.len() < MAX_IDLE && !self.is_broken() {
            idle.push(session);
        }
        outcome
    }

    /// A connection of one's own, closed when dropped with all that is temporary in it.
    pub(crate) fn fresh_session(&self) -> Result<Session> {
        let connection = self
            .database
            .connect()
            .and_then(|connection| {
                connection.execute("SET TimeZone = 'UTC'")?;
                Ok(connection)
            })
            .map_err(|error| error.into_error("engine.memory_limit"))?;
        Ok(Session {
            connection,
            time_zone: "UTC".into(),
        })
    }

    /// Counts a statement as running here while the result lives.
    pub(crate) fn track(self: &Arc<Self>, control: &Arc<Control>) -> Tracked {
        let key = self.next_running.fetch_add(1, Ordering::Relaxed);
        lock(&self.running).insert(key, Arc::downgrade(control));
        if self.is_broken() {
            control.stop(StopCause::Broken);
        }
        Tracked {
            instance: self.clone(),
            key,
        }
    }

    pub(crate) fn running(&self) -> usize {
        lock(&self.running).len()
    }

    /// Hears of an error: if it says that DuckDB is defective, looks whether the instance still works.
    pub(crate) fn hear(&self, error: &DuckError) {
        let dead = error.is_fatal()
            || error.is_defect()
                && self
                    .database
                    .connect()
                    .and_then(|connection| connection.execute("SELECT 1"))
                    .is_err();
        if dead {
            tracing::error!(error = error.message(), "duckdb declared itself broken");
            self.break_up();
        }
    }

    /// Stops every statement; whoever comes next opens another instance.
    pub(crate) fn break_up(&self) {
        self.broken.store(true, Ordering::SeqCst);
        let running: Vec<_> = lock(&self.running).values().cloned().collect();
        for control in running.iter().filter_map(Weak::upgrade) {
            control.stop(StopCause::Broken);
        }
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::SeqCst)
    }
}

impl Session {
    /// # Errors
    /// `InvalidArgument` for a zone that DuckDB does not know.
    pub(crate) fn set_time_zone(&mut self, time_zone: &str) -> Result<()> {
        if self.time_zone == time_zone {
            return Ok(());
        }
        let sql = format!("SET TimeZone = {}", quote_literal(time_zone));
        self.connection.execute(&sql).map_err(|error| {
            Error::invalid(format!("time zone {time_zone:?} is not known"))
                .with_remedy("use an IANA name such as Europe/Berlin")
                .with_source(error.message().to_owned())
        })?;
        self.time_zone = time_zone.to_owned();
        Ok(())
    }
}

/// While it lives, its statement counts as running.
pub(crate) struct Tracked {
    instance: Arc<Instance>,
    key: u64,
}

impl Drop for Tracked {
    fn drop(&mut self) {
        lock(&self.instance.running).remove(&self.key);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The walls below the parser: nothing outside the data path and the spill directory, for good.
/// (Not `lock_configuration`, which would refuse our own `SET TimeZone`.)
fn wall_in(connection: &Connection, spill: &str, files: &Files) -> Result<(), DuckError> {
    let spill = format!("{spill}/");
    connection.execute(&format!(
        "SET allowed_directories = [{}, {}]; SET enable_external_access = false",
        quote_literal(files.root()),
        quote_literal(&spill),
    ))
}

fn reach_s3(connection: &Connection, config: &EngineConfig, files: &Files) -> Result<()> {
    connection.execute("LOAD httpfs").map_err(|error| {
        let directory = config.extension_directory.display();
        Error::failed_precondition(format!(
            "duckdb's extension httpfs could not be loaded from {directory}"
        ))
        .with_remedy(
            "put httpfs.duckdb_extension of this DuckDB version under <version>/<platform>/ in \
             engine.extension_directory",
        )
        .with_source(error.message().to_owned())
    })?;
    let Some(s3) = &config.s3 else {
        return Err(Error::failed_precondition(
            "the data path is on S3, but no S3 settings are given",
        )
        .with_remedy("set the s3 section of the configuration"));
    };
    // DuckDB's text is left out of the error: it may quote the statement, and so the secret.
    connection
        .execute(&secret_sql(s3, files.root()))
        .map_err(|_| Error::failed_precondition("duckdb refused the S3 settings"))
}

fn secret_sql(s3: &S3Settings, scope: &str) -> String {
    let mut parts = vec![
        "TYPE s3".to_owned(),
        format!("KEY_ID {}", quote_literal(&s3.key)),
        format!("SECRET {}", quote_literal(s3.secret.expose())),
        format!("REGION {}", quote_literal(&s3.region)),
        format!("USE_SSL {}", s3.use_ssl),
        format!("SCOPE {}", quote_literal(scope)),
    ];
    if let Some(endpoint) = &s3.endpoint {
        parts.push(format!("ENDPOINT {}", quote_literal(endpoint)));
    }
    parts.push(match s3.url_style {
        UrlStyle::Virtual => "URL_STYLE 'vhost'".into(),
        UrlStyle::Path => "URL_STYLE 'path'".into(),
    });
    format!("CREATE SECRET {} ({})", quote("ducksync"), parts.join(", "))
}
