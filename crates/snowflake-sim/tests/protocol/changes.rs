//! Change feeds and time travel: `CHANGES (…) AT (…) END (…)`, `AT (…)`, `BEFORE (…)`.

use std::collections::BTreeMap;

use serde_json::Value;
use snowflake_sim::{Simulator, SimulatorConfig, StatementClass};

use crate::client::{Client, simulator};

/// A simulator with `DB.PUBLIC.T (ID, S)`, tracked, and someone to ask.
async fn tracked() -> (Simulator, Client) {
    let simulator = simulator(SimulatorConfig::default()).await;
    let client = Client::login(&simulator).await;
    client
        .data("create table t (id int, s varchar(10)) change_tracking = true")
        .await;
    (simulator, client)
}

impl Client {
    /// The id of a statement that succeeds.
    async fn id(&self, sql: &str) -> String {
        self.data(sql).await["queryId"].as_str().unwrap().to_owned()
    }

    /// `(id, s, action, is update, row id)` of what changed in `T` since a statement, in order.
    async fn changes(&self, since: &str) -> Vec<(String, String, String, bool, String)> {
        self.rows_of(&format!(
            "select * from t changes (information => default) at (statement => '{since}')"
        ))
        .await
    }

    async fn rows_of(&self, sql: &str) -> Vec<(String, String, String, bool, String)> {
        let as_text = format!(
            "select id::varchar, s, metadata$action, metadata$isupdate, metadata$row_id from ({sql}) order by 1, 2, 3"
        );
        let batches = self.batches(&as_text).await;
        let mut rows = Vec::new();
        for batch in &batches {
            let text = |column: usize, row: usize| {
                arrow::util::display::array_value_to_string(batch.column(column), row).unwrap()
            };
            for row in 0..batch.num_rows() {
                rows.push((
                    text(0, row),
                    text(1, row),
                    text(2, row),
                    text(3, row) == "true",
                    text(4, row),
                ));
            }
        }
        rows
    }
}

/// The rows without what only tells them apart.
fn plain(rows: &[(String, String, String, bool, String)]) -> Vec<(&str, &str, &str, bool)> {
    rows.iter()
        .map(|(id, s, action, update, _)| (id.as_str(), s.as_str(), action.as_str(), *update))
        .collect()
}

#[tokio::test]
async fn c11_changes_are_the_net_difference_after_a_statement() {
    let (simulator, client) = tracked().await;
    let start = client
        .id("insert into t values (1,'a'), (2,'b'), (3,'c')")
        .await;
    client.data("update t set s = 'x' where id = 1").await;
    client.data("update t set s = 'y' where id = 1").await;
    client.data("delete from t where id = 2").await;
    client.data("insert into t values (4,'d'), (5,'e')").await;
    client.data("delete from t where id = 5").await;
    let changes = client.changes(&start).await;
    assert_eq!(
        plain(&changes),
        [
            ("1", "a", "DELETE", true),
            ("1", "y", "INSERT", true),
            ("2", "b", "DELETE", false),
            ("4", "d", "INSERT", false),
        ],
        "one net change for each row; what came and went does not show"
    );
    assert_eq!(changes[0].4, changes[1].4, "an update keeps the row's id");
    assert_ne!(changes[1].4, changes[3].4);
    assert_eq!(changes[0].4.len(), 40);
    drop(simulator);
}

#[tokio::test]
async fn c11_duplicate_rows_are_rows_of_their_own() {
    let (_simulator, client) = tracked().await;
    let start = client.id("insert into t values (1,'a'), (1,'a')").await;
    let three = client
        .id("insert into t select 1, 'a' from table(generator(rowcount => 3))")
        .await;
    let changes = client.changes(&start).await;
    assert_eq!(plain(&changes), [("1", "a", "INSERT", false); 3]);
    let ids: std::collections::BTreeSet<_> = changes.iter().map(|row| &row.4).collect();
    assert_eq!(ids.len(), 3);
    client.data("delete from t").await;
    assert_eq!(
        plain(&client.changes(&three).await),
        [("1", "a", "DELETE", false); 5]
    );
}

#[tokio::test]
async fn c11_every_kind_of_change_feeds_the_history() {
    let (simulator, client) = tracked().await;
    let mut point = client.id("select * from t").await;
    for (sql, expected) in [
        (
            "insert into t values (1,'a'), (2,'b')",
            vec![("1", "a", "INSERT", false), ("2", "b", "INSERT", false)],
        ),
        (
            "merge into t using (select 1 id union all select 3) s on t.id = s.id when matched then update set s = 'm' when not matched then insert (id, s) values (s.id, 'n')",
            vec![
                ("1", "a", "DELETE", true),
                ("1", "m", "INSERT", true),
                ("3", "n", "INSERT", false),
            ],
        ),
        (
            "insert overwrite into t select 2, 'b'",
            vec![
                ("1", "m", "DELETE", false),
                ("2", "b", "DELETE", false),
                ("2", "b", "INSERT", false),
                ("3", "n", "DELETE", false),
            ],
        ),
        ("truncate table t", vec![("2", "b", "DELETE", false)]),
        ("update t set s = 'nobody'", vec![]),
    ] {
        let next = client.id(sql).await;
        assert_eq!(plain(&client.changes(&point).await), expected, "{sql}");
        point = next;
    }
    simulator
        .sql("insert into db.public.t values (9, 'behind')")
        .await
        .unwrap();
    assert_eq!(
        plain(&client.changes(&point).await),
        [("9", "behind", "INSERT", false)]
    );
    simulator.sql("alter table db.public.t rename to db.public.u; insert into db.public.u values (10, 'z')").await.unwrap();
    let renamed =
        format!("select * from u changes (information => default) at (statement => '{point}')");
    assert_eq!(
        plain(&client.rows_of(&renamed).await),
        [
            ("10", "z", "INSERT", false),
            ("9", "behind", "INSERT", false)
        ]
    );
}

#[tokio::test]
async fn c11_a_transaction_changes_rows_at_its_commit() {
    let (simulator, client) = tracked().await;
    client.data("insert into t values (1,'a')").await;
    let other = Client::login(&simulator).await;
    let before = other.id("select * from t").await;
    client.data("begin").await;
    client.data("update t set s = 'b' where id = 1").await;
    let inside = client.id("insert into t values (2,'c'), (3,'d')").await;
    client.data("delete from t where id = 3").await;
    assert!(
        other.changes(&before).await.is_empty(),
        "nothing is committed"
    );
    let seen_meanwhile = other.id("select * from t").await;
    client.data("commit").await;
    let expected = [
        ("1", "a", "DELETE", true),
        ("1", "b", "INSERT", true),
        ("2", "c", "INSERT", false),
    ];
    assert_eq!(plain(&other.changes(&before).await), expected);
    assert_eq!(plain(&other.changes(&seen_meanwhile).await), expected);
    assert!(
        other.changes(&inside).await.is_empty(),
        "the point is the commit"
    );
    client.data("begin").await;
    client.data("delete from t").await;
    client.data("rollback").await;
    assert_eq!(plain(&other.changes(&before).await), expected);
    client.data("begin").await;
    let snapshot = client.id("select * from t").await;
    other.data("insert into t values (7,'late')").await;
    let again = client.id("select * from t").await;
    client.data("commit").await;
    for point in [&snapshot, &again] {
        assert_eq!(
            plain(&other.changes(point).await),
            [("7", "late", "INSERT", false)]
        );
    }
}

#[tokio::test]
async fn c11_the_end_is_inclusive_and_points_may_be_times() {
    let (simulator, client) = tracked().await;
    let first = client.id("insert into t values (1,'a')").await;
    let second = client.id("insert into t values (2,'b')").await;
    let time = simulator.sql("select cast(last_altered as varchar) from db.information_schema.tables where table_name = 'T'").await.unwrap();
    let time = time["rows"][0][0].as_str().unwrap().to_owned();
    client.data("insert into t values (3,'c')").await;
    for end in [
        format!("statement => '{second}'"),
        format!("timestamp => '{time}'::timestamp_ltz"),
    ] {
        let sql = format!(
            "select * from t changes (information => default) at (statement => '{first}') end ({end})"
        );
        assert_eq!(
            plain(&client.rows_of(&sql).await),
            [("2", "b", "INSERT", false)],
            "{end}"
        );
    }
    let sql = format!(
        "select * from t changes (information => default) before (statement => '{second}')"
    );
    assert_eq!(
        plain(&client.rows_of(&sql).await),
        [("2", "b", "INSERT", false), ("3", "c", "INSERT", false)]
    );
    let sql = format!(
        "select * from t changes(information => default) at(timestamp => '{time}'::timestamp_ltz)"
    );
    assert_eq!(
        plain(&client.rows_of(&sql).await),
        [("3", "c", "INSERT", false)]
    );
    let moving = "select * from t changes (information => default) at (timestamp => dateadd(minute, -1, current_timestamp()))";
    assert_eq!(client.code(moving).await, "001015");
}

#[tokio::test]
async fn c11_append_only_tells_insertions_as_inserted() {
    let (_simulator, client) = tracked().await;
    let start = client.id("insert into t values (1,'a')").await;
    client.data("insert into t values (2,'b'), (3,'c')").await;
    client.data("update t set s = 'z'").await;
    client.data("delete from t where id = 3").await;
    let sql =
        format!("select * from t changes (information => append_only) at (statement => '{start}')");
    assert_eq!(
        plain(&client.rows_of(&sql).await),
        [("2", "b", "INSERT", false), ("3", "c", "INSERT", false)]
    );
}

#[tokio::test]
async fn c11_changes_are_a_relation_like_any_other() {
    let (simulator, client) = tracked().await;
    simulator
        .sql("create schema db.\"Sch\"; create table db.\"Sch\".\"Tab\" (\"Id\" number(9,2), \"T\" timestamp_ntz(3)) change_tracking = true")
        .await
        .unwrap();
    let start = client.id("select 1").await;
    simulator.sql("insert into db.\"Sch\".\"Tab\" values (1.5, '2026-01-01 00:00:00'), (2.5, '2026-01-02 00:00:00')").await.unwrap();
    simulator.reset_log();
    let clause = format!("changes (information => default) at (statement => '{start}')");
    let data = client.data(&format!("select c.\"Id\", c.\"T\" as t, c.metadata$action from db.\"Sch\".\"Tab\" {clause} as c where c.\"Id\" > 2 and metadata$isupdate = false")).await;
    let names: Vec<&Value> = data["rowtype"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["name"])
        .collect();
    assert_eq!(names, ["Id", "T", "METADATA$ACTION"]);
    assert_eq!(
        (
            &data["rowtype"][0]["precision"],
            &data["rowtype"][0]["scale"]
        ),
        (&Value::from(9), &Value::from(2))
    );
    assert_eq!(data["rowtype"][1]["scale"], 3, "declared types stay");
    assert_eq!(data["total"], 1);
    let data = client
        .data(&format!(
            "select \"Tab\".* from db.\"Sch\".\"Tab\" {clause} where \"Tab\".\"Id\" < 2"
        ))
        .await;
    let names: Vec<&Value> = data["rowtype"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["name"])
        .collect();
    assert_eq!(
        names,
        [
            "Id",
            "T",
            "METADATA$ACTION",
            "METADATA$ISUPDATE",
            "METADATA$ROW_ID"
        ]
    );
    let entries = simulator.log();
    assert!(
        entries
            .iter()
            .all(|entry| entry.class == StatementClass::Query)
    );
    assert_eq!(simulator.credits().credits, 2);
    let code = client.code("select metadata$action from t").await;
    assert_eq!(code, "000904", "there alone");
    let plan: Value = serde_json::from_str(
        &client
            .cell(&format!(
                "explain using json select * from db.\"Sch\".\"Tab\" {clause}"
            ))
            .await,
    )
    .unwrap();
    assert_eq!(plan["Operations"][0][1]["objects"][0], "DB.\"Sch\".\"Tab\"");
}

#[tokio::test]
async fn c11_without_tracking_there_are_no_changes() {
    let (_simulator, client) = tracked().await;
    let tracking = async |name: &str| {
        let data = client.data(&format!("show tables like '{name}'")).await;
        let at = |label: &str| {
            let entries = data["rowtype"].as_array().unwrap();
            let at = entries.iter().position(|entry| entry["name"] == label);
            data["rowset"][0][at.unwrap()].as_str().unwrap().to_owned()
        };
        (at("change_tracking"), at("retention_time"))
    };
    let on = |days: &str| ("ON".to_owned(), days.to_owned());
    let off = |days: &str| ("OFF".to_owned(), days.to_owned());
    assert_eq!(tracking("T").await, on("1"));
    let created = client
        .id("create table u (id int) data_retention_time_in_days = 7")
        .await;
    assert_eq!(tracking("U").await, off("7"));
    let ask = |point: &str| {
        format!("select * from u changes (information => default) at (statement => '{point}')")
    };
    let reply = client.ask(&ask(&created)).await;
    assert_eq!(reply["code"], "091930");
    assert!(reply["message"].as_str().unwrap().contains("Change tracking is not enabled or has been missing for the time range requested on table 'DB.PUBLIC.U'"));
    client
        .data("alter table u set change_tracking = true, data_retention_time_in_days = 2")
        .await;
    assert_eq!(tracking("U").await, on("2"));
    assert_eq!(
        client.code(&ask(&created)).await,
        "091930",
        "not before it was switched on"
    );
    let point = client.id("insert into u values (1)").await;
    client
        .data("alter table u set change_tracking = true")
        .await;
    client.data("insert into u values (2)").await;
    assert_eq!(client.data(&ask(&point)).await["total"], 1);
    client
        .data("alter table u set change_tracking = false")
        .await;
    client
        .data("alter table u set change_tracking = true")
        .await;
    assert_eq!(client.code(&ask(&point)).await, "091930", "there was a gap");
    assert_eq!(
        client
            .code(&ask("01000000-0000-0000-0000-000000000000"))
            .await,
        "000709"
    );
    client.data("create view w as select * from t").await;
    assert_eq!(
        client
            .code("select * from w changes (information => default) at (offset => 0)")
            .await,
        "000002"
    );
    assert_eq!(
        client
            .code("select * from t changes (information => default)")
            .await,
        "001003"
    );
}

#[tokio::test]
async fn c11_a_table_made_again_and_a_past_aged_away_cannot_be_asked_for() {
    let (simulator, client) = tracked().await;
    let gone = async |point: &str| {
        let sql =
            format!("select * from t changes (information => default) at (statement => '{point}')");
        let reply = client.ask(&sql).await;
        assert_eq!(
            (&reply["code"], &reply["data"]["sqlState"]),
            (&Value::from("000707"), &Value::from("02000")),
            "{reply}"
        );
        assert!(
            reply["message"]
                .as_str()
                .unwrap()
                .starts_with("Time travel data is not available for table T.")
        );
    };
    let first = client.id("insert into t values (1,'a')").await;
    simulator.age_history("db.public.t").await.unwrap();
    gone(&first).await;
    let second = client.id("insert into t values (2,'b')").await;
    client.data("insert into t values (3,'c')").await;
    assert_eq!(
        plain(&client.changes(&second).await),
        [("3", "c", "INSERT", false)]
    );
    for again in [
        "create or replace table t (id int, s varchar) change_tracking = true",
        "create or replace table t change_tracking = true as select 1 id, 'x' s",
        "create or replace table t clone u",
    ] {
        client
            .data("create or replace table u (id int, s varchar) change_tracking = true")
            .await;
        let before = client.id("select * from t").await;
        let made = client.id(again).await;
        gone(&before).await;
        client.data("insert into t values (4,'d')").await;
        assert_eq!(
            plain(&client.changes(&made).await),
            [("4", "d", "INSERT", false)],
            "{again}"
        );
    }
    let before = client.id("select * from t").await;
    client.data("drop table t").await;
    client.data("create table t (id int, s varchar) change_tracking = true data_retention_time_in_days = 0").await;
    gone(&before).await;
    let point = client.id("select * from t").await;
    client.data("insert into t values (5,'e')").await;
    gone(&point).await;
    assert!(simulator.age_history("db.public.nope").await.is_err());
}

#[tokio::test]
async fn columns_come_and_go_without_changing_rows() {
    let (_simulator, client) = tracked().await;
    let start = client.id("insert into t values (1,'a'), (2,'b')").await;
    client
        .data("alter table t add column n number(5,1) default 1.5")
        .await;
    client.data("alter table t rename column s to x").await;
    client
        .data("alter table t alter column x set data type varchar(50)")
        .await;
    let ask =
        format!("select * from t changes (information => default) at (statement => '{start}')");
    assert_eq!(client.data(&ask).await["total"], 0);
    client.data("update t set x = 'z' where id = 1").await;
    let data = client.data(&ask).await;
    assert_eq!(data["total"], 2);
    assert_eq!(data["rowtype"][1]["name"], "X");
    client.data("alter table t drop column n").await;
    assert_eq!(
        client.data(&ask).await["rowtype"].as_array().unwrap().len(),
        5
    );
}

#[tokio::test]
async fn time_travel_shows_a_table_as_a_statement_left_it() {
    let (_simulator, client) = tracked().await;
    let first = client.id("insert into t values (1,'a')").await;
    let second = client.id("update t set s = 'b'").await;
    client.data("insert into t values (2,'c')").await;
    let seen = async |clause: &str| {
        client
            .data(&format!("select t.s from t {clause} order by 1"))
            .await["total"]
            .clone()
    };
    assert_eq!(seen(&format!("at (statement => '{first}')")).await, 1);
    let sql = format!(
        "select s from t at (statement => '{second}') as old where s = 'b' union all select s from t before (statement => '{second}') where s = 'a' union all select s from t at (offset => -0.0)"
    );
    assert_eq!(client.data(&sql).await["total"], 4);
    assert_eq!(
        client.code("select * from t at (offset => -3600)").await,
        "000707"
    );
    client.data("create table plain (id int)").await;
    let point = client.id("insert into plain values (1)").await;
    let ask = format!("select * from plain at (statement => '{point}')");
    assert_eq!(client.data(&ask).await["total"], 1);
    client.data("insert into plain values (2)").await;
    assert_eq!(
        client.code(&ask).await,
        "000002",
        "no history is kept of what is not tracked"
    );
}

/// A small generator of numbers: tests print its seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[tokio::test]
async fn c11_changes_applied_to_an_old_state_give_the_new_one() {
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    println!("seed {seed}");
    let mut chance = Chance(seed);
    let (simulator, client) = tracked().await;
    client.data("create table source (id int, s varchar)").await;
    let state = async || -> BTreeMap<String, i64> {
        let rows = simulator
            .sql("select id || ':' || s, count(*) from db.public.t group by 1")
            .await
            .unwrap();
        rows["rows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| {
                (
                    row[0].as_str().unwrap().to_owned(),
                    row[1].as_i64().unwrap(),
                )
            })
            .collect()
    };
    let mut points = vec![(client.id("select * from t").await, state().await)];
    for step in 0..60 {
        let (a, b, n) = (chance.below(6), chance.below(6), chance.below(4) + 1);
        let statements = match chance.below(8) {
            0 | 1 => vec![format!("insert into t select {a}, 's{b}' from table(generator(rowcount => {n}))")],
            2 => vec![format!("update t set s = 's{b}' where id = {a}")],
            3 => vec![format!("update t set id = {b} where id = {a}")],
            4 => vec![format!("delete from t where id = {a} and s < 's{b}'")],
            5 => vec![
                format!("insert overwrite into source values ({a}, 'm'), ({b} + 6, 'm')"),
                "merge into t using source s on t.id = s.id when matched and t.s > 's3' then delete when matched then update set s = s.s when not matched then insert (id, s) values (s.id, s.s)".to_owned(),
            ],
            6 => vec!["begin".to_owned(), format!("delete from t where id = {a}"), format!("insert into t values ({a}, 's{b}'), ({a}, 's{b}')"), format!("update t set s = 'tx' where id = {b}"), if n > 2 { "commit" } else { "rollback" }.to_owned()],
            _ if step % 20 == 19 => vec!["truncate table t".to_owned()],
            _ => vec![format!("insert into t values ({a}, 's{b}'), ({a}, 's{b}')")],
        };
        for sql in &statements {
            client.data(sql).await;
        }
        let id = client.id("select count(*) from t").await;
        points.push((id, state().await));
    }
    for _ in 0..60 {
        let (from, to) = (
            chance.below(points.len() as u64) as usize,
            chance.below(points.len() as u64) as usize,
        );
        let ((first, old), (last, new)) = (&points[from.min(to)], &points[from.max(to)]);
        let sql = format!(
            "select * from t changes (information => default) at (statement => '{first}') end (statement => '{last}')"
        );
        let mut bag = old.clone();
        for (id, s, action, _, _) in client.rows_of(&sql).await {
            *bag.entry(format!("{id}:{s}")).or_default() += if action == "INSERT" { 1 } else { -1 };
        }
        bag.retain(|_, count| *count != 0);
        assert_eq!(&bag, new, "seed {seed}: {sql}");
        let sql = format!(
            "select id || ':' || s, count(*) from t at (statement => '{first}') group by 1"
        );
        let batches = client.batches(&sql).await;
        let found: i64 = batches.iter().map(|batch| batch.num_rows() as i64).sum();
        assert_eq!(found, old.len() as i64, "seed {seed}: {sql}");
    }
}
