//! Against servers that another hand wrote, where one runs.

use arrow::{
    array::AsArray as _,
    datatypes::{DataType, Decimal128Type},
};
use snowflake_sim::{Simulator, SimulatorConfig};

use crate::place::{context, open};

/// fakesnow accepts any login, and leaves out much of what Snowflake says.
///
/// `pip install 'fakesnow[server]==0.12.1' 'snowflake-connector-python<5' && fakesnow -s -p 8085`, then
/// `FAKESNOW_PORT=8085 cargo test -p ducksync-sources --test snowflake -- --ignored fakesnow`.
#[tokio::test]
#[ignore = "needs a running fakesnow, see above"]
async fn fakesnow_is_understood() {
    let port = std::env::var("FAKESNOW_PORT").unwrap();
    let simulator = Simulator::start(SimulatorConfig::default()).await.unwrap();
    let login = [
        ("user", "fake"),
        ("password", "snow"),
        ("port", port.as_str()),
        ("schema", "S1"),
    ];
    let source = open(&simulator, &login, &[]).await.unwrap();
    let run = async |sql: &str| {
        let submitted = source.submit(sql, &context()).await.unwrap();
        let stream = source.fetch(&submitted.query_id, &context()).await.unwrap();
        stream.collect().await.unwrap()
    };
    run("create or replace table t (id int, amount number(12,2), name text, ts timestamp_ntz, d date, b boolean, f float, z timestamp_tz)").await;
    run("insert into t values (1, 1.50, 'a', '2024-01-02 03:04:05.123456', '2024-01-02', true, 0.5, '2024-01-02 03:04:05+01:00'), (2, null, null, null, null, null, null, null)").await;
    let batches = run("select * from t order by id").await;
    assert_eq!(
        batches.iter().map(|batch| batch.num_rows()).sum::<usize>(),
        2
    );
    let amounts = batches[0].column(1);
    assert_eq!(*amounts.data_type(), DataType::Decimal128(12, 2));
    assert_eq!(
        amounts.as_primitive::<Decimal128Type>().value_as_string(0),
        "1.50"
    );
    let shown = run("show tables").await;
    assert!(!shown.is_empty());
    let error = source
        .submit("select * from nowhere", &context())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ducksync_core::ErrorKind::NotFound, "{error}");
}
