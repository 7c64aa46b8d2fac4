//! `SetSessionOptions`: each option by itself; a bad one leaves the others and the session as they are
//! (V-4).

use ducksync_core::Result;
use ducksync_query::{Session, session::OPTIONS};
use tracing::debug;

use super::session_messages::{
    ErrorValue, OptionError, OptionValue, SessionOptionValue, SetSessionOptionsRequest,
    SetSessionOptionsResult,
};
use crate::call::Call;

pub(super) fn run(
    call: &Call,
    request: SetSessionOptionsRequest,
) -> Result<SetSessionOptionsResult> {
    let session = call.session()?;
    let mut errors = std::collections::HashMap::new();
    for (name, value) in request.session_options {
        if let Err(error) = set(&session, &name, value) {
            errors.insert(
                name,
                OptionError {
                    value: error.into(),
                },
            );
        }
    }
    Ok(SetSessionOptionsResult { errors })
}

fn set(session: &Session, name: &str, value: SessionOptionValue) -> Result<(), ErrorValue> {
    if !OPTIONS.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return Err(ErrorValue::InvalidName);
    }
    match text(value)? {
        Some(text) => session.set_option(name, &text).map_err(|error| {
            // The protocol has no room for the text.
            debug!("session option refused: {error}");
            ErrorValue::InvalidValue
        }),
        None => {
            session.unset_option(name);
            Ok(())
        }
    }
}

/// The value as text; `None` takes the option back to its default.
fn text(value: SessionOptionValue) -> Result<Option<String>, ErrorValue> {
    Ok(Some(match value.option_value {
        None => return Ok(None),
        Some(OptionValue::Text(text)) => text,
        Some(OptionValue::Boolean(truth)) => truth.to_string(),
        Some(OptionValue::Integer(number)) => number.to_string(),
        Some(OptionValue::Double(number)) => number.to_string(),
        Some(OptionValue::Texts(_)) => return Err(ErrorValue::InvalidValue),
    }))
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use ducksync_core::auth::Principal;
    use ducksync_query::{SessionKey, Sessions};

    use super::*;

    fn session() -> Arc<Session> {
        let ann = Principal {
            name: "ann".into(),
            roles: vec![],
            grants: Arc::new([]),
        };
        let sessions = Sessions::new(1, Duration::from_secs(60));
        sessions.open(&SessionKey("1".into()), &ann).unwrap()
    }

    fn value(value: OptionValue) -> SessionOptionValue {
        SessionOptionValue {
            option_value: Some(value),
        }
    }

    #[test]
    fn v4_a_bad_option_is_refused_and_the_session_stays_as_it_was() {
        let session = session();
        set(&session, "max_staleness", value(OptionValue::Integer(60))).unwrap();
        let soon = value(OptionValue::Text("soon".into()));
        assert_eq!(
            set(&session, "max_staleness", soon),
            Err(ErrorValue::InvalidValue)
        );
        let unknown = value(OptionValue::Text("x".into()));
        assert_eq!(
            set(&session, "colour", unknown),
            Err(ErrorValue::InvalidName)
        );
        assert_eq!(session.option("max_staleness").as_deref(), Some("60"));
        assert_eq!(
            session.contract().max_staleness,
            Some(Duration::from_secs(60))
        );
    }

    #[test]
    fn an_option_without_value_goes_back_to_its_default() {
        let session = session();
        set(
            &session,
            "only_if_cached",
            value(OptionValue::Boolean(true)),
        )
        .unwrap();
        assert!(session.contract().only_if_cached);
        set(
            &session,
            "only_if_cached",
            SessionOptionValue { option_value: None },
        )
        .unwrap();
        assert!(!session.contract().only_if_cached);
    }
}
