//! `ducksync status`: how the running server and its datasets stand.

use ducksync_core::{Error, Result};
use serde_json::{Value, json};

use super::{Format, Outcome, http, report::Report};
use crate::config::Config;

const COLUMNS: [&str; 6] = [
    "dataset",
    "feed",
    "freshness",
    "age_seconds",
    "quarantined",
    "rows",
];

/// Prints a row for the server, then one for each dataset.
pub(super) fn run(config: &Config, format: Format) -> Result<Outcome> {
    let answer = http::get(config, "/health")?;
    let health: Value = serde_json::from_str(&answer.body).map_err(|error| {
        Error::unavailable("the server's answer is not JSON")
            .with_remedy("check that admin.listen is DuckSync's and not another program's")
            .with_source(error)
    })?;
    let mut report = Report::new(&COLUMNS);
    report.row([
        json!("(server)"),
        Value::Null,
        health["status"].clone(),
        health["uptime_seconds"].clone(),
        Value::Null,
        Value::Null,
    ]);
    for dataset in health["datasets"].as_array().into_iter().flatten() {
        report.row(COLUMNS.map(|column| dataset[column].clone()));
    }
    report.print(format)?;
    Ok(match health["status"].as_str() {
        Some("healthy") => Outcome::Done,
        Some("degraded") => Outcome::Partial,
        _ => Outcome::Failed,
    })
}
