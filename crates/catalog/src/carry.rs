//! Taking our state along to another catalog (C-2): sources, secrets, logins, grants, tokens.
//!
//! Nothing of the lake is taken, so neither side may have tables; the composition sees to that. What
//! the other catalog held of these is replaced, so that a second copy has the effect of the last one.

use ducksync_core::{error::Result, name::Name};

use crate::{
    Catalog,
    db::{DbResult, Row, Statement, Tx, Value, sql},
};

/// How a column is read and bound.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Bytes,
    Bool,
    Time,
    Uuid,
    /// The revision at which the row came, by the new catalog's count.
    Revision,
}

/// What is taken along.
const TABLES: [(&str, &[(&str, Kind)]); 6] = [
    (
        "sources",
        &[
            ("name_folded", Kind::Text),
            ("name", Kind::Text),
            ("driver", Kind::Text),
            ("secret", Kind::Text),
            ("passthrough_enabled", Kind::Bool),
            ("options", Kind::Text),
            ("created_at", Kind::Time),
            ("revision", Kind::Revision),
        ],
    ),
    (
        SECRETS,
        &[
            ("name_folded", Kind::Text),
            ("name", Kind::Text),
            ("kind", Kind::Text),
            ("sealed", Kind::Bytes),
        ],
    ),
    (
        "principals",
        &[("name", Kind::Text), ("password_hash", Kind::Text)],
    ),
    ("roles", &[("principal", Kind::Text), ("role", Kind::Text)]),
    (
        "grants",
        &[
            ("grantee", Kind::Text),
            ("privilege", Kind::Text),
            ("target", Kind::Text),
        ],
    ),
    (
        "tokens",
        &[
            ("id", Kind::Uuid),
            ("principal", Kind::Text),
            ("used_at", Kind::Time),
            ("revoked_at", Kind::Time),
        ],
    ),
];

const SECRETS: &str = "secrets";

impl Catalog {
    /// Copies our state into `other`, which is sealed with the same key, in one transaction there. The
    /// secret `except` stays behind.
    ///
    /// # Errors
    /// `Unavailable` if either database does not answer; `other` is then as it was.
    pub async fn carry_state_to(&self, other: &Self, except: &Name) -> Result<()> {
        let mut from = self.db.snapshot().await?;
        let mut to = other.db.begin().await?;
        let revision = sql("UPDATE ducksync.state SET revision = revision + 1, \
                            deleted_revision = revision + 1 RETURNING revision");
        let revision: i64 = to.fetch_one(revision).await?.get(0)?;
        for (table, columns) in TABLES {
            to.execute(Statement::once(format!("DELETE FROM ducksync.{table}")))
                .await?;
            let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
            let names = names.join(", ");
            let read = Statement::once(format!("SELECT {names} FROM ducksync.{table}"));
            for row in from.fetch_all(read).await? {
                let stays = table == SECRETS && row.get::<String>(0)? == except.folded();
                if !stays {
                    insert(&mut to, table, &names, values(&row, columns, revision)?).await?;
                }
            }
        }
        from.rollback().await?;
        to.commit().await?;
        other.show_own_change().await;
        Ok(())
    }
}

async fn insert(to: &mut Tx, table: &str, names: &str, values: Vec<Value>) -> DbResult<u64> {
    let places: Vec<_> = (1..=values.len())
        .map(|number| format!("${number}"))
        .collect();
    let places = places.join(", ");
    let text = format!("INSERT INTO ducksync.{table} ({names}) VALUES ({places})");
    to.execute(Statement::once(text).bind_all(values)).await
}

fn values(row: &Row, columns: &[(&str, Kind)], revision: i64) -> DbResult<Vec<Value>> {
    let value = |(place, (_, kind)): (usize, &(&str, Kind))| {
        Ok(match kind {
            Kind::Text => Value::Text(row.optional(place)?),
            Kind::Bytes => Value::Bytes(row.optional(place)?),
            Kind::Bool => Value::Bool(row.optional(place)?),
            Kind::Time => Value::Time(row.optional(place)?),
            Kind::Uuid => Value::Uuid(row.optional(place)?),
            Kind::Revision => Value::Int(Some(revision)),
        })
    };
    columns.iter().enumerate().map(value).collect()
}
