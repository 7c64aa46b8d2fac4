use ducksync_core::error::{ErrorKind, FailureClass};
use futures::StreamExt as _;
use snowflake_sim::{Fault, FaultKind};

use crate::place::{Place, context, integers, integers_of};

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
async fn g10_retries_end() {
    let place = Place::new().await;
    place
        .simulator
        .fault(Fault::new(FaultKind::HttpStatus).at("query").times(0));
    let error = place.source.submit(ROWS, &context()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.class()),
        (ErrorKind::Unavailable, FailureClass::Source)
    );
    assert_eq!(place.requests("query"), 4, "three retries");
}

#[tokio::test]
async fn s11_a_damaged_chunk_is_loaded_again() {
    for kind in [
        FaultKind::ChunkTruncated,
        FaultKind::ChunkForbidden,
        FaultKind::DropConnection,
    ] {
        let place = Place::chunked(&[]).await;
        place.simulator.fault(Fault::new(kind).at("chunk").chunk(3));
        assert_eq!(
            integers(&place.rows(ROWS).await.unwrap()),
            rows(),
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn i1_a_chunk_that_stays_broken_ends_the_stream_with_an_error() {
    for (kind, expected) in [
        (FaultKind::ChunkTruncated, ErrorKind::DataLoss),
        (FaultKind::ChunkForbidden, ErrorKind::Unavailable),
        (FaultKind::HttpStatus, ErrorKind::Unavailable),
        (FaultKind::DropConnection, ErrorKind::Unavailable),
    ] {
        let place = Place::chunked(&[]).await;
        place
            .simulator
            .fault(Fault::new(kind).at("chunk").chunk(3).times(0));
        let submitted = place.source.submit(ROWS, &context()).await.unwrap();
        let mut stream = place
            .source
            .fetch(&submitted.query_id, &context())
            .await
            .unwrap();
        let mut before = Vec::new();
        let error = loop {
            match stream.next().await.unwrap() {
                Ok(batch) => before.extend(integers_of(&batch)),
                Err(error) => break error,
            }
        };
        assert_eq!(
            before,
            (0..40).collect::<Vec<_>>(),
            "all rows before it, in order"
        );
        assert_eq!(error.kind(), expected, "{kind:?}: {error}");
        assert!(error.to_string().contains(&submitted.query_id), "{error}");
        assert!(
            !format!("{error:?}").contains("X-Amz"),
            "no address in {error:?}"
        );
        assert!(stream.next().await.is_none(), "an error ends the stream");
    }
}

#[tokio::test]
async fn i1_a_chunk_with_fewer_rows_than_declared_is_data_loss() {
    let place = Place::chunked(&[]).await;
    place
        .simulator
        .fault(Fault::new(FaultKind::ChunkRowCount).chunk(2));
    let error = place.rows(ROWS).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DataLoss, "{error}");
    assert!(error.to_string().contains("query"), "{error}");
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
