//! Beginning, committing and giving up transactions.

use std::sync::{Arc, Weak};

use ducksync_core::{
    Error, ErrorKind, Result,
    change::{Publication, Published},
    engine::StageRequest,
    id::DatasetId,
    run::{RunCompletion, RunFailure, RunOutcome, RunStatus, RunTrigger},
};
use uuid::Uuid;

use crate::{Query, Session, statement::TransactionId, transaction::Transaction};

impl Query {
    /// Opens a transaction of the session.
    ///
    /// # Errors
    /// None today.
    pub async fn begin(&self, session: &Arc<Session>) -> Result<TransactionId> {
        let id = TransactionId(Uuid::new_v4());
        session.add_transaction(id, Arc::new(Transaction::explicit()));
        Ok(id)
    }

    /// Publishes what a transaction did, as one publication, or nothing.
    ///
    /// # Errors
    /// `NotFound` if it is not open; `Conflict` if another client changed the same rows meanwhile.
    pub async fn commit(&self, session: &Arc<Session>, id: TransactionId) -> Result<()> {
        let transaction = session.take_transaction(id).ok_or_else(|| not_open(id))?;
        self.publish(&transaction).await.map(|_| ())
    }

    /// Forgets what a transaction did.
    ///
    /// # Errors
    /// `NotFound` if it is not open.
    pub async fn rollback(&self, session: &Arc<Session>, id: TransactionId) -> Result<()> {
        let transaction = session.take_transaction(id).ok_or_else(|| not_open(id))?;
        self.discard(&transaction).await;
        Ok(())
    }

    /// The transaction a statement belongs to: the one it names, else the session's own.
    pub(crate) fn transaction_of(
        &self,
        session: &Session,
        named: Option<TransactionId>,
    ) -> Result<Option<Arc<Transaction>>> {
        match named.or_else(|| session.current_transaction()) {
            Some(id) => session
                .transaction(id)
                .map(Some)
                .ok_or_else(|| not_open(id)),
            None => Ok(None),
        }
    }

    /// Commits a transaction's changes; nothing to change is no snapshot.
    pub(crate) async fn publish(&self, transaction: &Transaction) -> Result<Option<Published>> {
        // A statement that still writes is waited for, so that its change is in or its error is known.
        let _writing = transaction.writing.lock().await;
        let work = transaction.work();
        if work.changes.is_empty() {
            self.discard(transaction).await;
            return Ok(None);
        }
        let publication = Publication {
            run: transaction.run,
            basis: work.basis,
            changes: work.changes,
            checkpoints: Vec::new(),
            completion: transaction
                .has_staged()
                .then(|| ended(RunStatus::Completed, None)),
        };
        // A client that goes away now must not leave a commit half-heard: it is made to its end.
        let publisher = self.parts.publisher.clone();
        let publishing = tokio::spawn(async move { publisher.publish(publication).await });
        let published = publishing.await.unwrap_or_else(|error| {
            Err(Error::unavailable("a commit ended abruptly").with_source(error))
        });
        match published {
            Ok(published) => Ok(Some(published)),
            // Whether it committed cannot be told: its files must stay until the reaper knows (G-4).
            Err(error) if error.kind() == ErrorKind::Unavailable => Err(error),
            Err(error) => {
                self.give_up(transaction, Some(&error)).await;
                Err(error)
            }
        }
    }

    /// Deletes what a transaction staged.
    pub(crate) async fn discard(&self, transaction: &Transaction) {
        self.give_up(transaction, None).await;
    }

    async fn give_up(&self, transaction: &Transaction, error: Option<&Error>) {
        if !transaction.has_staged() {
            return;
        }
        let completion = match error {
            Some(error) => ended(RunStatus::Failed, Some(error.into())),
            None => ended(RunStatus::Cancelled, None),
        };
        let staged = transaction.staged();
        let cleaned = async {
            self.parts.files.delete(&staged).await?;
            self.parts
                .ledger
                .finish(transaction.run, completion)
                .await?;
            self.parts.ledger.forget_staging(transaction.run).await
        };
        // What could not be cleaned now is found by its recorded prefix after this process ended.
        if let Err(error) = cleaned.await {
            tracing::warn!(run = %transaction.run, %error, "staged files were left for later");
        }
    }

    /// Where a statement stages rows of a table: recorded before anything is written (G-4).
    pub(crate) async fn staging(
        &self,
        transaction: &Transaction,
        dataset: DatasetId,
        directory: &str,
        columns: ducksync_core::types::Fields,
    ) -> Result<StageRequest> {
        let first = !transaction.has_staged();
        let prefix = StageRequest::prefix(directory, transaction.run);
        let (ordinal, new) = transaction.next_staging(&prefix);
        if first {
            self.parts
                .ledger
                .begin(transaction.run, dataset, RunTrigger::Client)
                .await?;
        }
        if new {
            self.parts
                .ledger
                .record_staging(transaction.run, &prefix, None)
                .await?;
        }
        Ok(StageRequest {
            directory: directory.to_owned(),
            run: transaction.run,
            ordinal,
            columns,
        })
    }
}

/// Gives a transaction up when the statement that holds it is dropped before its end.
pub(crate) struct GiveUp {
    query: Weak<Query>,
    transaction: Option<Arc<Transaction>>,
}

impl GiveUp {
    pub(crate) fn unless_disarmed(query: &Query, transaction: &Arc<Transaction>) -> Self {
        Self {
            query: query.this.clone(),
            transaction: Some(transaction.clone()),
        }
    }

    pub(crate) fn disarm(mut self) {
        self.transaction = None;
    }
}

impl Drop for GiveUp {
    fn drop(&mut self) {
        let (Some(transaction), Some(query)) = (self.transaction.take(), self.query.upgrade())
        else {
            return;
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { query.discard(&transaction).await });
        }
    }
}

fn not_open(id: TransactionId) -> Error {
    Error::not_found(format!("transaction {} is not open", id.0))
        .with_remedy("begin a new one; it may have ended or timed out")
}

fn ended(status: RunStatus, failure: Option<RunFailure>) -> RunCompletion {
    RunCompletion {
        status,
        reason: None,
        attempts: 1,
        outcome: RunOutcome::default(),
        failure,
    }
}
