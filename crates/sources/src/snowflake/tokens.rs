//! Signals of change (C-7): the change token of tables and views, or the time of last alteration.

use std::{collections::HashMap, sync::Arc};

use ducksync_core::{
    error::{Error, FailureClass, Result},
    name::ObjectName,
    source::{ObjectState, VersionToken},
};

use super::{
    answer, failure, names::literal, session::Session, settings::Options, statement::Manner, views,
};

pub(super) mod altered;

/// Objects that one statement asks about.
const BATCH: usize = 100;

/// The change tokens of all objects, in their order. No warehouse is needed.
pub(super) async fn change_tokens(
    session: &Arc<Session>,
    objects: &[ObjectName],
    manner: &Manner,
    options: Options,
) -> Result<Vec<ObjectState>> {
    // Definitions first: a view that is replaced in between shows a new token or a new definition.
    let definitions = views::definitions(session, objects, manner, options).await;
    let mut tokens = HashMap::new();
    let mut batches: Vec<&[ObjectName]> = objects.chunks(BATCH).rev().collect();
    while let Some(batch) = batches.pop() {
        match ask(session, batch, manner, options).await {
            Ok(row) => tokens.extend(batch.iter().cloned().zip(row)),
            Err(error) if !failure::is_rejection(&error) => return Err(error),
            Err(error) => match batch {
                // One object spoils the statement of all: the halves tell which.
                [_, _, ..] => {
                    let (left, right) = batch.split_at(batch.len() / 2);
                    batches.extend([right, left]);
                }
                [object] => return Err(no_token(object, error)),
                [] => return Err(error),
            },
        }
    }
    // After the tokens, whose errors name the object that is missing.
    let definitions = definitions?;
    let state = |object: &ObjectName| {
        let token = tokens.get(object).ok_or_else(|| lacking(object))?;
        Ok(ObjectState {
            object: object.clone(),
            token: token
                .as_ref()
                .map(|token| VersionToken::new(format!("ct:{token}"))),
            view_definition: definitions.get(object).cloned(),
        })
    };
    objects.iter().map(state).collect()
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
    let table = answer::table(session, &sql, manner, options).await?;
    match <[_; 1]>::try_from(table.rows) {
        Ok([row]) if row.len() == batch.len() => Ok(row),
        _ => Err(Error::data_loss(
            "snowflake answered other change tokens than it was asked for",
        )),
    }
}

fn no_token(object: &ObjectName, error: Error) -> Error {
    let message = format!("{object} gives no change token: {}", error.message());
    Error::new(error.kind(), message)
        .with_class(FailureClass::Dependency)
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
