//! The stream of a result: its first rows, then its parts in order, in bounded memory (S-11).
//!
//! Why rows cannot be lost, doubled or reordered: parts are loaded side by side but handed on in the
//! order in which Snowflake lists them; a part is handed on only once it is complete and has the rows
//! that were declared; and the stream ends well only if the sum is the result's row count.
//!
//! Why memory is bounded: a part starts to load only when its turn comes within `prefetch` and its
//! bytes fit the budget. Turns are given in order, so the part that the reader waits for always has
//! its bytes; they are given back when its last row is taken. A reader that stops pulling stops the
//! downloads.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use arrow::array::RecordBatch;
use ducksync_core::{
    BatchStream,
    error::{Error, Result},
};
use futures::{FutureExt as _, Stream, StreamExt as _, TryStreamExt as _, future, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::AbortOnDropHandle;

use super::{
    chunk::Chunks, columns::Plan, failure, protocol::QueryData, session::Session,
    settings::Options, wire,
};

/// The most rows of one batch.
const ROWS_PER_BATCH: usize = 64 << 10;
/// The budget is counted in these, so that any size fits a semaphore.
const BUDGET_UNIT: usize = 4 << 10;

/// The stream of a reply's rows.
///
/// # Errors
/// `DataLoss` if the first rows are broken; later ones end the stream.
pub(super) async fn stream(
    session: Arc<Session>,
    query_id: String,
    plan: Arc<Plan>,
    mut reply: QueryData,
    options: Options,
) -> Result<BatchStream> {
    let expected = reply.rows();
    let named = |error| failure::of_query(&query_id, error);
    let first = wire::inline(&plan, &mut reply).map_err(named)?;
    let chunks = Chunks::of(session, query_id.clone(), plan.clone(), &mut reply).map_err(named)?;
    if let Some(expected) = expected {
        let inline: u64 = first.iter().map(|batch| batch.num_rows() as u64).sum();
        if inline + chunks.rows() != expected {
            return Err(short(&query_id, inline + chunks.rows(), expected));
        }
    }
    let sizes = chunks.sizes().await;
    let first = Part::new(plan.clone(), first, None);
    let batches = parts(first, Arc::new(chunks), sizes, plan.clone(), options);
    let batches = batches.map_ok(stream::iter).try_flatten();
    let counted = Counted {
        batches: Some(Box::pin(batches)),
        query_id,
        rows: 0,
        expected,
    };
    Ok(BatchStream::of_fields(plan.fields.clone(), counted))
}

/// All parts in order, at most `prefetch` remote ones loading or waiting. The first rows are at hand and
/// wait for nothing; while they are read, the parts after them are on their way.
fn parts(
    first: Part,
    chunks: Arc<Chunks>,
    sizes: Vec<u64>,
    plan: Arc<Plan>,
    options: Options,
) -> impl Stream<Item = Result<Part>> + Send {
    let units = (options.memory_budget / BUDGET_UNIT).clamp(1, u32::MAX as usize);
    let budget = Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS)));
    let head = stream::iter([future::ready(Ok(first)).left_future()]);
    let tail = stream::iter(sizes.into_iter().enumerate())
        .then(move |(index, size)| {
            let wanted = usize::try_from(size)
                .unwrap_or(usize::MAX)
                .div_ceil(BUDGET_UNIT);
            let wanted = u32::try_from(wanted.clamp(1, units)).unwrap_or(u32::MAX);
            let budget = budget.clone();
            async move { (index, budget.acquire_many_owned(wanted).await) }
        })
        .map(move |(index, permit)| {
            let chunks = chunks.clone();
            let plan = plan.clone();
            // A task of its own, so that it goes on while the reader is busy with earlier rows;
            // dropping the stream aborts it.
            let load = tokio::spawn(async move { chunks.load(index).await });
            let load = AbortOnDropHandle::new(load);
            let part = async move {
                let permit = permit.map_err(|_| Error::internal("a budget was closed"))?;
                let batches = load.await.map_err(|error| {
                    Error::internal("loading a part of a result broke off").with_source(error)
                })??;
                Ok(Part::new(plan, batches, Some(permit)))
            };
            part.right_future()
        });
    head.chain(tail).buffered(options.prefetch)
}

/// Rows at hand, converted slice by slice as they are taken.
struct Part {
    plan: Arc<Plan>,
    batches: VecDeque<RecordBatch>,
    at: usize,
    /// Its bytes of the budget, held until its last row is taken.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Part {
    fn new(
        plan: Arc<Plan>,
        batches: Vec<RecordBatch>,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            plan,
            batches: batches.into(),
            at: 0,
            _permit: permit,
        }
    }
}

impl Iterator for Part {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let batch = self.batches.front()?;
            let rows = (batch.num_rows() - self.at).min(ROWS_PER_BATCH);
            if rows == 0 {
                self.batches.pop_front();
                self.at = 0;
                continue;
            }
            let slice = batch.slice(self.at, rows);
            self.at += rows;
            return Some(self.plan.convert(&slice));
        }
    }
}

type Batches = Pin<Box<dyn Stream<Item = Result<RecordBatch>> + Send>>;

/// Ends at the first error, and with an error if rows are missing.
struct Counted {
    batches: Option<Batches>,
    query_id: String,
    rows: u64,
    expected: Option<u64>,
}

impl Stream for Counted {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(batches) = &mut self.batches else {
            return Poll::Ready(None);
        };
        let item = ready!(batches.as_mut().poll_next(context));
        if let Some(Ok(batch)) = &item {
            self.rows += batch.num_rows() as u64;
            return Poll::Ready(item);
        }
        self.batches = None;
        let missing = self.expected.is_some_and(|expected| expected != self.rows);
        match item {
            None if missing => {
                let expected = self.expected.unwrap_or_default();
                Poll::Ready(Some(Err(short(&self.query_id, self.rows, expected))))
            }
            item => Poll::Ready(
                item.map(|item| item.map_err(|error| failure::of_query(&self.query_id, error))),
            ),
        }
    }
}

fn short(query_id: &str, rows: u64, expected: u64) -> Error {
    Error::data_loss(format!(
        "the result of query {query_id} has {rows} rows where {expected} were declared"
    ))
    .with_remedy("run the statement again")
}
