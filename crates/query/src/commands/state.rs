//! `suspend` and `resume`.

use std::sync::Arc;

use ducksync_core::{Result, auth::Privilege, catalog::StateChange};

use super::status_row;
use crate::{Query, Session, system::Rows};

impl Query {
    pub(super) async fn suspend(&self, session: &Arc<Session>, name: &str) -> Result<Rows> {
        let (_, dataset) = self.cache_for(session, name, Privilege::Manage)?;
        self.parts
            .datasets
            .change_state(dataset.id, StateChange::Suspend)
            .await?;
        status_row("suspend", "OK")
    }

    pub(super) async fn resume(&self, session: &Arc<Session>, name: &str) -> Result<Rows> {
        let (_, dataset) = self.cache_for(session, name, Privilege::Manage)?;
        self.parts
            .datasets
            .change_state(dataset.id, StateChange::Resume)
            .await?;
        status_row("resume", "OK")
    }
}
