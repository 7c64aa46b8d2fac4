//! How far this machine's clock is from Snowflake's, which matters to logins that are signed: they are
//! dated, and taken within a minute only.

use std::time::Duration;

use chrono::{DateTime, Utc};
use ducksync_core::error::Error;
use reqwest::header::{self, HeaderMap};

/// Differences that the way of a message explains, and that Snowflake bears.
const BORNE_SECONDS: i64 = 20;

/// How many seconds the sender of a reply is ahead of this machine, if it says.
pub(super) fn ahead(headers: &HeaderMap, now: DateTime<Utc>) -> Option<i64> {
    let date = headers.get(header::DATE)?.to_str().ok()?;
    let date = DateTime::parse_from_rfc2822(date).ok()?;
    Some(date.timestamp() - now.timestamp())
}

/// The seconds to add to this machine's time.
pub(super) fn correction(ahead: Option<i64>) -> i64 {
    ahead
        .filter(|seconds| seconds.abs() > BORNE_SECONDS)
        .unwrap_or_default()
}

/// Says in the log that logins go by Snowflake's clock.
pub(super) fn warn(ahead: Option<i64>) {
    if let Some(difference) = told(ahead) {
        tracing::warn!("{difference}; logins are dated by snowflake's clock, set this machine's");
    }
}

/// The same refusal, with the clocks as its likely reason if they differ.
pub(super) fn blamed(ahead: Option<i64>, error: Error) -> Error {
    match told(ahead) {
        Some(difference) => Error::new(error.kind(), format!("{}; {difference}", error.message()))
            .with_class(error.class())
            .with_remedy("set this machine's clock (NTP), then try again"),
        None => error,
    }
}

fn told(ahead: Option<i64>) -> Option<String> {
    let seconds = correction(ahead);
    let side = if seconds > 0 { "behind" } else { "ahead of" };
    let length = Duration::from_secs(seconds.unsigned_abs());
    (seconds != 0).then(|| {
        let length = length.as_secs();
        format!("the clock of this machine is {length} s {side} snowflake's")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_tells_how_far_the_clocks_are_apart() {
        let now = DateTime::parse_from_rfc3339("2026-11-27T12:00:00Z")
            .unwrap()
            .to_utc();
        let of = |date: &'static str| {
            let headers = [(header::DATE, header::HeaderValue::from_static(date))];
            ahead(&headers.into_iter().collect(), now)
        };
        assert_eq!(of("Fri, 27 Nov 2026 12:05:00 GMT"), Some(300));
        assert_eq!(of("Fri, 27 Nov 2026 11:59:50 GMT"), Some(-10));
        assert_eq!(of("yesterday"), None);
        assert_eq!(correction(Some(-10)), 0, "a slow message is no wrong clock");
        assert_eq!(correction(Some(300)), 300);
        let refused = blamed(Some(300), Error::unauthenticated("no"));
        assert!(refused.to_string().contains("300 s behind"), "{refused}");
        let refused = blamed(Some(0), Error::unauthenticated("no"));
        assert_eq!(refused.to_string(), "no");
    }
}
