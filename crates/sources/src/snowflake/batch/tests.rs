use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use ducksync_core::error::ErrorKind;
use futures::FutureExt as _;
use tokio::sync::Semaphore;

use super::*;

/// Doubles numbers, refuses odd ones, and notes what it was asked at once.
struct Doubler {
    statements: Mutex<Vec<Vec<u32>>>,
    dropped: AtomicUsize,
    gate: Semaphore,
}

struct Asked<'a>(&'a Doubler, bool);

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(usize::from(!self.1), SeqCst);
    }
}

fn doubler(permits: usize) -> (Arc<Doubler>, Batcher<u32, u32>) {
    let doubler = Arc::new(Doubler {
        statements: Mutex::default(),
        dropped: AtomicUsize::new(0),
        gate: Semaphore::new(permits),
    });
    let asked = doubler.clone();
    let batcher = Batcher::new(move |keys: Vec<u32>| {
        let doubler = asked.clone();
        async move {
            let mut guard = Asked(&doubler, false);
            doubler.statements.lock().unwrap().push(keys.clone());
            doubler.gate.acquire().await.unwrap().forget();
            guard.1 = true;
            if keys.contains(&666) {
                return Err(Error::unavailable("the line is dead"));
            }
            let said = |key: u32| match key % 2 {
                0 => Ok(key * 2),
                _ => Err(Error::invalid(format!("{key} is odd"))),
            };
            Ok(keys.into_iter().map(|key| (key, said(key))).collect())
        }
        .boxed()
    });
    (doubler, batcher)
}

#[tokio::test(start_paused = true)]
async fn c9_what_is_asked_together_is_one_statement_and_everybody_gets_their_part() {
    let (doubler, batcher) = doubler(10);
    let (one, other, third) = tokio::join!(
        batcher.ask(vec![4, 2]),
        batcher.ask(vec![2, 3]),
        batcher.ask(vec![8])
    );
    let one: Vec<_> = one.unwrap().into_iter().map(Result::unwrap).collect();
    assert_eq!(one, [8, 4], "in the order asked");
    let other = other.unwrap();
    assert_eq!(*other[0].as_ref().unwrap(), 4);
    assert!(
        other[1]
            .as_ref()
            .unwrap_err()
            .to_string()
            .contains("3 is odd")
    );
    assert_eq!(*third.unwrap()[0].as_ref().unwrap(), 16);
    assert_eq!(*doubler.statements.lock().unwrap(), [vec![2, 3, 4, 8]]);
}

#[tokio::test(start_paused = true)]
async fn g7_a_question_never_joins_a_statement_that_was_sent() {
    let (doubler, batcher) = doubler(0);
    let batcher = Arc::new(batcher);
    let first = tokio::spawn({
        let batcher = batcher.clone();
        async move { batcher.ask(vec![2]).await }
    });
    while doubler.statements.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let later = tokio::spawn({
        let batcher = batcher.clone();
        async move { batcher.ask(vec![2]).await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    doubler.gate.add_permits(2);
    assert!(first.await.unwrap().is_ok() && later.await.unwrap().is_ok());
    assert_eq!(*doubler.statements.lock().unwrap(), [vec![2], vec![2]]);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_whole_is_everybodys_and_the_next_question_is_asked() {
    let (_, batcher) = doubler(10);
    let (one, other) = tokio::join!(batcher.ask(vec![666]), batcher.ask(vec![2]));
    assert_eq!(one.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(other.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(batcher.ask(vec![2]).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn i6_a_statement_that_nobody_waits_for_is_dropped() {
    let (doubler, batcher) = doubler(0);
    let leaves = tokio::time::timeout(Duration::from_secs(1), batcher.ask(vec![2]));
    assert!(leaves.await.is_err());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(doubler.dropped.load(SeqCst), 1);
    doubler.gate.add_permits(1);
    assert!(batcher.ask(vec![4]).await.is_ok(), "and others are served");
}
