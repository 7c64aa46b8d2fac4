//! Snowflake's error codes as our kinds of errors.

use ducksync_core::error::{Error, ErrorKind, FailureClass};

use super::protocol::{Envelope, QueryData};

/// The session's token is over; it can be renewed.
pub(super) const SESSION_EXPIRED: &str = "390112";
/// The session is gone, or its master token is over: only a new login helps.
pub(super) const SESSION_LOST: [&str; 4] = ["390111", "390113", "390114", "390115"];
/// The statement is not finished.
pub(super) const PENDING: [&str; 2] = ["333333", "333334"];

/// The error of a statement that Snowflake refused or broke off.
pub(super) fn of_statement(envelope: &Envelope<QueryData>) -> Error {
    let code = envelope.code.as_deref().unwrap_or("without code");
    let data = envelope.data.as_ref();
    let state = data
        .and_then(|data| data.sql_state.as_deref())
        .unwrap_or_default();
    let mut message = format!("snowflake rejected the statement: {}", said(envelope));
    message.push_str(&format!(" [code {code}"));
    if !state.is_empty() {
        message.push_str(&format!(", sql state {state}"));
    }
    if let Some((line, pos)) = data.and_then(|data| Some((data.line?, data.pos?)))
        && line > 0
    {
        message.push_str(&format!(", line {line}, position {pos}"));
    }
    if let Some(id) = data.and_then(|data| data.query_id.as_deref()) {
        message.push_str(&format!(", query {id}"));
    }
    message.push(']');
    classify(code, state, message)
}

/// The error of a login or renewal that Snowflake refused.
pub(super) fn of_login<T>(envelope: &Envelope<T>, user: &str) -> Error {
    let code = envelope.code.as_deref().unwrap_or("without code");
    let message = format!(
        "snowflake refused the login of user {user:?}: {} [code {code}]",
        said(envelope)
    );
    match code {
        "390189" | "390186" | "390201" | "390422" | "390432" | "390420" => {
            Error::permission_denied(message)
                .with_remedy("check the secret's role and the account's network policy")
        }
        _ => Error::unauthenticated(message)
            .with_remedy("check the secret's account, user, and password, private_key or token"),
    }
}

fn said<T>(envelope: &Envelope<T>) -> String {
    let message = envelope.message.as_deref().unwrap_or("no message");
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Sorts a code, with the SQL state for codes not known here.
fn classify(code: &str, state: &str, message: String) -> Error {
    let digits = code.trim_start_matches('0');
    match digits {
        "604" | "605" => Error::new(ErrorKind::Cancelled, message),
        "630" => Error::new(ErrorKind::DeadlineExceeded, message)
            .with_remedy("raise the statement's timeout, or narrow the statement"),
        "606" | "57014606" => Error::failed_precondition(message).with_remedy(
            "set `warehouse` in the secret, or give the user a default warehouse it may use",
        ),
        "90105" | "90106" => Error::failed_precondition(message)
            .with_class(FailureClass::Query)
            .with_remedy("qualify the names, or set `database` and `schema` in the secret"),
        "2003" | "2043" | "709" => Error::not_found(message)
            .with_class(FailureClass::Query)
            .with_remedy("check the name, and that the secret's role may use it"),
        "3001" | "3013" => Error::permission_denied(message)
            .with_remedy("grant the privilege to the secret's role"),
        "603" | "300002" | "370001" => Error::unavailable(message),
        _ if digits.starts_with("390") => {
            Error::unauthenticated(message).with_remedy("check the secret's login")
        }
        _ => by_state(state, message),
    }
}

fn by_state(state: &str, message: String) -> Error {
    match state.get(..2).unwrap_or_default() {
        "08" | "XX" | "58" => Error::unavailable(message),
        "53" => Error::resource_exhausted(message),
        "0A" => Error::unimplemented(message),
        "57" if state == "57014" => Error::new(ErrorKind::Cancelled, message),
        "42" if state == "42501" => Error::permission_denied(message)
            .with_remedy("grant the privilege to the secret's role"),
        "42" if state == "42S02" => Error::not_found(message).with_class(FailureClass::Query),
        _ => Error::invalid(message).with_class(FailureClass::Query),
    }
}

/// Whether Snowflake judged the statement itself, so that another text could fare better.
pub(super) fn is_rejection(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::InvalidArgument
        | ErrorKind::NotFound
        | ErrorKind::PermissionDenied
        | ErrorKind::Unimplemented => true,
        ErrorKind::AlreadyExists
        | ErrorKind::FailedPrecondition
        | ErrorKind::Unauthenticated
        | ErrorKind::ResourceExhausted
        | ErrorKind::Unavailable
        | ErrorKind::DeadlineExceeded
        | ErrorKind::Cancelled
        | ErrorKind::Conflict
        | ErrorKind::DataLoss
        | ErrorKind::Internal => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(code: &str, state: &str) -> Error {
        of_statement(&Envelope {
            data: Some(QueryData {
                query_id: Some("01b-7".into()),
                sql_state: Some(state.into()),
                line: Some(1),
                pos: Some(7),
                ..QueryData::default()
            }),
            code: Some(code.into()),
            message: Some("SQL compilation error:\nsyntax error".into()),
            success: false,
        })
    }

    #[test]
    fn g9_codes_become_kinds_and_classes() {
        use ErrorKind::*;
        use FailureClass as Class;
        for (code, state, kind, class) in [
            ("001003", "42000", InvalidArgument, Class::Query),
            ("002003", "42S02", NotFound, Class::Query),
            ("000904", "42000", InvalidArgument, Class::Query),
            ("100038", "22018", InvalidArgument, Class::Query),
            ("003001", "42501", PermissionDenied, Class::Permission),
            ("000604", "57014", Cancelled, Class::Resource),
            ("000630", "57014", DeadlineExceeded, Class::Resource),
            ("000606", "57P03", FailedPrecondition, Class::Dependency),
            ("390100", "08001", Unauthenticated, Class::Permission),
            ("000603", "XX000", Unavailable, Class::Source),
        ] {
            let error = failed(code, state);
            assert_eq!((error.kind(), error.class()), (kind, class), "{code}");
        }
    }

    #[test]
    fn g9_errors_carry_code_state_place_and_query() {
        let text = failed("001003", "42000").to_string();
        for part in [
            "001003",
            "42000",
            "line 1, position 7",
            "01b-7",
            "syntax error",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
