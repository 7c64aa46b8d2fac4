//! What a try has reached, kept outside its future: when that is dropped, this says what to undo.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use arrow::array::RecordBatch;
use ducksync_core::{
    BatchStream,
    engine::{Staged, Touched},
    error::{Error, FailureClass, Result},
    source::Source,
};
use futures::Stream;

/// The progress of one run.
#[derive(Default)]
pub(crate) struct Progress {
    state: Mutex<State>,
}

/// What a try leaves behind.
#[derive(Default)]
pub(crate) struct LeftOver {
    /// The statement to abort, and where.
    pub(crate) running: Option<(Arc<dyn Source>, String)>,
    /// The files to delete.
    pub(crate) files: Vec<String>,
}

#[derive(Default)]
struct State {
    source_down: bool,
    source_reached: bool,
    running: Option<(Arc<dyn Source>, String)>,
    query_ids: Vec<String>,
    note: Option<String>,
    stagings: u32,
    files: Vec<String>,
}

impl Progress {
    /// Notes whether a source answered, however it did.
    pub(crate) fn of_source<T>(&self, answer: Result<T>) -> Result<T> {
        let down = matches!(&answer, Err(e) if e.class() == FailureClass::Source);
        let mut state = self.lock();
        state.source_down = down;
        state.source_reached |= !down;
        drop(state);
        answer
    }

    /// Whether the last contact failed to reach the source.
    pub(crate) fn source_down(&self) -> bool {
        self.lock().source_down
    }

    /// Whether the source answered, the last time included.
    pub(crate) fn source_reached(&self) -> bool {
        let state = self.lock();
        state.source_reached && !state.source_down
    }

    /// A statement runs at the source.
    pub(crate) fn submitted(&self, source: &Arc<dyn Source>, query_id: &str) {
        let mut state = self.lock();
        state.running = Some((source.clone(), query_id.to_owned()));
        state.query_ids.push(query_id.to_owned());
    }

    /// Statements run so far.
    pub(crate) fn query_ids(&self) -> Vec<String> {
        self.lock().query_ids.clone()
    }

    /// What the run's record will say beside its outcome.
    pub(crate) fn set_note(&self, note: Option<String>) {
        self.lock().note = note;
    }

    /// The last word of [`Progress::set_note`].
    pub(crate) fn note(&self) -> Option<String> {
        self.lock().note.clone()
    }

    /// Files may be written from now on.
    pub(crate) fn staging(&self) {
        self.lock().stagings += 1;
    }

    /// How often files may have been written.
    pub(crate) fn stagings(&self) -> u32 {
        self.lock().stagings
    }

    /// Files are complete; nothing runs at the source any more.
    pub(crate) fn staged(&self, staged: &Staged) {
        let mut state = self.lock();
        state.running = None;
        let locations = staged.files.iter().map(|file| file.location.clone());
        state.files.extend(locations);
    }

    /// Files of changed rows are complete; nothing runs at the source any more.
    pub(crate) fn touched(&self, touched: &Touched) {
        self.staged(&touched.written);
        let deletes = touched.deletes.iter();
        let locations = deletes.map(|delete| delete.file.location.clone());
        self.lock().files.extend(locations);
    }

    /// Takes what is to be undone of a try that came to nothing.
    pub(crate) fn take_left_over(&self) -> LeftOver {
        let mut state = self.lock();
        LeftOver {
            running: state.running.take(),
            files: std::mem::take(&mut state.files),
        }
    }

    /// Lets a source's stream through and notes how it ends: an error of the source stays one of the
    /// source when it comes back from the stager.
    pub(crate) fn watch(&self, stream: BatchStream) -> (BatchStream, Watch) {
        let watch = Watch::default();
        let watched = Watched {
            stream: Box::pin(stream),
            watch: watch.clone(),
        };
        let (schema, fields) = (watched.stream.schema(), watched.stream.fields().clone());
        (BatchStream::new(schema, fields, watched), watch)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came through a watched stream.
#[derive(Clone, Default)]
pub(crate) struct Watch(Arc<Mutex<(u64, Option<Error>)>>);

impl Watch {
    /// Rows that came.
    pub(crate) fn rows(&self) -> u64 {
        self.lock().0
    }

    /// The error that ended it.
    pub(crate) fn error(&self) -> Option<Error> {
        self.lock().1.as_ref().map(Error::duplicate)
    }

    fn saw(&self, item: &Result<RecordBatch>) {
        let mut seen = self.lock();
        match item {
            Ok(batch) => seen.0 += batch.num_rows() as u64,
            Err(error) => seen.1 = Some(error.duplicate()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, (u64, Option<Error>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Watched {
    stream: Pin<Box<BatchStream>>,
    watch: Watch,
}

impl Stream for Watched {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = self.stream.as_mut().poll_next(context);
        if let Poll::Ready(Some(item)) = &item {
            self.watch.saw(item);
        }
        item
    }
}
