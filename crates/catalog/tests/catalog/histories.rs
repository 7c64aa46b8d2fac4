//! random histories of publishes, with another DuckLake client beside us. A stock DuckDB attaches
//! the catalog and agrees with a model of the rows at every snapshot: on rows, filters, least and
//! greatest values.
//!
//! `DUCKSYNC_TEST_SEED` repeats one history, `DUCKSYNC_TEST_HISTORIES` runs more.

use std::{collections::BTreeMap, sync::Arc};

use ducksync_catalog::Catalog;
use ducksync_core::{
    id::{DatasetId, FieldId},
    name::{TableName, quote},
    types::{Field, LakeType, number_fields},
    version::Lake,
};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{oracle::Oracle, support::Site};

mod check;
mod steps;

const STEPS: usize = 22;

#[tokio::test]
async fn a41_a_stock_duckdb_reads_every_snapshot_of_sqlite_alike() {
    for seed in seeds() {
        history(Site::sqlite(), seed).await;
    }
}

#[tokio::test]
async fn a41_a_stock_duckdb_reads_every_snapshot_of_postgres_alike() {
    for seed in seeds() {
        if let Some(site) = Site::postgres().await {
            history(site, seed).await;
        }
    }
}

fn seeds() -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    match number("DUCKSYNC_TEST_SEED") {
        Some(seed) => vec![seed],
        None => {
            let count = number("DUCKSYNC_TEST_HISTORIES").unwrap_or(1);
            (0..count).map(|_| rand::rng().random()).collect()
        }
    }
}

/// A row is known by its key; every column but the added ones is a function of it.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    key: i64,
    /// Added columns that were there when it was written.
    fields: Vec<FieldId>,
}

/// A column that was added: rows without it read the default.
#[derive(Debug, Clone, PartialEq)]
struct Added {
    field: FieldId,
    name: String,
    default: Option<i64>,
}

#[derive(Debug, Clone, PartialEq)]
struct Table {
    dataset: DatasetId,
    name: TableName,
    rows: Vec<Row>,
    added: Vec<Added>,
}

type Model = BTreeMap<String, Table>;

struct History {
    site: Site,
    catalog: Arc<Catalog>,
    oracle: Oracle,
    random: StdRng,
    next_key: i64,
    next_name: u32,
    tables: Model,
    past: BTreeMap<i64, (Model, Arc<Lake>)>,
}

async fn history(site: Site, seed: u64) {
    eprintln!("DUCKSYNC_TEST_SEED={seed}");
    let Some(oracle) = Oracle::start() else {
        return;
    };
    let catalog = site.open().await;
    let mut history = History {
        site,
        catalog,
        oracle,
        random: StdRng::seed_from_u64(seed),
        next_key: 1,
        next_name: 0,
        tables: Model::new(),
        past: BTreeMap::new(),
    };
    history.create().await;
    for step in 0..STEPS {
        history.step().await;
        history.remember().await;
        if step % 6 == 5 {
            history.check_newest().await;
        }
    }
    history.check_all().await;
    history.expire().await;
    history.check_all().await;
}

fn base_columns() -> Vec<Field> {
    let mut fields = vec![
        Field::new("k", LakeType::Int64),
        Field::new("s", LakeType::Varchar),
        Field::new("d", LakeType::Float64),
        Field::new("l", LakeType::list(LakeType::Int64)),
        Field::new(
            "st",
            LakeType::Struct(vec![
                Field::new("a", LakeType::Int64),
                Field::new("b", LakeType::map(LakeType::Varchar, LakeType::Int32)),
            ]),
        ),
    ];
    number_fields(&mut fields);
    fields
}

/// The values of the base columns for key `k`.
const BASE: &str = "k, CASE WHEN k % 7 = 0 THEN NULL ELSE 'v' || (k * 37 % 101) END AS s, \
    k / 4.0::DOUBLE AS d, [k, k + 1] AS l, {'a': k, 'b': MAP {'m': (k % 5)::INTEGER}} AS st";

/// What an added column holds in a row that was written with it.
fn added_value(field: FieldId, key: i64) -> i64 {
    key * 10 + field.0
}

fn full_name(table: &Table) -> String {
    format!("{}.{}", quote(&table.name.schema), quote(&table.name.name))
}
