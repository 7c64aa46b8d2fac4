//! Runs one statement on one engine thread and streams its rows through a bounded channel.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use arrow::array::RecordBatch;
use ducksync_core::{BatchStream, Error, Result, engine::BoundStatement};
use futures::Stream;
use tokio::sync::{mpsc, oneshot};

use super::{Names, bind_relations, prepare, tell};
use crate::{
    coalesce::Coalescer,
    conform::Shape,
    control::{Control, StopCause, StopOnDrop},
    duck::{Connection, DuckError},
    engine::Shared,
    instance::Instance,
    threads::lost,
};

/// Batches between DuckDB and the reader: enough that neither waits for the other's every step.
const BATCHES_AHEAD: usize = 3;

/// Starts `statement`, and returns when its columns are known.
pub(super) async fn execute(
    shared: &Arc<Shared>,
    statement: BoundStatement,
) -> Result<BatchStream> {
    let control = Arc::new(Control::default());
    let stop = StopOnDrop(control.clone());
    stop_after(statement.timeout, &control);
    let permit = tokio::select! {
        permit = shared.admission.enter() => permit?,
        () = control.stopped.cancelled() => {
            return Err(control.check().err().unwrap_or_else(lost));
        }
    };
    let (started, start) = oneshot::channel();
    let (batches, receiver) = mpsc::channel(BATCHES_AHEAD);
    let outcome = Arc::new(Outcome::default());
    let run = Run {
        shared: shared.clone(),
        statement,
        control: control.clone(),
        started: Some(started),
        batches,
    };
    let ending = outcome.clone();
    shared
        .serving_threads
        .run(permit, move || run.run(&ending))?;
    match start.await {
        Ok(shape) => {
            let reader = Reader {
                batches: receiver,
                outcome: Some(outcome),
                _stop: stop,
            };
            Ok(BatchStream::new(shape.schema, shape.fields, reader))
        }
        Err(_) => Err(outcome.take().err().unwrap_or_else(lost)),
    }
}

/// Stops a statement that takes longer than its timeout, whether its reader reads or not.
pub(crate) fn stop_after(timeout: Option<Duration>, control: &Arc<Control>) {
    let Some(timeout) = timeout else { return };
    let control = control.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = tokio::time::sleep(timeout) => control.stop(StopCause::Timeout),
            // Also when it ended: what holds the statement is dropped then.
            () = control.stopped.cancelled() => {}
        }
    });
}

/// How a statement ended; set before its channel closes, so that a closed channel alone never reads
/// as the end of the rows.
#[derive(Default)]
struct Outcome(Mutex<Option<Result<()>>>);

impl Outcome {
    fn set(&self, result: Result<()>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    }

    fn take(&self) -> Result<()> {
        let outcome = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        outcome.unwrap_or_else(|| Err(lost()))
    }
}

struct Reader {
    batches: mpsc::Receiver<RecordBatch>,
    outcome: Option<Arc<Outcome>>,
    _stop: StopOnDrop,
}

impl Stream for Reader {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.outcome.is_none() {
            return Poll::Ready(None);
        }
        match self.batches.poll_recv(context) {
            Poll::Ready(Some(batch)) => Poll::Ready(Some(Ok(batch))),
            Poll::Ready(None) => {
                let ended = self.outcome.take().map_or(Ok(()), |outcome| outcome.take());
                Poll::Ready(ended.err().map(Err))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

/// A statement on its thread.
struct Run {
    shared: Arc<Shared>,
    statement: BoundStatement,
    control: Arc<Control>,
    started: Option<oneshot::Sender<Shape>>,
    batches: mpsc::Sender<RecordBatch>,
}

impl Run {
    fn run(mut self, ending: &Outcome) {
        let result = self.try_run();
        // Whatever DuckDB made of being interrupted, the cause is what the reader must hear.
        let result = match (result, self.control.cause()) {
            (Err(_), Some(cause)) => Err(cause.error()),
            (result, _) => result,
        };
        ending.set(result);
    }

    fn try_run(&mut self) -> Result<()> {
        self.control.check()?;
        let instance = self.shared.serving()?;
        let _tracked = instance.track(&self.control);
        let names = self.shared.names(&self.statement.relations);
        let time_zone = self.statement.time_zone.clone();
        instance.with_session(&time_zone, |connection| {
            let control = self.control.clone();
            let _entered = control.interrupt.enter(connection);
            self.stream(&instance, connection, &names)
        })
    }

    fn stream(
        &mut self,
        instance: &Instance,
        connection: &Connection,
        names: &Names,
    ) -> Result<()> {
        let tell = |error: DuckError| tell(instance, error, names);
        let _views = bind_relations(instance, connection, names, &self.statement.relations)?;
        let prepared = prepare(connection, &self.statement.sql, &tell)?;
        prepared.bind(self.statement.parameters.as_ref())?;
        let mut shape = None;
        if self.statement.parameters.is_none()
            && let Some(columns) = prepared.columns()?
        {
            let known = Shape::new(columns);
            self.start(known.clone());
            shape = Some(known);
        }
        let pending = prepared.start().map_err(tell)?;
        // From here on no interrupt is lost; one that came before is seen by this check.
        self.control.check()?;
        let mut rows = pending.run().map_err(tell)?;
        let shape = match shape {
            Some(shape) => shape,
            None => {
                let shape = Shape::new(rows.columns()?);
                self.start(shape.clone());
                shape
            }
        };
        let mut batches = Coalescer::new(shape, &rows);
        while let Some(batch) = batches.next(&mut rows, &tell)? {
            self.send(batch)?;
        }
        Ok(())
    }

    fn start(&mut self, shape: Shape) {
        if let Some(started) = self.started.take() {
            started.send(shape).ok();
        }
    }

    /// Waits for room in the channel, or for the end of the statement.
    fn send(&self, batch: RecordBatch) -> Result<()> {
        let sent = match self.batches.try_send(batch) {
            Ok(()) => return Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(batch)) => futures::executor::block_on(async {
                tokio::select! {
                    biased;
                    () = self.control.stopped.cancelled() => false,
                    sent = self.batches.send(batch) => sent.is_ok(),
                }
            }),
        };
        match sent {
            true => Ok(()),
            false => Err(self.control.cause().map_or_else(
                || Error::cancelled("the statement's reader went away"),
                StopCause::error,
            )),
        }
    }
}
