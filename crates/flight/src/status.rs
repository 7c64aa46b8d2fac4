//! The one mapping of errors to what goes over the wire and into the log.
//!
//! Three exhaustive matches on [`ErrorKind`]: the gRPC code, the log level, and whether the client may
//! read the message. An error is logged here and nowhere else in this crate.

use std::error::Error as _;

use ducksync_core::{Error, ErrorKind};
use tonic::{Code, Status, metadata::MetadataValue};
use tracing::{debug, error, info, warn};
use uuid::Uuid;

/// The header that carries an error's machine-readable reason (G-9).
pub(crate) const REASON: &str = "ducksync-reason";

/// The longest message sent, as percent-encoded on the wire: clients and proxies refuse header lists of
/// more than 8 KiB, and a parser's error may quote a statement of any length.
const MAX_ENCODED_MESSAGE: usize = 3072;

/// Whether the client may read an error's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exposure {
    Whole,
    /// Replaced by an id that finds the error in the log.
    Masked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// Logs an error and turns it into what the client sees.
pub(crate) fn from_error(error: Error) -> Status {
    let code = code(error.kind());
    let mut status = match exposure(error.kind()) {
        Exposure::Whole => {
            log(&error, None);
            Status::new(code, bounded(&error.to_string()))
        }
        Exposure::Masked => {
            let id = Uuid::now_v7();
            log(&error, Some(id));
            Status::new(
                code,
                format!("internal error {id}; the server's log tells more"),
            )
        }
    };
    if let Some(reason) = error.reason() {
        let reason = MetadataValue::from_static(reason.as_str());
        status.metadata_mut().insert(REASON, reason);
    }
    status
}

fn code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::InvalidArgument => Code::InvalidArgument,
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::AlreadyExists => Code::AlreadyExists,
        ErrorKind::FailedPrecondition => Code::FailedPrecondition,
        ErrorKind::PermissionDenied => Code::PermissionDenied,
        ErrorKind::Unauthenticated => Code::Unauthenticated,
        ErrorKind::ResourceExhausted => Code::ResourceExhausted,
        ErrorKind::Unavailable => Code::Unavailable,
        ErrorKind::DeadlineExceeded => Code::DeadlineExceeded,
        ErrorKind::Cancelled => Code::Cancelled,
        ErrorKind::Conflict => Code::Aborted,
        ErrorKind::Unimplemented => Code::Unimplemented,
        ErrorKind::DataLoss => Code::DataLoss,
        ErrorKind::Internal => Code::Internal,
    }
}

fn level(kind: ErrorKind) -> Level {
    match kind {
        ErrorKind::InvalidArgument
        | ErrorKind::NotFound
        | ErrorKind::AlreadyExists
        | ErrorKind::FailedPrecondition
        | ErrorKind::Cancelled
        | ErrorKind::Unimplemented => Level::Debug,
        ErrorKind::PermissionDenied | ErrorKind::Unauthenticated | ErrorKind::Conflict => {
            Level::Info
        }
        ErrorKind::ResourceExhausted | ErrorKind::Unavailable | ErrorKind::DeadlineExceeded => {
            Level::Warn
        }
        ErrorKind::DataLoss | ErrorKind::Internal => Level::Error,
    }
}

fn exposure(kind: ErrorKind) -> Exposure {
    match kind {
        ErrorKind::InvalidArgument
        | ErrorKind::NotFound
        | ErrorKind::AlreadyExists
        | ErrorKind::FailedPrecondition
        | ErrorKind::PermissionDenied
        | ErrorKind::Unauthenticated
        | ErrorKind::ResourceExhausted
        | ErrorKind::Unavailable
        | ErrorKind::DeadlineExceeded
        | ErrorKind::Cancelled
        | ErrorKind::Conflict
        | ErrorKind::Unimplemented
        | ErrorKind::DataLoss => Exposure::Whole,
        ErrorKind::Internal => Exposure::Masked,
    }
}

fn log(failure: &Error, id: Option<Uuid>) {
    let kind = failure.kind();
    let cause = causes(failure);
    let id = id.map(tracing::field::display);
    match level(kind) {
        Level::Debug => debug!(?kind, id, cause, "call failed: {failure}"),
        Level::Info => info!(?kind, id, cause, "call failed: {failure}"),
        Level::Warn => warn!(?kind, id, cause, "call failed: {failure}"),
        Level::Error => error!(?kind, id, cause, "call failed: {failure}"),
    }
}

/// What lies beneath an error, which its own text never repeats.
fn causes(error: &Error) -> Option<String> {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    (!causes.is_empty()).then(|| causes.join(": "))
}

/// `message`, cut so that its percent-encoded form is short enough; never within a character.
fn bounded(message: &str) -> String {
    let mut room = MAX_ENCODED_MESSAGE;
    for (at, character) in message.char_indices() {
        let plain = character.is_ascii_alphanumeric();
        let encoded = if plain { 1 } else { 3 * character.len_utf8() };
        match room.checked_sub(encoded) {
            Some(left) => room = left,
            None => return format!("{}… (cut)", &message[..at]),
        }
    }
    message.to_owned()
}

#[cfg(test)]
mod tests {
    use ducksync_core::Reason;

    use super::*;

    #[test]
    fn g9_reasons_travel_beside_the_message() {
        let error = Error::failed_precondition("no copy answers").with_reason(Reason::NotCached);
        let status = from_error(error);
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert_eq!(status.metadata().get(REASON).unwrap(), "NOT_CACHED");
        assert!(status.message().contains("no copy answers"));
    }

    #[test]
    fn i9_a_defect_is_masked_and_can_be_found_by_its_id() {
        let status = from_error(Error::internal("index 7 of table_of_secrets"));
        assert_eq!(status.code(), Code::Internal);
        assert!(!status.message().contains("table_of_secrets"));
        assert!(status.message().starts_with("internal error "));
    }

    #[test]
    fn causes_are_for_the_log_only() {
        let cause = std::io::Error::other("/var/lib/secret.key");
        let status = from_error(Error::unavailable("the catalog is down").with_source(cause));
        assert!(!status.message().contains("secret.key"));
    }

    #[test]
    fn long_messages_are_cut_within_the_limit_of_header_lists() {
        for unit in ["a", "ä", " ", "日本"] {
            let message = bounded(&unit.repeat(9000));
            let encoded: usize = message
                .chars()
                .map(|c| {
                    if c.is_ascii_alphanumeric() {
                        1
                    } else {
                        3 * c.len_utf8()
                    }
                })
                .sum();
            assert!(encoded <= MAX_ENCODED_MESSAGE + 40, "{unit:?}: {encoded}");
            assert!(message.ends_with("(cut)"));
        }
        assert_eq!(bounded("short"), "short");
    }

    #[test]
    fn a_lost_race_is_aborted_and_can_be_tried_again() {
        assert_eq!(from_error(Error::conflict("x")).code(), Code::Aborted);
    }
}
