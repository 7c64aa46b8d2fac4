//! Flight actions, one file each: Flight SQL's, Flight's own, and `ducksync.*`.
//!
//! Flight SQL's bodies are packed into `Any`, Flight's own are bare, ours are as G-1 says.

mod body;
mod cancel_flight_info;
mod cancel_query;
mod cell;
mod close_prepared_statement;
mod close_session;
mod command;
mod create_prepared_statement;
mod get_session_options;
mod session_messages;
mod set_session_options;
mod transaction;

use arrow_flight::{
    Action, ActionType, Result as ActionResult,
    sql::{Any, ProstMessageExt},
};
use bytes::Bytes;
use ducksync_core::{Error, Result, command::SPECS};
use futures::{StreamExt, stream, stream::BoxStream};
use prost::Message;
use tonic::Status;

use crate::call::Call;

/// What an action answers.
pub(crate) type ActionResults = BoxStream<'static, Result<ActionResult, Status>>;

/// The prefix of our own actions.
const OURS: &str = "ducksync.";

/// Every action but ours, with what it does.
const SERVED: &[(&str, &str)] = &[
    (
        "CreatePreparedStatement",
        "Prepares a statement without running it.",
    ),
    ("ClosePreparedStatement", "Ends a prepared statement."),
    ("BeginTransaction", "Begins a transaction of the session."),
    ("EndTransaction", "Commits or rolls back a transaction."),
    (
        "CancelQuery",
        "Stops a statement (deprecated: CancelFlightInfo).",
    ),
    (
        "CancelFlightInfo",
        "Stops the statement that a FlightInfo describes.",
    ),
    ("SetSessionOptions", "Sets options of the session."),
    ("GetSessionOptions", "Shows the options of the session."),
    (
        "CloseSession",
        "Ends the session; its open transactions roll back.",
    ),
];

/// ListActions: what is served, and nothing else.
pub(crate) fn list() -> Vec<ActionType> {
    let served = SERVED
        .iter()
        .map(|(name, summary)| ((*name).to_owned(), *summary));
    let ours = SPECS
        .iter()
        .map(|spec| (format!("{OURS}{}", spec.name), spec.summary));
    let action = |(name, summary): (String, &str)| ActionType {
        r#type: name,
        description: summary.to_owned(),
    };
    served.chain(ours).map(action).collect()
}

/// Runs an action.
///
/// # Errors
/// `Unimplemented` for an unknown one; clients take that for "not offered" and go on.
pub(crate) async fn run(call: &Call, action: Action) -> Result<ActionResults> {
    let body = action.body;
    match action.r#type.as_str() {
        "CreatePreparedStatement" => {
            let created = create_prepared_statement::run(call, unpack(&body)?).await?;
            Ok(one(&created.as_any()))
        }
        "ClosePreparedStatement" => close_prepared_statement::run(&unpack(&body)?).map(|()| none()),
        "BeginTransaction" => Ok(one(&transaction::begin(call).await?.as_any())),
        "EndTransaction" => transaction::end(call, &unpack(&body)?)
            .await
            .map(|()| none()),
        "CancelQuery" => Ok(one(&cancel_query::run(call, &unpack(&body)?)
            .await?
            .as_any())),
        "CancelFlightInfo" => Ok(one(&cancel_flight_info::run(call, &bare(&body)?).await?)),
        "SetSessionOptions" => Ok(one(&set_session_options::run(call, bare(&body)?)?)),
        "GetSessionOptions" => Ok(one(&get_session_options::run(call))),
        "CloseSession" => Ok(one(&close_session::run(call).await?)),
        other => match other.strip_prefix(OURS) {
            Some(name) => command::run(call, name, &body).await,
            None => Err(unknown(other)),
        },
    }
}

fn unknown(name: &str) -> Error {
    Error::unimplemented(format!("action {name:?} is not offered here"))
        .with_remedy("ListActions tells what is")
}

fn one(message: &impl Message) -> ActionResults {
    let body = message.encode_to_vec().into();
    stream::iter([Ok(ActionResult { body })]).boxed()
}

fn none() -> ActionResults {
    stream::empty().boxed()
}

fn unpack<M: ProstMessageExt>(body: &Bytes) -> Result<M> {
    let expected = M::type_url().rsplit('.').next().unwrap_or_default();
    let unreadable = || Error::invalid(format!("the action's body is not a packed {expected}"));
    let any = Any::decode(body.clone()).map_err(|error| unreadable().with_source(error))?;
    let message = any
        .unpack()
        .map_err(|error| unreadable().with_source(error))?;
    message.ok_or_else(unreadable)
}

fn bare<M: Message + Default>(body: &Bytes) -> Result<M> {
    M::decode(body.clone())
        .map_err(|error| Error::invalid("the action's body cannot be read").with_source(error))
}

#[cfg(test)]
mod tests {
    use arrow_flight::sql::{ActionBeginTransactionRequest, ActionEndTransactionRequest};

    use super::*;

    #[test]
    fn g1_every_command_is_listed_as_an_action() {
        let listed: Vec<_> = list().into_iter().map(|action| action.r#type).collect();
        for spec in SPECS {
            assert!(
                listed.contains(&format!("ducksync.{}", spec.name)),
                "{}",
                spec.name
            );
        }
        assert!(
            !listed
                .iter()
                .any(|name| name.contains("Savepoint") || name.contains("Substrait"))
        );
    }

    #[test]
    fn packed_bodies_must_be_of_the_actions_own_type() {
        let other: Bytes = ActionBeginTransactionRequest {}
            .as_any()
            .encode_to_vec()
            .into();
        let error = unpack::<ActionEndTransactionRequest>(&other).unwrap_err();
        assert!(
            error.to_string().contains("ActionEndTransactionRequest"),
            "{error}"
        );
        assert!(unpack::<ActionBeginTransactionRequest>(&other).is_ok());
    }
}
