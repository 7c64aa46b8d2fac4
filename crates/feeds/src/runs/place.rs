//! A run's place among those at work: checks are many and cheap, loads are few.
//!
//! A run that is known to load waits for its place before it claims its dataset, so that another process
//! may take it meanwhile. One that first has to check takes a place among the loads when it turns out that
//! it has to load; it keeps its claim, since its tokens are read.

use std::sync::Arc;

use ducksync_core::error::{Error, Result};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

/// The place of one run, given back when it is dropped.
pub(crate) struct Place {
    loads: Arc<Semaphore>,
    load: Mutex<Option<OwnedSemaphorePermit>>,
    _check: Option<OwnedSemaphorePermit>,
}

impl Place {
    /// Waits for a place among the loads if the run `loads`, else among the checks.
    pub(super) async fn wait(
        loads: bool,
        workers: &Arc<Semaphore>,
        checks: &Arc<Semaphore>,
    ) -> Result<Self> {
        let place = Self {
            loads: workers.clone(),
            load: Mutex::new(None),
            _check: match loads {
                true => None,
                false => Some(acquire(checks).await?),
            },
        };
        if loads {
            place.take().await?;
        }
        Ok(place)
    }

    /// Takes a place among the loads, unless it has one.
    pub(crate) async fn take(&self) -> Result<()> {
        let mut load = self.load.lock().await;
        if load.is_none() {
            *load = Some(acquire(&self.loads).await?);
        }
        Ok(())
    }
}

async fn acquire(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit> {
    let place = places.clone().acquire_owned().await;
    place.map_err(|_| Error::unavailable("the server is shutting down"))
}
