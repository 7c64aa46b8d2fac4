//! One closed list of error kinds for the whole product.
//!
//! An error says what was tried and what to do about it, in lower case. It is either logged where it
//! is handled or returned, never both. The mappings to gRPC codes, log levels and what a client may
//! see are exhaustive matches in the Flight crate.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// The result of everything that can fail in DuckSync.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is, as the caller must treat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The request itself is wrong; repeating it unchanged cannot help.
    InvalidArgument,
    /// A named thing does not exist, or is hidden from this principal.
    NotFound,
    /// A thing of that name exists with another definition.
    AlreadyExists,
    /// The state forbids it now; the message names the call that changes the state.
    FailedPrecondition,
    /// The principal is known and lacks a privilege.
    PermissionDenied,
    /// The principal is not known.
    Unauthenticated,
    /// A limit was reached; the message names the option that sets it.
    ResourceExhausted,
    /// Something is down or busy now; the same request may succeed later.
    Unavailable,
    /// A wait or a statement took longer than allowed.
    DeadlineExceeded,
    /// The caller went away or asked to stop.
    Cancelled,
    /// A concurrent change won; nothing was done.
    Conflict,
    /// A valid request for something that is not offered.
    Unimplemented,
    /// Stored or received data is not what it must be.
    DataLoss,
    /// A defect of ours. The message is masked for clients.
    Internal,
}

impl ErrorKind {
    /// The word for metrics, such as `invalid_argument`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalid_argument",
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::FailedPrecondition => "failed_precondition",
            Self::PermissionDenied => "permission_denied",
            Self::Unauthenticated => "unauthenticated",
            Self::ResourceExhausted => "resource_exhausted",
            Self::Unavailable => "unavailable",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::Cancelled => "cancelled",
            Self::Conflict => "conflict",
            Self::Unimplemented => "unimplemented",
            Self::DataLoss => "data_loss",
            Self::Internal => "internal",
        }
    }
}

/// A machine-readable refinement of an [`ErrorKind`], shown to clients (G-9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Reason {
    /// No storage or no published version yet.
    NotInitialized,
    /// No copy answers the statement and the source may not be asked.
    NotCached,
    /// Only data older than the contract allows is at hand.
    Stale,
    /// The dataset has a feed and refuses client changes.
    Managed,
    /// A name has more than one candidate.
    Ambiguous,
    /// Digits would be lost.
    PrecisionLoss,
    /// The owner of a run vanished.
    WorkerLost,
}

impl Reason {
    /// The reason as clients see it, such as `NOT_CACHED`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotInitialized => "NOT_INITIALIZED",
            Self::NotCached => "NOT_CACHED",
            Self::Stale => "STALE",
            Self::Managed => "MANAGED",
            Self::Ambiguous => "AMBIGUOUS",
            Self::PrecisionLoss => "PRECISION_LOSS",
            Self::WorkerLost => "WORKER_LOST",
        }
    }
}

/// Whose fault a failed run is, and so whether it is retried or quarantined (G-9, G-10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FailureClass {
    /// Something the dataset needs is missing, such as a monitored table.
    Dependency,
    /// Columns or values do not fit the dataset.
    Schema,
    /// Disk, memory or a limit.
    Resource,
    /// The source rejected the statement.
    Query,
    /// The source refused the login or the object.
    Permission,
    /// A concurrent or foreign change.
    Conflict,
    /// The source cannot be reached; never quarantines.
    Source,
}

impl FailureClass {
    /// Whether another try of the same run may succeed (G-10).
    pub fn retryable(self) -> bool {
        match self {
            Self::Dependency | Self::Resource | Self::Conflict | Self::Source => true,
            Self::Schema | Self::Query | Self::Permission => false,
        }
    }

    /// The class as it is stored and shown, such as `SCHEMA`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dependency => "DEPENDENCY",
            Self::Schema => "SCHEMA",
            Self::Resource => "RESOURCE",
            Self::Query => "QUERY",
            Self::Permission => "PERMISSION",
            Self::Conflict => "CONFLICT",
            Self::Source => "SOURCE",
        }
    }
}

/// An error of DuckSync.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    reason: Option<Reason>,
    class: Option<FailureClass>,
    message: String,
    remedy: Option<String>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $kind:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name(message: impl Into<String>) -> Self {
            Self::new(ErrorKind::$kind, message)
        }
    )*};
}

impl Error {
    /// An error of `kind`; `message` is lower case and names what was tried.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            reason: None,
            class: None,
            message: message.into(),
            remedy: None,
            source: None,
        }))
    }

    constructors! {
        /// The request is wrong; name the argument.
        invalid => InvalidArgument;
        /// The named thing does not exist.
        not_found => NotFound;
        /// A thing of that name exists with another definition.
        already_exists => AlreadyExists;
        /// The state forbids it; say what changes the state.
        failed_precondition => FailedPrecondition;
        /// The principal lacks a privilege.
        permission_denied => PermissionDenied;
        /// The principal is not known.
        unauthenticated => Unauthenticated;
        /// A limit was reached; name its option.
        resource_exhausted => ResourceExhausted;
        /// Down or busy now.
        unavailable => Unavailable;
        /// Took longer than allowed.
        deadline_exceeded => DeadlineExceeded;
        /// The caller went away.
        cancelled => Cancelled;
        /// A concurrent change won.
        conflict => Conflict;
        /// Not offered.
        unimplemented => Unimplemented;
        /// Stored or received data is broken.
        data_loss => DataLoss;
        /// A defect of ours.
        internal => Internal;
    }

    /// Adds the machine-readable reason.
    #[must_use]
    pub fn with_reason(mut self, reason: Reason) -> Self {
        self.0.reason = Some(reason);
        self
    }

    /// Adds the class a failed run is recorded with.
    #[must_use]
    pub fn with_class(mut self, class: FailureClass) -> Self {
        self.0.class = Some(class);
        self
    }

    /// Adds what the caller can do about it.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.0.remedy = Some(remedy.into());
        self
    }

    /// Adds the underlying error, for logs only.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// The kind.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The reason, if there is one.
    pub fn reason(&self) -> Option<Reason> {
        self.0.reason
    }

    /// The class of a failed run; derived from the kind where none was given.
    pub fn class(&self) -> FailureClass {
        self.0.class.unwrap_or(match self.0.kind {
            ErrorKind::NotFound | ErrorKind::FailedPrecondition => FailureClass::Dependency,
            ErrorKind::InvalidArgument | ErrorKind::AlreadyExists | ErrorKind::Unimplemented => {
                FailureClass::Query
            }
            ErrorKind::PermissionDenied | ErrorKind::Unauthenticated => FailureClass::Permission,
            ErrorKind::Conflict => FailureClass::Conflict,
            ErrorKind::Unavailable => FailureClass::Source,
            ErrorKind::ResourceExhausted
            | ErrorKind::DeadlineExceeded
            | ErrorKind::Cancelled
            | ErrorKind::DataLoss
            | ErrorKind::Internal => FailureClass::Resource,
        })
    }

    /// What was tried and what went wrong, without the remedy.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What the caller can do about it.
    pub fn remedy(&self) -> Option<&str> {
        self.0.remedy.as_deref()
    }

    /// The same error for a second receiver.
    pub fn duplicate(&self) -> Self {
        Self(Box::new(Inner {
            kind: self.0.kind,
            reason: self.0.reason,
            class: self.0.class,
            message: self.0.message.clone(),
            remedy: self.0.remedy.clone(),
            source: self.0.source.clone(),
        }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(reason) = self.0.reason {
            write!(f, "{}: ", reason.as_str())?;
        }
        f.write_str(&self.0.message)?;
        match &self.0.remedy {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
