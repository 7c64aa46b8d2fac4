//! Prepared-statement handles: sealed to their principal, kept by no server (V-3, V-12).

use arrow::array::RecordBatch;
use arrow_ipc::{reader::StreamReader, writer::StreamWriter};
use bytes::Bytes;
use ducksync_core::{Error, Result};
use ducksync_query::{Query, TransactionId};
use prost::Message;

use crate::transactions;

/// What a handle is sealed for, so that no ticket is taken for one.
const PURPOSE: &str = "handle";

/// The most bytes of bound values that a handle carries: it goes to the client and back in messages
/// of which some clients take no more than 4 MiB.
const MAX_PARAMETERS: usize = 2 << 20;

/// `ducksync.v1.PreparedHandle` of `proto/ducksync/v1/handle.proto`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PreparedHandle {
    #[prost(string, tag = "1")]
    pub(crate) sql: String,
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub(crate) transaction_id: Option<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "3")]
    pub(crate) parameters: Option<Bytes>,
}

impl PreparedHandle {
    /// A handle of `sql` without values.
    pub(crate) fn new(sql: String, transaction: Option<TransactionId>) -> Self {
        Self {
            sql,
            transaction_id: transaction.map(transactions::to_bytes),
            parameters: None,
        }
    }

    /// Opens a handle that was sealed for `principal`.
    ///
    /// # Errors
    /// Those of [`Query::unseal`]; `InvalidArgument` if it holds something else.
    pub(crate) fn open(query: &Query, principal: &str, sealed: &[u8]) -> Result<Self> {
        let payload = query.unseal(PURPOSE, principal, sealed)?;
        Self::decode(payload.as_slice())
            .map_err(|_| Error::invalid("the prepared statement handle is not one of ours"))
    }

    /// Seals the handle for `principal`.
    ///
    /// # Errors
    /// Those of [`Query::seal`].
    pub(crate) fn seal(&self, query: &Query, principal: &str) -> Result<Bytes> {
        Ok(query
            .seal(PURPOSE, principal, &self.encode_to_vec())?
            .into())
    }

    /// The transaction it was prepared in.
    ///
    /// # Errors
    /// `InvalidArgument` if it is none.
    pub(crate) fn transaction(&self) -> Result<Option<TransactionId>> {
        transactions::from_bytes(self.transaction_id.as_deref())
    }

    /// Puts values in place of the bound ones; `None` takes them away.
    ///
    /// # Errors
    /// `ResourceExhausted` if they are too many to travel in a handle.
    pub(crate) fn bind(&mut self, values: Option<&RecordBatch>) -> Result<()> {
        self.parameters = values.map(encode).transpose()?;
        match &self.parameters {
            Some(bytes) if bytes.len() > MAX_PARAMETERS => Err(Error::resource_exhausted(format!(
                "{} bytes of parameters are too many to bind; the limit is {MAX_PARAMETERS}",
                bytes.len()
            ))
            .with_remedy("bind fewer rows, or send them with the update itself")),
            _ => Ok(()),
        }
    }

    /// The bound values.
    ///
    /// # Errors
    /// `InvalidArgument` if they cannot be read.
    pub(crate) fn values(&self) -> Result<Option<RecordBatch>> {
        self.parameters.as_deref().map(decode).transpose()
    }
}

fn encode(batch: &RecordBatch) -> Result<Bytes> {
    let write = || {
        let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema())?;
        writer.write(batch)?;
        writer.into_inner()
    };
    let bytes = write().map_err(|error| {
        Error::invalid("the bound parameters cannot be encoded").with_source(error)
    })?;
    Ok(bytes.into())
}

fn decode(bytes: &[u8]) -> Result<RecordBatch> {
    let broken = || Error::invalid("the bound parameters of the handle cannot be read");
    let mut reader = StreamReader::try_new(bytes, None).map_err(|e| broken().with_source(e))?;
    let batch = reader.next().ok_or_else(broken)?;
    batch.map_err(|error| broken().with_source(error))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use prost_reflect::DynamicMessage;
    use uuid::Uuid;

    use super::*;
    use crate::messages;

    fn values(text: &str) -> RecordBatch {
        RecordBatch::try_from_iter([
            (
                "a",
                Arc::new(Int64Array::from(vec![Some(1), None])) as ArrayRef,
            ),
            (
                "b",
                Arc::new(StringArray::from(vec![text, "y"])) as ArrayRef,
            ),
        ])
        .unwrap()
    }

    #[test]
    fn bound_values_come_back_with_the_handle() {
        let transaction = TransactionId(Uuid::now_v7());
        let mut handle = PreparedHandle::new("SELECT ?, ?".into(), Some(transaction));
        handle.bind(Some(&values("x"))).unwrap();
        let again = PreparedHandle::decode(handle.encode_to_vec().as_slice()).unwrap();
        assert_eq!(again.values().unwrap(), Some(values("x")));
        assert_eq!(again.transaction().unwrap(), Some(transaction));
        handle.bind(None).unwrap();
        assert_eq!(handle.values().unwrap(), None);
    }

    #[test]
    fn v16_a_handle_stays_small_enough_to_travel() {
        let mut handle = PreparedHandle::new("INSERT".into(), None);
        let error = handle
            .bind(Some(&values(&"x".repeat(3 << 20))))
            .unwrap_err();
        assert_eq!(error.kind(), ducksync_core::ErrorKind::ResourceExhausted);
    }

    #[test]
    fn the_handle_is_the_message_that_the_protocol_describes() {
        let mut handle =
            PreparedHandle::new("SELECT 1".into(), Some(TransactionId(Uuid::now_v7())));
        handle.bind(Some(&values("x"))).unwrap();
        let descriptor = messages::describe("PreparedHandle").unwrap();
        let message =
            DynamicMessage::decode(descriptor, handle.encode_to_vec().as_slice()).unwrap();
        assert_eq!(message.unknown_fields().count(), 0);
        let names: Vec<_> = message
            .fields()
            .map(|(field, _)| field.name().to_owned())
            .collect();
        assert_eq!(names, ["sql", "transaction_id", "parameters"]);
    }
}
