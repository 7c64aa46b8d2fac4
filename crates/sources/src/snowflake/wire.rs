//! The bytes of a result's parts, decoded: Arrow streams or JSON rows, with or without gzip.
//!
//! A part is complete or an error. gzip checks its sum and length, an Arrow stream must end where a
//! message ends, and whoever asked compares the row count with what Snowflake declared.

mod schema;

use std::{
    io::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
};

use arrow::{array::RecordBatch, buffer::Buffer};
use arrow_ipc::reader::StreamDecoder;
use base64::Engine as _;
use ducksync_core::error::{Error, Result};
use flate2::write::MultiGzDecoder;

use super::{
    columns::Plan,
    protocol::{Cell, QueryData},
    rowset,
};

/// The largest part; Snowflake's are at most 160 MB by default.
const LARGEST: usize = 2 << 30;
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The rows that a reply carries itself, which are the first.
pub(super) fn inline(plan: &Plan, reply: &mut QueryData) -> Result<Vec<RecordBatch>> {
    if reply.is_json() {
        let rows = reply.rowset.take().unwrap_or_default();
        return Ok(vec![rowset::batch(plan, &rows)?]);
    }
    let text = reply.rowset_base64.take().unwrap_or_default();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text)
        .map_err(|error| Error::data_loss("the first rows are not base64").with_source(error))?;
    arrow(bytes)
}

/// The rows of an Arrow stream, without copying.
pub(super) fn arrow(bytes: Vec<u8>) -> Result<Vec<RecordBatch>> {
    // The decoder checks messages and values; what it may still panic on is a body whose buffers
    // reach beyond its end.
    catch_unwind(AssertUnwindSafe(|| decode(bytes))).unwrap_or_else(|_| Err(garbage(None)))
}

fn decode(bytes: Vec<u8>) -> Result<Vec<RecordBatch>> {
    let mut buffer = Buffer::from_vec(bytes);
    let mut decoder = StreamDecoder::new();
    let mut batches = Vec::new();
    if let Some((schema, length)) = schema::nullable(&buffer) {
        let mut schema = Buffer::from_vec(schema);
        decoder
            .decode(&mut schema)
            .map_err(|error| garbage(Some(error)))?;
        buffer = buffer.slice(length);
    }
    while !buffer.is_empty() {
        match decoder.decode(&mut buffer) {
            Ok(Some(batch)) => batches.push(batch),
            Ok(None) => {}
            Err(error) => return Err(garbage(Some(error))),
        }
    }
    // Without this a body that is cut off, or none at all, would pass as fewer rows.
    decoder.finish().map_err(|error| garbage(Some(error)))?;
    Ok(batches)
}

fn garbage(error: Option<arrow::error::ArrowError>) -> Error {
    let what = Error::data_loss("a part of the result is not a complete arrow stream");
    match error {
        Some(error) => what.with_source(error),
        None => what,
    }
}

/// The rows of a JSON part, which is a list without its brackets.
pub(super) fn json(plan: &Plan, bytes: &[u8]) -> Result<Vec<RecordBatch>> {
    let text = bytes.trim_ascii();
    let bracketed = text
        .iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .take(2)
        .eq(b"[[");
    let rows = if bracketed || text == b"[]" {
        serde_json::from_slice::<Vec<Vec<Cell>>>(text)
    } else {
        serde_json::from_slice(&[b"[", text, b"]"].concat())
    };
    let rows = rows.map_err(|_| Error::data_loss("a part of the result is not a list of rows"))?;
    Ok(vec![rowset::batch(plan, &rows)?])
}

/// Takes a body piece by piece, and unpacks it if it is gzip, whatever its headers say.
pub(super) struct Unpacking {
    state: State,
}

enum State {
    Undecided(Vec<u8>),
    Plain(Vec<u8>),
    Gzip(MultiGzDecoder<Vec<u8>>),
}

impl Unpacking {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self {
            state: State::Undecided(Vec::with_capacity(bytes.min(LARGEST))),
        }
    }

    pub(super) fn push(&mut self, piece: &[u8]) -> Result<()> {
        let length = match &mut self.state {
            State::Undecided(bytes) => {
                bytes.extend_from_slice(piece);
                return self.decide();
            }
            State::Plain(bytes) => {
                bytes.extend_from_slice(piece);
                bytes.len()
            }
            State::Gzip(decoder) => {
                decoder.write_all(piece).map_err(broken)?;
                decoder.get_ref().len()
            }
        };
        if length > LARGEST {
            return Err(
                Error::resource_exhausted("a part of the result is larger than 2 GiB")
                    .with_remedy("lower the source option chunk_size_mb"),
            );
        }
        Ok(())
    }

    fn decide(&mut self) -> Result<()> {
        let State::Undecided(bytes) = &mut self.state else {
            return Ok(());
        };
        if bytes.len() < GZIP.len() {
            return Ok(());
        }
        let bytes = std::mem::take(bytes);
        if !bytes.starts_with(&GZIP) {
            self.state = State::Plain(bytes);
            return Ok(());
        }
        let mut decoder = MultiGzDecoder::new(Vec::with_capacity(bytes.capacity()));
        decoder.write_all(&bytes).map_err(broken)?;
        self.state = State::Gzip(decoder);
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Vec<u8>> {
        match self.state {
            State::Undecided(bytes) | State::Plain(bytes) => Ok(bytes),
            State::Gzip(decoder) => decoder.finish().map_err(broken),
        }
    }
}

fn broken(error: std::io::Error) -> Error {
    Error::data_loss("a part of the result is not complete gzip").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn unpacked(body: &[u8], piece: usize) -> Result<Vec<u8>> {
        let mut unpacking = Unpacking::with_capacity(0);
        for piece in body.chunks(piece) {
            unpacking.push(piece)?;
        }
        unpacking.finish()
    }

    #[test]
    fn s11_gzip_is_known_by_its_first_bytes() {
        let text = b"plain rows ".repeat(1000);
        for piece in [1, 7, 4096] {
            assert_eq!(unpacked(&text, piece).unwrap(), text);
            assert_eq!(unpacked(&gzip(&text), piece).unwrap(), text);
        }
        assert_eq!(unpacked(b"", 1).unwrap(), b"");
    }

    #[test]
    fn s11_a_body_cut_anywhere_is_an_error() {
        let body = gzip(&b"rows that matter ".repeat(100));
        for length in 2..body.len() {
            assert!(
                unpacked(&body[..length], 16).is_err(),
                "{length} bytes passed"
            );
        }
    }

    #[test]
    fn s11_garbage_is_an_error_and_no_allocation() {
        let xml = b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>".to_vec();
        assert!(arrow(xml).is_err());
        assert!(arrow(vec![0xff; 64]).is_err());
    }
}
