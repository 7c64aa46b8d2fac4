use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int8Type, Int32Type, Int64Type};
use snowflake_sim::SimulatorConfig;

use crate::client::{Client, inline, simulator};

const TABLE: &str = "create table t (n number(12,2), i int, f float, s varchar(10), b boolean, d date, t0 time, t3 time(3), \
     ntz timestamp, ntz3 timestamp_ntz(3), ltz timestamp_ltz(6), tz timestamp_tz, tz3 timestamp_tz(3), bi binary, v variant, \
     o object, a array)";
const ROW: &str = "insert into t select 1.25, 12345678901234567890, 1.5, 'x', true, '2024-02-29', '00:00:01.5', '00:00:01.5', \
     '9999-12-31 00:00:00.25', '1969-12-31 23:59:59.999', '2024-01-01 01:00:00 +01:00', '2024-01-01 00:00:00.5 -05:30', \
     '2024-01-01 02:00:00 +02:00', to_binary('ab01'), parse_json('{\"k\":[1]}'), object_construct('k', 1), array_construct(1, 2)";

#[tokio::test]
async fn declared_types_come_back_whatever_duckdb_stores() {
    let simulator = simulator(SimulatorConfig::default()).await;
    let client = Client::login(&simulator).await;
    client.data(TABLE).await;
    client.data(ROW).await;
    client.data("create view v as select * from t").await;
    for sql in [
        "select * from t",
        "with c as (select * from v) select c.* from c",
        "select * from (select * from t union all select * from t) limit 1",
    ] {
        let data = client.data(sql).await;
        let shown: Vec<String> = data["rowtype"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| {
                format!(
                    "{} {} {} {}",
                    entry["name"].as_str().unwrap(),
                    entry["type"].as_str().unwrap(),
                    entry["precision"],
                    entry["scale"]
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "N fixed 12 2",
                "I fixed 38 0",
                "F real null null",
                "S text null null",
                "B boolean null null",
                "D date null null",
                "T0 time 0 9",
                "T3 time 0 3",
                "NTZ timestamp_ntz 0 9",
                "NTZ3 timestamp_ntz 0 3",
                "LTZ timestamp_ltz 0 6",
                "TZ timestamp_tz 0 9",
                "TZ3 timestamp_tz 0 3",
                "BI binary null null",
                "V variant null null",
                "O object null null",
                "A array null null",
            ],
            "{sql}"
        );
        assert_eq!(data["rowtype"][3]["length"], 10);
    }
}

#[tokio::test]
async fn values_are_encoded_as_snowflake_does() {
    let simulator = simulator(SimulatorConfig::default()).await;
    let client = Client::login(&simulator).await;
    client.data(TABLE).await;
    client.data(ROW).await;
    client.data("insert into t (n) values (null)").await;
    let batch = inline(&client.data("select * from t").await).remove(0);
    let column = |name: &str| batch.column_by_name(name).unwrap().clone();
    assert!(batch.columns().iter().all(|array| array.is_null(1)));
    assert_eq!(
        column("N").as_primitive::<Int8Type>().value(0),
        125,
        "scaled, as narrow as it goes"
    );
    assert_eq!(*column("I").data_type(), DataType::Decimal128(38, 0));
    assert_eq!(column("F").as_primitive::<Float64Type>().value(0), 1.5);
    assert_eq!(column("D").as_primitive::<Date32Type>().value(0), 19_782);
    assert_eq!(
        column("T0").as_primitive::<Int64Type>().value(0),
        1_500_000_000
    );
    assert_eq!(column("T3").as_primitive::<Int32Type>().value(0), 1_500);
    assert_eq!(column("BI").as_binary::<i32>().value(0), [0xab, 0x01]);
    assert_eq!(column("V").as_string::<i32>().value(0), "{\"k\":[1]}");
    assert_eq!(column("A").as_string::<i32>().value(0), "[1,2]");

    let parts = |name: &str| {
        let array = column(name);
        let parts = array.as_struct().clone();
        let value = |at: usize| {
            arrow::compute::cast(parts.column(at), &DataType::Int64)
                .unwrap()
                .as_primitive::<Int64Type>()
                .value(0)
        };
        (0..parts.num_columns()).map(value).collect::<Vec<i64>>()
    };
    assert_eq!(parts("NTZ"), [253_402_214_400, 250_000_000]);
    assert_eq!(column("NTZ3").as_primitive::<Int64Type>().value(0), -1);
    assert_eq!(
        column("LTZ").as_primitive::<Int64Type>().value(0),
        1_704_067_200_000_000
    );
    assert_eq!(parts("TZ"), [1_704_087_000, 500_000_000, 1440 - 330]);
    assert_eq!(parts("TZ3"), [1_704_067_200_000, 1440 + 120]);

    let schema = batch.schema();
    let metadata = schema.field_with_name("TZ3").unwrap().metadata();
    assert_eq!(
        (metadata["logicalType"].as_str(), metadata["scale"].as_str()),
        ("TIMESTAMP_TZ", "3")
    );
}

#[tokio::test]
async fn expressions_have_the_types_of_their_values() {
    let simulator = simulator(SimulatorConfig::default()).await;
    let client = Client::login(&simulator).await;
    let data = client.data("select 1, 1.50, 1e0, '2024-01-01'::timestamp_ns is null, sum(x), uuid(), [1], {'a': 1}, '2024-01-01'::timestamp_ntz(3), [1.5::float, 2]::float[2] from range(2) t(x) where 'x' = 'y'").await;
    let kinds: Vec<&str> = data["rowtype"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "fixed",
            "fixed",
            "real",
            "boolean",
            "fixed",
            "text",
            "array",
            "object",
            "timestamp_ntz",
            "vector"
        ]
    );
    let nanos = inline(
        &client
            .data("select '2024-01-01 00:00:00.000000001'::timestamp_ns")
            .await,
    )
    .remove(0);
    assert_eq!(
        nanos
            .column(0)
            .as_struct()
            .column(1)
            .as_primitive::<Int32Type>()
            .value(0),
        1
    );
}

#[tokio::test]
async fn minimum_and_maximum_keep_the_declared_type() {
    let simulator = simulator(SimulatorConfig::default()).await;
    let client = Client::login(&simulator).await;
    client.data(TABLE).await;
    let data = client
        .data("select max(tz3), min(t.ntz3) m, max(d) from t")
        .await;
    assert_eq!(data["rowtype"][0]["scale"], 3);
    assert_eq!(data["rowtype"][0]["name"], "MAX(TZ3)");
    assert_eq!(data["rowtype"][1]["scale"], 3);
}
