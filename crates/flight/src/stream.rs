//! Rows on their way to the client.
//!
//! The client's pull is the only thing that moves a stream: one batch is taken from its source when the
//! messages of the last one are gone (I-5). An error ends it with a status, never with a short result
//! (I-1); a client that goes away drops it, and with it the work behind it (I-6).

use std::time::Instant;

use arrow_flight::FlightData;
use ducksync_core::{BatchStream, Result};
use futures::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use tonic::Status;
use tracing::debug;

use crate::{
    status,
    wire::{Compression, Encoder},
};

/// Messages for the client.
pub(crate) type FlightStream = BoxStream<'static, Result<FlightData, Status>>;

/// The messages of `batches`: the schema first, also if there is no row.
///
/// # Errors
/// `Internal` if the stream cannot be encoded at all.
pub(crate) fn flight_stream(
    batches: BatchStream,
    compression: Compression,
) -> Result<FlightStream> {
    let encoder = Encoder::new(&batches.schema(), compression)?;
    let delivery = Delivery {
        batches,
        encoder,
        tally: Tally::new(),
    };
    let messages = stream::try_unfold(delivery, |mut delivery| async move {
        let message = delivery.next().await?;
        Ok(message.map(|message| (message, delivery)))
    });
    Ok(messages.map_err(status::from_error).boxed())
}

struct Delivery {
    batches: BatchStream,
    encoder: Encoder,
    tally: Tally,
}

impl Delivery {
    async fn next(&mut self) -> Result<Option<FlightData>> {
        let next = self.advance().await;
        match &next {
            Ok(Some(message)) => self.tally.bytes += message.data_body.len(),
            Ok(None) => self.tally.outcome = "complete",
            Err(_) => self.tally.outcome = "failed",
        }
        next
    }

    async fn advance(&mut self) -> Result<Option<FlightData>> {
        loop {
            if let Some(message) = self.encoder.next_message()? {
                return Ok(Some(message));
            }
            let Some(batch) = self.batches.next().await else {
                return Ok(None);
            };
            let batch = batch?;
            self.tally.rows += batch.num_rows();
            self.encoder.load(batch)?;
        }
    }
}

/// Accounts for a stream however it ends.
struct Tally {
    rows: usize,
    bytes: usize,
    outcome: &'static str,
    since: Instant,
}

impl Tally {
    fn new() -> Self {
        Self {
            rows: 0,
            bytes: 0,
            outcome: "client went away",
            since: Instant::now(),
        }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        let Self {
            rows,
            bytes,
            outcome,
            since,
        } = self;
        let seconds = since.elapsed().as_secs_f64();
        debug!(rows, bytes, outcome, seconds, "stream ended");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use ducksync_core::{
        Error,
        types::{Field, Fields, LakeType},
    };

    use super::*;

    fn fields() -> Fields {
        Arc::new([Field::new("n", LakeType::Int64)])
    }

    fn batch(n: i64) -> RecordBatch {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![n]));
        RecordBatch::try_from_iter_with_nullable([("n", column, true)]).unwrap()
    }

    #[tokio::test]
    async fn i1_an_error_behind_rows_ends_the_stream_with_a_status() {
        let batches = stream::iter([
            Ok(batch(1)),
            Err(Error::unavailable("the engine restarted")),
        ]);
        let batches = BatchStream::of_fields(fields(), batches);
        let messages: Vec<_> = flight_stream(batches, Compression::None)
            .unwrap()
            .collect()
            .await;
        assert_eq!(messages.len(), 3);
        let status = messages[2].as_ref().unwrap_err();
        assert_eq!(status.code(), tonic::Code::Unavailable);
    }

    #[tokio::test]
    async fn i5_nothing_is_pulled_that_the_client_did_not_ask_for() {
        let pulled = Arc::new(AtomicUsize::new(0));
        let count = pulled.clone();
        let batches = stream::iter(0..).map(move |n| {
            count.fetch_add(1, Ordering::SeqCst);
            Ok(batch(n))
        });
        let batches = BatchStream::of_fields(fields(), batches);
        let mut messages = flight_stream(batches, Compression::None).unwrap();
        for expected in [0, 1, 2] {
            messages.next().await.unwrap().unwrap();
            assert_eq!(pulled.load(Ordering::SeqCst), expected);
        }
    }

    #[tokio::test]
    async fn i6_a_dropped_stream_drops_what_feeds_it() {
        let work = Arc::new(());
        let held = work.clone();
        let batches = stream::iter(0..).map(move |n| {
            let _held = &held;
            Ok(batch(n))
        });
        let mut messages =
            flight_stream(BatchStream::of_fields(fields(), batches), Compression::None).unwrap();
        messages.next().await.unwrap().unwrap();
        assert_eq!(Arc::strong_count(&work), 2);
        drop(messages);
        assert_eq!(Arc::strong_count(&work), 1);
    }
}
