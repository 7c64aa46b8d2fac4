use serde_json::{Value, json};
use snowflake_sim::SimulatorConfig;

use crate::client::{Client, simulator};

async fn rows(simulator: &snowflake_sim::Simulator, sql: &str) -> Value {
    simulator.sql_in(Some("DB"), None, sql).await.unwrap()["rows"].clone()
}

#[tokio::test]
async fn names_fold_to_upper_case_unless_quoted() {
    let simulator = simulator(SimulatorConfig::default()).await;
    let client = Client::login(&simulator).await;
    client
        .data("create table \"orders\" (\"id\" int, id int)")
        .await;
    client.data("create table Orders (Id int)").await;
    client
        .data("insert into \"orders\" (\"id\", Id) values (1, 2)")
        .await;
    client.data("insert into orders values (3)").await;
    assert_eq!(
        rows(
            &simulator,
            "select \"id\", ID, o.\"id\" from db.Public.\"orders\" as o"
        )
        .await,
        json!([[1, 2, 1]])
    );
    assert_eq!(
        rows(&simulator, "select id from ORDERS").await,
        json!([[3]])
    );
    let data = client
        .data("select \"id\", iD, id as \"Mixed\", id as plain, count(*) over () from \"orders\"")
        .await;
    let labels: Vec<&str> = data["rowtype"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["name"].as_str().unwrap())
        .collect();
    assert_eq!(labels, ["id", "ID", "Mixed", "PLAIN", "COUNT(*) OVER ()"]);
    assert_eq!(client.code("select \"Id\" from orders").await, "000904");
}

#[tokio::test]
async fn names_have_up_to_three_parts() {
    let simulator = simulator(SimulatorConfig::default()).await;
    let client = Client::login_to(&simulator, "warehouse=wh").await;
    assert_eq!(client.code("create table t (a int)").await, "090105");
    client.data("create table db.public.t (a int)").await;
    client.data("create schema db.s").await;
    client.data("create table u as select 1 as a").await;
    client.data("use database db").await;
    client.data("select * from t, s.u, db.s.u as v").await;
    client.data("use schema s").await;
    let data = client.data("select * from u").await;
    assert_eq!(
        (
            data["finalDatabaseName"].as_str(),
            data["finalSchemaName"].as_str()
        ),
        (Some("DB"), Some("S"))
    );
    assert_eq!(client.code("use schema nope").await, "002003");
}

#[tokio::test]
async fn functions_mean_what_they_mean_in_snowflake() {
    let simulator = simulator(SimulatorConfig::default()).await;
    for (expression, expected) in [
        ("iff(1 = 1, 'a', 'b')", json!("a")),
        ("nvl(null, 2)", json!(2)),
        ("nvl2(null, 1, 2)", json!(2)),
        ("zeroifnull(null::int)", json!(0)),
        (
            "dateadd(day, 1, '2024-02-28'::date)::date",
            json!("2024-02-29"),
        ),
        (
            "datediff(month, '2024-01-31'::date, '2024-02-01'::date)",
            json!(1),
        ),
        (
            "datediff('hour', '2024-01-01 00:59:00'::timestamp, '2024-01-01 01:00:00'::timestamp)",
            json!(1),
        ),
        (
            "date_trunc(month, '2024-02-29'::date)::date",
            json!("2024-02-01"),
        ),
        (
            "parse_json('{\"a\":{\"b\":[\"x\"]}}'):a.b[0]::string",
            json!("x"),
        ),
        ("to_varchar(1.50::number(3,2))", json!("1.50")),
        ("startswith('abc', 'ab')", json!(true)),
        ("div0(1, 0)", json!(0.0)),
        ("'it''s' || $$ $$ || 'a\\'b'", json!("it's a'b")),
        (
            "current_database() || '.' || current_schema()",
            json!("DB.PUBLIC"),
        ),
        ("current_timestamp() = current_timestamp", json!(true)),
    ] {
        assert_eq!(
            rows(&simulator, &format!("select {expression}")).await,
            json!([[expected]]),
            "{expression}"
        );
    }
    let sql = "select listagg(x, '-') within group (order by x desc) from (select seq4() x from table(generator(rowcount => 3)))";
    assert_eq!(rows(&simulator, sql).await, json!([["2-1-0"]]));
    let sql = "select x from range(9) t(x) qualify row_number() over (partition by x % 2 order by x desc) = 1 order by x";
    assert_eq!(rows(&simulator, sql).await, json!([[7], [8]]));
    assert_eq!(rows(&simulator, "select 1 minus select 1").await, json!([]));
}

#[tokio::test]
async fn zoned_timestamps_keep_their_offset_and_compare_as_instants() {
    let simulator = simulator(SimulatorConfig::default()).await;
    let client = Client::login(&simulator).await;
    client.data("create table t (k int, z timestamp_tz)").await;
    client.data("insert into t values (1, '2024-01-01 00:00:00 +02:00'), (2, '2024-01-01 00:00:00 +00:00')").await;
    let sql = "select k from t where z > '2023-12-31 22:30:00 +00:00'::timestamp_tz";
    assert_eq!(rows(&simulator, sql).await, json!([[2]]));
    assert_eq!(
        rows(
            &simulator,
            "select k from t where z = (select max(z) from t)"
        )
        .await,
        json!([[2]])
    );
    assert_eq!(
        rows(&simulator, "select min(z) from t").await,
        json!([["2024-01-01T00:00:00+02:00"]])
    );
}

#[tokio::test]
async fn errors_have_a_code_a_state_and_a_position() {
    let simulator = simulator(SimulatorConfig::default()).await;
    let client = Client::login(&simulator).await;
    let reply = client.ask("select *\nform t").await;
    assert_eq!(
        (reply["code"].as_str(), reply["data"]["sqlState"].as_str()),
        (Some("001003"), Some("42000"))
    );
    let reply = client.ask("select 1\nfrom nope").await;
    assert_eq!(
        (reply["code"].as_str(), reply["data"]["sqlState"].as_str()),
        (Some("002003"), Some("42S02"))
    );
    assert_eq!(
        (
            reply["data"]["line"].as_i64(),
            reply["data"]["pos"].as_i64()
        ),
        (Some(2), Some(5))
    );
    assert!(reply["data"]["queryId"].is_string());
    for (sql, code) in [
        ("select nofunction(1)", "002140"),
        ("select 'x'::int", "100038"),
        ("select * from nodb.s.t", "002003"),
        ("show tables in schema nope", "002003"),
        ("desc table nope", "002003"),
        ("gibberish", "001003"),
        ("select 1; select 2", "000008"),
    ] {
        assert_eq!(client.code(sql).await, code, "{sql}");
    }
}
