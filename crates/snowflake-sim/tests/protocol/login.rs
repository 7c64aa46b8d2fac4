use serde_json::json;
use snowflake_sim::{Fault, FaultKind, SimulatorConfig};

use crate::client::{login, simulator};

#[tokio::test]
async fn a_password_opens_a_session_with_what_was_asked_for() {
    let simulator = simulator(SimulatorConfig::default()).await;
    let data = json!({ "LOGIN_NAME": "DuckSync", "PASSWORD": "ducksync-demo", "CLIENT_APP_ID": "Test",
        "SESSION_PARAMETERS": { "QUERY_TAG": "hello" } });
    let reply = login(
        &simulator,
        "databaseName=db&warehouse=wh&roleName=%22low%22",
        data,
    )
    .await;
    assert_eq!(reply["success"], true);
    let data = &reply["data"];
    assert_eq!(data["validityInSeconds"], 3600);
    assert_eq!(
        data["sessionInfo"],
        json!({ "databaseName": "DB", "schemaName": "PUBLIC", "warehouseName": "WH", "roleName": "low" })
    );
    assert!(
        data["parameters"]
            .as_array()
            .unwrap()
            .contains(&json!({ "name": "QUERY_TAG", "value": "hello" }))
    );
    assert_ne!(data["token"], data["masterToken"]);
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let simulator = simulator(SimulatorConfig::default()).await;
    for (name, password) in [
        ("DUCKSYNC", "wrong"),
        ("NOBODY", "ducksync-demo"),
        ("DUCKSYNC", ""),
    ] {
        let reply = login(
            &simulator,
            "",
            json!({ "LOGIN_NAME": name, "PASSWORD": password }),
        )
        .await;
        assert_eq!(
            (reply["success"].as_bool(), reply["code"].as_str()),
            (Some(false), Some("390100"))
        );
    }
}

#[tokio::test]
async fn a_login_can_be_refused_on_demand() {
    let simulator = simulator(SimulatorConfig::default()).await;
    simulator.fault(Fault::new(FaultKind::LoginRefused));
    let data = json!({ "LOGIN_NAME": "DUCKSYNC", "PASSWORD": "ducksync-demo" });
    assert_eq!(login(&simulator, "", data.clone()).await["code"], "390100");
    assert_eq!(login(&simulator, "", data).await["success"], true);
}
