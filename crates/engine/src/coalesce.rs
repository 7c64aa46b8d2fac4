//! DuckDB's chunks of 2,048 rows become batches that are worth sending.

use std::time::{Duration, Instant};

use arrow::{array::RecordBatch, compute::concat_batches, error::ArrowError};
use ducksync_core::{Error, Result, stream::arrow_bytes};

use crate::{
    conform::Shape,
    duck::{DuckError, PlainColumns, Rows},
};

const MAX_ROWS: usize = 64 * 1024;
const MAX_BYTES: usize = 3 << 19;
/// A reader of a slow statement sees what there is at least this often.
const MAX_WAIT: Duration = Duration::from_millis(100);

/// Collects the rows of a result, in order. The first go out at once, so that a small result does not
/// wait and a large one begins early.
pub(crate) struct Coalescer {
    shape: Shape,
    pending: Pending,
    flushed: Option<Instant>,
}

enum Pending {
    Filled(PlainColumns),
    Joined(Chunks),
}

#[derive(Default)]
struct Chunks {
    chunks: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
}

impl Coalescer {
    pub(crate) fn new(shape: Shape, rows: &Rows) -> Self {
        let pending = match rows.plain_columns(shape.schema.clone()) {
            Some(columns) => Pending::Filled(columns),
            None => Pending::Joined(Chunks::default()),
        };
        Self {
            shape,
            pending,
            flushed: None,
        }
    }

    /// The next batch; `None` at the end.
    ///
    /// # Errors
    /// DuckDB's by way of `tell`; `InvalidArgument` for a value that Arrow cannot carry.
    pub(crate) fn next(
        &mut self,
        rows: &mut Rows,
        tell: &dyn Fn(DuckError) -> Error,
    ) -> Result<Option<RecordBatch>> {
        while self.pull(rows, tell)? {
            if self.is_enough() {
                return self.flush();
            }
        }
        self.flush()
    }

    /// Takes the next chunk; false at the end.
    fn pull(&mut self, rows: &mut Rows, tell: &dyn Fn(DuckError) -> Error) -> Result<bool> {
        match &mut self.pending {
            Pending::Filled(columns) => rows.next_into(columns).map_err(tell),
            Pending::Joined(pending) => {
                let Some(chunk) = rows.next().map_err(tell)? else {
                    return Ok(false);
                };
                let chunk = self.shape.conform(chunk)?;
                pending.rows += chunk.num_rows();
                pending.bytes += arrow_bytes(&chunk);
                pending.chunks.push(chunk);
                Ok(true)
            }
        }
    }

    fn is_enough(&self) -> bool {
        let (rows, bytes) = match &self.pending {
            Pending::Filled(columns) => (columns.rows(), columns.bytes()),
            Pending::Joined(pending) => (pending.rows, pending.bytes),
        };
        rows >= MAX_ROWS
            || bytes >= MAX_BYTES
            || self.flushed.is_none_or(|last| last.elapsed() >= MAX_WAIT)
    }

    fn flush(&mut self) -> Result<Option<RecordBatch>> {
        self.flushed = Some(Instant::now());
        let batch = match &mut self.pending {
            Pending::Filled(columns) => columns.finish(),
            Pending::Joined(pending) => join(&std::mem::take(pending).chunks),
        };
        batch.map_err(|error| {
            Error::internal("rows of a result could not be put together").with_source(error)
        })
    }
}

fn join(chunks: &[RecordBatch]) -> Result<Option<RecordBatch>, ArrowError> {
    match chunks {
        [] => Ok(None),
        [single] => Ok(Some(single.clone())),
        [first, ..] => concat_batches(&first.schema(), chunks).map(Some),
    }
}
