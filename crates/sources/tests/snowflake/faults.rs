//! Every fault, on a result that is one reply and on one of many chunks: it heals, and the rows are exactly
//! the statement's, or it ends, and what came before is a true beginning of them, followed by one error
//! that names the query. In no case does the statement run twice.

use std::time::{Duration, Instant};

use ducksync_core::error::{Error, ErrorKind};
use futures::StreamExt as _;
use snowflake_sim::{Fault, FaultKind, SimulatorConfig};

use crate::place::{Place, context, integers_of};

const ROWS: &str = "select x from range(95) t(x) order by x";

/// What must become of a statement.
#[derive(Debug, Clone, Copy)]
enum Outcome {
    Heals,
    Ends(ErrorKind),
}
use Outcome::{Ends, Heals};

/// The size of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    /// All rows are in the reply.
    Small,
    /// Ten rows in the reply, and nine chunks.
    Chunked,
}
use Size::{Chunked, Small};

struct Case {
    name: &'static str,
    sizes: &'static [Size],
    faults: Vec<Fault>,
    outcome: Outcome,
}

const BOTH: &[Size] = &[Small, Chunked];
const ALWAYS: u32 = 0;

fn case(name: &'static str, sizes: &'static [Size], faults: Vec<Fault>, outcome: Outcome) -> Case {
    Case {
        name,
        sizes,
        faults,
        outcome,
    }
}

fn status(code: u16, endpoint: &str, times: u32) -> Fault {
    let mut fault = Fault::new(FaultKind::HttpStatus).at(endpoint).times(times);
    fault.status = code;
    fault
}

fn refused(code: &str, state: &str) -> Fault {
    let mut fault = Fault::new(FaultKind::QueryError).on("range(95)");
    fault.code = code.to_owned();
    fault.sql_state = state.to_owned();
    fault.message = "no".to_owned();
    fault
}

fn at(kind: FaultKind, endpoint: &str) -> Fault {
    Fault::new(kind).at(endpoint)
}

fn chunk(kind: FaultKind, number: usize) -> Fault {
    at(kind, "chunk").chunk(number)
}

fn cases() -> Vec<Case> {
    use ErrorKind::{DataLoss, InvalidArgument, Unauthenticated, Unavailable};
    use FaultKind::{
        ChunkExpired, ChunkForbidden, ChunkRowCount, ChunkShort, ChunkTruncated, ChunkUnlabelled,
        DropConnection, LoginRefused, NoReply, Pending, QueryDelay, SessionExpired, Slow,
        TokenExpires,
    };
    let pending = || Fault::new(Pending).on("range(95)").times(3);
    let mut cases = vec![
        // The session.
        case(
            "login refused",
            BOTH,
            vec![Fault::new(LoginRefused)],
            Ends(Unauthenticated),
        ),
        case(
            "token over at once",
            BOTH,
            vec![at(TokenExpires, "query")],
            Heals,
        ),
        case(
            "session over",
            BOTH,
            vec![at(SessionExpired, "query")],
            Heals,
        ),
        case(
            "token over while pending",
            BOTH,
            vec![pending(), at(TokenExpires, "result")],
            Heals,
        ),
        case(
            "token and addresses over in mid-result",
            &[Chunked],
            vec![chunk(ChunkExpired, 4), at(TokenExpires, "result")],
            Heals,
        ),
        case(
            "token never good again",
            BOTH,
            vec![at(SessionExpired, "query").times(ALWAYS)],
            Ends(Unauthenticated),
        ),
        case(
            "token never good again while pending",
            BOTH,
            vec![pending(), at(SessionExpired, "result").times(ALWAYS)],
            Ends(Unauthenticated),
        ),
        // The statement.
        case("pending", BOTH, vec![pending()], Heals),
        case("long", BOTH, vec![Fault::new(QueryDelay).ms(150)], Heals),
        case(
            "a query that fails",
            BOTH,
            vec![refused("100038", "22018")],
            Ends(InvalidArgument),
        ),
        case(
            "a query that breaks off",
            BOTH,
            vec![refused("000603", "XX000")],
            Ends(Unavailable),
        ),
        case(
            "a suspended account",
            BOTH,
            vec![refused("000666", "57014")],
            Ends(Unavailable),
        ),
        // The addresses.
        case(
            "addresses over",
            &[Chunked],
            vec![chunk(ChunkExpired, 3)],
            Heals,
        ),
        case(
            "addresses over three times",
            &[Chunked],
            [1, 4, 7].map(|number| chunk(ChunkExpired, number)).into(),
            Heals,
        ),
        case(
            "addresses never good again",
            &[Chunked],
            vec![chunk(ChunkExpired, 3).times(ALWAYS)],
            Ends(Unavailable),
        ),
        case(
            "a chunk forbidden once",
            &[Chunked],
            vec![chunk(ChunkForbidden, 3)],
            Heals,
        ),
        case(
            "a chunk forbidden",
            &[Chunked],
            vec![chunk(ChunkForbidden, 3).times(ALWAYS)],
            Ends(Unavailable),
        ),
        case(
            "fresh addresses not to be had",
            &[Chunked],
            vec![chunk(ChunkExpired, 3), status(503, "result", ALWAYS)],
            Ends(Unavailable),
        ),
        // The chunks.
        case(
            "gzip without a header",
            &[Chunked],
            vec![at(ChunkUnlabelled, "chunk").times(ALWAYS)],
            Heals,
        ),
        case(
            "a slow chunk",
            &[Chunked],
            vec![chunk(Slow, 0).ms(60)],
            Heals,
        ),
        case(
            "wrong row count",
            &[Chunked],
            vec![Fault::new(ChunkRowCount).chunk(2)],
            Ends(DataLoss),
        ),
    ];
    for kind in [ChunkTruncated, ChunkShort] {
        cases.push(case(
            "damaged once",
            &[Chunked],
            vec![chunk(kind, 3)],
            Heals,
        ));
        let always = vec![chunk(kind, 3).times(ALWAYS)];
        cases.push(case("damaged", &[Chunked], always, Ends(DataLoss)));
    }
    for kind in [DropConnection, NoReply] {
        cases.push(case("reset once", BOTH, vec![at(kind, "query")], Heals));
        cases.push(case(
            "reset once while pending",
            BOTH,
            vec![pending(), at(kind, "result")],
            Heals,
        ));
        cases.push(case(
            "reset once in a chunk",
            &[Chunked],
            vec![chunk(kind, 3)],
            Heals,
        ));
        let always = |endpoint: &str| at(kind, endpoint).times(ALWAYS);
        cases.push(case(
            "reset",
            BOTH,
            vec![always("query")],
            Ends(Unavailable),
        ));
        cases.push(case(
            "reset while pending",
            BOTH,
            vec![pending(), always("result")],
            Ends(Unavailable),
        ));
        let in_chunk = vec![chunk(kind, 3).times(ALWAYS)];
        cases.push(case(
            "reset in a chunk",
            &[Chunked],
            in_chunk,
            Ends(Unavailable),
        ));
    }
    for code in [503, 429, 408, 502, 504] {
        cases.push(case(
            "busy twice",
            BOTH,
            vec![status(code, "query", 2)],
            Heals,
        ));
        cases.push(case(
            "busy at login",
            BOTH,
            vec![status(code, "login", 2)],
            Heals,
        ));
        cases.push(case(
            "busy in chunks",
            &[Chunked],
            vec![status(code, "chunk", 3)],
            Heals,
        ));
        cases.push(case(
            "busy while pending",
            BOTH,
            vec![pending(), status(code, "result", 2)],
            Heals,
        ));
        cases.push(case(
            "busy",
            BOTH,
            vec![status(code, "query", ALWAYS)],
            Ends(Unavailable),
        ));
        let pending = vec![pending(), status(code, "result", ALWAYS)];
        cases.push(case(
            "busy for ever while pending",
            BOTH,
            pending,
            Ends(Unavailable),
        ));
        let chunks = vec![status(code, "chunk", ALWAYS)];
        cases.push(case(
            "busy for ever in chunks",
            &[Chunked],
            chunks,
            Ends(Unavailable),
        ));
    }
    cases.push(case(
        "no such account",
        BOTH,
        vec![status(403, "login", ALWAYS)],
        Ends(Unavailable),
    ));
    cases
}

#[tokio::test]
async fn i1_every_fault_heals_or_ends_in_one_error_with_the_query() {
    for case in cases() {
        for size in case.sizes {
            check(&case, *size).await;
        }
    }
}

async fn check(case: &Case, size: Size) {
    let shown = format!("{} ({size:?}, {:?})", case.name, case.faults);
    let rows_of_reply = match size {
        Small => 1000,
        Chunked => 10,
    };
    let config = SimulatorConfig {
        inline_rows: rows_of_reply,
        rows_per_chunk: 10,
        sync_wait: Duration::from_millis(20),
        ..SimulatorConfig::default()
    };
    let place = Place::with(config, &[]).await;
    for fault in &case.faults {
        place.simulator.fault(fault.clone());
    }
    let (rows, error) = read(&place).await;
    let expected: Vec<i64> = (0..95).collect();
    let log = place.simulator.log();
    assert!(log.len() <= 1, "{shown}: ran {} times", log.len());
    match (case.outcome, error) {
        (Heals, None) => assert_eq!(rows, expected, "{shown}"),
        (Heals, Some(error)) => panic!("{shown}: {error}"),
        (Ends(_), None) => panic!("{shown}: {} rows and no error", rows.len()),
        (Ends(kind), Some(error)) => {
            assert_eq!(error.kind(), kind, "{shown}: {error}");
            assert_eq!(rows, expected[..rows.len()], "{shown}");
            assert!(rows.len() < expected.len(), "{shown}");
            let told = format!("{error} {error:?}");
            for secret in ["X-Amz", "ducksync-demo", "127.0.0.1:"] {
                assert!(!told.contains(secret), "{shown}: {secret} in {told}");
            }
            // A statement whose request was never answered has no name that anybody could know.
            let unanswered = case.faults.iter().any(|fault| {
                matches!(fault.endpoint.as_deref(), Some("query" | "login"))
                    || fault.kind == FaultKind::LoginRefused
            });
            if !unanswered {
                let id = &log[0].query_id;
                assert!(
                    error.to_string().contains(id),
                    "{shown}: no {id} in {error}"
                );
            }
        }
    }
}

/// The rows that came, and what ended them if it was not their end.
async fn read(place: &Place) -> (Vec<i64>, Option<Error>) {
    let submitted = match place.source.submit(ROWS, &context()).await {
        Ok(submitted) => submitted,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let stream = place.source.fetch(&submitted.query_id, &context()).await;
    let mut stream = match stream {
        Ok(stream) => stream,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut rows = Vec::new();
    while let Some(batch) = stream.next().await {
        match batch {
            Ok(batch) => rows.extend(integers_of(&batch)),
            Err(error) => {
                assert!(stream.next().await.is_none(), "an error ends the stream");
                return (rows, Some(error));
            }
        }
    }
    (rows, None)
}

#[tokio::test]
async fn g10_a_busy_service_is_left_alone_for_as_long_as_it_asks() {
    for endpoint in ["query", "chunk"] {
        let place = Place::chunked(&[]).await;
        place.simulator.fault(status(429, endpoint, 1).ms(1_000));
        let start = Instant::now();
        let (rows, error) = read(&place).await;
        assert!(error.is_none(), "{error:?}");
        assert_eq!(rows.len(), 95);
        assert!(start.elapsed() >= Duration::from_secs(1), "{endpoint}");
    }
}

#[tokio::test]
async fn s11_the_first_rows_wait_for_no_chunk() {
    let place = Place::chunked(&[]).await;
    let never = Fault::new(FaultKind::Slow)
        .at("chunk")
        .ms(3_600_000)
        .times(ALWAYS);
    place.simulator.fault(never);
    let submitted = place.source.submit(ROWS, &context()).await.unwrap();
    let stream = place.source.fetch(&submitted.query_id, &context()).await;
    let first = stream.unwrap().next().await.unwrap().unwrap();
    assert_eq!(integers_of(&first), (0..10).collect::<Vec<_>>());
}
