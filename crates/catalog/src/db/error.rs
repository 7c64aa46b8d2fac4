//! What can go wrong with a statement, told apart by what the caller can do.

use ducksync_core::error::{Error, ErrorKind};

/// The result of talking to the catalog database.
pub(crate) type DbResult<T> = Result<T, DbError>;

/// A failed statement.
#[derive(Debug)]
pub(crate) enum DbError {
    /// The connection is gone or did not answer in time: whether the statement had an effect is not
    /// known.
    Lost(Option<sqlx::Error>),
    /// A unique key exists already; nothing was done.
    Unique(sqlx::Error),
    /// Somebody else holds a lock for too long; nothing was done.
    Busy(sqlx::Error),
    /// The database has no room left; nothing was done.
    Full(sqlx::Error),
    /// This user, or this database, does not allow it; nothing was done.
    Forbidden(sqlx::Error),
    /// The statement was refused; nothing was done.
    Refused(sqlx::Error),
    /// A row that must be there is not.
    NoRow,
    /// A stored value is not what it must be.
    Shape(String),
}

impl DbError {
    /// Whether the connection can still be used.
    pub(crate) fn lost(&self) -> bool {
        matches!(self, Self::Lost(_))
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        let sqlx::Error::Database(database) = &error else {
            return match error {
                sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::Decode(_)
                | sqlx::Error::ColumnNotFound(_)
                | sqlx::Error::ColumnIndexOutOfBounds { .. } => Self::Shape(error.to_string()),
                sqlx::Error::RowNotFound => Self::NoRow,
                _ => Self::Lost(Some(error)),
            };
        };
        if database.is_unique_violation() {
            return Self::Unique(error);
        }
        match database.code().as_deref() {
            // Postgres: lock_not_available, deadlock, serialization. SQLite: BUSY, LOCKED and theirs.
            Some("55P03" | "40P01" | "40001" | "5" | "6" | "261" | "262" | "517") => {
                Self::Busy(error)
            }
            // Postgres: idle in transaction too long, administrator's or crash shutdown, cannot
            // connect now, too many connections, connection exceptions.
            Some("25P03" | "57P01" | "57P02" | "57P03" | "53300") => Self::Lost(Some(error)),
            // SQLite's I/O errors, whatever kind: a commit that met one may be there or not.
            Some(code) if code.parse::<u32>().is_ok_and(|code| code & 0xff == 10) => {
                Self::Lost(Some(error))
            }
            // Postgres: disk_full. SQLite: FULL.
            Some("53100" | "13") => Self::Full(error),
            // Postgres: insufficient_privilege, read_only_sql_transaction.
            Some("42501" | "25006") => Self::Forbidden(error),
            // SQLite's READONLY, whatever kind.
            Some(code) if code.parse::<u32>().is_ok_and(|code| code & 0xff == 8) => {
                Self::Forbidden(error)
            }
            Some(code) if code.starts_with("08") => Self::Lost(Some(error)),
            _ => Self::Refused(error),
        }
    }
}

impl From<DbError> for Error {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Lost(Some(source)) => lost().with_source(source),
            DbError::Lost(None) => lost(),
            DbError::Busy(source) => Self::unavailable(
                "the catalog database is busy: somebody else holds a lock for too long",
            )
            .with_remedy("repeat it later")
            .with_source(source),
            DbError::Unique(source) => {
                Self::already_exists("the catalog has a row of that name or id already")
                    .with_source(source)
            }
            DbError::Full(source) => {
                Self::resource_exhausted("the disk of the catalog database is full")
                    .with_remedy("free space there")
                    .with_source(source)
            }
            DbError::Forbidden(source) => {
                let said = source.as_database_error().map(ToString::to_string);
                Self::failed_precondition(format!(
                    "the catalog database refused a statement: {}",
                    said.unwrap_or_default()
                ))
                .with_remedy(
                    "grant CREATE on the database and write rights on its schemas to the user of \
                     catalog.url",
                )
                .with_source(source)
            }
            DbError::Refused(source) => Self::new(
                ErrorKind::Internal,
                "the catalog database refused a statement",
            )
            .with_source(source),
            DbError::NoRow => Self::data_loss("a row that the catalog must hold is missing"),
            DbError::Shape(message) => {
                Self::data_loss(format!("the catalog holds an unexpected value: {message}"))
            }
        }
    }
}

fn lost() -> Error {
    Error::unavailable("the catalog database cannot be reached or does not answer in time")
        .with_remedy("check catalog.url and that the database is up")
}
