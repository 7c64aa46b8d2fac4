use serde_json::{Value, json};
use snowflake_sim::{GatePoint, SimulatorConfig, StatementStatus};
use tokio::task::JoinHandle;

use crate::client::{Client, request_id, simulator};

/// Takes hours if nobody stops it.
const ENDLESS: &str =
    "select count(*) from range(100000000) a, range(100000000) b where a.range * b.range % 7 = 3";

fn start(client: &Client, id: &str, sql: &str) -> JoinHandle<Value> {
    let (client, id, body) = (client.clone(), id.to_owned(), json!({ "sqlText": sql }));
    tokio::spawn(async move { client.submit(&id, body).await })
}

fn assert_canceled(reply: &Value) {
    assert_eq!(reply["code"], "000604", "{reply}");
    assert_eq!(reply["data"]["sqlState"], "57014");
}

#[tokio::test]
async fn a_statement_is_aborted_by_the_id_of_its_request() {
    let simulator = simulator(SimulatorConfig::default()).await;
    let client = Client::login(&simulator).await;
    let gate = simulator.gate("select count", GatePoint::BeforeExecute);
    let id = request_id();
    let running = start(&client, &id, ENDLESS);
    gate.reached().await;
    gate.release();
    let path = format!("/queries/v1/abort-request?requestId={}", request_id());
    let reply = client
        .post(
            &path,
            &client.token,
            json!({ "sqlText": ENDLESS, "requestId": id }),
        )
        .await;
    assert_eq!(reply["success"], true);
    assert_canceled(&running.await.unwrap());
    assert_eq!(simulator.log()[0].status, StatementStatus::Canceled);
    let again = client
        .post(&path, &client.token, json!({ "requestId": id }))
        .await;
    assert_eq!(again["code"], "000605");
}

#[tokio::test]
async fn a_statement_is_aborted_by_its_own_id_even_at_a_gate() {
    let simulator = simulator(SimulatorConfig::default()).await;
    let client = Client::login(&simulator).await;
    let gate = simulator.gate("select 1", GatePoint::BeforeExecute);
    let running = start(&client, &request_id(), "select 1");
    gate.reached().await;
    let id = simulator.log()[0].query_id.clone();
    client
        .post(
            &format!("/queries/{id}/abort-request"),
            &client.token,
            json!({}),
        )
        .await;
    assert_canceled(&running.await.unwrap());
    let status = client.get(&format!("/monitoring/queries/{id}")).await;
    assert_eq!(status["data"]["queries"][0]["status"], "ABORTED");
}

#[tokio::test]
async fn a_statement_ends_at_its_timeout() {
    let simulator = simulator(SimulatorConfig::default()).await;
    let client = Client::login(&simulator).await;
    let body = json!({ "sqlText": ENDLESS, "parameters": { "STATEMENT_TIMEOUT_IN_SECONDS": 1 } });
    let reply = client.submit(&request_id(), body).await;
    assert_eq!(
        (reply["code"].as_str(), reply["data"]["sqlState"].as_str()),
        (Some("000630"), Some("57014"))
    );
}
