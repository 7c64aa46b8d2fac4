//! Generated tables go through simulator and client and come back as they were written.
//!
//! Each table is a seed: random columns of every type the simulator has, values that are often edges,
//! NULLs, parts of random sizes, as Arrow or as JSON, read with random options. It is printed before the
//! table is made; `DUCKSYNC_TEST_SEED` repeats one table, `DUCKSYNC_TEST_SECONDS` goes on for longer.

use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use ducksync_core::source::{SourceContext, SubMicroseconds, TypeOptions};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use snowflake_sim::{ChunkEncoding, SimulatorConfig};

use crate::{
    place::{Place, context},
    values::{Declared, Drawn, shown},
};

/// How long tables are made for, unless told otherwise.
const SECONDS: u64 = 5;

#[tokio::test]
async fn s10_generated_tables_come_back_exactly() {
    if let Some(seed) = number("DUCKSYNC_TEST_SEED") {
        return Table::of(seed).check().await;
    }
    let long = Duration::from_secs(number("DUCKSYNC_TEST_SECONDS").unwrap_or(SECONDS));
    let start = Instant::now();
    let mut tables = 0;
    while tables < 4 || start.elapsed() < long {
        let seed = rand::random_range(0..1 << 32);
        eprintln!("DUCKSYNC_TEST_SEED={seed}");
        Table::of(seed).check().await;
        tables += 1;
    }
    eprintln!("{tables} tables");
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// A table and how it is read.
#[derive(Debug)]
struct Table {
    columns: Vec<Declared>,
    rows: Vec<Vec<Option<Drawn>>>,
    config: SimulatorConfig,
    prefetch: u64,
    json: bool,
    keep_offset: bool,
    in_ns: bool,
}

impl Table {
    fn of(seed: u64) -> Self {
        let chance = &mut StdRng::seed_from_u64(seed);
        let in_ns = chance.random();
        let columns: Vec<_> = (0..chance.random_range(1..=12))
            .map(|_| Declared::any(chance))
            .collect();
        let nulls: Vec<f64> = columns
            .iter()
            .map(|_| *[0.0, 0.3, 1.0].choose(chance).unwrap())
            .collect();
        let rows = (0..*[0, 1, 7, 60].choose(chance).unwrap()).map(|_| {
            let cells = columns.iter().zip(&nulls);
            cells
                .map(|(column, nulls)| {
                    let value = column.draw(chance, in_ns);
                    (!chance.random_bool(*nulls)).then_some(value)
                })
                .collect()
        });
        let rows = rows.collect();
        Self {
            columns,
            rows,
            config: SimulatorConfig {
                inline_rows: *[0, 1, 5, 100].choose(chance).unwrap(),
                rows_per_chunk: *[1, 3, 10, 100].choose(chance).unwrap(),
                chunk_encoding: *[ChunkEncoding::Gzip, ChunkEncoding::UnlabelledGzip]
                    .choose(chance)
                    .unwrap(),
                chunk_headers: chance.random(),
                ..SimulatorConfig::default()
            },
            prefetch: chance.random_range(1..=8),
            json: chance.random_bool(0.3),
            keep_offset: chance.random(),
            in_ns,
        }
    }

    async fn check(self) {
        let place = Place::with(self.config.clone(), &[("prefetch", self.prefetch)]).await;
        place.sql(&self.create()).await;
        for rows in self.rows.chunks(20) {
            place.sql(&self.insert(rows)).await;
        }
        let within = self.context();
        let sql = "select * from db.public.t";
        let submitted = place.source.submit(sql, &within).await.unwrap();
        let stream = place.source.fetch(&submitted.query_id, &within).await;
        let stream = stream.unwrap();
        let types: Vec<_> = stream
            .schema()
            .fields()
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        let arrived: Vec<_> = stream
            .collect()
            .await
            .unwrap()
            .iter()
            .flat_map(cells)
            .collect();
        assert_eq!(types, self.types());
        assert_eq!(submitted.rows, Some(self.rows.len() as u64));
        let expected = self.expected();
        for (at, (arrived, expected)) in arrived.iter().zip(&expected).enumerate() {
            assert_eq!(arrived, expected, "row {at} of {:?}", self.columns);
        }
        assert_eq!(arrived.len(), expected.len());
    }

    fn context(&self) -> SourceContext {
        let mut within = context();
        within.types = TypeOptions {
            keep_offset: self.keep_offset,
            sub_us: match self.in_ns {
                true => SubMicroseconds::Ns,
                false => SubMicroseconds::Fail,
            },
            ..TypeOptions::default()
        };
        if self.json {
            let format = ("GO_QUERY_RESULT_FORMAT".to_owned(), "JSON".to_owned());
            within.parameters.extend([format]);
        }
        within
    }

    fn create(&self) -> String {
        let columns: Vec<_> = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| format!("c{at} {}", column.sql()))
            .collect();
        format!("create table db.public.t ({})", columns.join(", "))
    }

    fn insert(&self, rows: &[Vec<Option<Drawn>>]) -> String {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                let cells = row.iter().zip(&self.columns).map(|(cell, column)| {
                    let sql = cell.as_ref().map_or("NULL", |cell| cell.sql.as_str());
                    // Each value is cast by itself: what stands beside it in its column has no say.
                    format!("cast({sql} as {})", column.sql())
                });
                format!("({})", cells.collect::<Vec<_>>().join(", "))
            })
            .collect();
        format!("insert into db.public.t values {}", rows.join(", "))
    }

    fn types(&self) -> Vec<arrow::datatypes::DataType> {
        let mut types = Vec::new();
        for column in &self.columns {
            types.push(column.arrow(self.in_ns));
            if self.has_offset(*column) {
                types.push(arrow::datatypes::DataType::Int16);
            }
        }
        types
    }

    fn expected(&self) -> Vec<Vec<String>> {
        let row = |row: &Vec<Option<Drawn>>| {
            let mut cells = Vec::new();
            for (cell, column) in row.iter().zip(&self.columns) {
                let text = |text: fn(&Drawn) -> String| cell.as_ref().map_or("NULL".into(), text);
                cells.push(text(|cell| cell.shown.clone()));
                if self.has_offset(*column) {
                    cells.push(text(|cell| cell.offset.to_string()));
                }
            }
            cells
        };
        self.rows.iter().map(row).collect()
    }

    fn has_offset(&self, column: Declared) -> bool {
        self.keep_offset && matches!(column, Declared::Tz(_))
    }
}

fn cells(batch: &RecordBatch) -> Vec<Vec<String>> {
    let row = |row| {
        let columns = batch.columns().iter();
        columns.map(|column| shown(column, row)).collect()
    };
    (0..batch.num_rows()).map(row).collect()
}
