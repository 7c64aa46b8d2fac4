//! `setup_storage` and `init`: where catalog and data live (C-2).

use std::sync::Arc;

use ducksync_core::{
    Result,
    auth::{GrantTarget, Privilege},
    command::{Init, SetupStorage},
};

use super::status_row;
use crate::{Query, Session, system::Rows};

impl Query {
    pub(super) async fn setup_storage(
        &self,
        session: &Arc<Session>,
        arguments: SetupStorage,
    ) -> Result<Rows> {
        session
            .principal()
            .require(Privilege::Admin, &GrantTarget::Server)?;
        self.parts.storage.setup(arguments).await?;
        status_row("setup_storage", "OK")
    }

    pub(super) async fn init(&self, session: &Arc<Session>, arguments: Init) -> Result<Rows> {
        session
            .principal()
            .require(Privilege::Admin, &GrantTarget::Server)?;
        self.parts.storage.init(arguments).await?;
        status_row("init", "OK")
    }
}
