use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ducksync_core::{
    error::{ErrorKind, FailureClass},
    source::SourceContext,
};
use snowflake_sim::{Fault, FaultKind, GatePoint, SimulatorConfig, StatementStatus};

use crate::place::{LOGIN, Place, context, integers, open};

const ENDLESS: &str =
    "select count(*) from range(100000000) a, range(100000000) b where a.range * b.range % 7 = 3";

#[tokio::test]
async fn a_long_statement_is_waited_for() {
    let config = SimulatorConfig {
        sync_wait: Duration::from_millis(5),
        ..SimulatorConfig::default()
    };
    let place = Arc::new(Place::with(config, &[]).await);
    let gate = place.simulator.gate("42", GatePoint::BeforeExecute);
    let running = tokio::spawn({
        let place = place.clone();
        async move { place.rows("select 42").await }
    });
    gate.reached().await;
    while place.requests("result") < 3 {
        tokio::task::yield_now().await;
    }
    gate.release();
    assert_eq!(integers(&running.await.unwrap().unwrap()), [42]);
    assert_eq!(place.simulator.log().len(), 1);
}

#[tokio::test]
async fn v8_text_is_unchanged_and_the_tag_beside_it() {
    let place = Place::new().await;
    let sql = " select 1 -- as written\n;";
    let tagged = SourceContext {
        tag: Some("ducksync:x".into()),
        ..context()
    };
    place.source.submit(sql, &tagged).await.unwrap();
    place.source.submit("select 2", &context()).await.unwrap();
    let log = place.simulator.log();
    assert_eq!(log[0].sql, sql);
    assert_eq!(log[0].query_tag, "ducksync:x");
    assert_eq!(log[1].query_tag, "", "a tag is of one statement only");
}

#[tokio::test]
async fn v15_a_dropped_statement_is_aborted_at_the_source() {
    let place = Arc::new(Place::new().await);
    let gate = place
        .simulator
        .gate("select count", GatePoint::BeforeExecute);
    let running = tokio::spawn({
        let place = place.clone();
        async move { place.rows(ENDLESS).await }
    });
    gate.reached().await;
    running.abort();
    while place.simulator.log()[0].status != StatementStatus::Canceled {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        integers(&place.rows("select 7").await.unwrap()),
        [7],
        "the session goes on"
    );
}

#[tokio::test]
async fn v15_an_abort_reaches_snowflake_within_a_second_while_submitted_and_while_pending() {
    for sync_wait in [Duration::from_secs(45), Duration::from_millis(5)] {
        let config = SimulatorConfig {
            sync_wait,
            ..SimulatorConfig::default()
        };
        let place = Arc::new(Place::with(config, &[]).await);
        let gate = place.simulator.gate("select 8", GatePoint::BeforeExecute);
        let running = tokio::spawn({
            let place = place.clone();
            async move { place.rows("select 8").await }
        });
        gate.reached().await;
        let is_pending = sync_wait < Duration::from_secs(1);
        while is_pending && place.requests("result") < 3 {
            tokio::task::yield_now().await;
        }
        let left = Instant::now();
        running.abort();
        while place.simulator.log()[0].status != StatementStatus::Canceled {
            tokio::task::yield_now().await;
        }
        assert!(
            left.elapsed() < Duration::from_secs(1),
            "{:?}",
            left.elapsed()
        );
    }
}

#[tokio::test]
async fn v15_a_statement_that_waits_for_a_login_leaves_nothing_behind() {
    let place = Arc::new(Place::new().await);
    let never = Fault::new(FaultKind::Slow).at("login").ms(3_600_000);
    place.simulator.fault(never);
    // One waits for Snowflake, the others for their turn.
    let waiting: Vec<_> = (0..3)
        .map(|number| {
            let place = place.clone();
            let within = SourceContext {
                schema: Some(format!("s{number}")),
                ..context()
            };
            tokio::spawn(async move { place.source.submit("select 1", &within).await })
        })
        .collect();
    while place.requests("login") == 0 {
        tokio::task::yield_now().await;
    }
    let left = Instant::now();
    for waiter in waiting {
        waiter.abort();
        assert!(waiter.await.is_err_and(|error| error.is_cancelled()));
    }
    assert_eq!(integers(&place.rows("select 2").await.unwrap()), [2]);
    assert!(
        left.elapsed() < Duration::from_secs(1),
        "{:?}",
        left.elapsed()
    );
    assert_eq!(place.simulator.log().len(), 1, "what waited was never sent");
}

#[tokio::test]
async fn v15_a_statement_is_aborted_by_its_id() {
    let place = Arc::new(Place::new().await);
    let gate = place
        .simulator
        .gate("select count", GatePoint::BeforeExecute);
    let running = tokio::spawn({
        let place = place.clone();
        async move { place.rows(ENDLESS).await }
    });
    gate.reached().await;
    let id = place.simulator.log()[0].query_id.clone();
    place.source.abort(&id).await.unwrap();
    let error = running.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    place
        .source
        .abort(&id)
        .await
        .expect("one that ended is no error");
    let submitted = place.source.submit("select 1", &context()).await.unwrap();
    place
        .source
        .abort(&submitted.query_id)
        .await
        .expect("nor one that succeeded");
}

#[tokio::test]
async fn a_statement_ends_at_its_timeout() {
    let place = Place::new().await;
    let _gate = place.simulator.gate("select 5", GatePoint::BeforeExecute);
    let short = SourceContext {
        timeout: Some(Duration::from_millis(10)),
        ..context()
    };
    let error = place.source.submit("select 5", &short).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded, "{error}");
}

#[tokio::test]
async fn g9_errors_carry_what_snowflake_said() {
    let place = Place::new().await;
    for (sql, kind, parts) in [
        ("select form", ErrorKind::InvalidArgument, vec!["000904"]),
        (
            "select * form t where",
            ErrorKind::InvalidArgument,
            vec!["001003", "42000"],
        ),
        (
            "select * from nowhere",
            ErrorKind::NotFound,
            vec!["002003", "42S02", "NOWHERE"],
        ),
    ] {
        let error = place.source.submit(sql, &context()).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.class()),
            (kind, FailureClass::Query),
            "{error}"
        );
        for part in parts {
            assert!(error.to_string().contains(part), "{part} in {error}");
        }
    }
}

#[tokio::test]
async fn g9_a_missing_warehouse_names_the_remedy() {
    let place = Place::new().await;
    place.sql("create table db.public.t (a int)").await;
    let login: Vec<_> = LOGIN.iter().copied().chain([("warehouse", "")]).collect();
    let source = open(&place.simulator, &login, &[]).await.unwrap();
    let error = source
        .submit("select * from t", &context())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FailedPrecondition, "{error}");
    assert!(error.remedy().unwrap().contains("warehouse"), "{error}");
}

#[tokio::test]
async fn statements_side_by_side_keep_their_own_database_and_schema() {
    let place = Arc::new(Place::new().await);
    place.sql("create schema db.a; create schema db.b").await;
    place
        .sql("create table db.a.t (x int); insert into db.a.t values (1)")
        .await;
    place
        .sql("create table db.b.t (x int); insert into db.b.t values (2)")
        .await;
    let reads = (0..16).map(|n| {
        let place = place.clone();
        async move {
            let schema = if n % 2 == 0 { "A" } else { "B" };
            let within = SourceContext {
                schema: Some(schema.into()),
                ..context()
            };
            let submitted = place
                .source
                .submit("select x from t", &within)
                .await
                .unwrap();
            let stream = place
                .source
                .fetch(&submitted.query_id, &within)
                .await
                .unwrap();
            assert_eq!(integers(&stream.collect().await.unwrap()), [n % 2 + 1]);
        }
    });
    futures::future::join_all(reads).await;
    assert_eq!(place.requests("login"), 2, "a session for each schema");
}

#[tokio::test]
async fn a_statement_that_moves_its_session_moves_no_other_statement() {
    let place = Place::new().await;
    place.sql("create schema db.elsewhere").await;
    place
        .sql("create table db.public.t (x int); insert into db.public.t values (3)")
        .await;
    place
        .source
        .submit("use schema db.elsewhere", &context())
        .await
        .unwrap();
    assert_eq!(integers(&place.rows("select x from t").await.unwrap()), [3]);
}
