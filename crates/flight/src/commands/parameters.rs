//! Values for parameters, as clients upload them.
//!
//! Drivers differ: with nothing to bind some send only a descriptor, some a schema without fields, some
//! a batch of no columns and no rows.

use arrow::{array::RecordBatch, compute::concat_batches};
use arrow_flight::{FlightData, decode::FlightRecordBatchStream, error::FlightError};
use ducksync_core::{Error, Result};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use tonic::{Code, Status};

/// Reads all rows, as one batch; `None` if there is nothing to bind.
///
/// # Errors
/// `InvalidArgument` for what is not Arrow; `ResourceExhausted` beyond `limit` bytes.
pub(super) async fn read<S>(first: FlightData, rest: S, limit: usize) -> Result<Option<RecordBatch>>
where
    S: Stream<Item = Result<FlightData, Status>> + Send + Unpin + 'static,
{
    // A message with a descriptor only is no Arrow message.
    let first = (!first.data_header.is_empty()).then_some(Ok(first));
    let messages = stream::iter(first).chain(rest.map_err(FlightError::from));
    let mut batches = FlightRecordBatchStream::new_from_flight_data(messages);
    let (mut read, mut bytes) = (Vec::new(), 0);
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(broken)?;
        bytes += batch.get_array_memory_size();
        if bytes > limit {
            return Err(too_large(limit));
        }
        if batch.num_columns() > 0 && batch.num_rows() > 0 {
            read.push(batch);
        }
    }
    let Some(first) = read.first() else {
        return Ok(None);
    };
    concat_batches(&first.schema(), &read)
        .map(Some)
        .map_err(|error| broken(error.into()))
}

fn too_large(limit: usize) -> Error {
    Error::resource_exhausted(format!("the parameters take more than {limit} bytes"))
        .with_remedy("send fewer rows at a time or raise flight.max_message_bytes")
}

fn broken(error: FlightError) -> Error {
    match error {
        FlightError::Tonic(status) => broken_stream(*status),
        other => Error::invalid("the parameters cannot be read as Arrow").with_source(other),
    }
}

/// What a broken upload means: the client went away, or sent a message that is too large.
pub(super) fn broken_stream(status: Status) -> Error {
    match status.code() {
        Code::OutOfRange | Code::ResourceExhausted => {
            Error::resource_exhausted("a message of the upload is too large")
                .with_remedy("send smaller batches or raise flight.max_message_bytes")
        }
        _ => Error::cancelled("the client's upload broke off"),
    }
    .with_source(status)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatchOptions};
    use arrow::datatypes::Schema;
    use arrow_flight::{FlightDescriptor, utils::batches_to_flight_data};

    use super::*;

    async fn upload(mut messages: Vec<FlightData>, limit: usize) -> Result<Option<RecordBatch>> {
        let mut first = messages.remove(0);
        first.flight_descriptor = Some(FlightDescriptor::new_cmd("command"));
        read(first, stream::iter(messages.into_iter().map(Ok)), limit).await
    }

    fn batch(values: std::ops::Range<i64>) -> RecordBatch {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(values));
        RecordBatch::try_from_iter([("n", column)]).unwrap()
    }

    #[tokio::test]
    async fn nothing_to_bind_comes_in_many_shapes() {
        let bare = vec![FlightData::new()];
        assert_eq!(upload(bare, 1 << 20).await.unwrap(), None);
        let schema = Schema::empty();
        let options = RecordBatchOptions::new().with_row_count(Some(0));
        let empty =
            RecordBatch::try_new_with_options(Arc::new(schema.clone()), vec![], &options).unwrap();
        for batches in [vec![], vec![empty]] {
            let messages = batches_to_flight_data(&schema, batches).unwrap();
            assert_eq!(upload(messages, 1 << 20).await.unwrap(), None);
        }
        let none = batch(0..0);
        let messages = batches_to_flight_data(&none.schema(), vec![none.clone()]).unwrap();
        assert_eq!(upload(messages, 1 << 20).await.unwrap(), None);
    }

    #[tokio::test]
    async fn rows_of_all_batches_are_bound_in_order() {
        let schema = batch(0..1).schema();
        let messages = batches_to_flight_data(&schema, vec![batch(0..3), batch(3..5)]).unwrap();
        assert_eq!(upload(messages, 1 << 20).await.unwrap(), Some(batch(0..5)));
    }

    #[tokio::test]
    async fn v16_too_many_parameters_name_the_option() {
        let schema = batch(0..1).schema();
        let messages = batches_to_flight_data(&schema, vec![batch(0..100_000)]).unwrap();
        let error = upload(messages, 1 << 10).await.unwrap_err();
        assert_eq!(error.kind(), ducksync_core::ErrorKind::ResourceExhausted);
        assert!(error.to_string().contains("flight.max_message_bytes"));
    }

    #[tokio::test]
    async fn what_is_not_arrow_is_the_clients_mistake() {
        let garbage = FlightData::new().with_data_header("garbage");
        let error = upload(vec![garbage], 1 << 20).await.unwrap_err();
        assert_eq!(error.kind(), ducksync_core::ErrorKind::InvalidArgument);
    }
}
