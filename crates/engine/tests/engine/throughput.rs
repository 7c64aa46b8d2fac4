//! How fast rows move; run by hand with `--ignored --nocapture`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arrow::array::{Array, RecordBatch};
use ducksync_core::{
    engine::{BoundStatement, QueryEngine, Stager},
    types::{Fields, number_fields},
};
use futures::{StreamExt, stream};

use crate::lake::{Lake, append};

const ROWS: &str = "SELECT i AS k, i % 1000 AS g, (i * 0.37)::DOUBLE AS d, 'value ' || (i % 5000) AS s \
                    FROM range(5000000) t(i)";

#[expect(clippy::print_stdout, reason = "this is what it is for")]
fn rate(what: &str, bytes: usize, took: Duration) {
    let megabytes = bytes as f64 / 1e6;
    println!(
        "{what}: {:.0} MB/s ({megabytes:.0} MB in {took:?})",
        megabytes / took.as_secs_f64()
    );
}

fn bytes_of(batch: &RecordBatch) -> usize {
    let columns = batch.columns().iter();
    columns
        .map(|column| column.to_data().get_slice_memory_size().unwrap())
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
async fn rows_through_the_engine() {
    let lake = Lake::open_with(|config| {
        config.threads = 2;
        config.loading.threads = 2;
    })
    .await;
    let description = lake
        .engine
        .describe(&BoundStatement::plain(ROWS))
        .await
        .unwrap();
    let mut fields = description.columns.to_vec();
    number_fields(&mut fields);
    let fields: Fields = fields.into();
    let mut batches = Vec::new();
    let mut source = lake
        .engine
        .execute(BoundStatement::plain(ROWS))
        .await
        .unwrap();
    while let Some(batch) = source.next().await {
        batches.push(batch.unwrap());
    }
    let bytes: usize = batches
        .iter()
        .map(|batch| batch.get_array_memory_size())
        .sum();

    for _ in 0..3 {
        let input = ducksync_core::BatchStream::of_fields(
            fields.clone(),
            stream::iter(batches.clone().into_iter().map(Ok)),
        );
        let begun = Instant::now();
        let staged = lake
            .engine
            .stage(lake.request(&fields), input)
            .await
            .unwrap();
        rate("stage", bytes, begun.elapsed());
        let table = append(&lake.empty(&fields), staged);

        let begun = Instant::now();
        let statement = lake.statement(&table, false, "SELECT * FROM {t}");
        let again = lake
            .engine
            .stage_statement(lake.request(&fields), statement);
        again.await.unwrap();
        rate(
            "stage_statement (COPY of Parquet by DuckDB)",
            bytes,
            begun.elapsed(),
        );

        let begun = Instant::now();
        let statement = lake.statement(&table, false, "SELECT * FROM {t}");
        let mut stream = lake.engine.execute(statement).await.unwrap();
        let (mut count, mut largest) = (0, 0);
        while let Some(batch) = stream.next().await {
            count += 1;
            largest = largest.max(bytes_of(&batch.unwrap()));
        }
        rate("scan", bytes, begun.elapsed());
        println!("  {count} batches, the largest of {largest} bytes");

        let small = Arc::new(lake.statement(&table, false, "SELECT 1 AS one"));
        let begun = Instant::now();
        for _ in 0..1000 {
            let mut stream = lake.engine.execute((*small).clone()).await.unwrap();
            while let Some(batch) = stream.next().await {
                batch.unwrap();
            }
        }
        println!("SELECT 1: {:?} each", begun.elapsed() / 1000);
        let begun = Instant::now();
        for _ in 0..1000 {
            lake.engine
                .parse("SELECT a, sum(b) OVER (PARTITION BY c) FROM t")
                .await
                .unwrap();
        }
        println!("parse: {:?} each", begun.elapsed() / 1000);
    }
}
