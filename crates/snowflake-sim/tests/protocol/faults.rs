use serde_json::json;
use snowflake_sim::{Fault, FaultKind};

use crate::client::{Client, chunks, request_id, small_chunks};

#[tokio::test]
async fn an_endpoint_answers_503_as_often_as_told() {
    let simulator = small_chunks().await;
    let client = Client::login(&simulator).await;
    simulator.fault(
        Fault::new(FaultKind::HttpStatus)
            .at("query")
            .on("select 1")
            .times(2),
    );
    let id = request_id();
    let path = format!("/queries/v1/query-request?requestId={id}");
    for expected in [503, 503, 200] {
        let reply = client
            .try_post(&path, &client.token, json!({ "sqlText": "select 1" }))
            .await
            .unwrap();
        assert_eq!(reply.status(), expected);
    }
    assert_eq!(simulator.requests()["query"], 3);
    assert_eq!(simulator.log().len(), 1);
}

#[tokio::test]
async fn a_dropped_connection_loses_the_reply_but_not_the_work() {
    let simulator = small_chunks().await;
    let client = Client::login(&simulator).await;
    client.data("create table t (a int)").await;
    simulator.fault(Fault::new(FaultKind::DropConnection).at("query"));
    let path = format!("/queries/v1/query-request?requestId={}", request_id());
    let body = json!({ "sqlText": "insert into t values (1)" });
    let reply = client
        .try_post(&path, &client.token, body.clone())
        .await
        .unwrap();
    assert!(reply.bytes().await.is_err());
    simulator.fault(Fault::new(FaultKind::NoReply).at("query"));
    assert!(
        client
            .try_post(&path, &client.token, body.clone())
            .await
            .is_err()
    );
    let again = client.post(&path, &client.token, body).await;
    assert_eq!(again["data"]["rowset"], json!([["1"]]));
    assert_eq!(
        simulator
            .sql("select count(*) from db.public.t")
            .await
            .unwrap()["rows"],
        json!([[1]])
    );
}

#[tokio::test]
async fn chunks_are_refused_cut_and_miscounted() {
    let simulator = small_chunks().await;
    let client = Client::login(&simulator).await;
    simulator.fault(Fault::new(FaultKind::ChunkRowCount).chunk(1));
    let data = client.data("select * from range(13)").await;
    let counts: Vec<u64> = chunks(&data)
        .iter()
        .map(|chunk| chunk["rowCount"].as_u64().unwrap())
        .collect();
    assert_eq!(counts, [5, 6]);

    simulator.fault(
        Fault::new(FaultKind::ChunkForbidden)
            .on("range(13)")
            .chunk(0),
    );
    assert_eq!(client.chunk(&data, 0).await.unwrap().status(), 403);
    assert_eq!(client.chunk(&data, 0).await.unwrap().status(), 200);

    simulator.fault(Fault::new(FaultKind::ChunkTruncated));
    let cut = client.chunk(&data, 0).await.unwrap().bytes().await;
    assert!(cut.is_err(), "gzip ends too early");

    simulator.fault(Fault::new(FaultKind::DropConnection).at("chunk"));
    assert!(client.chunk(&data, 0).await.unwrap().bytes().await.is_err());
}

#[tokio::test]
async fn waits_are_as_long_as_told() {
    let simulator = small_chunks().await;
    let client = Client::login(&simulator).await;
    simulator.fault(Fault::new(FaultKind::QueryDelay).ms(150));
    let begun = std::time::Instant::now();
    let data = client.data("select * from range(9)").await;
    assert!(begun.elapsed().as_millis() >= 150);
    simulator.fault(Fault::new(FaultKind::Slow).at("chunk").ms(150));
    let begun = std::time::Instant::now();
    client.chunk(&data, 0).await.unwrap();
    assert!(begun.elapsed().as_millis() >= 150);
}

#[tokio::test]
async fn sessions_expire_and_statements_fail_on_demand() {
    let simulator = small_chunks().await;
    let client = Client::login(&simulator).await;
    simulator.fault(Fault::new(FaultKind::SessionExpired));
    assert_eq!(client.code("select 1").await, "390112");
    client.data("select 1").await;

    let mut fault = Fault::new(FaultKind::QueryError).on("select 2");
    fault.code = "000625".to_owned();
    simulator.fault(fault);
    client.data("select 1").await;
    assert_eq!(client.code("select 2").await, "000625");
    simulator.fault(Fault::new(FaultKind::QueryError).times(0));
    simulator.clear_faults();
    client.data("select 2").await;
}
