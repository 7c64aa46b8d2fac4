//! [`Stager`]: rows become Parquet files that a commit can name.
//!
//! Streams are written by the loading instance, statements by the serving one, where their relations
//! are; the changes of a source are both (`changes`). Either way files are complete, counted and flushed before they are handed over, and a staging
//! that does not get that far removes what it wrote.

mod changes;
mod copy;
mod feed;
mod fit;
mod stats;
mod touched;
mod unpublished;

use std::sync::Arc;

use async_trait::async_trait;
use ducksync_core::{
    BatchStream, Error, ErrorKind, Result,
    engine::{
        Applied, BoundRelation, BoundStatement, QueryEngine, StageRequest, Staged, Stager, Touched,
    },
    error::FailureClass,
    name::quote,
    version::Version,
};
use futures::StreamExt;
use tokio::sync::oneshot;

use self::{
    copy::Copier,
    feed::{Feed, Message},
    fit::Fit,
    unpublished::Unpublished,
};
use crate::{
    Engine,
    control::{Control, StopCause, StopOnDrop},
    duck::Connection,
    engine::Shared,
    instance::Instance,
    query::{bare, bind_relations, describe, stop_after, tell},
    threads::{Permit, Threads, lost},
};

/// The option that a lack of memory while loading is about.
const LOADING_MEMORY: &str = "engine.loading.memory_limit";

#[async_trait]
impl Stager for Engine {
    async fn stage(&self, request: StageRequest, mut input: BatchStream) -> Result<Staged> {
        let fit = Fit::plan(&request.columns, &input.schema())?;
        let control = Arc::new(Control::default());
        let _stop = StopOnDrop(control.clone());
        let (sender, feed) = feed::channel(fit.schema(), control.clone());
        let threads = &self.shared.loading_threads;
        let shared = self.shared.clone();
        let job = move |control: Arc<Control>| write_stream(&shared, &request, feed, &control);
        let mut done = start(threads, threads.permit().await, control, job)?;
        let mut sender = Some(sender);
        loop {
            // The writer's end is heard even while the source is silent.
            let next = tokio::select! {
                biased;
                ended = &mut done => return keep(ended),
                next = input.next(), if sender.is_some() => next,
            };
            let message = match next {
                Some(Ok(batch)) if batch.num_rows() == 0 => continue,
                Some(Ok(batch)) => fit.apply(batch).map(Message::Batch),
                Some(Err(error)) => Err(error),
                None => Ok(Message::End),
            };
            match message {
                Ok(message) => {
                    let last = matches!(message, Message::End);
                    if let Some(open) = &sender {
                        // The writer is gone only if it failed, which `done` says next.
                        open.send(message).await.ok();
                    }
                    sender = sender.filter(|_| !last);
                }
                Err(error) => {
                    // Closed without an end, the feed fails the COPY: never a short load.
                    drop(sender.take());
                    done.await.ok();
                    return Err(error);
                }
            }
        }
    }

    async fn stage_statement(
        &self,
        request: StageRequest,
        statement: BoundStatement,
    ) -> Result<Staged> {
        let control = Arc::new(Control::default());
        let _stop = StopOnDrop(control.clone());
        stop_after(statement.timeout, &control);
        let permit = self.shared.admission.enter().await?;
        let shared = self.shared.clone();
        let job = move |control: Arc<Control>| {
            on_statement(&shared, &statement, &control, |copier| {
                write_statement(copier, &request, &statement)
            })
        };
        keep(start(&self.shared.serving_threads, permit, control, job)?.await)
    }

    async fn stage_version(&self, request: StageRequest, version: Arc<Version>) -> Result<Staged> {
        let name = quote(&self.relation_name(&version, false));
        let relations = vec![BoundRelation {
            version,
            places: false,
        }];
        let plain = BoundStatement::plain(format!("SELECT * FROM {name}"));
        self.stage_statement(request, BoundStatement { relations, ..plain })
            .await
    }

    async fn stage_touched(
        &self,
        request: StageRequest,
        version: Arc<Version>,
        statement: BoundStatement,
    ) -> Result<Touched> {
        let control = Arc::new(Control::default());
        let _stop = StopOnDrop(control.clone());
        stop_after(statement.timeout, &control);
        let permit = self.shared.admission.enter().await?;
        let shared = self.shared.clone();
        let job = move |control: Arc<Control>| {
            on_statement(&shared, &statement, &control, |copier| {
                touched::write(copier, &request, &version, &statement)
            })
        };
        keep(start(&self.shared.serving_threads, permit, control, job)?.await)
    }

    async fn stage_changes(
        &self,
        request: StageRequest,
        version: Arc<Version>,
        action: &str,
        changes: BatchStream,
    ) -> Result<Option<Applied>> {
        self.apply_changes(request, version, action, changes).await
    }
}

type Done<T> = oneshot::Receiver<Result<(T, Unpublished)>>;

/// Runs `job` on a thread; if nobody waits for its files any more, they are removed.
fn start<T: Send + 'static>(
    threads: &Threads,
    permit: Permit,
    control: Arc<Control>,
    job: impl FnOnce(Arc<Control>) -> Result<(T, Unpublished)> + Send + 'static,
) -> Result<Done<T>> {
    let (sender, receiver) = oneshot::channel();
    threads.run(permit, move || {
        let result = job(control.clone());
        let result = match (result, control.cause()) {
            // Nobody hears of a drop; the other causes are what the caller must hear.
            (Err(_), Some(cause)) if cause != StopCause::Dropped => Err(cause.error()),
            (result, _) => result,
        };
        sender.send(result).ok();
    })?;
    Ok(receiver)
}

/// Takes over the files of a staging that ended well.
fn keep<T>(
    done: std::result::Result<Result<(T, Unpublished)>, oneshot::error::RecvError>,
) -> Result<T> {
    let (staged, unpublished) = done.unwrap_or_else(|_| Err(lost()))?;
    unpublished.keep();
    Ok(staged)
}

fn write_stream(
    shared: &Arc<Shared>,
    request: &StageRequest,
    feed: Feed,
    control: &Arc<Control>,
) -> Result<(Staged, Unpublished)> {
    control.check()?;
    let instance = shared.loading()?;
    let _tracked = instance.track(control);
    let session = instance.fresh_session()?;
    let _entered = control.interrupt.enter(&session.connection);
    let tell = |error: crate::duck::DuckError| {
        instance.hear(&error);
        schema_class(error.into_error(LOADING_MEMORY))
    };
    let mut copier = Copier::new(shared, &session.connection, control, &tell);
    let outcome = copier.copy_stream(request, feed);
    copier.finish(outcome)
}

/// Prepares what a statement that is staged needs, and runs `write` with it.
fn on_statement<T>(
    shared: &Arc<Shared>,
    statement: &BoundStatement,
    control: &Arc<Control>,
    write: impl FnOnce(&mut Copier<'_>) -> Result<T>,
) -> Result<(T, Unpublished)> {
    control.check()?;
    let instance = shared.serving()?;
    let _tracked = instance.track(control);
    let mut session = instance.fresh_session()?;
    session.set_time_zone(&statement.time_zone)?;
    let names = shared.names(&statement.relations);
    let connection: &Connection = &session.connection;
    let _views = bind_relations(&instance, connection, &names, &statement.relations)?;
    let _entered = control.interrupt.enter(connection);
    let tell = |error| schema_class(tell(&instance as &Instance, error, &names));
    let mut copier = Copier::new(shared, connection, control, &tell);
    let outcome = write(&mut copier);
    copier.finish(outcome)
}

fn write_statement(
    copier: &mut Copier<'_>,
    request: &StageRequest,
    statement: &BoundStatement,
) -> Result<Staged> {
    let described = describe(copier.connection, statement, copier.tell)?;
    let names: Vec<_> = described
        .columns
        .iter()
        .map(|column| &*column.name)
        .collect();
    fit::match_names(&request.columns, &names)?;
    let columns = copy::select_list(&request.columns)?;
    let query = format!(
        "SELECT {columns} FROM ({}\n) AS staged",
        bare(&statement.sql)
    );
    let file = copier.copy(request, &query, statement.parameters.as_ref())?;
    Ok(copy::staged(file.into_iter().collect()))
}

/// Values that do not fit their columns are a matter of schema, whoever sent them.
fn schema_class(error: Error) -> Error {
    match error.kind() {
        ErrorKind::InvalidArgument => error.with_class(FailureClass::Schema),
        _ => error,
    }
}
