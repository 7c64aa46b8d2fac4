use serde_json::json;
use snowflake_sim::SimulatorConfig;

use crate::client::{Client, simulator};

#[tokio::test]
async fn changes_answer_their_counts() {
    let simulator = simulator(SimulatorConfig::default()).await;
    let client = Client::login(&simulator).await;
    client.data("create table t (id int, s varchar)").await;
    for (sql, labels, row) in [
        (
            "insert into t values (1,'a'),(2,'b')",
            json!(["number of rows inserted"]),
            json!(["2"]),
        ),
        (
            "update t set s = 'z' where id = 1",
            json!([
                "number of rows updated",
                "number of multi-joined rows updated"
            ]),
            json!(["1", "0"]),
        ),
        (
            "merge into t using (select 1 id union all select 5) s on t.id = s.id when matched then update set s = 'm' when not matched then insert (id) values (s.id)",
            json!(["number of rows inserted", "number of rows updated"]),
            json!(["1", "1"]),
        ),
        (
            "delete from t where id = 5",
            json!(["number of rows deleted"]),
            json!(["1"]),
        ),
    ] {
        let data = client.data(sql).await;
        assert_eq!(data["queryResultFormat"], "json");
        let found: Vec<_> = data["rowtype"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["name"].clone())
            .collect();
        assert_eq!(json!(found), labels, "{sql}");
        assert_eq!(data["rowset"], json!([row]), "{sql}");
    }
    let left = simulator
        .sql("select id, s from db.public.t order by id")
        .await
        .unwrap();
    assert_eq!(
        left,
        json!({ "columns": ["ID", "S"], "rows": [[1, "m"], [2, "b"]] })
    );
}

#[tokio::test]
async fn transactions_show_their_changes_and_move_tokens_at_commit() {
    let simulator = simulator(SimulatorConfig::default()).await;
    let client = Client::login(&simulator).await;
    client.data("create table t (id int)").await;
    let token = "select system$last_change_commit_time('db.public.t')";
    let before = simulator.sql(token).await.unwrap();
    let count = async || {
        simulator
            .sql("select count(*) from db.public.t")
            .await
            .unwrap()["rows"]
            .clone()
    };

    client.data("begin").await;
    client.data("insert into t values (1)").await;
    assert_eq!(count().await, json!([[0]]));
    assert_eq!(simulator.sql(token).await.unwrap(), before);
    client.data("commit").await;
    assert_eq!(count().await, json!([[1]]));
    let after = simulator.sql(token).await.unwrap();
    assert_ne!(after, before);

    client.data("begin transaction").await;
    client.data("delete from t").await;
    client.data("rollback").await;
    assert_eq!(count().await, json!([[1]]));
    assert_eq!(simulator.sql(token).await.unwrap(), after);
}

#[tokio::test]
async fn definitions_change_as_told() {
    let simulator = simulator(SimulatorConfig::default()).await;
    let client = Client::login(&simulator).await;
    client
        .data("create table t (id int not null, s varchar(3))")
        .await;
    client.data("insert into t values (1, 'a')").await;
    client
        .data("alter table t add column n number(10,2) default 7")
        .await;
    client
        .data("alter table t rename column s to \"text\"")
        .await;
    client
        .data("alter table t alter column \"text\" set data type varchar(50)")
        .await;
    let described = client.rowset("desc table t").await;
    let shown: Vec<String> = described
        .iter()
        .map(|row| {
            format!(
                "{} {} {}",
                row[0].as_ref().unwrap(),
                row[1].as_ref().unwrap(),
                row[3].as_ref().unwrap()
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "ID NUMBER(38,0) N",
            "text VARCHAR(50) Y",
            "N NUMBER(10,2) Y"
        ]
    );
    client.data("create table u as select * from t").await;
    client.data("create or replace table t clone u").await;
    client.data("alter table u rename to w").await;
    assert_eq!(client.code("select * from u").await, "002003");
    assert_eq!(client.data("select * from w").await["total"], 1);
    assert_eq!(client.code("create table t (a int)").await, "002002");
    client.data("create table if not exists t (a int)").await;
    client.data("drop table t").await;
    assert_eq!(client.code("drop table t").await, "002003");
    client.data("drop table if exists t").await;
    client.data("create schema s").await;
    client.data("drop schema s").await;
    client.data("create or replace database db").await;
    assert_eq!(client.code("select * from w").await, "002003");
}
