//! Streams that are being read, so that they can be cancelled by their ticket (V-15).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use ducksync_core::{BatchStream, Error};
use futures::{StreamExt, stream};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

type Key = [u8; 32];
type Tokens = Arc<Mutex<HashMap<Key, CancellationToken>>>;

/// The streams of this process.
#[derive(Default)]
pub(crate) struct Running {
    tokens: Tokens,
}

impl Running {
    /// The same stream, ended with CANCELLED when its ticket is cancelled.
    pub(crate) fn track(&self, ticket: &[u8], stream: BatchStream) -> BatchStream {
        let key: Key = Sha256::digest(ticket).into();
        let token = lock(&self.tokens).entry(key).or_default().clone();
        let entry = Entry {
            tokens: self.tokens.clone(),
            key,
        };
        let (schema, fields) = (stream.schema(), stream.fields().clone());
        let state = (Some(stream), token, entry);
        let batches = stream::unfold(state, |(stream, token, entry)| async move {
            let mut stream = stream?;
            let next = tokio::select! {
                biased;
                () = token.cancelled() => {
                    let error = Error::cancelled("the statement was cancelled");
                    return Some((Err(error), (None, token, entry)));
                }
                next = stream.next() => next?,
            };
            Some((next, (Some(stream), token, entry)))
        });
        BatchStream::new(schema, fields, batches)
    }

    /// Cancels the streams of a ticket; `false` if there is none.
    pub(crate) fn cancel(&self, ticket: &[u8]) -> bool {
        let key: Key = Sha256::digest(ticket).into();
        let token = lock(&self.tokens).remove(&key);
        token.inspect(CancellationToken::cancel).is_some()
    }
}

fn lock(tokens: &Tokens) -> std::sync::MutexGuard<'_, HashMap<Key, CancellationToken>> {
    tokens.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Forgets a stream when it ends or is dropped.
struct Entry {
    tokens: Tokens,
    key: Key,
}

impl Drop for Entry {
    fn drop(&mut self) {
        lock(&self.tokens).remove(&self.key);
    }
}
