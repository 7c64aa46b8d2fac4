//! The remote parts of a result: downloads that are retried, checked, and given fresh addresses.

use std::{sync::Arc, time::Duration};

use arrow::array::RecordBatch;
use ducksync_core::error::{Error, ErrorKind, Result};
use reqwest::{
    StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use tokio::sync::Mutex;

use super::{
    columns::Plan,
    protocol::{ChunkInfo, QueryData},
    retry::{is_transient, retry_after},
    session::Session,
    statement,
    wire::{self, Unpacking},
};

/// How often one part may find its address over: a reader can be slower than addresses last, but what is
/// refused with a fresh one is not expired.
const RENEWALS: u32 = 3;

/// The parts of one result.
pub(super) struct Chunks {
    session: Arc<Session>,
    query_id: String,
    plan: Arc<Plan>,
    json: bool,
    /// Rows of each part, as first declared; fresh addresses must agree.
    rows: Vec<u64>,
    addresses: Mutex<Addresses>,
}

struct Addresses {
    /// Counts how often fresh ones were asked for, so that many parts ask once.
    generation: u64,
    chunks: Vec<ChunkInfo>,
    headers: HeaderMap,
}

/// Why a download failed.
enum Failed {
    /// Another try may succeed, after the time that was asked for, if any.
    Passing(Error, Option<Duration>),
    /// The address is over.
    Expired(StatusCode),
    Lasting(Error),
}

impl Chunks {
    pub(super) fn of(
        session: Arc<Session>,
        query_id: String,
        plan: Arc<Plan>,
        reply: &mut QueryData,
    ) -> Result<Self> {
        let addresses = Addresses::of(reply, 0)?;
        Ok(Self {
            session,
            query_id,
            plan,
            json: reply.is_json(),
            rows: addresses
                .chunks
                .iter()
                .map(|chunk| chunk.row_count)
                .collect(),
            addresses: Mutex::new(addresses),
        })
    }

    /// The sizes of the parts in memory, in order.
    pub(super) async fn sizes(&self) -> Vec<u64> {
        let addresses = self.addresses.lock().await;
        addresses
            .chunks
            .iter()
            .map(|chunk| chunk.uncompressed_size)
            .collect()
    }

    /// Rows that the parts hold together.
    pub(super) fn rows(&self) -> u64 {
        self.rows.iter().sum()
    }

    /// One part, complete and with as many rows as declared.
    pub(super) async fn load(&self, index: usize) -> Result<Vec<RecordBatch>> {
        let policy = self.session.http().retry();
        let (mut renewed, mut retry) = (0, 0);
        loop {
            let (generation, chunk, headers) = self.address(index).await?;
            let (error, asked) = match self.attempt(&chunk, headers).await {
                Ok(batches) => return Ok(batches),
                Err(Failed::Lasting(error)) => return Err(self.named(index, error)),
                Err(Failed::Expired(_)) if renewed < RENEWALS => {
                    renewed += 1;
                    self.refresh(generation).await?;
                    continue;
                }
                Err(Failed::Expired(status)) => {
                    let error =
                        Error::unavailable(format!("its address was refused, http {status}"));
                    return Err(self.named(index, error));
                }
                Err(Failed::Passing(error, asked)) => (error, asked),
            };
            retry += 1;
            if retry > policy.retries {
                return Err(self.named(index, error));
            }
            tracing::debug!(query_id = self.query_id, index, retry, %error, "loading a part again");
            policy.wait(retry, asked).await;
        }
    }

    async fn address(&self, index: usize) -> Result<(u64, ChunkInfo, HeaderMap)> {
        let addresses = self.addresses.lock().await;
        let chunk = addresses.chunks.get(index).cloned();
        let chunk = chunk.ok_or_else(|| Error::internal("a part of a result has no address"))?;
        Ok((addresses.generation, chunk, addresses.headers.clone()))
    }

    async fn attempt(
        &self,
        chunk: &ChunkInfo,
        headers: HeaderMap,
    ) -> Result<Vec<RecordBatch>, Failed> {
        let body = self.download(chunk, headers).await?;
        // A body that does not decode was damaged on its way: nothing of it was handed on, so it
        // can be had again.
        let batches = if self.json {
            wire::json(&self.plan, &body)
        } else {
            wire::arrow(body)
        };
        let batches = batches.map_err(|error| Failed::Passing(error, None))?;
        let rows: u64 = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        if rows != chunk.row_count {
            return Err(Failed::Lasting(Error::data_loss(format!(
                "it holds {rows} rows where {} were declared",
                chunk.row_count
            ))));
        }
        Ok(batches)
    }

    async fn download(&self, chunk: &ChunkInfo, headers: HeaderMap) -> Result<Vec<u8>, Failed> {
        let request = self
            .session
            .http()
            .download(&chunk.url)
            .map_err(Failed::Lasting)?;
        let lost = |error: reqwest::Error| {
            let error = error.without_url();
            let error = Error::unavailable("its download broke off").with_source(error);
            Failed::Passing(error, None)
        };
        self.session.http().sent();
        let mut response = request.headers(headers).send().await.map_err(lost)?;
        let status = response.status();
        if is_transient(status) || status.is_server_error() {
            let error = Error::unavailable(format!("its download failed, http {status}"));
            let asked = retry_after(response.headers(), chrono::Utc::now());
            return Err(Failed::Passing(error, asked));
        }
        if status != StatusCode::OK {
            return Err(Failed::Expired(status));
        }
        let expected = usize::try_from(chunk.uncompressed_size).unwrap_or_default();
        let mut unpacking = Unpacking::with_capacity(expected);
        while let Some(piece) = response.chunk().await.map_err(lost)? {
            self.session.http().received(piece.len());
            unpacking.push(&piece).map_err(passing)?;
        }
        unpacking.finish().map_err(passing)
    }

    /// Fresh addresses, unless another part got them already.
    async fn refresh(&self, seen: u64) -> Result<()> {
        let mut addresses = self.addresses.lock().await;
        if addresses.generation != seen {
            return Ok(());
        }
        let mut reply = statement::result(&self.session, &self.query_id).await?;
        let fresh = Addresses::of(&mut reply, seen + 1)?;
        // The same parts in the same order, or rows would be lost or doubled.
        if !fresh
            .chunks
            .iter()
            .map(|chunk| chunk.row_count)
            .eq(self.rows.iter().copied())
        {
            return Err(Error::data_loss(format!(
                "the result of query {} was cut in other parts when asked for again",
                self.query_id
            )));
        }
        *addresses = fresh;
        Ok(())
    }

    fn named(&self, index: usize, error: Error) -> Error {
        let (number, all) = (index + 1, self.rows.len());
        let message = format!(
            "part {number} of {all} of the result of query {}: {}",
            self.query_id,
            error.message()
        );
        let named = Error::new(error.kind(), message);
        let named = match error.remedy() {
            Some(remedy) => named.with_remedy(remedy),
            None => named.with_remedy("fetch the result again, or run the statement again"),
        };
        named.with_source(error)
    }
}

impl Addresses {
    fn of(reply: &mut QueryData, generation: u64) -> Result<Self> {
        Ok(Self {
            generation,
            headers: headers(reply)?,
            chunks: reply.chunks.take().unwrap_or_default(),
        })
    }
}

fn passing(error: Error) -> Failed {
    match error.kind() {
        ErrorKind::ResourceExhausted => Failed::Lasting(error),
        _ => Failed::Passing(error, None),
    }
}

/// What the object store wants to see: the headers as told, else the key they are made of.
fn headers(reply: &QueryData) -> Result<HeaderMap> {
    const ALGORITHM: &str = "x-amz-server-side-encryption-customer-algorithm";
    const KEY: &str = "x-amz-server-side-encryption-customer-key";
    let told = reply.chunk_headers.iter().flatten();
    let told = told.map(|(name, value)| (name.as_str(), value.as_str()));
    let made = reply
        .qrmk
        .as_deref()
        .into_iter()
        .flat_map(|key| [(ALGORITHM, "AES256"), (KEY, key)]);
    let pairs: Vec<_> = told.collect();
    let pairs = if pairs.is_empty() {
        made.collect()
    } else {
        pairs
    };
    let mut headers = HeaderMap::with_capacity(pairs.len());
    for (name, value) in pairs {
        let name = HeaderName::try_from(name);
        let value = HeaderValue::try_from(value);
        let (Ok(name), Ok(mut value)) = (name, value) else {
            return Err(Error::data_loss("snowflake asked for an unusable header"));
        };
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests;
