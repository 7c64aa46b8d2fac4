use snowflake_sim::{Fault, FaultKind};

use crate::place::{Place, integers};

const ROWS: &str = "select x from range(95) t(x) order by x";

fn rows() -> Vec<i64> {
    (0..95).collect()
}

#[tokio::test]
async fn g10_a_busy_service_is_asked_again_with_the_same_request() {
    let place = Place::chunked(&[]).await;
    let mut fault = Fault::new(FaultKind::HttpStatus).at("query").times(2);
    fault.status = 503;
    place.simulator.fault(fault);
    assert_eq!(integers(&place.rows(ROWS).await.unwrap()), rows());
    assert_eq!(place.requests("query"), 3);
    assert_eq!(place.simulator.log().len(), 1);
}

#[tokio::test]
async fn g10_a_lost_reply_does_not_run_the_statement_twice() {
    let place = Place::chunked(&[]).await;
    place
        .simulator
        .fault(Fault::new(FaultKind::DropConnection).at("query"));
    assert_eq!(integers(&place.rows(ROWS).await.unwrap()), rows());
    assert_eq!(place.requests("query"), 2);
    assert_eq!(
        place.simulator.log().len(),
        1,
        "the repeated request joined the first"
    );
}

#[tokio::test]
async fn an_expired_session_is_renewed_once_for_all() {
    let place = Place::new().await;
    place.rows("select 1").await.unwrap();
    place.simulator.expire_sessions();
    let statements = (0..8).map(|n| {
        let place = &place;
        async move { place.rows(&format!("select {n}")).await.unwrap() }
    });
    futures::future::join_all(statements).await;
    assert_eq!(place.requests("token"), 1);
    assert_eq!(place.requests("login"), 1);
    assert_eq!(place.simulator.log().len(), 9);
}

#[tokio::test]
async fn a_lost_session_is_replaced_by_a_new_login() {
    let place = Place::new().await;
    place.rows("select 1").await.unwrap();
    place.simulator.expire_masters();
    place.rows("select 2").await.unwrap();
    assert_eq!(place.requests("login"), 2);
    place.simulator.forget_sessions();
    place.rows("select 3").await.unwrap();
    assert_eq!(place.requests("login"), 3);
}

#[tokio::test]
async fn a_session_that_expires_while_a_statement_runs_does_not_repeat_it() {
    let place = Place::new().await;
    place
        .simulator
        .fault(Fault::new(FaultKind::Pending).on("41").times(3));
    place
        .simulator
        .fault(Fault::new(FaultKind::SessionExpired).at("result"));
    assert_eq!(integers(&place.rows("select 41").await.unwrap()), [41]);
    assert_eq!(place.simulator.log().len(), 1);
}
