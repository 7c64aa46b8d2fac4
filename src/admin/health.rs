//! `/health`: the server and its datasets in one JSON object.

use std::time::Duration;

use chrono::Utc;
use ducksync_core::{
    dataset::Dataset,
    freshness::{Freshness, age_seconds, freshness},
    time::Instant,
    version::Lake,
};
use serde_json::{Value, json};

use super::probe::Readiness;
use crate::compose::Parts;

/// The object. Texts of errors are left out: they may name what only logged-in users may see.
pub(super) fn health(readiness: &Readiness, parts: Option<&Parts>, uptime: Duration) -> Value {
    let lake = parts.map(|parts| parts.versions.current());
    let datasets = lake
        .as_deref()
        .map_or_else(Vec::new, |lake| datasets(lake, Utc::now()));
    let answers: serde_json::Map<_, _> = readiness
        .parts
        .iter()
        .map(|(part, wrong)| ((*part).to_owned(), json!(wrong.as_deref().unwrap_or("ok"))))
        .collect();
    json!({
        "status": status(readiness.is_ready(), &datasets),
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": uptime.as_secs(),
        "parts": answers,
        "snapshot_id": lake.as_deref().map(|lake| lake.snapshot.0),
        "datasets": datasets,
    })
}

fn status(ready: bool, datasets: &[Value]) -> &'static str {
    let quarantined = |dataset: &Value| dataset["quarantined"] == json!(true);
    match (ready, datasets.iter().any(quarantined)) {
        (false, _) => "unhealthy",
        (true, true) => "degraded",
        (true, false) => "healthy",
    }
}

/// Datasets with a feed, by name.
fn datasets(lake: &Lake, now: Instant) -> Vec<Value> {
    let mut fed: Vec<&Dataset> = lake
        .datasets
        .values()
        .map(AsRef::as_ref)
        .filter(|dataset| dataset.feed.is_some())
        .collect();
    fed.sort_by_key(|dataset| dataset.name.folded());
    fed.into_iter()
        .map(|dataset| describe(dataset, now))
        .collect()
}

fn describe(dataset: &Dataset, now: Instant) -> Value {
    let state: Freshness = freshness(dataset, now);
    json!({
        "dataset": dataset.name.to_string(),
        "feed": dataset.feed.as_ref().map(|feed| feed.kind()),
        "freshness": state.as_str(),
        "age_seconds": age_seconds(dataset, now),
        "quarantined": dataset.quarantine.is_some(),
        "rows": dataset.head.as_ref().map(|head| head.rows),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarantined_dataset_degrades_and_a_silent_part_is_unhealthy() {
        let fine = json!({"quarantined": false});
        let bad = json!({"quarantined": true});
        assert_eq!(status(true, &[]), "healthy");
        assert_eq!(status(true, std::slice::from_ref(&fine)), "healthy");
        assert_eq!(status(true, &[fine, bad.clone()]), "degraded");
        assert_eq!(status(false, &[bad]), "unhealthy");
    }
}
