//! `serve` and `stop`: listeners that are opened and closed while the server runs (C-4).

use std::sync::Arc;

use ducksync_core::{
    Error, Result,
    auth::{GrantTarget, Privilege},
    command::Serve,
};

use super::status_row;
use crate::{Query, Session, system::Rows};

impl Query {
    pub(super) async fn serve(&self, session: &Arc<Session>, arguments: Serve) -> Result<Rows> {
        let opener = session.principal();
        opener.require(Privilege::Admin, &GrantTarget::Server)?;
        let query = self
            .this
            .upgrade()
            .ok_or_else(|| Error::unavailable("the server is ending"))?;
        let url = self.parts.listeners.open(query, &opener, arguments).await?;
        status_row("serve", &format!("listening on {url}"))
    }

    pub(super) async fn stop(&self, session: &Arc<Session>, listen_uri: &str) -> Result<Rows> {
        session
            .principal()
            .require(Privilege::Admin, &GrantTarget::Server)?;
        self.parts.listeners.close(listen_uri).await?;
        status_row("stop", "OK")
    }
}
