//! A simulator and a source that is logged in to it.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{AsArray as _, RecordBatch},
    datatypes::{Decimal128Type, Int64Type},
};
use chrono::Utc;
use ducksync_core::{
    error::Result,
    name::{Name, ObjectName},
    secret::{Secret, SecretText},
    source::{Driver, Source, SourceContext, SourceDefinition, SourceFactory as _, SourcePart},
};
use ducksync_sources::SnowflakeFactory;
use serde_json::Value;
use snowflake_sim::{Simulator, SimulatorConfig};

/// A simulator and its source.
pub(crate) struct Place {
    pub(crate) simulator: Simulator,
    pub(crate) source: Arc<dyn Source>,
}

impl Place {
    pub(crate) async fn new() -> Self {
        Self::with(SimulatorConfig::default(), &[]).await
    }

    /// Small chunks: 10 rows in the reply, then 10 in each chunk.
    pub(crate) async fn chunked(options: &[(&str, u64)]) -> Self {
        let config = SimulatorConfig {
            inline_rows: 10,
            rows_per_chunk: 10,
            ..SimulatorConfig::default()
        };
        Self::with(config, options).await
    }

    pub(crate) async fn with(config: SimulatorConfig, options: &[(&str, u64)]) -> Self {
        let simulator = Simulator::start(config).await.unwrap();
        simulator.sql("create database db").await.unwrap();
        let source = open(&simulator, LOGIN, options).await.unwrap();
        Self { simulator, source }
    }

    /// All rows of a statement, through submit and fetch.
    pub(crate) async fn rows(&self, sql: &str) -> Result<Vec<RecordBatch>> {
        let submitted = self.source.submit(sql, &context()).await?;
        self.source
            .fetch(&submitted.query_id, &context())
            .await?
            .collect()
            .await
    }

    pub(crate) async fn sql(&self, sql: &str) {
        self.simulator.sql(sql).await.unwrap();
    }

    /// Requests to an endpoint so far.
    pub(crate) fn requests(&self, endpoint: &str) -> u64 {
        self.simulator
            .requests()
            .get(endpoint)
            .copied()
            .unwrap_or_default()
    }
}

/// The simulator's user.
pub(crate) const LOGIN: &[(&str, &str)] = &[("user", "DUCKSYNC"), ("password", "ducksync-demo")];

pub(crate) async fn open(
    simulator: &Simulator,
    login: &[(&str, &str)],
    options: &[(&str, u64)],
) -> Result<Arc<dyn Source>> {
    let port = simulator.address().port().to_string();
    let mut values = BTreeMap::from([
        ("account", "acme"),
        ("host", "127.0.0.1"),
        ("port", port.as_str()),
        ("protocol", "http"),
        ("database", "DB"),
        ("warehouse", "WH"),
    ]);
    values.extend(login.iter().copied());
    let secret = Secret {
        kind: "snowflake".into(),
        values: values
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| (key.to_owned(), SecretText::new(value)))
            .collect(),
    };
    let definition = SourceDefinition {
        name: Name::parse("source_name", "sf").unwrap(),
        driver: Driver::Snowflake,
        secret: Name::parse("secret_name", "sf").unwrap(),
        passthrough_enabled: true,
        options: options
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
            .collect(),
        created_at: Utc::now(),
    };
    SnowflakeFactory::for_testing()
        .open(&definition, &secret)
        .await
}

pub(crate) fn context() -> SourceContext {
    SourceContext::default()
}

pub(crate) fn object(name: &str) -> ObjectName {
    let mut parts = name.split('.').map(str::to_owned);
    let mut part = || parts.next().unwrap();
    ObjectName {
        database: part(),
        schema: part(),
        name: part(),
    }
}

pub(crate) fn parts(names: &[&str]) -> Vec<SourcePart> {
    let part = |name: &&str| SourcePart {
        text: (*name).to_owned(),
        quoted: false,
    };
    names.iter().map(part).collect()
}

/// The first column's integers.
pub(crate) fn integers(batches: &[RecordBatch]) -> Vec<i64> {
    batches.iter().flat_map(integers_of).collect()
}

pub(crate) fn integers_of(batch: &RecordBatch) -> Vec<i64> {
    let column = batch.column(0);
    match column.as_primitive_opt::<Int64Type>() {
        Some(integers) => integers.values().to_vec(),
        None => {
            let decimals = column.as_primitive::<Decimal128Type>().values();
            decimals
                .iter()
                .map(|value| i64::try_from(*value).unwrap())
                .collect()
        }
    }
}
