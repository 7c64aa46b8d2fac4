//! What metadata commands have in common: a fixed schema, one endpoint, few rows.
//!
//! Their ticket is the command itself, so that any replica answers it, with the rights of the one who
//! shows it.

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use async_trait::async_trait;
use bytes::Bytes;
use ducksync_core::{BatchStream, Error, Result};
use futures::stream;

use super::Described;
use crate::{
    call::Call,
    stream::{FlightStream, flight_stream},
    wire::Compression,
};

/// A command that asks what is there.
#[async_trait]
pub(super) trait Metadata: Send + Sync {
    /// The schema of its rows, nullability included; clients compare it with the specification's.
    fn schema(&self) -> SchemaRef;

    /// Its rows: what the caller may see.
    async fn rows(&self, call: &Call) -> Result<RecordBatch>;
}

/// GetFlightInfo of a metadata command.
pub(super) fn info(command: &dyn Metadata, ticket: Bytes) -> Result<Described> {
    Described::new(&command.schema(), Some(ticket), None)
}

/// DoGet of a metadata command.
pub(super) async fn get(call: &Call, command: &dyn Metadata) -> Result<FlightStream> {
    let rows = command.rows(call).await?;
    // Never compressed: some drivers cannot read it, and it is small. Lake types are for statements.
    let rows = BatchStream::new(command.schema(), [].into(), stream::iter([Ok(rows)]));
    flight_stream(rows, Compression::None)
}

/// An error of building a metadata answer: a defect of ours.
pub(super) fn defect(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::internal("cannot build a metadata answer").with_source(error)
}
