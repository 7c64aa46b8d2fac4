//! Roles, warehouses, and the account's own state.

use serde_json::{Value, json};
use snowflake_sim::{SimulatorConfig, StatementClass, StatementStatus, User};

use crate::client::{Client, login, request_id, simulator};

#[tokio::test]
async fn sessions_without_a_warehouse_do_what_needs_none() {
    let simulator = simulator(SimulatorConfig::default()).await;
    simulator
        .sql("create table db.public.t (a int)")
        .await
        .unwrap();
    let bare = Client::login_to(&simulator, "databaseName=DB&schemaName=PUBLIC").await;
    simulator.reset_log();
    for sql in [
        "show tables",
        "desc table t",
        "select current_warehouse()",
        "explain using json select * from t",
        "select system$last_change_commit_time('T')",
        "show parameters",
    ] {
        bare.data(sql).await;
    }
    for sql in [
        "select * from t",
        "delete from t",
        "select * from information_schema.tables",
    ] {
        assert_eq!(bare.code(sql).await, "000606");
    }
    assert_eq!(simulator.credits().credits, 0);
    bare.data("use warehouse wh").await;
    bare.data("select * from t").await;
    assert_eq!(simulator.credits().credits, 1);
    simulator.alter_user("ducksync", |user| {
        user.default_warehouse = Some("OWN".to_owned())
    });
    let own = Client::login_to(&simulator, "databaseName=DB").await;
    assert_eq!(own.cell("show warehouses").await, "OWN");
    assert_eq!(
        simulator.logins().last().unwrap().warehouse.as_deref(),
        Some("OWN")
    );
}

#[tokio::test]
async fn c7_change_tokens_can_be_made_to_need_a_warehouse() {
    let simulator = simulator(SimulatorConfig::default()).await;
    simulator
        .sql("create table db.public.t (a int)")
        .await
        .unwrap();
    let bare = Client::login_to(&simulator, "databaseName=DB&schemaName=PUBLIC").await;
    let client = Client::login(&simulator).await;
    let ask = "select system$last_change_commit_time('T')";
    bare.data(ask).await;
    simulator.switch(|settings| settings.change_tokens_need_warehouse = true);
    assert_eq!(bare.code(ask).await, "000606");
    simulator.reset_log();
    client.data(ask).await;
    assert_eq!(simulator.log()[0].class, StatementClass::MetadataWarehouse);
    assert_eq!(simulator.credits().credits, 1);
    bare.data("show tables").await;
}

#[tokio::test]
async fn a_suspended_account_lets_in_and_answers_metadata_only() {
    let simulator = simulator(SimulatorConfig::default()).await;
    simulator
        .sql("create table db.public.t (a int)")
        .await
        .unwrap();
    let http = reqwest::Client::new();
    let settings = format!("{}/sim/settings", simulator.url());
    let set = async |body: Value| {
        http.post(&settings)
            .json(&body)
            .send()
            .await
            .unwrap()
            .status()
    };
    assert_eq!(set(json!({ "suspended": true })).await, 200);
    let client = Client::login(&simulator).await;
    client.data("show tables").await;
    let reply = client.ask("select * from t").await;
    assert_eq!(
        (&reply["code"], &reply["data"]["sqlState"]),
        (&json!("000666"), &json!("57014"))
    );
    assert!(
        reply["message"]
            .as_str()
            .unwrap()
            .contains("Your account is suspended due to lack of payment method.")
    );
    assert_eq!(
        simulator.log().last().unwrap().status,
        StatementStatus::Failed,
        "not canceled, for all its state"
    );
    assert_eq!(set(json!({})).await, 200);
    client.data("select * from t").await;
    assert!(set(json!({ "suspendet": true })).await.is_client_error());
}

#[tokio::test]
async fn roles_are_known_checked_and_logged() {
    let user = User {
        name: "ANN".to_owned(),
        password: Some("x".to_owned()),
        default_role: Some("READER".to_owned()),
        roles: vec!["READER".to_owned(), "WRITER".to_owned()],
        ..User::default()
    };
    let simulator = simulator(SimulatorConfig {
        users: vec![user],
        ..SimulatorConfig::default()
    })
    .await;
    let attempt = async |options: &str| {
        login(
            &simulator,
            options,
            json!({ "LOGIN_NAME": "ann", "PASSWORD": "x", "CLIENT_APP_ID": "Go" }),
        )
        .await
    };
    assert_eq!(
        attempt("").await["data"]["sessionInfo"]["roleName"],
        "READER"
    );
    assert_eq!(
        attempt("roleName=writer").await["data"]["sessionInfo"]["roleName"],
        "WRITER"
    );
    assert_eq!(attempt("roleName=owner").await["code"], "390189");
    let logins = simulator.logins();
    let seen: Vec<_> = logins
        .iter()
        .map(|login| (login.role.as_deref(), login.error.as_deref()))
        .collect();
    assert_eq!(
        seen,
        [
            (Some("READER"), None),
            (Some("WRITER"), None),
            (None, Some("390189"))
        ]
    );
    assert_eq!(
        (
            logins[0].user.as_str(),
            logins[0].authenticator.as_str(),
            logins[0].client.as_str()
        ),
        ("ANN", "SNOWFLAKE", "Go")
    );
    let reply = attempt("databaseName=DB&roleName=writer").await;
    let client = Client {
        http: reqwest::Client::new(),
        url: simulator.url(),
        token: reply["data"]["token"].as_str().unwrap().to_owned(),
        master: String::new(),
    };
    client.data("use role reader").await;
    assert_eq!(client.code("use role owner").await, "003013");
    client
        .data("alter session set timezone = 'Europe/Berlin'")
        .await;
    let parameters = json!({ "QUERY_TAG": "tagged", "ROWS_PER_RESULTSET": 5 });
    let body = json!({ "sqlText": "select current_role()", "parameters": parameters });
    client.submit(&request_id(), body).await;
    let entry = simulator.log().last().unwrap().clone();
    assert_eq!(
        (
            entry.role.as_str(),
            entry.database.as_deref(),
            entry.schema.as_deref()
        ),
        ("READER", Some("DB"), Some("PUBLIC"))
    );
    assert_eq!(entry.query_tag, "tagged");
    assert_eq!(
        entry.parameters.into_iter().collect::<Vec<_>>(),
        [
            ("QUERY_TAG".to_owned(), "tagged".to_owned()),
            ("ROWS_PER_RESULTSET".to_owned(), "5".to_owned())
        ]
    );
    assert_eq!(entry.effective_parameters["TIMEZONE"], "Europe/Berlin");
}
