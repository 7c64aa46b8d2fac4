//! The one door to the lake: publishes, and learns what became of a publish of unknown outcome (G-4).
//!
//! A lost answer must neither lose a publish (by deleting its files) nor repeat its rows. Repeating
//! the same publication is safe: it takes the catalog's lock, so the first one has ended by then, and
//! if that one committed, the head's `seq` moved and the repetition is refused. The run record, which
//! the same transaction completes, then says that it was ours.

use std::time::Duration;

use ducksync_core::{
    change::Publication,
    error::{Error, ErrorKind},
    id::{RunId, SnapshotId},
    run::RunStatus,
};
use tokio::time::Instant;

use crate::{
    due::back_off,
    services::{Services, ours},
};

/// What became of a publish.
#[derive(Debug)]
pub(crate) enum PublishOutcome {
    /// It committed.
    Published(Option<SnapshotId>),
    /// It did not, and never will: its files are garbage.
    Refused(Error),
    /// Nobody knows: its files and its run record must stay as they are.
    Unknown(Error),
}

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Publishes; repeats what the catalog did not answer for at most `patience`.
pub(crate) async fn publish(
    services: &Services,
    publication: Publication,
    patience: Duration,
) -> PublishOutcome {
    let end = Instant::now() + patience;
    let mut unanswered = 0;
    loop {
        let error = match services.publisher.publish(publication.clone()).await {
            Ok(published) => return PublishOutcome::Published(Some(published.snapshot)),
            Err(error) => error,
        };
        if answered(&error) {
            if unanswered == 0 {
                return PublishOutcome::Refused(error);
            }
            match recorded(services, publication.run).await {
                Ok(Some(snapshot)) => {
                    // The publisher could not show it to this process; if this fails too, the
                    // process hears of it within a second (G-14).
                    let _ = services.versions.ask().await;
                    return PublishOutcome::Published(snapshot);
                }
                Ok(None) => return PublishOutcome::Refused(error),
                Err(_) => {}
            }
        }
        unanswered += 1;
        let pause = back_off(FIRST_PAUSE, LONGEST_PAUSE, unanswered);
        if Instant::now() + pause > end {
            return PublishOutcome::Unknown(ours(error));
        }
        tokio::time::sleep(pause).await;
    }
}

/// Whether the catalog said no; otherwise it said nothing.
fn answered(error: &Error) -> bool {
    !matches!(
        error.kind(),
        ErrorKind::Unavailable | ErrorKind::DeadlineExceeded | ErrorKind::Cancelled
    )
}

/// The snapshot of a run that is recorded as published; `None` if it is not.
async fn recorded(
    services: &Services,
    run: RunId,
) -> ducksync_core::Result<Option<Option<SnapshotId>>> {
    let run = services.ledger.run(run).await?;
    Ok((run.status == RunStatus::Completed).then_some(run.outcome.snapshot))
}
