use serde_json::{Value, json};
use snowflake_sim::SimulatorConfig;

use crate::client::{Client, request_id, simulator};

async fn post(client: &Client, path: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
    let request = client
        .http
        .post(format!("{}{path}", client.url))
        .header("Content-Type", "application/json");
    let reply = request.body(body).send().await.unwrap();
    (reply.status().as_u16(), reply.json().await.unwrap())
}

#[tokio::test]
async fn writers_come_through_the_back_door_unseen() {
    let simulator = simulator(SimulatorConfig::default()).await;
    let client = Client::login(&simulator).await;
    let (status, reply) = post(
        &client,
        "/sim/sql?database=DB&schema=PUBLIC",
        "create table t (a int, d date); insert into t values (1, '2024-02-29'); select a, d, a > 0 from t",
    )
    .await;
    assert_eq!(status, 200);
    assert_eq!(
        reply,
        json!({ "columns": ["A", "D", "A > 0"], "rows": [[1, "2024-02-29", true]] })
    );
    let (status, reply) = post(&client, "/sim/sql", "select * from nope.s.t").await;
    assert_eq!((status, reply["code"].as_str()), (400, Some("002003")));
    assert!(simulator.log().is_empty());
    assert_eq!(client.data("select * from t").await["total"], 1);
}

#[tokio::test]
async fn the_log_tells_who_asked_what() {
    let simulator = simulator(SimulatorConfig::default()).await;
    let client = Client::login(&simulator).await;
    client.data("alter session set query_tag = 'session'").await;
    client.data("select 1 from range(3)").await;
    let body = json!({ "sqlText": "select 2 from nope", "parameters": { "QUERY_TAG": "mine" } });
    client.submit(&request_id(), body).await;
    let log = client.get("/sim/log").await;
    assert_eq!(log.as_array().unwrap().len(), 3);
    assert_eq!(log[1]["query_tag"], "session");
    assert_eq!(
        (log[1]["status"].as_str(), log[1]["rows"].as_u64()),
        (Some("success"), Some(3))
    );
    assert_eq!(
        (log[1]["class"].as_str(), log[1]["user"].as_str()),
        (Some("query"), Some("DUCKSYNC"))
    );
    assert_eq!(
        (log[2]["query_tag"].as_str(), log[2]["error"].as_str()),
        (Some("mine"), Some("002003"))
    );
    assert_eq!(client.get("/sim/credits").await["credits"], 2);
    assert_eq!(client.get("/sim/requests").await["query"], 3);
    assert_eq!(
        client.get("/sim/sessions").await[0]["parameters"]["QUERY_TAG"],
        "session"
    );
    post(&client, "/sim/reset-log", "").await;
    assert_eq!(client.get("/sim/log").await, json!([]));
    assert_eq!(client.get("/sim/credits").await["credits"], 0);
}

#[tokio::test]
async fn faults_and_gates_are_armed_over_http() {
    let simulator = simulator(SimulatorConfig::default()).await;
    let client = Client::login(&simulator).await;
    post(&client, "/sim/faults", r#"{"kind": "session_expired"}"#).await;
    assert_eq!(client.code("select 1").await, "390112");
    post(
        &client,
        "/sim/faults",
        r#"[{"kind": "query_error", "count": 0}, {"kind": "slow", "ms": 1}]"#,
    )
    .await;
    assert_eq!(client.get("/sim/faults").await.as_array().unwrap().len(), 2);
    post(&client, "/sim/faults", "[]").await;
    client.data("select 1").await;

    let (_, gate) = post(
        &client,
        "/sim/gates",
        r#"{"sql": "select 7", "point": "before_answer"}"#,
    )
    .await;
    let asking = tokio::spawn({
        let client = client.clone();
        async move { client.data("select 7").await }
    });
    client
        .get(&format!("/sim/gates/wait?id={}", gate["id"]))
        .await;
    assert_eq!(client.get("/sim/gates").await[0]["reached"], 1);
    post(&client, "/sim/gates/release", gate.to_string()).await;
    assert_eq!(asking.await.unwrap()["total"], 1);

    post(&client, "/sim/expire", r#"{"what": "session"}"#).await;
    assert_eq!(client.code("select 1").await, "390112");
}

#[tokio::test]
async fn a_stopped_simulator_answers_nobody() {
    let simulator = simulator(SimulatorConfig::default()).await;
    let client = Client::login(&simulator).await;
    let gate = simulator.gate("select 1", snowflake_sim::GatePoint::BeforeExecute);
    let path = format!("/queries/v1/query-request?requestId={}", request_id());
    let waiting = tokio::spawn({
        let client = client.clone();
        async move {
            client
                .try_post(&path, &client.token, json!({ "sqlText": "select 1" }))
                .await
        }
    });
    gate.reached().await;
    drop(simulator);
    assert!(waiting.await.unwrap().is_err());
    assert!(
        client
            .try_post("/session/heartbeat", &client.token, json!({}))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn the_sample_is_there_and_the_same_every_time() {
    let config = SimulatorConfig {
        tpch_scale: 0.01,
        ..SimulatorConfig::default()
    };
    let simulator = simulator(config).await;
    let sql = "select (select count(*) from demo.tpch.orders), (select count(*) from demo.tpch.lineitem), \
        (select sum(o_totalprice) from demo.tpch.orders), (select count(*) from demo.tpch.nation n join demo.tpch.region on n_regionkey = r_regionkey)";
    let found = simulator.sql(sql).await.unwrap();
    assert_eq!(found["rows"][0][0], 15_000);
    assert_eq!(found["rows"][0][3], 25);
    let lines = found["rows"][0][1].as_u64().unwrap();
    assert!((55_000..65_000).contains(&lines), "{lines}");
    let price = simulator
        .sql("select sum(l_extendedprice) from demo.tpch.lineitem")
        .await
        .unwrap();
    assert_eq!(
        price["rows"][0][0], found["rows"][0][2],
        "orders cost what their lines cost"
    );
}
