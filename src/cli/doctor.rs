//! `ducksync doctor`: tests what the server stands on, one thing after the other, and names the fix of
//! what does not hold.
//!
//! It does what a start would do (a new version's migrations included) and nothing else; an SQLite
//! catalog that a running server holds is asked through that server.

use std::{fs, sync::Arc};

use ducksync_catalog::{Catalog, crypto::SecretKey};
use ducksync_core::{
    Error, Result,
    catalog::{SecretStore, Versions},
    engine::QueryEngine,
    files::FileStore,
    name::Name,
    source::{Aspect, SourceContext, Sources},
};
use serde_json::{Value, json};

use super::{Format, Outcome, http, report::Report};
use crate::{
    compose::{Doors, directories, engine, secrets::AllSecrets, sources, storage},
    config::{CatalogUrl, Config},
};

/// Runs every test and prints what was found.
pub(super) fn run(config: &Config, format: Format) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::unavailable("starting the runtime failed").with_source(error))?;
    let mut findings = Findings::default();
    runtime.block_on(Box::pin(examine(config, &mut findings)));
    findings.report.print(format)?;
    Ok(match findings.failed {
        0 => Outcome::Done,
        _ => Outcome::Failed,
    })
}

struct Findings {
    report: Report,
    failed: usize,
}

impl Default for Findings {
    fn default() -> Self {
        Self {
            report: Report::new(&["test", "result", "found", "fix"]),
            failed: 0,
        }
    }
}

impl Findings {
    fn ok(&mut self, test: &str, found: impl Into<String>) {
        self.report
            .row([json!(test), json!("ok"), json!(found.into()), Value::Null]);
    }

    fn note(&mut self, test: &str, found: &str) {
        self.report
            .row([json!(test), json!("note"), json!(found), Value::Null]);
    }

    fn failed(&mut self, test: &str, error: &Error) {
        self.failed += 1;
        self.report.row([
            json!(test),
            json!("failed"),
            json!(error.message()),
            json!(error.remedy()),
        ]);
    }

    /// Notes how a test ended; what it found stays with those that hold.
    fn test<T>(
        &mut self,
        test: &str,
        result: Result<T>,
        found: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        match result {
            Ok(value) => {
                self.ok(test, found(&value));
                Some(value)
            }
            Err(error) => {
                self.failed(test, &error);
                None
            }
        }
    }
}

async fn examine(config: &Config, findings: &mut Findings) {
    let file = config.file.as_ref().map(|path| path.display().to_string());
    findings.ok(
        "configuration",
        file.unwrap_or_else(|| "none: the embedded defaults".into()),
    );
    if config.testing {
        findings.note(
            "testing",
            "testing = true: limits on ranges are lifted; not for production",
        );
    }
    findings.test("directories", directories::prepare(config), |()| {
        config.data_directory.display().to_string()
    });
    if let Ok(answer) = http::get(config, "/readyz") {
        return running(&answer, findings);
    }
    findings.test("ports", Doors::open(config).await, |_| "free".into());
    let Some(catalog) = examine_catalog(config, findings).await else {
        return;
    };
    let secrets: Arc<dyn SecretStore> =
        Arc::new(AllSecrets::new(config.secrets.clone(), catalog.clone()));
    examine_engine(config, &catalog, secrets.as_ref(), findings).await;
    examine_sources(config, &catalog, secrets, findings).await;
    catalog.close().await;
}

/// A server that runs on this configuration has the better view.
fn running(answer: &http::Answer, findings: &mut Findings) {
    findings.note("server", "runs on this configuration: its own words follow");
    for line in answer.body.lines() {
        match line.split_once(": ") {
            Some((part, "ok")) => findings.ok(part, "answers"),
            Some((part, wrong)) => findings.failed(part, &Error::unavailable(wrong)),
            None => {}
        }
    }
}

async fn examine_catalog(config: &Config, findings: &mut Findings) -> Option<Arc<Catalog>> {
    let shown = config.catalog.shown();
    if let CatalogUrl::Sqlite(path) = &config.catalog
        && fs::metadata(path).is_err()
    {
        findings.note("catalog", "there is none yet: the first start makes it");
        return None;
    }
    let key = match config.secret_key_file.exists() {
        true => SecretKey::load_or_create(&config.secret_key_file),
        false => Err(Error::failed_precondition(format!(
            "the secret key file {} is missing while a catalog may be there",
            config.secret_key_file.display()
        ))
        .with_remedy("copy it from the first server of this catalog, or start to make a new one")),
    };
    let key = findings.test("secret key", key, |_| {
        config.secret_key_file.display().to_string()
    })?;
    let opened = storage::open(config, &key).await;
    findings.test("catalog", opened.map(|(_, catalog)| catalog), |_| shown)
}

async fn examine_engine(
    config: &Config,
    catalog: &Catalog,
    secrets: &dyn SecretStore,
    findings: &mut Findings,
) {
    let data_path = catalog.current().data_path.clone();
    let opened = engine::open(config, &data_path, secrets).await;
    let version = |_: &_| format!("DuckDB {}", ducksync_engine::duckdb_version());
    let Some(engine) = findings.test("engine", opened, version) else {
        return;
    };
    findings.test("engine answers", engine.probe().await, |()| "yes".into());
    findings.test("data path", engine.files().probe().await, |()| data_path);
}

async fn examine_sources(
    config: &Config,
    catalog: &Arc<Catalog>,
    secrets: Arc<dyn SecretStore>,
    findings: &mut Findings,
) {
    let lake = catalog.current();
    let open = sources::open(config, catalog.clone(), secrets, &Arc::default());
    let mut names: Vec<&Name> = lake.sources.values().map(|source| &source.name).collect();
    names.sort();
    for name in names {
        let test = format!("source {name}");
        let login = async {
            let source = open.source(name).await?;
            source
                .describe("SELECT 1", &SourceContext::default(), Aspect::Columns)
                .await
        };
        findings.test(&test, login.await, |_| "login and metadata work".into());
    }
}
