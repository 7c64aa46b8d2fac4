//! Arrow batches as Flight messages: one schema for FlightInfo and stream, messages of bounded size.
//!
//! The encoder of `arrow-flight` is not used: it turns LargeList into List in the schema, splits by
//! an over-count of sliced batches, and so makes messages both too small and too large.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions},
    compute::cast,
    datatypes::{DataType, Field, Schema, SchemaRef},
    error::ArrowError,
};
use arrow_flight::{FlightData, IpcMessage, SchemaAsIpc};
use arrow_ipc::{
    CompressionType,
    writer::{CompressionContext, DictionaryTracker, IpcDataGenerator, IpcWriteOptions},
};
use bytes::Bytes;
use ducksync_core::{Error, Result};

/// The largest body of a message with more than one row. Clients take 4 MiB (Go, Rust, Grafana) or
/// more.
const MAX_BODY: usize = 2 << 20;

/// The size that pieces of a larger batch are cut to: a little room, so that rows slightly longer than
/// the last ones need no second cut.
const AIM: usize = MAX_BODY / 16 * 15;

/// How a stream's buffers are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    /// Not at all.
    None,
    /// LZ4 frames, each buffer by itself.
    Lz4,
}

impl Compression {
    fn options(self) -> Result<IpcWriteOptions> {
        let compression = match self {
            Self::None => return Ok(IpcWriteOptions::default()),
            Self::Lz4 => CompressionType::LZ4_FRAME,
        };
        IpcWriteOptions::default()
            .try_with_compression(Some(compression))
            .map_err(|error| encoding("compression", error))
    }
}

/// The schema in which batches of `schema` travel: dictionaries become their values, because not every
/// client decodes them and some compare FlightInfo's schema with the stream's. Idempotent.
pub(crate) fn wire_schema(schema: &Schema) -> SchemaRef {
    let fields: Vec<_> = schema.fields().iter().map(wire_field).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

fn wire_field(field: &Arc<Field>) -> Arc<Field> {
    let data_type = wire_type(field.data_type());
    if data_type == *field.data_type() {
        return field.clone();
    }
    let plain = Field::new(field.name(), data_type, field.is_nullable());
    Arc::new(plain.with_metadata(field.metadata().clone()))
}

fn wire_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, values) => wire_type(values),
        DataType::List(item) => DataType::List(wire_field(item)),
        DataType::LargeList(item) => DataType::LargeList(wire_field(item)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(wire_field(item), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(wire_field).collect()),
        DataType::Map(entries, sorted) => DataType::Map(wire_field(entries), *sorted),
        other => other.clone(),
    }
}

/// A schema as FlightInfo, prepared statements and GetTables carry it: one encapsulated IPC message,
/// never empty.
///
/// # Errors
/// `Internal` if Arrow cannot encode it.
pub(crate) fn schema_message(schema: &Schema) -> Result<Bytes> {
    let options = IpcWriteOptions::default();
    let message = IpcMessage::try_from(SchemaAsIpc::new(schema, &options));
    Ok(message.map_err(|error| encoding("a schema", error))?.0)
}

/// Turns the batches of one stream into messages, one at a time.
pub(crate) struct Encoder {
    schema: SchemaRef,
    options: IpcWriteOptions,
    generator: IpcDataGenerator,
    dictionaries: DictionaryTracker,
    compression: CompressionContext,
    /// What is not sent yet, the next piece last.
    pending: Vec<RecordBatch>,
    /// What the last message taught about the size of a row.
    rows_per_message: Option<usize>,
    announced: bool,
}

impl Encoder {
    /// For batches of `schema`; the first message is its schema, also if no batch follows.
    ///
    /// # Errors
    /// `Internal` if Arrow does not know the compression.
    pub(crate) fn new(schema: &Schema, compression: Compression) -> Result<Self> {
        Ok(Self {
            schema: wire_schema(schema),
            options: compression.options()?,
            generator: IpcDataGenerator::default(),
            dictionaries: DictionaryTracker::new(false),
            compression: CompressionContext::default(),
            pending: Vec::new(),
            rows_per_message: None,
            announced: false,
        })
    }

    /// Takes the next batch; call it when [`Encoder::next_message`] has none left.
    ///
    /// # Errors
    /// `Internal` if the batch is not of the stream's schema: it must not reach the client.
    pub(crate) fn load(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.num_rows() > 0 {
            let plain = self
                .hydrate(&batch)
                .map_err(|error| encoding("a batch", error))?;
            self.pending.push(plain);
        }
        Ok(())
    }

    /// The next message, if there is one.
    ///
    /// # Errors
    /// `Internal` if Arrow cannot encode it.
    pub(crate) fn next_message(&mut self) -> Result<Option<FlightData>> {
        if !self.announced {
            self.announced = true;
            return Ok(Some(SchemaAsIpc::new(&self.schema, &self.options).into()));
        }
        while let Some(batch) = self.pending.pop() {
            let rows = batch.num_rows();
            let target = self.rows_per_message.unwrap_or(rows).clamp(1, rows);
            let piece = batch.slice(0, target);
            let message = self.encode(&piece)?;
            let size = message.data_body.len();
            self.rows_per_message = Some((target.saturating_mul(AIM) / size.max(1)).max(1));
            if size > MAX_BODY && target > 1 {
                // Nothing of it was sent: the same rows again, in a smaller piece. It ends, because a
                // target of more than one row always shrinks here: rows * AIM / size < rows.
                self.pending.push(batch);
                continue;
            }
            if target < rows {
                self.pending.push(batch.slice(target, rows - target));
            }
            return Ok(Some(message));
        }
        Ok(None)
    }

    fn encode(&mut self, batch: &RecordBatch) -> Result<FlightData> {
        let encoded = self.generator.encode(
            batch,
            &mut self.dictionaries,
            &self.options,
            &mut self.compression,
        );
        // Dictionaries are gone since `hydrate`, so no messages of theirs can be lost here.
        let (_, batch) = encoded.map_err(|error| encoding("a batch", error))?;
        Ok(batch.into())
    }

    fn hydrate(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        if batch.num_columns() != self.schema.fields().len() {
            return Err(ArrowError::SchemaError(format!(
                "{} columns instead of {}",
                batch.num_columns(),
                self.schema.fields().len()
            )));
        }
        let fields = self.schema.fields().iter();
        let columns = batch
            .columns()
            .iter()
            .zip(fields)
            .map(|(column, field)| plain(column, field));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
    }
}

/// The column in its wire type; anything but a hydrated dictionary is left to the schema check.
fn plain(column: &ArrayRef, field: &Field) -> Result<ArrayRef, ArrowError> {
    let given = column.data_type();
    if given != field.data_type() && wire_type(given) == *field.data_type() {
        return cast(column, field.data_type());
    }
    Ok(column.clone())
}

fn encoding(what: &str, error: ArrowError) -> Error {
    Error::internal(format!("cannot encode {what} for the wire")).with_source(error)
}

#[cfg(test)]
mod tests;
