use std::time::Duration;

use serde_json::{Value, json};
use snowflake_sim::SimulatorConfig;

use crate::client::{Client, simulator};

async fn renew(client: &Client) -> Value {
    let body = json!({ "oldSessionToken": client.token, "requestType": "RENEW" });
    client
        .post("/session/token-request", &client.master, body)
        .await
}

#[tokio::test]
async fn an_expired_session_is_renewed_with_the_master_token() {
    let simulator = simulator(SimulatorConfig::default()).await;
    let mut client = Client::login(&simulator).await;
    client.data("use role r").await;
    simulator.expire_sessions();
    assert_eq!(client.code("select 1").await, "390112");
    let reply = renew(&client).await;
    assert_eq!(reply["data"]["validityInSecondsST"], 3600);
    client.token = reply["data"]["sessionToken"].as_str().unwrap().to_owned();
    let data = client.data("select current_role()").await;
    assert_eq!(data["finalRoleName"], "R", "the session is the same");
}

#[tokio::test]
async fn an_expired_master_token_needs_a_new_login() {
    let simulator = simulator(SimulatorConfig::default()).await;
    let client = Client::login(&simulator).await;
    simulator.expire_masters();
    assert_eq!(client.code("select 1").await, "390112");
    assert_eq!(renew(&client).await["code"], "390114");
}

#[tokio::test]
async fn validity_is_what_was_configured() {
    let config = SimulatorConfig {
        session_validity: Duration::ZERO,
        ..SimulatorConfig::default()
    };
    let simulator = simulator(config).await;
    let client = Client::login(&simulator).await;
    assert_eq!(client.code("select 1").await, "390112");
}

#[tokio::test]
async fn a_closed_or_forgotten_session_is_gone() {
    let simulator = simulator(SimulatorConfig::default()).await;
    let client = Client::login(&simulator).await;
    assert_eq!(
        client
            .post("/session/heartbeat", &client.token, json!({}))
            .await["success"],
        true
    );
    assert_eq!(
        client
            .post("/session?delete=true", &client.token, json!({}))
            .await["success"],
        true
    );
    assert_eq!(
        client
            .post("/session/heartbeat", &client.token, json!({}))
            .await["code"],
        "390111"
    );
    assert_eq!(renew(&client).await["code"], "390111");

    let other = Client::login(&simulator).await;
    simulator.forget_sessions();
    assert_eq!(other.code("select 1").await, "390111");
}
