use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use serde_json::json;
use snowflake_sim::{ChunkEncoding, SimulatorConfig};

use crate::client::{Client, chunks, inline, request_id, simulator, small_chunks};

fn numbers(batches: &[RecordBatch]) -> Vec<i64> {
    let values = batches
        .iter()
        .map(|batch| cast(batch.column(0), &DataType::Int64).unwrap());
    values
        .flat_map(|array| array.as_primitive::<Int64Type>().values().to_vec())
        .collect()
}

#[tokio::test]
async fn rows_come_in_order_inline_first_then_chunks() {
    let simulator = small_chunks().await;
    let client = Client::login(&simulator).await;
    let sql = "select x from range(20) t(x) order by x desc";
    let data = client.data(sql).await;
    assert_eq!(data["queryResultFormat"], "arrow");
    assert_eq!(
        (data["total"].as_u64(), data["returned"].as_u64()),
        (Some(20), Some(20))
    );
    let counts: Vec<u64> = chunks(&data)
        .iter()
        .map(|chunk| chunk["rowCount"].as_u64().unwrap())
        .collect();
    assert_eq!(counts, [5, 5, 5, 2]);
    assert_eq!(numbers(&inline(&data)), [19, 18, 17]);
    assert_eq!(
        numbers(&client.batches(sql).await),
        (0..20).rev().collect::<Vec<i64>>()
    );
}

#[tokio::test]
async fn integer_width_varies_per_chunk() {
    let simulator = small_chunks().await;
    let client = Client::login(&simulator).await;
    let batches = client
        .batches("select x * x * x * 1000 as n from range(13) t(x) order by x")
        .await;
    let widths: Vec<String> = batches
        .iter()
        .map(|batch| batch.column(0).data_type().to_string())
        .collect();
    assert_eq!(widths, ["Int16", "Int32", "Int32"]);
}

#[tokio::test]
async fn chunks_need_their_headers_and_a_valid_address() {
    let simulator = small_chunks().await;
    let client = Client::login(&simulator).await;
    let data = client.data("select * from range(9)").await;
    let url = data["chunks"][0]["url"].as_str().unwrap();
    assert_eq!(client.http.get(url).send().await.unwrap().status(), 400);
    assert_eq!(client.chunk(&data, 0).await.unwrap().status(), 200);

    simulator.expire_chunks();
    let refused = client.chunk(&data, 0).await.unwrap();
    assert_eq!(refused.status(), 403);
    assert!(refused.text().await.unwrap().starts_with("<?xml"));

    let fresh = client
        .get(&format!(
            "/queries/{}/result",
            data["queryId"].as_str().unwrap()
        ))
        .await;
    assert_ne!(fresh["data"]["chunks"][0]["url"], data["chunks"][0]["url"]);
    assert_eq!(client.chunk(&fresh["data"], 0).await.unwrap().status(), 200);
}

#[tokio::test]
async fn chunks_may_be_compressed_without_saying_so() {
    let config = SimulatorConfig {
        inline_rows: 0,
        chunk_encoding: ChunkEncoding::UnlabelledGzip,
        chunk_headers: false,
        ..SimulatorConfig::default()
    };
    let simulator = simulator(config).await;
    let client = Client::login(&simulator).await;
    let data = client.data("select * from range(9)").await;
    assert_eq!(data["rowsetBase64"], "", "every row is remote");
    assert!(data["chunkHeaders"].is_null());
    let request = client.http.get(data["chunks"][0]["url"].as_str().unwrap());
    let request = request.header(
        "x-amz-server-side-encryption-customer-key",
        data["qrmk"].as_str().unwrap(),
    );
    let request = request.header("x-amz-server-side-encryption-customer-algorithm", "AES256");
    let body = request.send().await.unwrap().bytes().await.unwrap();
    assert_eq!(body[..2], [0x1f, 0x8b]);
}

#[tokio::test]
async fn an_empty_result_keeps_its_columns() {
    let simulator = small_chunks().await;
    let client = Client::login(&simulator).await;
    let data = client.data("select 1 as a, 'x' as b from range(0)").await;
    assert_eq!(data["returned"], 0);
    assert_eq!(data["rowsetBase64"], "");
    assert_eq!(data["rowtype"][1]["name"], "B");
}

#[tokio::test]
async fn the_same_request_runs_once() {
    let simulator = small_chunks().await;
    let client = Client::login(&simulator).await;
    client.data("create table t (a int)").await;
    let id = request_id();
    let body = json!({ "sqlText": "insert into t values (1)" });
    let first = client.submit(&id, body.clone()).await;
    let again = client.submit(&id, body).await;
    assert_eq!(first["data"]["queryId"], again["data"]["queryId"]);
    assert_eq!(
        numbers(&client.batches("select count(*) from t").await),
        [1]
    );
    assert_eq!(
        simulator
            .log()
            .iter()
            .filter(|entry| entry.sql.starts_with("insert"))
            .count(),
        1
    );
}

#[tokio::test]
async fn clients_that_do_not_say_who_they_are_get_json() {
    let simulator = small_chunks().await;
    let client = Client::login(&simulator).await;
    client
        .data("alter session set python_connector_query_result_format = 'JSON'")
        .await;
    let data = client
        .data("select 1.5::number(3,1) as n, '2024-02-29'::date d, true b, null x")
        .await;
    assert_eq!(data["queryResultFormat"], "json");
    assert_eq!(data["rowset"], json!([["1.5", "19782", "1", null]]));
}

#[tokio::test]
async fn describe_only_answers_columns_without_running() {
    let simulator = small_chunks().await;
    let client = Client::login_to(&simulator, "databaseName=DB").await;
    client
        .data("create table t (a number(10,2) not null)")
        .await;
    let body = json!({ "sqlText": "select a, a || 'x' as b from t", "describeOnly": true });
    let reply = client.submit(&request_id(), body).await;
    assert_eq!(reply["data"]["rowtype"][0]["scale"], 2);
    assert_eq!(reply["data"]["rowtype"][1]["type"], "text");
    assert_eq!(reply["data"]["total"], 0);
    assert_eq!(simulator.credits().credits, 0);
}

#[tokio::test]
async fn bindings_fill_placeholders() {
    let simulator = small_chunks().await;
    let client = Client::login(&simulator).await;
    let body = json!({ "sqlText": "select ? + 1, ?", "bindings": {
        "1": { "type": "FIXED", "value": "41" }, "2": { "type": "TEXT", "value": "it's" } } });
    let reply = client.submit(&request_id(), body).await;
    let batches = inline(&reply["data"]);
    assert_eq!(numbers(&batches), [42]);
    assert_eq!(batches[0].column(1).as_string::<i32>().value(0), "it's");
}
