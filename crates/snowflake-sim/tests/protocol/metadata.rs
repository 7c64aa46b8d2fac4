use serde_json::{Value, json};
use snowflake_sim::{Simulator, SimulatorConfig, StatementClass};

use crate::client::{Client, simulator};

async fn prepared() -> (Simulator, Client) {
    let simulator = simulator(SimulatorConfig::default()).await;
    let client = Client::login(&simulator).await;
    client.data("create table t (id int, s varchar)").await;
    client.data("create table u (id int)").await;
    client.data("create view v as select t.s from t").await;
    client
        .data("create view w (x) as with c as (select * from v) select s from c join u on true")
        .await;
    (simulator, client)
}

async fn token(simulator: &Simulator, name: &str) -> Value {
    let sql = format!("select system$last_change_commit_time('db.public.{name}')");
    simulator.sql(&sql).await.unwrap()["rows"][0][0].clone()
}

#[tokio::test]
async fn change_tokens_move_with_every_change_behind_a_name() {
    let (simulator, client) = prepared().await;
    let [t, v, w] = [
        token(&simulator, "t").await,
        token(&simulator, "v").await,
        token(&simulator, "w").await,
    ];
    client.data("select * from w").await;
    client.data("insert into u values (1)").await;
    assert_eq!(
        [token(&simulator, "t").await, token(&simulator, "v").await],
        [t.clone(), v.clone()]
    );
    assert_ne!(token(&simulator, "w").await, w);
    client.data("update t set id = 1 where false").await;
    assert_ne!(token(&simulator, "t").await, t, "even if no row is touched");
    assert_ne!(token(&simulator, "v").await, v);
    let reply = client.data("select system$last_change_commit_time('T') a, system$last_change_commit_time('PUBLIC.\"V\"')").await;
    assert_eq!(reply["rowtype"][0]["name"], "A");
    assert_eq!(reply["rowtype"][0]["precision"], 38);
    assert_eq!(
        client
            .code(
                "select system$last_change_commit_time('T'), system$last_change_commit_time('nope')"
            )
            .await,
        "002003"
    );
}

#[tokio::test]
async fn the_information_schema_counts_and_dates_tables() {
    let (simulator, client) = prepared().await;
    let read = async |name: &str| {
        let sql = format!(
            "select row_count, bytes, last_altered, last_ddl from db.information_schema.tables where table_schema = 'PUBLIC' and table_name = '{name}'"
        );
        simulator.sql(&sql).await.unwrap()["rows"][0].clone()
    };
    let (before, view) = (read("T").await, read("V").await);
    assert_eq!(before[0], 0);
    client
        .data("insert into t values (1, 'abc'), (2, 'd')")
        .await;
    let after = read("T").await;
    assert_eq!((after[0].as_u64(), after[1].as_u64()), (Some(2), Some(22)));
    assert!(after[2].as_str() > before[2].as_str());
    assert_eq!(after[3], before[3], "no definition changed");
    assert_eq!(
        read("V").await,
        view,
        "a view's own times ignore its tables"
    );
    client.data("alter table t add column n int").await;
    assert!(read("T").await[3].as_str() > after[3].as_str());

    let sql = "select c.column_name, c.data_type, c.numeric_precision from information_schema.columns c where table_name = 'T' order by ordinal_position";
    let columns = simulator.sql_in(Some("DB"), None, sql).await.unwrap();
    assert_eq!(
        columns["rows"],
        json!([
            ["ID", "NUMBER", 38],
            ["S", "TEXT", null],
            ["N", "NUMBER", 38]
        ])
    );
    let views = simulator
        .sql("select table_name, view_definition from db.information_schema.views order by 1")
        .await
        .unwrap();
    assert_eq!(
        views["rows"][0],
        json!(["V", "create view v as select t.s from t"])
    );
    let found = simulator
        .sql("select get_ddl('view', 'db.public.v')")
        .await
        .unwrap();
    assert_eq!(
        found["rows"],
        json!([["create view v as select t.s from t;"]])
    );
}

#[tokio::test]
async fn show_lists_objects_by_pattern_and_place() {
    let (simulator, client) = prepared().await;
    client.data("insert into t values (1, 'a')").await;
    client.data("create schema s").await;
    client.data("create table t1 (a int)").await;
    let names = async |sql: &str| {
        client
            .rowset(sql)
            .await
            .into_iter()
            .map(|row| row[1].clone().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("show tables").await, ["T1"]);
    assert_eq!(names("show tables in schema db.public").await, ["T", "U"]);
    assert_eq!(
        names("show terse tables like 't%' in database db").await,
        ["T", "T1"]
    );
    assert_eq!(
        names("show tables in account limit 1 from 'T1'").await,
        ["U"]
    );
    assert_eq!(names("show views in db.public").await, ["V", "W"]);
    assert_eq!(names("show schemas in database db").await, ["PUBLIC", "S"]);
    assert_eq!(names("show databases like 'd_'").await, ["DB"]);
    let data = client
        .data("show tables like 'T' in schema db.public")
        .await;
    let column = |name: &str| {
        let at = data["rowtype"]
            .as_array()
            .unwrap()
            .iter()
            .position(|entry| entry["name"] == name)
            .unwrap();
        data["rowset"][0][at].as_str().unwrap().to_owned()
    };
    assert_eq!(
        (column("rows"), column("bytes"), column("schema_name")),
        ("1".to_owned(), "10".to_owned(), "PUBLIC".to_owned())
    );
    assert!(
        !data["rowtype"]
            .as_array()
            .unwrap()
            .iter()
            .any(|entry| entry["name"] == "last_altered")
    );
    drop(simulator);
}

#[tokio::test]
async fn explain_names_the_tables_behind_views() {
    let (_simulator, client) = prepared().await;
    client.data("create secure view z as select * from u").await;
    let objects = async |sql: &str| {
        let plan: Value =
            serde_json::from_str(&client.cell(&format!("explain using json {sql}")).await).unwrap();
        let operations = plan["Operations"][0].as_array().unwrap().clone();
        operations
            .iter()
            .filter_map(|operation| operation["objects"][0].as_str().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        objects("select * from w").await,
        ["DB.PUBLIC.T", "DB.PUBLIC.U"]
    );
    assert_eq!(
        objects("select * from z, db.public.t").await,
        ["DB.PUBLIC.T", "DB.PUBLIC.Z"]
    );
    assert!(
        objects("select * from t where false").await.is_empty(),
        "an empty plan names nothing"
    );
    assert_eq!(
        client.code("explain using json select * from nope").await,
        "002003"
    );
}

#[tokio::test]
async fn c9_many_plans_come_in_one_statement_without_a_warehouse() {
    let (simulator, client) = prepared().await;
    let bare = Client::login_to(&simulator, "databaseName=db&schemaName=public").await;
    simulator.reset_log();
    let one = bare.cell("explain using json select * from w").await;
    let sql = "select system$explain_plan_json('select * from w'), system$explain_plan_json('select s from t where s = ''it''''s''') b, system$explain_plan_json($$select id from u where id > 1$$)";
    let batches = bare.batches(sql).await;
    let plan = |column: usize| {
        let text =
            arrow::util::display::array_value_to_string(batches[0].column(column), 0).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()
    };
    assert_eq!(plan(0), serde_json::from_str::<Value>(&one).unwrap());
    assert_eq!(plan(1)["Operations"][0][1]["objects"][0], "DB.PUBLIC.T");
    assert_eq!(plan(2)["Operations"][0][1]["objects"][0], "DB.PUBLIC.U");
    let bound = json!({ "sqlText": "select system$explain_plan_json(?)", "bindings": { "1": { "type": "TEXT", "value": "select s from t where s = 'x'" } } });
    let reply = bare.submit(&crate::client::request_id(), bound).await;
    assert_eq!(reply["success"], true, "{reply}");
    for (text, code) in [("select * from nope", "002003"), ("selec 1", "001003")] {
        let sql = format!(
            "select system$explain_plan_json('select * from t'), system$explain_plan_json('{text}')"
        );
        assert_eq!(client.code(&sql).await, code, "one error fails all");
    }
    assert_eq!(simulator.credits().credits, 0);
    assert!(
        simulator
            .log()
            .iter()
            .all(|entry| entry.class == StatementClass::MetadataFree)
    );
}

#[tokio::test]
async fn metadata_statements_need_no_warehouse_and_cost_nothing() {
    let (simulator, client) = prepared().await;
    let bare = Client::login_to(&simulator, "databaseName=db&schemaName=public").await;
    simulator.reset_log();
    for sql in [
        "show tables",
        "desc table t",
        "explain using json select * from t",
        "select system$last_change_commit_time('T'), current_timestamp()",
        "select current_database()",
    ] {
        bare.data(sql).await;
    }
    assert!(
        simulator
            .log()
            .iter()
            .all(|entry| entry.class == StatementClass::MetadataFree)
    );
    assert_eq!(simulator.credits().credits, 0);
    for sql in [
        "select * from t",
        "insert into t (id) values (1)",
        "select 1 from information_schema.tables",
    ] {
        assert_eq!(bare.code(sql).await, "000606", "{sql}");
    }
    assert_eq!(simulator.credits().credits, 0);
    client.data("select * from t").await;
    client.data("select 1 from information_schema.tables").await;
    assert_eq!(simulator.credits().credits, 2);
    assert_eq!(simulator.log_of(StatementClass::MetadataWarehouse).len(), 2);
}
