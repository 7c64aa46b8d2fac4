//! Whether the lake's files can be read now (V-13).
//!
//! Asked only for statements that a source could answer instead: all others are tried, and end as they
//! end. One look serves all statements for a moment, so that a store that hangs costs one wait and not
//! one for each.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use ducksync_core::{Error, ErrorKind, files::FileStore, version::Version};
use tokio::time::{Instant, timeout};

/// How long one look may take.
const LOOK: Duration = Duration::from_secs(2);

/// How long what it saw is believed.
const BELIEVED: Duration = Duration::from_secs(5);

/// What was seen of the data path last.
#[derive(Default)]
pub(crate) struct DataPath {
    last: tokio::sync::Mutex<Option<Look>>,
    doubted: AtomicBool,
}

struct Look {
    at: Instant,
    said: Result<(), String>,
}

impl DataPath {
    /// Whether the files of these versions can be read, as far as one of them tells.
    ///
    /// # Errors
    /// Why not.
    pub(crate) async fn look(
        &self,
        files: &dyn FileStore,
        versions: &[Arc<Version>],
    ) -> Result<(), String> {
        let Some(file) = versions.iter().flat_map(|v| v.files.iter()).next() else {
            return Ok(());
        };
        let mut last = self.last.lock().await;
        let doubted = self.doubted.swap(false, Relaxed);
        if let Some(look) = last.as_ref()
            && !doubted
            && look.at.elapsed() < BELIEVED
        {
            return look.said.clone();
        }
        let said = match timeout(LOOK, files.size(&file.location)).await {
            Ok(Ok(Some(_))) => Ok(()),
            // That one file is gone says nothing of the others.
            Ok(Ok(None)) => return Err("a file of it is not there".into()),
            Ok(Err(error)) => Err(error.message().to_owned()),
            Err(_) => Err(format!("no answer within {} s", LOOK.as_secs())),
        };
        *last = Some(Look {
            at: Instant::now(),
            said: said.clone(),
        });
        said
    }

    /// Whether a statement that ends so could not read its files: then the next one looks again.
    pub(crate) fn judge(&self, error: &Error) -> bool {
        let unread = matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::DataLoss);
        if unread {
            self.doubted.store(true, Relaxed);
        }
        unread
    }
}
