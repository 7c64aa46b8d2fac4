use std::time::Duration;

use serde_json::json;
use snowflake_sim::{Fault, FaultKind, GatePoint, SimulatorConfig};

use crate::client::{Client, inline, request_id, simulator};

#[tokio::test]
async fn a_long_statement_is_pending_until_it_ends() {
    let config = SimulatorConfig {
        sync_wait: Duration::from_millis(20),
        ..SimulatorConfig::default()
    };
    let simulator = simulator(config).await;
    let client = Client::login(&simulator).await;
    let gate = simulator.gate("42", GatePoint::BeforeExecute);
    let reply = client.ask("select 42 as n").await;
    assert_eq!(
        (reply["success"].as_bool(), reply["code"].as_str()),
        (Some(true), Some("333333"))
    );
    let path = reply["data"]["getResultUrl"].as_str().unwrap();
    assert_eq!(client.get(path).await["code"], "333334");
    gate.release();
    let mut reply = client.get(path).await;
    while reply["code"] == "333334" {
        reply = client.get(path).await;
    }
    assert_eq!(inline(&reply["data"])[0].num_rows(), 1);
}

#[tokio::test]
async fn asynchronous_statements_answer_at_once() {
    let simulator = simulator(SimulatorConfig::default()).await;
    let client = Client::login(&simulator).await;
    let gate = simulator.gate("select 1", GatePoint::BeforeAnswer);
    let reply = client
        .submit(
            &request_id(),
            json!({ "sqlText": "select 1", "asyncExec": true }),
        )
        .await;
    assert_eq!(reply["code"], "333334");
    let id = reply["data"]["queryId"].as_str().unwrap().to_owned();
    gate.reached().await;
    let status = client.get(&format!("/monitoring/queries/{id}")).await;
    assert_eq!(status["data"]["queries"][0]["status"], "RUNNING");
    gate.release();
    let reply = client.get(&format!("/queries/{id}/result")).await;
    assert_eq!(reply["data"]["total"], 1);
    let status = client.get(&format!("/monitoring/queries/{id}")).await;
    assert_eq!(status["data"]["queries"][0]["status"], "SUCCESS");
}

#[tokio::test]
async fn a_finished_statement_can_be_called_pending_on_demand() {
    let simulator = simulator(SimulatorConfig::default()).await;
    let client = Client::login(&simulator).await;
    simulator.fault(Fault::new(FaultKind::Pending).on("1 as x").times(2));
    let reply = client.ask("select 1 as x").await;
    assert_eq!(reply["code"], "333333");
    let path = reply["data"]["getResultUrl"].as_str().unwrap();
    assert_eq!(client.get(path).await["code"], "333334");
    assert_eq!(client.get(path).await["data"]["total"], 1);
}

#[tokio::test]
async fn gates_hold_a_statement_before_it_sees_data() {
    let simulator = simulator(SimulatorConfig::default()).await;
    let client = Client::login(&simulator).await;
    simulator
        .sql("create table db.public.t (a int)")
        .await
        .unwrap();
    let read = async |point: GatePoint| {
        simulator.sql("truncate table db.public.t").await.unwrap();
        let gate = simulator.gate("select count(*)", point);
        let reading = tokio::spawn({
            let client = client.clone();
            async move { client.data("select count(*) from t").await }
        });
        gate.reached().await;
        simulator
            .sql("insert into db.public.t values (1), (2)")
            .await
            .unwrap();
        gate.release();
        inline(&reading.await.unwrap())[0]
            .column(0)
            .to_data()
            .buffers()[0][0]
    };
    assert_eq!(
        read(GatePoint::BeforeExecute).await,
        2,
        "sees what was written meanwhile"
    );
    assert_eq!(read(GatePoint::BeforeAnswer).await, 0, "had read before");
}
