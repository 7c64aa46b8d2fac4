//! Files that are written and not handed over yet.

use std::sync::Arc;

use crate::engine::Shared;

/// Removes its files unless they are kept.
pub(crate) struct Unpublished {
    shared: Arc<Shared>,
    locations: Vec<String>,
}

impl Unpublished {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: shared.clone(),
            locations: Vec::new(),
        }
    }

    /// Adds a file before it is written.
    pub(super) fn add(&mut self, location: &str) {
        self.locations.push(location.to_owned());
    }

    /// A file that was removed again.
    pub(super) fn forget(&mut self, location: &str) {
        self.locations.retain(|known| known != location);
    }

    pub(super) fn locations(&self) -> &[String] {
        &self.locations
    }

    /// Hands the files over.
    pub(super) fn keep(mut self) {
        self.locations.clear();
    }

    /// Removes the files now; on an engine thread.
    pub(super) fn remove(mut self) {
        let locations = std::mem::take(&mut self.locations);
        self.shared
            .files
            .remove_now(&locations, &self.shared.runtime);
    }
}

impl Drop for Unpublished {
    fn drop(&mut self) {
        let locations = std::mem::take(&mut self.locations);
        self.shared.files.discard(locations, &self.shared.runtime);
    }
}
