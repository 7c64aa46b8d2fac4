//! Cancel, deadline and back-pressure (V-15, V-16, I-5, I-6).

use std::time::Duration;

use ducksync_core::{
    ErrorKind,
    engine::{BoundStatement, QueryEngine},
};
use futures::StreamExt;

use crate::lake::{Lake, until};

/// Runs for hours unless it is stopped, and yields nothing before.
const LONG: &str =
    "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range % 7 = b.range % 11";
const ENDLESS: &str = "SELECT i, i::VARCHAR || repeat('x', 100) AS s FROM range(10000000000) t(i)";

#[tokio::test]
async fn v15_a_dropped_stream_stops_duckdb() {
    let lake = Lake::open().await;
    for sql in [LONG, ENDLESS] {
        let stream = lake
            .engine
            .execute(BoundStatement::plain(sql))
            .await
            .unwrap();
        until("it runs", || lake.engine.running() == 1).await;
        drop(stream);
        until("it stops", || lake.engine.running() == 0).await;
    }
}

#[tokio::test]
async fn v15_a_dropped_call_stops_duckdb_too() {
    let lake = Lake::open().await;
    for _ in 0..20 {
        let call = lake.engine.execute(BoundStatement::plain(LONG));
        tokio::select! {
            biased;
            stream = call => drop(stream),
            () = tokio::task::yield_now() => {}
        }
    }
    until("all stop", || lake.engine.running() == 0).await;
}

#[tokio::test]
async fn v15_a_statement_that_takes_too_long_ends_even_if_nobody_reads() {
    let lake = Lake::open().await;
    for sql in [LONG, ENDLESS] {
        let statement = BoundStatement {
            timeout: Some(Duration::from_millis(300)),
            ..BoundStatement::plain(sql)
        };
        let mut stream = lake.engine.execute(statement).await.unwrap();
        until("it runs", || lake.engine.running() == 1).await;
        until("it stops", || lake.engine.running() == 0).await;
        let mut last = None;
        while let Some(item) = stream.next().await {
            last = Some(item);
        }
        let error = last.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded, "{error}");
    }
}

#[tokio::test]
async fn i5_a_slow_reader_slows_duckdb_and_memory_stays_bounded() {
    let lake = Lake::open().await;
    let mut stream = lake
        .engine
        .execute(BoundStatement::plain(ENDLESS))
        .await
        .unwrap();
    let mut rows = 0;
    for _ in 0..20 {
        rows += stream.next().await.unwrap().unwrap().num_rows();
        assert!(lake.engine.memory_bytes().await.unwrap() < 200 << 20);
    }
    assert!(rows < 20 * 70_000);
    assert_eq!(lake.engine.running(), 1);
}

#[tokio::test]
async fn i1_an_error_in_the_middle_of_a_result_is_an_error_and_not_an_end() {
    let lake = Lake::open().await;
    let sql =
        "SELECT CASE WHEN i = 900000 THEN error('boom') ELSE i END AS i FROM range(1000000) t(i)";
    let mut stream = lake
        .engine
        .execute(BoundStatement::plain(sql))
        .await
        .unwrap();
    let mut failed = None;
    while let Some(item) = stream.next().await {
        assert!(failed.is_none(), "nothing follows an error");
        failed = item.err();
    }
    let error = failed.unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("boom"), "{error}");
}
