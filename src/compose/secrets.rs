//! Secrets of the configuration beside those of the catalog: one look-up for both.
//!
//! A configured secret wins and is never written to the catalog; changing or dropping it is the
//! configuration's matter.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use ducksync_core::{Error, Result, catalog::SecretStore, name::Name, secret::Secret};

/// The secrets of both.
pub(crate) struct AllSecrets {
    configured: HashMap<String, (Name, Secret)>,
    stored: Arc<dyn SecretStore>,
}

impl AllSecrets {
    /// `configured` (by folded name) in front of `stored`.
    pub(crate) fn new(
        configured: HashMap<String, (Name, Secret)>,
        stored: Arc<dyn SecretStore>,
    ) -> Self {
        Self { configured, stored }
    }

    fn refuse_configured(&self, name: &Name) -> Result<()> {
        if !self.configured.contains_key(&name.folded()) {
            return Ok(());
        }
        Err(
            Error::failed_precondition(format!("secret {name} is defined by the configuration"))
                .with_remedy(format!(
                    "change secrets.{name} there and start the server again"
                )),
        )
    }
}

#[async_trait]
impl SecretStore for AllSecrets {
    async fn put_secret(&self, name: &Name, secret: &Secret, replace: bool) -> Result<()> {
        self.refuse_configured(name)?;
        self.stored.put_secret(name, secret, replace).await
    }

    async fn secret(&self, name: &Name) -> Result<Secret> {
        match self.configured.get(&name.folded()) {
            Some((_, secret)) => Ok(secret.clone()),
            None => self.stored.secret(name).await,
        }
    }

    async fn drop_secret(&self, name: &Name) -> Result<()> {
        self.refuse_configured(name)?;
        self.stored.drop_secret(name).await
    }
}
