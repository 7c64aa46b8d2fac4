//! Limits name the option that sets them (V-16).

use std::time::Duration;

use ducksync_core::{
    ErrorKind,
    engine::{BoundStatement, QueryEngine},
};
use futures::StreamExt;

use crate::lake::Lake;

const ENDLESS: &str = "SELECT i FROM range(10000000000) t(i)";

#[tokio::test]
async fn v16_more_statements_than_may_run_wait_and_then_are_turned_away() {
    let lake = Lake::open_with(|config| {
        config.max_running = 1;
        config.max_waiting = 1;
        config.queue_wait = Duration::from_millis(200);
    })
    .await;
    let first = lake
        .engine
        .execute(BoundStatement::plain(ENDLESS))
        .await
        .unwrap();
    let (second, third) = tokio::join!(
        lake.engine.execute(BoundStatement::plain("SELECT 1")),
        lake.engine.execute(BoundStatement::plain("SELECT 1")),
    );
    let (second, third) = (second.unwrap_err(), third.unwrap_err());
    assert_eq!(
        (second.kind(), third.kind()),
        (ErrorKind::Unavailable, ErrorKind::Unavailable)
    );
    assert!(second.to_string().contains("engine.queue_wait"), "{second}");
    assert!(third.to_string().contains("engine.max_waiting"), "{third}");
    // Describing and parsing need no room.
    lake.engine.parse("SELECT 1").await.unwrap();
    drop(first);
    let mut next = lake
        .engine
        .execute(BoundStatement::plain("SELECT 1"))
        .await
        .unwrap();
    assert_eq!(next.next().await.unwrap().unwrap().num_rows(), 1);
}

#[tokio::test]
async fn v16_memory_that_runs_out_names_its_option() {
    let lake = Lake::open_with(|config| {
        config.memory_limit = "64MB".into();
        config.max_temp_size = Some("1MB".into());
    })
    .await;
    let sql = "SELECT list(i::VARCHAR || repeat('x', 200)) AS l FROM range(5000000) t(i)";
    let stream = lake
        .engine
        .execute(BoundStatement::plain(sql))
        .await
        .unwrap();
    let error = stream.collect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error}");
    assert!(error.to_string().contains("engine.memory_limit"), "{error}");
    lake.engine.probe().await.unwrap();
}
