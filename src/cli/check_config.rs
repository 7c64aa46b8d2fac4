//! `ducksync check-config`: reads the configuration and says what it means. Contacts nothing.

use ducksync_core::Result;
use serde_json::json;

use super::{Format, Outcome, report::Report};
use crate::config::Config;

/// Prints what was understood, without any secret.
pub(super) fn run(config: &Config, format: Format) -> Result<Outcome> {
    let mut report = Report::new(&["setting", "value"]);
    let mut row = |setting: &str, value: String| report.row([json!(setting), json!(value)]);
    row(
        "file",
        match &config.file {
            Some(path) => path.display().to_string(),
            None => "none: the embedded defaults".into(),
        },
    );
    row(
        "data directory",
        config.data_directory.display().to_string(),
    );
    row("catalog", config.catalog.shown());
    row("data path", config.lake.data_path.clone());
    for listen in &config.listen {
        row("flight", listen.client_url(listen.port));
    }
    row(
        "admin",
        config.admin_listen.clone().unwrap_or_else(|| "none".into()),
    );
    let mut secrets: Vec<_> = config.secrets.values().collect();
    secrets.sort_by(|(l, _), (r, _)| l.cmp(r));
    for (name, secret) in secrets {
        let given: Vec<_> = secret.values.keys().map(String::as_str).collect();
        row(
            "secret",
            format!("{name} ({}: {})", secret.kind, given.join(", ")),
        );
    }
    for source in &config.sources {
        row(
            "source",
            format!(
                "{} ({}, secret {})",
                source.name,
                source.driver.as_str(),
                source.secret
            ),
        );
    }
    for user in &config.users.users {
        row("user", user.name.clone());
    }
    for key in &config.inert {
        row("without effect", format!("{key}: nothing reads it yet"));
    }
    if config.testing {
        row("testing", "true: limits on ranges are lifted".into());
    }
    report.print(format)?;
    Ok(Outcome::Done)
}
