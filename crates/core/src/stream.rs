//! Streams of Arrow batches: how rows move everywhere in DuckSync.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use futures::{Stream, StreamExt, stream};

use crate::{
    error::Result,
    types::{Fields, result_schema},
};

/// Batches of one schema, in order, pulled by the reader.
///
/// Nothing behind it buffers a whole result (I-5), an error ends it, and dropping it stops the work
/// that feeds it (I-6).
pub struct BatchStream {
    schema: SchemaRef,
    fields: Fields,
    batches: Pin<Box<dyn Stream<Item = Result<RecordBatch>> + Send>>,
}

impl BatchStream {
    /// A stream of `batches`, each with exactly `schema`; `fields` are the lake types beside it.
    pub fn new(
        schema: SchemaRef,
        fields: Fields,
        batches: impl Stream<Item = Result<RecordBatch>> + Send + 'static,
    ) -> Self {
        Self {
            schema,
            fields,
            batches: Box::pin(batches),
        }
    }

    /// A stream of columns in their usual Arrow types.
    pub fn of_fields(
        fields: Fields,
        batches: impl Stream<Item = Result<RecordBatch>> + Send + 'static,
    ) -> Self {
        Self::new(result_schema(&fields), fields, batches)
    }

    /// A stream of one batch.
    pub fn once(fields: Fields, batch: RecordBatch) -> Self {
        Self::new(batch.schema(), fields, stream::iter([Ok(batch)]))
    }

    /// The Arrow schema of every batch.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The lake types of the columns.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// All batches, for results that are known to be small.
    ///
    /// # Errors
    /// The first error of the stream.
    pub async fn collect(mut self) -> Result<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next().await {
            batches.push(batch?);
        }
        Ok(batches)
    }
}

impl Stream for BatchStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.batches.as_mut().poll_next(context)
    }
}

impl std::fmt::Debug for BatchStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchStream")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

/// The bytes of a batch's values: of a slice, those of its rows only.
pub fn arrow_bytes(batch: &RecordBatch) -> usize {
    let columns = batch.columns().iter();
    columns
        .map(|column| column.to_data().get_slice_memory_size().unwrap_or(0))
        .sum()
}
