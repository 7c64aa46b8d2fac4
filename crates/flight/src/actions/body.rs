//! Bodies of `ducksync.*`: a protobuf message or its JSON object, answered in kind (G-1).
//!
//! Messages are read and written by their descriptors, so that a command is described once and no code
//! is made for it.

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat};
use ducksync_core::{Error, Result};
use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value as Proto};
use prost_types::Timestamp;
use serde_json::{Map, Value as Json};

use super::cell::Cell;
use crate::messages::describe;

/// The largest integer that every JSON reader keeps: beyond, they are texts.
const MAX_SAFE_INTEGER: u64 = 1 << 53;

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Json,
    Protobuf,
}

/// A body that was read.
#[derive(Debug)]
pub(super) struct Arguments {
    pub(super) encoding: Encoding,
    /// By the names of the command's parameters.
    pub(super) arguments: Map<String, Json>,
}

/// Reads the body of the command `name`.
///
/// # Errors
/// `InvalidArgument` for what is neither a JSON object nor the command's message.
pub(super) fn read(name: &str, body: &Bytes) -> Result<Arguments> {
    match json(name, body)? {
        Some(arguments) => Ok(Arguments {
            encoding: Encoding::Json,
            arguments,
        }),
        None => Ok(Arguments {
            encoding: Encoding::Protobuf,
            arguments: protobuf(name, body)?,
        }),
    }
}

/// The body as JSON; `None` if it is protobuf. A message of ours never begins with `{` (that would be
/// a group, field 15), but may begin with what JSON takes for white space: then it must be whole.
fn json(name: &str, body: &[u8]) -> Result<Option<Map<String, Json>>> {
    let trimmed = body.trim_ascii_start();
    if body.is_empty() {
        return Ok(Some(Map::new()));
    }
    if trimmed.first() != Some(&b'{') {
        return Ok(None);
    }
    match serde_json::from_slice(trimmed) {
        Ok(object) => Ok(Some(object)),
        Err(_) if body.first() != Some(&b'{') => Ok(None),
        Err(error) => {
            // The error's text names a place, not the content, which may hold a secret.
            Err(Error::invalid(format!(
                "the body of ducksync.{name} is not a JSON object: {error}"
            )))
        }
    }
}

fn protobuf(name: &str, body: &Bytes) -> Result<Map<String, Json>> {
    let message = DynamicMessage::decode(describe(&message_name(name, "Request"))?, body.clone());
    let message = message.map_err(|error| {
        Error::invalid(format!(
            "the body of ducksync.{name} is neither JSON nor its message"
        ))
        .with_source(error)
        .with_remedy("an empty body and one that begins with { are JSON")
    })?;
    // An argument that this server does not know must not be left out silently.
    if let Some(unknown) = message.unknown_fields().next() {
        let number = unknown.number();
        return Err(Error::invalid(format!(
            "ducksync.{name} has no argument of number {number}"
        )));
    }
    let fields = message.fields();
    fields
        .map(|(field, value)| Ok((field.name().to_owned(), argument(value)?)))
        .collect()
}

fn argument(value: &Proto) -> Result<Json> {
    Ok(match value {
        Proto::String(text) => Json::from(text.as_str()),
        Proto::I64(number) => Json::from(*number),
        Proto::Bool(truth) => Json::from(*truth),
        Proto::List(items) => items
            .iter()
            .map(argument)
            .collect::<Result<Vec<_>>>()?
            .into(),
        _ => {
            return Err(Error::internal(
                "the protocol has an argument of an unknown kind",
            ));
        }
    })
}

/// Writes results of one command.
pub(super) struct Writer {
    encoding: Encoding,
    message: MessageDescriptor,
}

impl Writer {
    /// For results of the command `name`.
    ///
    /// # Errors
    /// `Internal` if the protocol does not know the command.
    pub(super) fn new(name: &str, encoding: Encoding) -> Result<Self> {
        Ok(Self {
            encoding,
            message: describe(&message_name(name, "Result"))?,
        })
    }

    /// Writes a row.
    ///
    /// # Errors
    /// `Internal` if it has other columns than the protocol says.
    pub(super) fn write(&self, row: &[(String, Cell)]) -> Result<Bytes> {
        match self.encoding {
            Encoding::Json => write_json(row),
            Encoding::Protobuf => self.write_protobuf(row),
        }
    }

    fn write_protobuf(&self, row: &[(String, Cell)]) -> Result<Bytes> {
        let mut message = DynamicMessage::new(self.message.clone());
        for (name, cell) in row {
            let unfit = || Error::internal(format!("{} has no such {name}", self.message.name()));
            let field = self.message.get_field_by_name(name).ok_or_else(unfit)?;
            let Some(value) = to_proto(&field, cell)? else {
                continue;
            };
            message
                .try_set_field(&field, value)
                .map_err(|error| unfit().with_source(error))?;
        }
        Ok(message.encode_to_vec().into())
    }
}

fn to_proto(field: &FieldDescriptor, cell: &Cell) -> Result<Option<Proto>> {
    Ok(Some(match cell {
        Cell::Null => return Ok(None),
        Cell::Text(text) => Proto::String(text.clone()),
        Cell::Texts(texts) => Proto::List(texts.iter().cloned().map(Proto::String).collect()),
        Cell::Integer(number) => Proto::I64(*number),
        Cell::Double(number) => Proto::F64(*number),
        Cell::Boolean(truth) => Proto::Bool(*truth),
        Cell::Time(micros) => timestamp(field, *micros)?,
    }))
}

fn timestamp(field: &FieldDescriptor, micros: i64) -> Result<Proto> {
    let Kind::Message(descriptor) = field.kind() else {
        return Err(Error::internal(format!(
            "{} is not an instant",
            field.full_name()
        )));
    };
    let time = Timestamp {
        seconds: micros.div_euclid(1_000_000),
        // Below one second, so it fits.
        nanos: i32::try_from(micros.rem_euclid(1_000_000) * 1000).unwrap_or_default(),
    };
    let mut message = DynamicMessage::new(descriptor);
    message
        .transcode_from(&time)
        .map_err(|error| Error::internal("cannot write an instant").with_source(error))?;
    Ok(Proto::Message(message))
}

fn write_json(row: &[(String, Cell)]) -> Result<Bytes> {
    let object: Map<_, _> = row
        .iter()
        .map(|(name, cell)| (name.clone(), to_json(cell)))
        .collect();
    let bytes = serde_json::to_vec(&object)
        .map_err(|error| Error::internal("cannot write a row as JSON").with_source(error))?;
    Ok(bytes.into())
}

fn to_json(cell: &Cell) -> Json {
    match cell {
        Cell::Null => Json::Null,
        Cell::Text(text) => Json::from(text.as_str()),
        Cell::Texts(texts) => Json::from(texts.clone()),
        Cell::Integer(number) if number.unsigned_abs() > MAX_SAFE_INTEGER => {
            number.to_string().into()
        }
        Cell::Integer(number) => Json::from(*number),
        // JSON has no infinity; protobuf's JSON names it so too.
        Cell::Double(number) if number.is_nan() => "NaN".into(),
        Cell::Double(number) if number.is_infinite() && *number > 0.0 => "Infinity".into(),
        Cell::Double(number) if number.is_infinite() => "-Infinity".into(),
        Cell::Double(number) => Json::from(*number),
        Cell::Boolean(truth) => Json::from(*truth),
        Cell::Time(micros) => match DateTime::from_timestamp_micros(*micros) {
            Some(time) => time.to_rfc3339_opts(SecondsFormat::Micros, true).into(),
            // Beyond the years that can be written: the number itself is not lost.
            None => Json::from(micros.to_string()),
        },
    }
}

/// The message of a command: `create_cache` and `Request` make `CreateCacheRequest`.
fn message_name(command: &str, suffix: &str) -> String {
    let mut name = String::with_capacity(command.len() + suffix.len());
    for word in command.split('_') {
        let mut letters = word.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    name + suffix
}

#[cfg(test)]
mod tests;
