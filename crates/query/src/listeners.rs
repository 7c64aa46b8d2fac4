//! What opens and closes listeners; how they speak is not known here.

use std::sync::Arc;

use async_trait::async_trait;
use ducksync_core::{Result, auth::Principal, command::Serve};

use crate::Query;

/// Addresses beside the configured ones on which this process answers (C-4). They end with it.
#[async_trait]
pub trait Listeners: Send + Sync {
    /// Answers with `query` on one more address; the address that clients connect to. The same
    /// address again, with the same token, does nothing.
    ///
    /// # Errors
    /// `InvalidArgument` naming the argument, `AlreadyExists` for another token,
    /// `FailedPrecondition` for an address that is taken, or for TLS without a certificate.
    async fn open(&self, query: Arc<Query>, opener: &Principal, wanted: Serve) -> Result<String>;

    /// Takes no new connections there from now on; calls in flight have the drain time to end.
    ///
    /// # Errors
    /// `NotFound` naming the addresses that could be closed; `FailedPrecondition` for a configured one.
    async fn close(&self, listen_uri: &str) -> Result<()>;
}
