//! `ducksync version`: which versions this program is made of.

use ducksync_core::Result;
use serde_json::json;

use super::{Format, Outcome, report::Report};

/// Prints them.
pub(super) fn run(format: Format) -> Result<Outcome> {
    let mut report = Report::new(&["component", "version"]);
    report.row([json!("ducksync"), json!(env!("CARGO_PKG_VERSION"))]);
    report.row([json!("duckdb"), json!(ducksync_engine::duckdb_version())]);
    report.row([json!("arrow"), json!(arrow::ARROW_VERSION)]);
    report.print(format)?;
    Ok(Outcome::Done)
}
