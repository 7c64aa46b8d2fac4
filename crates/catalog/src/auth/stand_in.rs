//! A token of somebody's own choice that stands for one login where it is told to (C-4).

use std::sync::Arc;

use async_trait::async_trait;
use ducksync_core::{
    auth::{Authenticator, Credentials, Principal},
    error::{Error, Result},
    secret::SecretText,
};

use super::{CatalogAuthenticator, unauthenticated};

/// How long such a token is: shorter ones can be guessed, longer ones fit into no header.
const LENGTH: std::ops::RangeInclusive<usize> = 16..=1024;

/// Lets in whoever a [`CatalogAuthenticator`] lets in, and who shows the token as the login that it
/// stands for. That login is confirmed as for minted tokens: without it, or under a new password of
/// it, the token is worth nothing, and it may what the login may by then.
pub struct StandIn {
    logins: Arc<CatalogAuthenticator>,
    principal: String,
    /// The mark of the login's password when the token was given.
    login: [u8; 16],
    /// All that is kept of the token.
    print: [u8; 32],
}

impl StandIn {
    /// `token` as a stand-in for the login `principal`.
    ///
    /// # Errors
    /// `InvalidArgument` for a token that is too short or cannot be sent; `Unauthenticated` if there
    /// is no such login any more.
    pub async fn new(
        logins: Arc<CatalogAuthenticator>,
        principal: &str,
        token: &SecretText,
    ) -> Result<Self> {
        let text = token.expose();
        if !LENGTH.contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::invalid(format!(
                "token must have {} to {} characters, all of them ASCII without spaces",
                LENGTH.start(),
                LENGTH.end()
            ))
            .with_remedy("choose a long random one, such as `openssl rand -hex 32` prints"));
        }
        let login = logins.login(principal).await?;
        let login = Option::as_ref(&login).ok_or_else(unauthenticated)?;
        Ok(Self {
            principal: principal.to_owned(),
            login: logins.tokens.mark(principal, &login.password_hash),
            print: logins.stand_ins.fingerprint(&[text.as_bytes()]),
            logins,
        })
    }

    /// Whether both are the same token for the same login under the same password.
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.principal, self.login, self.print) == (&other.principal, other.login, other.print)
    }

    async fn stands_for(&self) -> Result<Principal> {
        let login = self.logins.login(&self.principal).await?;
        let login = Option::as_ref(&login).ok_or_else(unauthenticated)?;
        let mark = self
            .logins
            .tokens
            .mark(&self.principal, &login.password_hash);
        match mark == self.login {
            true => Ok(login.principal.clone()),
            false => Err(unauthenticated()),
        }
    }
}

#[async_trait]
impl Authenticator for StandIn {
    async fn authenticate(&self, credentials: &Credentials) -> Result<Principal> {
        if let Credentials::Bearer(token) = credentials {
            let shown = [token.expose().as_bytes()];
            if self.logins.stand_ins.matches(&shown, &self.print) {
                return self.stands_for().await;
            }
        }
        self.logins.authenticate(credentials).await
    }

    async fn mint(&self, principal: &Principal) -> Result<SecretText> {
        self.logins.mint(principal).await
    }

    async fn revoke(&self, token: &SecretText) -> Result<()> {
        self.logins.revoke(token).await
    }
}
