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

/// The error of a login that Snowflake refused. `Unauthenticated` if it was the credential, so that the
/// same one is better not sent again at once.
pub(super) fn of_login<T>(envelope: &Envelope<T>, user: &str) -> Error {
    let code = envelope.code.as_deref().unwrap_or("without code");
    let said = said(envelope);
    let message = format!("snowflake refused the login of user {user:?}: {said} [code {code}]");
    let said = said.to_lowercase();
    let says = |words: &str| said.contains(words);
    match code {
        _ if says("suspended") => Error::unavailable(message)
            .with_remedy("the account is suspended: its administrator can tell why"),
        "390101" => Error::permission_denied(message)
            .with_remedy("the user is disabled: ALTER USER … SET DISABLED = FALSE"),
        "390189" | "390186" => {
            Error::permission_denied(message).with_remedy("grant the secret's role to the user")
        }
        "390201" => Error::permission_denied(message)
            .with_remedy("check the secret's database, schema and warehouse"),
        "390420" | "390422" | "390432" => Error::permission_denied(message).with_remedy(POLICY),
        _ if says("network policy") || says("not allowed to access") => {
            Error::permission_denied(message).with_remedy(POLICY)
        }
        _ => Error::unauthenticated(message).with_remedy(remedy_of_login(code, &said)),
    }
}

const POLICY: &str = "allow this machine's address in the network policy of the account or the user; \
                      a programmatic access token needs one";

/// What helps against a credential that was refused; `said` is in lower case.
fn remedy_of_login(code: &str, said: &str) -> &'static str {
    match code {
        "390102" => {
            "the user is locked after failed logins: wait a quarter of an hour, or ALTER USER … SET \
             MINS_TO_UNLOCK = 0"
        }
        "390120" | "390122" | "390123" | "390126" | "390127" | "390129" | "390132" | "390197" => {
            SECOND_FACTOR
        }
        _ if said.contains("multi-factor") || said.contains("mfa") => SECOND_FACTOR,
        _ if said.contains("password") && said.contains("expired") => {
            "set a new password, or use a key pair"
        }
        "390144" => {
            "check the secret's account and user, and that the public half of private_key is the \
             user's (ALTER USER … SET RSA_PUBLIC_KEY); an administrator learns more from SELECT \
             SYSTEM$GET_LOGIN_FAILURE_DETAILS with the id above"
        }
        "390302" | "390303" | "390309" | "390318" => {
            "check the OAuth token: it may be over, or another user's"
        }
        _ if code.starts_with("3943") => {
            "check the secret's account and user, and that the public half of private_key is the user's"
        }
        _ if code.starts_with("3944") => {
            "check the programmatic access token: it may be over, revoked or another user's"
        }
        _ => "check the secret's account, user, and password, private_key or token",
    }
}

const SECOND_FACTOR: &str = "a server cannot answer a second factor: use a key pair or a programmatic \
                             access token, of a user of TYPE = SERVICE";

/// The error of a login that was refused without a word.
pub(super) fn of_login_without_words(user: &str) -> Error {
    Error::unauthenticated(format!(
        "snowflake refused the login of user {user:?}: http 401"
    ))
    .with_remedy(remedy_of_login("", ""))
}

/// The same error with the query's id in it, by which Snowflake's own history knows it.
pub(super) fn of_query(query_id: &str, error: Error) -> Error {
    if query_id.is_empty() || error.message().contains(query_id) {
        return error;
    }
    let message = format!("{} [query {query_id}]", error.message());
    let mut named = Error::new(error.kind(), message).with_class(error.class());
    if let Some(reason) = error.reason() {
        named = named.with_reason(reason);
    }
    if let Some(remedy) = error.remedy() {
        named = named.with_remedy(remedy);
    }
    named.with_source(error)
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
        "666" => Error::unavailable(message)
            .with_remedy("the account is suspended: its administrator can tell why"),
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
    use ducksync_core::error::Reason;

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
            ("000666", "57014", Unavailable, Class::Source),
        ] {
            let error = failed(code, state);
            assert_eq!((error.kind(), error.class()), (kind, class), "{code}");
        }
    }

    #[test]
    fn g9_refused_logins_become_kinds_and_remedies() {
        use ErrorKind::*;
        for (code, said, kind, remedy) in [
            (
                "390100",
                "Incorrect username or password was specified.",
                Unauthenticated,
                "password",
            ),
            (
                "390102",
                "Your user account has been temporarily locked.",
                Unauthenticated,
                "MINS_TO_UNLOCK",
            ),
            (
                "390101",
                "User access disabled.",
                PermissionDenied,
                "DISABLED = FALSE",
            ),
            (
                "390106",
                "Specified password has expired.",
                Unauthenticated,
                "new password",
            ),
            (
                "390197",
                "Multi-factor authentication is required for this account.",
                Unauthenticated,
                "second factor",
            ),
            (
                "390100",
                "MFA authentication is required.",
                Unauthenticated,
                "second factor",
            ),
            (
                "390144",
                "JWT token is invalid. [1f]",
                Unauthenticated,
                "RSA_PUBLIC_KEY",
            ),
            (
                "390318",
                "OAuth access token expired.",
                Unauthenticated,
                "OAuth",
            ),
            (
                "394400",
                "Programmatic access token is invalid.",
                Unauthenticated,
                "revoked",
            ),
            (
                "390189",
                "Role 'X' does not exist or not authorized.",
                PermissionDenied,
                "role",
            ),
            (
                "390422",
                "Incoming request with IP 1.2.3.4 is not allowed to access Snowflake.",
                PermissionDenied,
                "network policy",
            ),
            (
                "390913",
                "Your account is suspended.",
                Unavailable,
                "suspended",
            ),
        ] {
            let refused = Envelope::<()> {
                data: None,
                code: Some(code.into()),
                message: Some(said.into()),
                success: false,
            };
            let error = of_login(&refused, "U");
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.remedy().unwrap().contains(remedy), "{error}");
        }
    }

    #[test]
    fn g9_an_error_is_given_its_query_once() {
        let error = Error::invalid("x")
            .with_reason(Reason::PrecisionLoss)
            .with_remedy("y");
        let named = of_query("01b-7", of_query("01b-7", error));
        assert_eq!(named.to_string(), "PRECISION_LOSS: x [query 01b-7]; y");
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
