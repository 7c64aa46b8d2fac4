//! Whether the parts answer, now: each is asked, and one that hangs is as bad as one that is down.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use ducksync_core::{Result, engine::QueryEngine as _};
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use crate::compose::Parts;

/// How long an answer counts: whoever asks more often than this costs the catalog nothing.
const FRESH: Duration = Duration::from_secs(1);

/// Asks the parts, at most one caller at a time.
pub(super) struct Probes {
    parts: watch::Receiver<Option<Arc<Parts>>>,
    timeout: Duration,
    ending: CancellationToken,
    started: Instant,
    last: Mutex<Option<(Instant, Readiness)>>,
}

/// How each part answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Readiness {
    /// Name of the part, and what is wrong with it.
    pub(super) parts: Vec<(&'static str, Option<String>)>,
}

impl Probes {
    pub(super) fn new(
        parts: watch::Receiver<Option<Arc<Parts>>>,
        timeout: Duration,
        ending: CancellationToken,
    ) -> Self {
        Self {
            parts,
            timeout,
            ending,
            started: Instant::now(),
            last: Mutex::default(),
        }
    }

    /// The parts of now; `None` while the process starts.
    pub(super) fn parts(&self) -> Option<Arc<Parts>> {
        self.parts.borrow().clone()
    }

    /// How long this process runs.
    pub(super) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Whether everything answers, of this moment or of one second ago.
    pub(super) async fn readiness(&self) -> Readiness {
        if self.ending.is_cancelled() {
            return Readiness::not("server", "is shutting down");
        }
        let Some(parts) = self.parts() else {
            return Readiness::not("server", "is starting");
        };
        let mut last = self.last.lock().await;
        if let Some((at, readiness)) = &*last
            && at.elapsed() < FRESH
        {
            return readiness.clone();
        }
        let readiness = self.ask(&parts).await;
        *last = Some((Instant::now(), readiness.clone()));
        readiness
    }

    async fn ask(&self, parts: &Parts) -> Readiness {
        let catalog = async { parts.versions.now().await.map(drop) };
        let (catalog, data_path, engine) = tokio::join!(
            self.in_time(catalog),
            self.in_time(parts.files.probe()),
            self.in_time(parts.engine.probe()),
        );
        Readiness {
            parts: vec![
                ("catalog", catalog),
                ("data path", data_path),
                ("engine", engine),
            ],
        }
    }

    async fn in_time(&self, probe: impl Future<Output = Result<()>>) -> Option<String> {
        match tokio::time::timeout(self.timeout, probe).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("did not answer within {:?}", self.timeout)),
        }
    }
}

impl Readiness {
    fn not(part: &'static str, why: &str) -> Self {
        Self {
            parts: vec![(part, Some(why.to_owned()))],
        }
    }

    /// Whether every part answers.
    pub(super) fn is_ready(&self) -> bool {
        self.parts.iter().all(|(_, wrong)| wrong.is_none())
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (part, wrong) in &self.parts {
            writeln!(f, "{part}: {}", wrong.as_deref().unwrap_or("ok"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o3_one_part_that_does_not_answer_is_enough() {
        let mut readiness = Readiness {
            parts: vec![("catalog", None), ("engine", None)],
        };
        assert!(readiness.is_ready());
        readiness.parts[1].1 = Some("did not answer within 2s".into());
        assert!(!readiness.is_ready());
        assert_eq!(
            readiness.to_string(),
            "catalog: ok\nengine: did not answer within 2s\n"
        );
    }
}
