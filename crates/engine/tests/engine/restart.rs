//! A broken DuckDB is replaced (I-11).

use std::time::Instant;

use ducksync_core::{
    ErrorKind,
    engine::{BoundStatement, QueryEngine},
    types::LakeType,
};
use futures::StreamExt;

use crate::lake::{Lake, columns, until};

const ENDLESS: &str = "SELECT i FROM range(10000000000) t(i)";

#[tokio::test]
async fn i11_statements_in_flight_are_unavailable_and_the_next_one_works() {
    let lake = Lake::open().await;
    let table = lake
        .table(&columns(&[("k", LakeType::Int32)]), "SELECT 7 AS k")
        .await;
    assert_eq!(lake.number(&table, "SELECT k FROM {t}").await, 7);
    let mut running = Vec::new();
    for _ in 0..5 {
        let mut stream = lake
            .engine
            .execute(BoundStatement::plain(ENDLESS))
            .await
            .unwrap();
        stream.next().await.unwrap().unwrap();
        running.push(stream);
    }
    lake.engine.declare_broken();
    let begun = Instant::now();
    assert_eq!(lake.number(&table, "SELECT k FROM {t}").await, 7);
    assert!(begun.elapsed().as_millis() < 1_000, "{:?}", begun.elapsed());
    for mut stream in running {
        let mut last = None;
        while let Some(item) = stream.next().await {
            last = Some(item);
        }
        assert_eq!(last.unwrap().unwrap_err().kind(), ErrorKind::Unavailable);
    }
    until("the old instance is empty", || lake.engine.running() == 0).await;
}

#[tokio::test]
async fn i11_memory_comes_back_with_a_fresh_instance() {
    let lake = Lake::open().await;
    for _ in 0..5 {
        let mut stream = lake
            .engine
            .execute(BoundStatement::plain(ENDLESS))
            .await
            .unwrap();
        stream.next().await.unwrap().unwrap();
        lake.engine.declare_broken();
        lake.engine.probe().await.unwrap();
        drop(stream);
    }
    until("all end", || lake.engine.running() == 0).await;
    assert!(lake.engine.memory_bytes().await.unwrap() < 64 << 20);
}

#[tokio::test]
async fn v16_spilling_instances_share_no_directory_and_leave_nothing() {
    let lake = Lake::open().await;
    let spill = lake.directory.path().join(".spill");
    let directories = || std::fs::read_dir(&spill).unwrap().count();
    assert_eq!(directories(), 2, "one for each role");
    lake.engine.declare_broken();
    lake.engine.probe().await.unwrap();
    until("the old one goes", || directories() == 2).await;
    drop(lake.engine);
    until("all go", || directories() == 0).await;
}

#[tokio::test]
async fn v6_thousands_of_versions_come_and_go_and_each_stays_readable() {
    let lake = Lake::open().await;
    let fields = columns(&[("k", LakeType::Int32)]);
    let table = lake.table(&fields, "SELECT 7 AS k").await;
    let held = lake.statement(&table, false, "SELECT k FROM {t}, range(10000000000)");
    let mut stream = lake.engine.execute(held).await.unwrap();
    for _ in 0..4_200 {
        let statement = lake.statement(&lake.empty(&fields), false, "SELECT * FROM {t}");
        lake.engine.describe(&statement).await.unwrap();
    }
    assert_eq!(stream.next().await.unwrap().unwrap().num_columns(), 1);
    assert_eq!(lake.number(&table, "SELECT k FROM {t}").await, 7);
    drop(stream);
    for _ in 0..100 {
        let statement = lake.statement(&lake.empty(&fields), false, "SELECT * FROM {t}");
        lake.engine.describe(&statement).await.unwrap();
    }
    assert_eq!(lake.number(&table, "SELECT k FROM {t}").await, 7);
}
