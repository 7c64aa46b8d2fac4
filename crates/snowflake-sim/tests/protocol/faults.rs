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

#[tokio::test]
async fn chunk_addresses_expire_within_a_result_and_come_fresh_with_it() {
    let simulator = small_chunks().await;
    let client = Client::login(&simulator).await;
    let data = client.data("select * from range(23)").await;
    simulator.fault(Fault::new(FaultKind::ChunkExpired).chunk(2));
    simulator.fault(Fault::new(FaultKind::TokenExpires).at("chunk").chunk(2));
    let status = async |data: &serde_json::Value, number: usize| {
        client.chunk(data, number).await.unwrap().status().as_u16()
    };
    assert_eq!((status(&data, 0).await, status(&data, 2).await), (200, 403));
    assert_eq!(status(&data, 0).await, 403, "all of them");
    let path = format!("/queries/{}/result", data["queryId"].as_str().unwrap());
    assert_eq!(client.get(&path).await["code"], "390112");
    let body = json!({ "oldSessionToken": client.token, "requestType": "RENEW" });
    let renewed = client
        .post("/session/token-request", &client.master, body)
        .await;
    let client = Client {
        token: renewed["data"]["sessionToken"].as_str().unwrap().to_owned(),
        ..client.clone()
    };
    let again = client.get(&path).await;
    for number in 0..4 {
        assert_eq!(status(&again["data"], number).await, 200);
    }
}

#[tokio::test]
async fn chunks_break_off_and_are_refused_for_a_while() {
    let simulator = small_chunks().await;
    let client = Client::login(&simulator).await;
    let data = client.data("select * from range(23)").await;
    let mut busy = Fault::new(FaultKind::HttpStatus).at("chunk");
    busy.status = 429;
    simulator.fault(busy);
    assert_eq!(client.chunk(&data, 1).await.unwrap().status(), 429);
    simulator.fault(Fault::new(FaultKind::DropConnection).at("chunk").chunk(1));
    assert!(client.chunk(&data, 1).await.unwrap().bytes().await.is_err());
    simulator.fault(Fault::new(FaultKind::ChunkShort).chunk(1));
    let short = client.chunk(&data, 1).await.unwrap().bytes().await.unwrap();
    assert!(
        arrow_ipc::reader::StreamReader::try_new(short.as_ref(), None)
            .map_or(true, |mut batches| batches.any(|batch| batch.is_err()))
    );
    simulator.fault(Fault::new(FaultKind::ChunkUnlabelled).chunk(1));
    let reply = client.chunk(&data, 1).await.unwrap();
    assert!(reply.headers().get("content-encoding").is_none());
    assert!(reply.bytes().await.unwrap().starts_with(&[0x1f, 0x8b]));
    assert_eq!(
        crate::client::decode(&client.chunk(&data, 1).await.unwrap().bytes().await.unwrap())[0]
            .num_rows(),
        5
    );
    let mut late = Fault::new(FaultKind::HttpStatus).at("query");
    late.status = 408;
    simulator.fault(late);
    let path = format!("/queries/v1/query-request?requestId={}", request_id());
    let reply = client
        .try_post(&path, &client.token, json!({ "sqlText": "select 1" }))
        .await;
    assert_eq!(reply.unwrap().status(), 408);
}

#[tokio::test]
async fn a_statement_is_pending_as_long_as_wanted_without_waiting() {
    let simulator = small_chunks().await;
    let client = Client::login(&simulator).await;
    simulator.fault(Fault::new(FaultKind::Pending).at("query"));
    simulator.fault(Fault::new(FaultKind::Pending).at("result").times(3));
    let reply = client.ask("select 1").await;
    assert_eq!(reply["code"], "333333");
    let path = reply["data"]["getResultUrl"].as_str().unwrap().to_owned();
    for _ in 0..3 {
        assert_eq!(client.get(&path).await["code"], "333334");
    }
    assert_eq!(client.get(&path).await["data"]["total"], 1);
}
