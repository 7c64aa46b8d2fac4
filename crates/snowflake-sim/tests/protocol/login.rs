use rsa::pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding};
use rsa::{RsaPrivateKey, RsaPublicKey};
use serde_json::json;
use snowflake_sim::{Fault, FaultKind, SimulatorConfig, User};

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
async fn a_key_pair_opens_a_session_and_another_key_does_not() {
    let mut random = rsa::rand_core::OsRng;
    let [ours, theirs] = [0, 1].map(|_| RsaPrivateKey::new(&mut random, 2048).unwrap());
    let public = RsaPublicKey::from(&ours)
        .to_public_key_pem(LineEnding::LF)
        .unwrap();
    let user = User {
        name: "KEYED".to_owned(),
        public_key: Some(public),
        ..User::default()
    };
    let simulator = simulator(SimulatorConfig {
        users: vec![user],
        ..SimulatorConfig::default()
    })
    .await;
    let attempt = async |key: &RsaPrivateKey, name: &str| {
        let pem = key.to_pkcs8_pem(LineEnding::LF).unwrap();
        let token = snowflake_jwt::generate_jwt_token(&pem, &format!("ACCOUNT.{name}")).unwrap();
        let data =
            json!({ "AUTHENTICATOR": "SNOWFLAKE_JWT", "LOGIN_NAME": "keyed", "TOKEN": token });
        login(&simulator, "", data).await
    };
    assert_eq!(attempt(&ours, "KEYED").await["success"], true);
    assert_eq!(attempt(&theirs, "KEYED").await["code"], "390144");
    assert_eq!(attempt(&ours, "OTHER").await["code"], "390144");
}

#[tokio::test]
async fn a_programmatic_access_token_opens_a_session() {
    let user = User {
        name: "BOT".to_owned(),
        token: Some("secret".to_owned()),
        ..User::default()
    };
    let simulator = simulator(SimulatorConfig {
        users: vec![user],
        ..SimulatorConfig::default()
    })
    .await;
    let data = |token: &str| json!({ "AUTHENTICATOR": "PROGRAMMATIC_ACCESS_TOKEN", "LOGIN_NAME": "BOT", "TOKEN": token });
    assert_eq!(login(&simulator, "", data("secret")).await["success"], true);
    assert_eq!(login(&simulator, "", data("guess")).await["success"], false);
}

#[tokio::test]
async fn a_login_can_be_refused_on_demand() {
    let simulator = simulator(SimulatorConfig::default()).await;
    simulator.fault(Fault::new(FaultKind::LoginRefused));
    let data = json!({ "LOGIN_NAME": "DUCKSYNC", "PASSWORD": "ducksync-demo" });
    assert_eq!(login(&simulator, "", data.clone()).await["code"], "390100");
    assert_eq!(login(&simulator, "", data).await["success"], true);
}
