//! The way of a stream into DuckDB: a bounded channel with an explicit end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::{
    array::RecordBatch, datatypes::SchemaRef, error::ArrowError, record_batch::RecordBatchReader,
};
use tokio::sync::mpsc;

use crate::control::Control;

/// Batches between the source and DuckDB.
const BATCHES_AHEAD: usize = 4;
/// A file takes no more rows than this, so that scans of a large table can share the work and a
/// rewrite touches a part of it. Both are looked at between batches.
const FILE_ROWS: u64 = 10_000_000;
/// Nor more bytes in Arrow, of which Parquet usually needs a third.
const FILE_BYTES: usize = 6 << 30;

/// What goes through the channel. A channel that closes without `End` was cut off.
pub(super) enum Message {
    Batch(RecordBatch),
    End,
}

/// A channel for batches of `schema`.
pub(super) fn channel(schema: SchemaRef, control: Arc<Control>) -> (mpsc::Sender<Message>, Feed) {
    let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
    let feed = Feed {
        schema,
        pipe: Arc::new(Mutex::new(Pipe {
            receiver,
            control,
            ahead: None,
            ended: false,
            rows: 0,
        })),
    };
    (sender, feed)
}

/// DuckDB's end of the channel.
pub(super) struct Feed {
    schema: SchemaRef,
    pipe: Arc<Mutex<Pipe>>,
}

struct Pipe {
    receiver: mpsc::Receiver<Message>,
    control: Arc<Control>,
    ahead: Option<RecordBatch>,
    ended: bool,
    rows: u64,
}

impl Feed {
    /// Whether there is another row; waits until that is known.
    pub(super) fn has_more(&self) -> Result<bool, ArrowError> {
        let mut pipe = lock(&self.pipe);
        if pipe.ahead.is_none() {
            pipe.ahead = pipe.receive()?;
        }
        Ok(pipe.ahead.is_some())
    }

    /// Rows that were pulled.
    pub(super) fn rows(&self) -> u64 {
        lock(&self.pipe).rows
    }

    /// A reader of the next file's rows.
    pub(super) fn portion(&self) -> Box<dyn RecordBatchReader + Send> {
        Box::new(Portion {
            schema: self.schema.clone(),
            pipe: self.pipe.clone(),
            rows: 0,
            bytes: 0,
        })
    }
}

impl Pipe {
    fn next(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let batch = match self.ahead.take() {
            Some(batch) => Some(batch),
            None => self.receive()?,
        };
        self.rows += batch.as_ref().map_or(0, |batch| batch.num_rows() as u64);
        Ok(batch)
    }

    fn receive(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        if self.ended {
            return Ok(None);
        }
        let received = futures::executor::block_on(async {
            tokio::select! {
                biased;
                () = self.control.stopped.cancelled() => None,
                received = self.receiver.recv() => received,
            }
        });
        match received {
            Some(Message::Batch(batch)) => Ok(Some(batch)),
            Some(Message::End) => {
                self.ended = true;
                Ok(None)
            }
            None => Err(ArrowError::ExternalError("the stream was cut off".into())),
        }
    }
}

struct Portion {
    schema: SchemaRef,
    pipe: Arc<Mutex<Pipe>>,
    rows: u64,
    bytes: usize,
}

impl Iterator for Portion {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rows >= FILE_ROWS || self.bytes >= FILE_BYTES {
            return None;
        }
        let next = lock(&self.pipe).next();
        if let Ok(Some(batch)) = &next {
            self.rows += batch.num_rows() as u64;
            self.bytes += batch.get_array_memory_size();
        }
        next.transpose()
    }
}

impl RecordBatchReader for Portion {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

fn lock(pipe: &Mutex<Pipe>) -> MutexGuard<'_, Pipe> {
    pipe.lock().unwrap_or_else(PoisonError::into_inner)
}
