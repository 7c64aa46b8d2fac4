//! One object of the account: what it is, its columns, and how far back it can be asked for.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use crate::names::ObjectName;
use crate::types::SnowflakeType;

/// Counts changes of the account: it only grows, looks like nanoseconds since 1970, and is what
/// change tokens, statements' points and histories are told in.
pub(crate) type Change = u64;

/// Days that a table's past can be asked for, unless it is told otherwise.
pub(crate) const RETENTION_DAYS: u64 = 1;

/// A column as declared, or, of a view, as derived when the view was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: SnowflakeType,
    pub(crate) nullable: bool,
    pub(crate) default: Option<String>,
    pub(crate) primary_key: bool,
    pub(crate) comment: Option<String>,
}

impl Column {
    pub(crate) fn new(name: &str, kind: SnowflakeType) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            nullable: true,
            default: None,
            primary_key: false,
            comment: None,
        }
    }
}

/// What an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ObjectKind {
    Table {
        /// Since when changes are tracked, if they are; also names the history.
        tracked: Option<Change>,
        retention_days: u64,
    },
    View {
        /// The whole CREATE statement, as sent.
        text: String,
        references: BTreeSet<ObjectName>,
        secure: bool,
    },
}

/// A table or view.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) kind: ObjectKind,
    pub(crate) columns: Vec<Column>,
    pub(crate) comment: String,
    pub(crate) created: DateTime<Utc>,
    pub(crate) last_altered: DateTime<Utc>,
    pub(crate) last_ddl: DateTime<Utc>,
    /// The change that made the object.
    pub(crate) born: Change,
    /// What happened before this has been aged away.
    pub(crate) forgotten: Change,
    /// Moves with every change of definition or rows; the change token.
    pub(crate) change: Change,
    /// Rows and bytes as counted when `change` was the first number.
    pub(crate) size: Option<(Change, u64, u64)>,
}

impl Object {
    pub(crate) fn is_view(&self) -> bool {
        matches!(self.kind, ObjectKind::View { .. })
    }

    /// The change since which the object's changes are tracked.
    pub(crate) fn tracked(&self) -> Option<Change> {
        match self.kind {
            ObjectKind::Table { tracked, .. } => tracked,
            ObjectKind::View { .. } => None,
        }
    }

    /// The earliest point at which the rows can still be asked for.
    pub(crate) fn oldest(&self) -> Change {
        let retained = match self.kind {
            // Without retention only what is there now can be asked for.
            ObjectKind::Table {
                retention_days: 0, ..
            } => self.change,
            ObjectKind::Table { retention_days, .. } => {
                let days = i64::try_from(retention_days).unwrap_or(i64::MAX);
                TimeDelta::try_days(days)
                    .and_then(|days| Utc::now().checked_sub_signed(days))
                    .map_or(0, change_at)
            }
            ObjectKind::View { .. } => 0,
        };
        retained.max(self.born).max(self.forgotten)
    }
}

/// The time that a change's number looks like.
pub(crate) fn time_of(change: Change) -> DateTime<Utc> {
    let micros = i64::try_from(change / 1_000).unwrap_or(i64::MAX);
    DateTime::from_timestamp_micros(micros).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// The last number that a change can have had by this time.
pub(crate) fn change_at(time: DateTime<Utc>) -> Change {
    let micros = u64::try_from(time.timestamp_micros()).unwrap_or_default();
    micros.saturating_mul(1_000).saturating_add(999)
}
