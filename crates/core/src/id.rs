//! Permanent identities.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new identity, ordered by the time of its making.
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

uuid_id! {
    /// A dataset; DuckLake's `table_uuid`, so it survives renames and restarts.
    DatasetId;
    /// A run, and so the version it published.
    RunId;
    /// A session of one authenticated connection.
    SessionId;
    /// One execution of one statement.
    StatementId;
    /// One process that owns runs.
    OwnerId;
}

impl RunId {
    /// The run that stands for a version some other DuckLake client wrote: UUIDv5 of dataset and
    /// snapshot, so that every replica names it alike (V-3).
    pub fn adopted(dataset: DatasetId, snapshot: SnapshotId) -> Self {
        Self(Uuid::new_v5(&dataset.0, &snapshot.0.to_be_bytes()))
    }
}

macro_rules! number_id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default,
        )]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

number_id! {
    /// A DuckLake snapshot: a state of the whole lake.
    SnapshotId;
    /// The place of a publish in the life of one dataset; moves only with rows or columns.
    Seq;
    /// Grows with every claim of a dataset; a run with an older one can no longer publish.
    ClaimToken;
    /// A column of a DuckLake table, also the field id in its Parquet files; never used twice.
    FieldId;
}
