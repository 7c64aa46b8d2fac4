//! Signals of change (C-7): the change token of tables and views, the time of last alteration, or rows
//! and bytes.
//!
//! Each answers many objects at once, and says of each what it is or why it cannot be had: one object
//! that spoils a statement takes the signal from no other.

use std::sync::Arc;

use ducksync_core::{
    error::{Error, ErrorKind, FailureClass, Result},
    name::ObjectName,
    source::{ObjectState, VersionToken},
};
use futures::FutureExt as _;

use super::{
    answer,
    batch::Answers,
    bisect::bisect,
    listing::{self, Listed},
    names::literal,
    session::Session,
    settings::Options,
    statement::Manner,
    views::Definitions,
};

pub(super) mod altered;

/// Objects that one statement asks about.
const BATCH: usize = 100;

/// What is known of each object.
pub(super) type States = Answers<ObjectName, ObjectState>;

/// The change tokens of all objects. No warehouse is needed.
pub(super) async fn change_tokens(
    session: &Arc<Session>,
    objects: &[ObjectName],
    manner: &Manner,
    options: Options,
) -> Result<States> {
    // Definitions first: a view that is replaced in between shows a new token or a new definition.
    let definitions = Definitions::read(session, objects, manner, options).await?;
    let tokens = bisect(objects, BATCH, |batch| {
        ask(session, batch, manner, options).boxed()
    })
    .await?;
    let state = |(object, token): (ObjectName, Result<Option<String>>)| {
        let state = token
            .map_err(|error| no_token(&object, error))
            .and_then(|token| {
                Ok(ObjectState {
                    object: object.clone(),
                    token: token.map(|token| VersionToken::new(format!("ct:{token}"))),
                    view_definition: definitions.of(&object)?,
                })
            });
        (object, state)
    };
    Ok(tokens.into_iter().map(state).collect())
}

/// The tokens of a batch, in its order.
async fn ask(
    session: &Arc<Session>,
    batch: &[ObjectName],
    manner: &Manner,
    options: Options,
) -> Result<Vec<Option<String>>> {
    let calls: Vec<_> = batch
        .iter()
        .map(|object| {
            format!(
                "SYSTEM$LAST_CHANGE_COMMIT_TIME({})",
                literal(&object.quoted())
            )
        })
        .collect();
    let sql = format!("SELECT {}", calls.join(", "));
    answer::row(session, &sql, batch.len(), manner, options).await
}

/// Rows and bytes of all tables, by SHOW, which needs no warehouse; what is not listed as a table has
/// none.
pub(super) async fn fingerprints(
    session: &Arc<Session>,
    objects: &[ObjectName],
    manner: &Manner,
    options: Options,
) -> Result<States> {
    let columns = &["rows", "bytes"];
    let tables = listing::list(session, objects, Listed::Tables, columns, manner, options).await?;
    let definitions = Definitions::read(session, objects, manner, options).await?;
    let state = |object: &ObjectName| {
        let token = match tables.of(object)? {
            Some([Some(rows), Some(bytes)]) => {
                Some(VersionToken::new(format!("fp:{rows}:{bytes}")))
            }
            _ => None,
        };
        Ok(ObjectState {
            object: object.clone(),
            token,
            view_definition: definitions.of(object)?,
        })
    };
    let state = |object: &ObjectName| (object.clone(), state(object));
    Ok(objects.iter().map(state).collect())
}

/// An object that is not there is a missing dependency; one that has no such token may have another
/// signal.
fn no_token(object: &ObjectName, error: Error) -> Error {
    let message = format!("{object} gives no change token: {}", error.message());
    let class = match error.kind() {
        ErrorKind::NotFound => FailureClass::Dependency,
        _ => error.class(),
    };
    Error::new(error.kind(), message)
        .with_class(class)
        .with_remedy(
            "check that it exists and that the secret's role may read it, or use last_altered",
        )
        .with_source(error)
}

fn lacking(object: &ObjectName) -> Error {
    Error::not_found(format!(
        "{object} does not exist at the source, or may not be seen"
    ))
    .with_class(FailureClass::Dependency)
    .with_remedy("check the name, and the privileges of the secret's role")
}
