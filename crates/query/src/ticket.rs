//! What a ticket holds.

use arrow::{
    array::RecordBatch,
    ipc::{reader::StreamReader, writer::StreamWriter},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ducksync_core::{Error, Result, id::SessionId, name::Name, source::TypeOptions};
use serde::{Deserialize, Serialize};

use crate::{bind::BoundText, counts::Told};

/// The content of a sealed ticket: all that is needed to stream the rows, on any replica (V-3).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Ticket {
    /// Rows of versions.
    Local(LocalTicket),
    /// Rows that the source keeps.
    Passthrough(PassthroughTicket),
}

/// Rows of versions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LocalTicket {
    pub(crate) text: BoundText,
    /// Bound values as an IPC stream, in base 64.
    pub(crate) parameters: Option<String>,
    pub(crate) session: SessionId,
    pub(crate) time_zone: String,
    pub(crate) told: Option<Told>,
}

/// Rows that the source keeps.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PassthroughTicket {
    pub(crate) source: Name,
    pub(crate) query_id: String,
    pub(crate) database: Option<String>,
    pub(crate) schema: Option<String>,
    #[serde(default)]
    pub(crate) role: Option<String>,
    pub(crate) types: TypeOptions,
    pub(crate) told: Option<Told>,
}

impl Ticket {
    /// What it says of its statement; those of older servers say nothing.
    pub(crate) fn told(&self) -> Option<Told> {
        match self {
            Self::Local(ticket) => ticket.told,
            Self::Passthrough(ticket) => ticket.told,
        }
    }

    /// The ticket as bytes, to be sealed.
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self)
            .map_err(|error| Error::internal("a ticket could not be written").with_source(error))
    }

    /// Reads opened bytes.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|error| {
            Error::invalid("this ticket is of another version of the server")
                .with_remedy("run the statement again")
                .with_source(error)
        })
    }
}

/// One batch as text, for a ticket.
pub(crate) fn encode_batch(batch: &RecordBatch) -> Result<String> {
    let broken = |error| Error::internal("parameters could not be written").with_source(error);
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).map_err(broken)?;
    writer.write(batch).map_err(broken)?;
    Ok(STANDARD.encode(writer.into_inner().map_err(broken)?))
}

/// The batch of such a text.
pub(crate) fn decode_batch(text: &str) -> Result<RecordBatch> {
    let broken = || Error::invalid("this ticket's parameters cannot be read");
    let bytes = STANDARD.decode(text).map_err(|_| broken())?;
    let mut reader = StreamReader::try_new(bytes.as_slice(), None).map_err(|_| broken())?;
    reader.next().ok_or_else(broken)?.map_err(|_| broken())
}
