use std::time::Duration;

use arrow::{
    array::AsArray as _,
    datatypes::{DataType, Decimal128Type},
};
use ducksync_core::{error::ErrorKind, source::Aspect, types::LakeType};
use futures::StreamExt as _;
use snowflake_sim::{ChunkEncoding, Fault, FaultKind, SimulatorConfig};

use crate::place::{Place, context, integers, integers_of};

const HUNDREDS: &str = "select x from range(455) t(x) order by x desc";

fn hundreds() -> Vec<i64> {
    (0..455).rev().collect()
}

#[tokio::test]
async fn s11_rows_come_in_order_over_many_chunks() {
    for prefetch in [1, 4, 16] {
        let place = Place::chunked(&[("prefetch", prefetch)]).await;
        assert_eq!(integers(&place.rows(HUNDREDS).await.unwrap()), hundreds());
        assert_eq!(place.requests("chunk"), 45);
    }
}

#[tokio::test]
async fn s11_a_slow_first_chunk_does_not_reorder() {
    let place = Place::chunked(&[]).await;
    place
        .simulator
        .fault(Fault::new(FaultKind::Slow).at("chunk").chunk(0).ms(100));
    place
        .simulator
        .fault(Fault::new(FaultKind::Slow).at("chunk").chunk(7).ms(100));
    assert_eq!(integers(&place.rows(HUNDREDS).await.unwrap()), hundreds());
}

#[tokio::test]
async fn s11_chunks_are_unpacked_and_keyed_however_they_are_labelled() {
    let config = SimulatorConfig {
        inline_rows: 0,
        rows_per_chunk: 100,
        chunk_encoding: ChunkEncoding::UnlabelledGzip,
        chunk_headers: false,
        ..SimulatorConfig::default()
    };
    let place = Place::with(config, &[]).await;
    assert_eq!(integers(&place.rows(HUNDREDS).await.unwrap()), hundreds());
}

#[tokio::test]
async fn s11_large_chunks_are_handed_on_in_slices() {
    let config = SimulatorConfig {
        rows_per_chunk: 200_000,
        ..SimulatorConfig::default()
    };
    let place = Place::with(config, &[]).await;
    let batches = place
        .rows("select x from range(200000) t(x) order by x")
        .await
        .unwrap();
    assert!(batches.iter().all(|batch| batch.num_rows() <= 64 << 10));
    assert_eq!(integers(&batches), (0..200_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn g13_an_empty_result_keeps_its_schema() {
    let place = Place::new().await;
    place.sql("create table db.public.t (id number(10,0) not null, amount number(12,2), at timestamp_ltz)").await;
    let submitted = place
        .source
        .submit("select * from t", &context())
        .await
        .unwrap();
    let stream = place
        .source
        .fetch(&submitted.query_id, &context())
        .await
        .unwrap();
    let types: Vec<_> = stream
        .schema()
        .fields()
        .iter()
        .map(|f| f.data_type().clone())
        .collect();
    assert_eq!(types[..2], [DataType::Int64, DataType::Decimal128(12, 2)]);
    assert!(
        stream
            .schema()
            .fields()
            .iter()
            .all(|field| field.is_nullable())
    );
    assert_eq!(submitted.columns[2].lake_type, LakeType::TimestampTz);
    assert_eq!(submitted.rows, Some(0));
    assert!(stream.collect().await.unwrap().is_empty());
}

#[tokio::test]
async fn g13_columns_are_the_same_when_described_submitted_and_fetched() {
    let place = Place::new().await;
    place.sql("create table db.public.t (n number(38,10), v variant, t time(9), z timestamp_tz, x vector(float, 2))").await;
    let sql = "select * from t";
    let described = place
        .source
        .describe(sql, &context(), Aspect::Columns)
        .await
        .unwrap();
    let submitted = place.source.submit(sql, &context()).await.unwrap();
    let stream = place
        .source
        .fetch(&submitted.query_id, &context())
        .await
        .unwrap();
    assert_eq!(described.columns, submitted.columns);
    assert_eq!(*stream.fields(), submitted.columns);
    let types: Vec<_> = submitted
        .columns
        .iter()
        .map(|field| field.lake_type.clone())
        .collect();
    let ten = LakeType::Decimal {
        precision: 38,
        scale: 10,
    };
    let vector = LakeType::list(LakeType::Float32);
    assert_eq!(
        types,
        [
            ten,
            LakeType::Json,
            LakeType::Time,
            LakeType::TimestampTz,
            vector
        ]
    );
}

#[tokio::test]
async fn a17_digits_survive() {
    let place = Place::new().await;
    place.sql("create table db.public.t (n number(38,10)); insert into db.public.t values (12345678901234567890.0123456789)").await;
    let batches = place.rows("select n from t").await.unwrap();
    let numbers = batches[0].column(0).as_primitive::<Decimal128Type>();
    assert_eq!(
        numbers.value_as_string(0),
        "12345678901234567890.0123456789"
    );
}

#[tokio::test]
async fn v8_a_result_can_be_fetched_again_without_running_again() {
    let place = Place::chunked(&[]).await;
    let submitted = place.source.submit(HUNDREDS, &context()).await.unwrap();
    assert_eq!(submitted.rows, Some(455));
    for _ in 0..3 {
        let stream = place
            .source
            .fetch(&submitted.query_id, &context())
            .await
            .unwrap();
        assert_eq!(integers(&stream.collect().await.unwrap()), hundreds());
    }
    assert_eq!(place.simulator.log().len(), 1, "one statement ran");
    let error = place
        .source
        .fetch("01b0-never", &context())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn s11_expired_addresses_are_asked_for_again() {
    let place = Place::chunked(&[("prefetch", 4)]).await;
    let submitted = place.source.submit(HUNDREDS, &context()).await.unwrap();
    let mut stream = place
        .source
        .fetch(&submitted.query_id, &context())
        .await
        .unwrap();
    let mut rows = integers_of(&stream.next().await.unwrap().unwrap());
    place.simulator.expire_chunks();
    while let Some(batch) = stream.next().await {
        rows.extend(integers_of(&batch.unwrap()));
    }
    assert_eq!(rows, hundreds());
    assert_eq!(
        place.requests("result"),
        1,
        "one request renews the addresses of all parts"
    );
    assert_eq!(place.simulator.log().len(), 1);
}

#[tokio::test]
async fn i5_a_reader_that_waits_stops_the_downloads() {
    let place = Place::chunked(&[("prefetch", 3)]).await;
    let submitted = place.source.submit(HUNDREDS, &context()).await.unwrap();
    let mut stream = place
        .source
        .fetch(&submitted.query_id, &context())
        .await
        .unwrap();
    for _ in 0..2 {
        stream.next().await.unwrap().unwrap();
    }
    // The first batch was inline, the second the first of three parts on their way; the fourth may
    // have been started to keep three on their way.
    let started = place.requests("chunk");
    assert!(started <= 4, "{started} parts were asked for");
    assert_eq!(integers(&stream.collect().await.unwrap()).len(), 455 - 20);
}

#[tokio::test]
async fn i5_the_budget_of_bytes_bounds_what_is_loaded() {
    let config = SimulatorConfig {
        inline_rows: 0,
        rows_per_chunk: 10_000,
        ..SimulatorConfig::default()
    };
    let place = Place::with(config, &[("prefetch", 16), ("memory_budget", 1 << 20)]).await;
    // A part takes about 700 kB, so a budget of 1 MiB lets one load at a time.
    let sql = "select repeat('abcdefgh', 8) || x as t from range(200000) t(x) order by x";
    let submitted = place.source.submit(sql, &context()).await.unwrap();
    let mut stream = place
        .source
        .fetch(&submitted.query_id, &context())
        .await
        .unwrap();
    let mut taken = 0;
    while let Some(batch) = stream.next().await {
        taken += batch.unwrap().num_rows() as u64;
        let asked = place.requests("chunk");
        assert!(
            asked <= taken.div_ceil(10_000) + 1,
            "{asked} parts asked for, {taken} rows taken"
        );
    }
    assert_eq!(taken, 200_000);
}

#[tokio::test]
async fn i6_dropping_the_stream_stops_the_downloads() {
    let place = Place::chunked(&[("prefetch", 2)]).await;
    place
        .simulator
        .fault(Fault::new(FaultKind::Slow).at("chunk").ms(20).times(0));
    let submitted = place.source.submit(HUNDREDS, &context()).await.unwrap();
    let mut stream = place
        .source
        .fetch(&submitted.query_id, &context())
        .await
        .unwrap();
    for _ in 0..2 {
        stream.next().await.unwrap().unwrap();
    }
    drop(stream);
    let after = place.requests("chunk");
    assert!(after <= 3, "{after}");
    // Another whole result goes by, and of the dropped one nothing more is asked for.
    let place_rows = integers(&place.rows("select x from range(30) t(x)").await.unwrap());
    assert_eq!(place_rows.len(), 30);
    assert!(place.requests("chunk") <= after + 2);
}

#[tokio::test]
async fn json_answers_have_types_too() {
    let place = Place::new().await;
    place.sql("create table db.public.t (id int)").await;
    let batches = place.rows("show tables in schema db.public").await.unwrap();
    assert_eq!(batches[0].num_rows(), 1);
    let schema = batches[0].schema();
    assert!(matches!(
        schema.field(0).data_type(),
        DataType::Timestamp(_, Some(_))
    ));
    tokio::time::timeout(Duration::from_secs(30), place.rows("desc table t"))
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn s10_ten_thousand_columns_arrive_in_every_chunk() {
    const COLUMNS: usize = 10_000;
    let config = SimulatorConfig {
        inline_rows: 1,
        rows_per_chunk: 1,
        ..SimulatorConfig::default()
    };
    let place = Place::with(config, &[]).await;
    let columns: Vec<_> = (0..COLUMNS)
        .map(|at| format!("x + {at} as c{at}"))
        .collect();
    let sql = format!(
        "select {} from range(3) t(x) order by x",
        columns.join(", ")
    );
    let batches = place.rows(&sql).await.unwrap();
    let rows: Vec<_> = batches
        .iter()
        .flat_map(|batch| (0..batch.num_rows()).map(move |row| (batch, row)))
        .collect();
    assert_eq!(rows.len(), 3);
    for (number, (batch, row)) in rows.into_iter().enumerate() {
        assert_eq!(batch.num_columns(), COLUMNS);
        for (at, column) in batch.columns().iter().enumerate() {
            let value = column.as_primitive::<Decimal128Type>().value(row);
            assert_eq!(value, (number + at) as i128);
        }
    }
}

#[tokio::test]
async fn s10_a_cell_of_twelve_megabytes_arrives_whole() {
    const BYTES: usize = 12 << 20;
    for (inline_rows, json) in [(10, false), (0, false), (10, true)] {
        let config = SimulatorConfig {
            inline_rows,
            ..SimulatorConfig::default()
        };
        let place = Place::with(config, &[("memory_budget", 1 << 20)]).await;
        let mut within = context();
        if json {
            let format = ("GO_QUERY_RESULT_FORMAT".to_owned(), "JSON".to_owned());
            within.parameters.extend([format]);
        }
        let sql = format!("select repeat('0123456789abcdef', {}) as t", BYTES / 16);
        let submitted = place.source.submit(&sql, &within).await.unwrap();
        let stream = place.source.fetch(&submitted.query_id, &within).await;
        let batches = stream.unwrap().collect().await.unwrap();
        let text = batches[0].column(0).as_string::<i32>().value(0);
        assert_eq!(text.len(), BYTES);
        assert!(
            text.as_bytes()
                .chunks(16)
                .all(|part| part == b"0123456789abcdef")
        );
    }
}
