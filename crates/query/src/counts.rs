//! How statements ended and how long they took, for metrics (O-4).
//!
//! Every statement ends once: when it could not be prepared, without rows when it was executed, with rows
//! when the stream behind its ticket ended, failed or was dropped. All labels are words of ours, so there are few of them.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use arrow::array::RecordBatch;
use ducksync_core::{
    BatchStream, Error, ErrorKind, Result,
    session::{CacheStatus, Route},
};
use futures::{Stream, StreamExt as _};
use serde::{Deserialize, Serialize};

/// Upper bounds of the histogram's buckets, in seconds.
pub const BUCKETS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0,
];

/// How a statement ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// The client has all of the answer.
    Ok,
    /// It failed.
    Error,
    /// The client went away or asked to stop.
    Cancelled,
}

impl Ending {
    /// The word as it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }

    fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Cancelled => Self::Cancelled,
            _ => Self::Error,
        }
    }
}

/// What is known of a statement when it ends: route and part of caches, once they are decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Labels {
    /// Where it was answered; `None` if it ended before that was decided.
    pub route: Option<Route>,
    /// How it ended.
    pub ending: Ending,
    /// How caches took part.
    pub cache_status: Option<CacheStatus>,
}

/// Statements of one kind: how many took how long.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    /// Those up to each of [`BUCKETS`], and not up to the one before.
    pub buckets: [u64; BUCKETS.len()],
    /// All.
    pub count: u64,
    /// Seconds of all.
    pub seconds: f64,
}

/// Counts since the process began.
#[derive(Debug, Default)]
pub struct StatementCounts {
    statements: Mutex<Vec<(Labels, Histogram)>>,
    errors: Mutex<BTreeMap<&'static str, u64>>,
}

impl StatementCounts {
    /// Statements that ended, by kind.
    pub fn statements(&self) -> Vec<(Labels, Histogram)> {
        locked(&self.statements).clone()
    }

    /// Errors that were answered, by kind.
    pub fn errors(&self) -> BTreeMap<&'static str, u64> {
        locked(&self.errors).clone()
    }

    /// Counts an error that a client is answered with; lets the answer through.
    pub(crate) fn noting<T>(&self, answer: Result<T>) -> Result<T> {
        if let Err(error) = &answer {
            *locked(&self.errors)
                .entry(error.kind().as_str())
                .or_default() += 1;
        }
        answer
    }

    fn ended(&self, labels: Labels, took: Duration) {
        let seconds = took.as_secs_f64();
        let mut statements = locked(&self.statements);
        let place = statements.iter().position(|(known, _)| *known == labels);
        let place = place.unwrap_or_else(|| {
            statements.push((labels, Histogram::default()));
            statements.len() - 1
        });
        let histogram = &mut statements[place].1;
        histogram.count += 1;
        histogram.seconds += seconds;
        if let Some(bucket) = BUCKETS.iter().position(|bound| seconds <= *bound) {
            histogram.buckets[bucket] += 1;
        }
    }
}

fn locked<T>(counts: &Mutex<T>) -> MutexGuard<'_, T> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a ticket says of the statement that made it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) route: Route,
    pub(crate) cache_status: CacheStatus,
    /// How long it took until rows could be fetched.
    pub(crate) took: Duration,
}

/// A statement at work; whoever drops it without an end has gone away.
pub(crate) struct Underway {
    counts: Arc<StatementCounts>,
    told: Option<Told>,
    began: Instant,
    over: bool,
}

impl Underway {
    /// A statement that begins.
    pub(crate) fn begin(counts: &Arc<StatementCounts>) -> Self {
        Self::fetching(counts, None)
    }

    /// The fetching of rows that another call decided on.
    pub(crate) fn fetching(counts: &Arc<StatementCounts>, told: Option<Told>) -> Self {
        Self {
            counts: counts.clone(),
            told,
            began: Instant::now(),
            over: false,
        }
    }

    /// It ended, with that answer's route if one was decided.
    pub(crate) fn end(mut self, ending: Ending, decided: Option<(Route, CacheStatus)>) {
        self.count(ending, decided);
    }

    /// It was prepared, or its rows wait: it ends with another call.
    pub(crate) fn goes_on(mut self) {
        self.over = true;
    }

    /// Lets an error through that ends it.
    pub(crate) fn unless_failed<T>(mut self, answer: Result<T>) -> Result<(T, Self)> {
        match answer {
            Ok(answer) => Ok((answer, self)),
            Err(error) => {
                self.count(Ending::of(&error), None);
                Err(error)
            }
        }
    }

    /// The same stream; how it ends is how the statement ended.
    pub(crate) fn watch(self, stream: BatchStream) -> BatchStream {
        let (schema, fields) = (stream.schema(), stream.fields().clone());
        let watched = Watched {
            stream: Some(stream),
            statement: Some(self),
        };
        BatchStream::new(schema, fields, watched)
    }

    fn count(&mut self, ending: Ending, decided: Option<(Route, CacheStatus)>) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        let told = self.told.map(|told| (told.route, told.cache_status));
        let decided = decided.or(told);
        let labels = Labels {
            route: decided.map(|(route, _)| route),
            ending,
            cache_status: decided.map(|(_, cache_status)| cache_status),
        };
        let before = self.told.map_or(Duration::ZERO, |told| told.took);
        self.counts.ended(labels, before + self.began.elapsed());
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.count(Ending::Cancelled, None);
    }
}

struct Watched {
    stream: Option<BatchStream>,
    statement: Option<Underway>,
}

impl Stream for Watched {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(None);
        };
        let next = std::task::ready!(stream.poll_next_unpin(context));
        let ending = match &next {
            Some(Ok(_)) => return Poll::Ready(next),
            Some(Err(error)) => Ending::of(error),
            None => Ending::Ok,
        };
        self.stream = None;
        if let Some(statement) = self.statement.take() {
            let counts = statement.counts.clone();
            statement.end(ending, None);
            return Poll::Ready(next.map(|next| counts.noting(next)));
        }
        Poll::Ready(next)
    }
}
