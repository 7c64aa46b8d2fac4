//! Which objects are views, and what defines them.

use std::sync::Arc;

use ducksync_core::{error::Result, name::ObjectName};
use sha2::{Digest as _, Sha256};

use super::{
    listing::{self, Listed, Listing},
    session::Session,
    settings::Options,
    statement::Manner,
};

/// The definitions of those of many objects that are views.
#[derive(Debug)]
pub(super) struct Definitions(Listing);

impl Definitions {
    /// Lists the views among `objects`.
    ///
    /// # Errors
    /// As [`listing::list`].
    pub(super) async fn read(
        session: &Arc<Session>,
        objects: &[ObjectName],
        manner: &Manner,
        options: Options,
    ) -> Result<Self> {
        let columns = &["text", "created_on"];
        let listing = listing::list(session, objects, Listed::Views, columns, manner, options);
        Ok(Self(listing.await?))
    }

    /// The hash of the object's definition; `None` if it is no view.
    ///
    /// # Errors
    /// Of class DEPENDENCY if its schema cannot be listed.
    pub(super) fn of(&self, object: &ObjectName) -> Result<Option<String>> {
        let Some(cells) = self.0.of(object)? else {
            return Ok(None);
        };
        let cell = |at: usize| cells.get(at).cloned().flatten().unwrap_or_default();
        // The text of another's secure view is hidden; the time of its making then stands for it.
        let definition = match cell(0) {
            text if text.is_empty() => format!("created:{}", cell(1)),
            text => format!("text:{text}"),
        };
        Ok(Some(hash(&definition)))
    }
}

fn hash(definition: &str) -> String {
    Sha256::digest(definition)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
