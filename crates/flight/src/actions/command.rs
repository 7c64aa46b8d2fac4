//! `ducksync.*`: management commands (G-1).

use arrow_flight::Result as ActionResult;
use bytes::Bytes;
use ducksync_core::{Result, command::Command};
use futures::{StreamExt, stream};

use super::{ActionResults, body, cell, unknown};
use crate::{call::Call, status};

/// Runs the command with the body's arguments; answers in the body's encoding, one message for each
/// row.
pub(super) async fn run(call: &Call, name: &str, body: &Bytes) -> Result<ActionResults> {
    let spec =
        ducksync_core::command::spec(name).ok_or_else(|| unknown(&format!("ducksync.{name}")))?;
    let request = body::read(spec.name, body)?;
    let command = Command::parse(spec.name, request.arguments)?;
    let session = call.session()?;
    let answer = call.query().command(&session, command).await?;
    let writer = body::Writer::new(spec.name, request.encoding)?;
    let rows = answer.rows;
    let results = (0..rows.num_rows()).map(move |row| {
        let body = cell::row(&rows, row).and_then(|cells| writer.write(&cells));
        body.map(|body| ActionResult { body })
            .map_err(status::from_error)
    });
    Ok(stream::iter(results).boxed())
}
