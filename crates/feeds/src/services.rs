//! What the feeds stand on: the traits of core, given by the composition.

use std::sync::Arc;

use ducksync_core::{
    breaker::Breakers,
    catalog::{ClaimStore, DatasetStore, Publisher, RunLedger, Upkeep, Versions},
    engine::Stager,
    error::{Error, ErrorKind, FailureClass},
    files::FileStore,
    savings::Savings,
    source::Sources,
    time::Clock,
};

/// Everything that [`crate::Feeds`] calls.
#[derive(Clone)]
#[expect(missing_docs, reason = "each is named after its type")]
pub struct Services {
    pub versions: Arc<dyn Versions>,
    pub publisher: Arc<dyn Publisher>,
    pub datasets: Arc<dyn DatasetStore>,
    pub ledger: Arc<dyn RunLedger>,
    pub claims: Arc<dyn ClaimStore>,
    pub upkeep: Arc<dyn Upkeep>,
    pub sources: Arc<dyn Sources>,
    pub stager: Arc<dyn Stager>,
    pub files: Arc<dyn FileStore>,
    pub clock: Arc<dyn Clock>,
    pub breakers: Arc<Breakers>,
    pub savings: Arc<Savings>,
}

/// An error of our own catalog or data path. "Unavailable" means class SOURCE where nothing else is
/// said, but the source is not to blame here: its breaker must stay closed.
pub(crate) fn ours(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Unavailable => error.with_class(FailureClass::Resource),
        _ => error,
    }
}
