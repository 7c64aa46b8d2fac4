//! Our own headers: the contract of a call (V-1) and the story of its answer (V-2).

use ducksync_core::{
    Error, Result,
    session::{AnswerMetadata, CacheStatus, Contract},
};
use tonic::metadata::{KeyAndValueRef, MetadataMap, MetadataValue};

use crate::wire::Compression;

const PREFIX: &str = "ducksync-";
const COMPRESSION: &str = "ducksync-compression";

/// `base` with what the call's `ducksync-*` headers set; `ducksync-max-staleness` is the option
/// `max_staleness`.
///
/// # Errors
/// `InvalidArgument` naming the option that is unknown or has a bad value (V-4).
pub(crate) fn contract(mut base: Contract, metadata: &MetadataMap) -> Result<Contract> {
    for entry in metadata.iter() {
        let KeyAndValueRef::Ascii(key, value) = entry else {
            continue;
        };
        let Some(option) = key.as_str().strip_prefix(PREFIX) else {
            continue;
        };
        if key.as_str() == COMPRESSION {
            continue;
        }
        let value = value.to_str().map_err(|_| unreadable(key.as_str()))?;
        base.set(&option.replace('-', "_"), value)?;
    }
    Ok(base)
}

/// How the call wants its rows compressed: not at all, unless it says so, because the JDBC driver
/// cannot read compressed buffers.
///
/// # Errors
/// `InvalidArgument` for anything but `lz4` and `none`.
pub(crate) fn compression(metadata: &MetadataMap) -> Result<Compression> {
    let Some(value) = metadata.get(COMPRESSION) else {
        return Ok(Compression::None);
    };
    match value
        .to_str()
        .map_err(|_| unreadable(COMPRESSION))?
        .to_ascii_lowercase()
        .as_str()
    {
        "lz4" => Ok(Compression::Lz4),
        "none" | "" => Ok(Compression::None),
        other => Err(
            Error::invalid(format!("header {COMPRESSION} cannot be {other:?}"))
                .with_remedy("give it lz4 or none"),
        ),
    }
}

/// Tells the story of an answer in headers.
pub(crate) fn tell(metadata: &mut MetadataMap, answer: &AnswerMetadata) {
    let mut put = |name: &'static str, value: String| {
        // A rule or id that is not plain ASCII is still whole in the FlightInfo's app_metadata.
        if let Ok(value) = MetadataValue::try_from(value) {
            metadata.insert(name, value);
        }
    };
    put("ducksync-statement-id", answer.statement_id.to_string());
    put("ducksync-route", answer.route.as_str().to_owned());
    put("ducksync-rule", answer.rule.clone());
    put(
        "ducksync-cache-status",
        cache_status(answer.cache_status).to_owned(),
    );
    if let Some(snapshot) = answer.snapshot_id {
        put("ducksync-snapshot", snapshot.to_string());
    }
    if let Some(id) = &answer.source_query_id {
        put("ducksync-source-query-id", id.clone());
    }
}

fn cache_status(status: CacheStatus) -> &'static str {
    match status {
        CacheStatus::Hit => "HIT",
        CacheStatus::Miss => "MISS",
        CacheStatus::Stale => "STALE",
        CacheStatus::Revalidated => "REVALIDATED",
        CacheStatus::Bypass => "BYPASS",
    }
}

fn unreadable(header: &str) -> Error {
    Error::invalid(format!("header {header} is not plain text"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ducksync_core::{id::StatementId, session::Consistency, session::Route};

    use super::*;

    fn metadata(headers: &[(&'static str, &str)]) -> MetadataMap {
        let mut metadata = MetadataMap::new();
        for (name, value) in headers {
            metadata.insert(*name, value.parse().unwrap());
        }
        metadata
    }

    #[test]
    fn v1_headers_override_the_sessions_contract() {
        let mut session = Contract::default();
        session.set("max_staleness", "600").unwrap();
        session.set("stale_if_error", "5").unwrap();
        let headers = metadata(&[
            ("ducksync-max-staleness", "60"),
            ("ducksync-consistency", "fresh"),
            ("ducksync-compression", "lz4"),
            ("x-other", "1"),
        ]);
        let contract = contract(session, &headers).unwrap();
        assert_eq!(contract.max_staleness, Some(Duration::from_secs(60)));
        assert_eq!(contract.stale_if_error, Some(Duration::from_secs(5)));
        assert_eq!(contract.consistency, Consistency::Fresh);
        assert!(matches!(compression(&headers), Ok(Compression::Lz4)));
    }

    #[test]
    fn v4_unknown_options_and_bad_values_are_named() {
        for (name, value, word) in [
            ("ducksync-consistancy", "fresh", "consistancy"),
            ("ducksync-max-staleness", "soon", "max_staleness"),
        ] {
            let error = contract(Contract::default(), &metadata(&[(name, value)])).unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
        }
        assert!(compression(&metadata(&[("ducksync-compression", "zip")])).is_err());
    }

    #[test]
    fn v2_the_answers_story_is_told_in_headers() {
        let answer = AnswerMetadata {
            statement_id: StatementId::generate(),
            route: Route::Passthrough,
            rule: "V-8".into(),
            reason: "no copy".into(),
            cache_status: CacheStatus::Bypass,
            snapshot_id: None,
            source_query_id: Some("01b2".into()),
            warnings: vec![],
            datasets: vec![],
        };
        let mut metadata = MetadataMap::new();
        tell(&mut metadata, &answer);
        assert_eq!(metadata.get("ducksync-route").unwrap(), "passthrough");
        assert_eq!(metadata.get("ducksync-cache-status").unwrap(), "BYPASS");
        assert_eq!(metadata.get("ducksync-source-query-id").unwrap(), "01b2");
    }
}
