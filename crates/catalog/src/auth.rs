//! Who is it? Logins and bearer tokens, checked against the catalog (S-1, V-12).
//!
//! A login is proved by its password (argon2id, bounded in parallelism) or by a token that this
//! server minted: sealed and self-contained, so that every replica can open it. A token ends when it
//! was not used for eight hours, when it is revoked, or when the password changes. Whatever is wrong
//! with credentials, the answer is one and the same error after the same work.
//!
//! What the catalog says of logins and revocations is confirmed again at least every 60 seconds. If
//! it does not answer, the last confirmed word counts for [`AuthConfig::catalog_grace`] (V-13), then
//! nobody gets in. What a principal may do is [`Principal::may`]'s matter, not ours.

mod admin;
mod confirmed;
mod password;
mod stand_in;
mod token;
mod token_uses;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use ducksync_core::{
    auth::{Authenticator, Credentials, GrantStore, Principal},
    error::{Error, Result},
    secret::SecretText,
    time::{Clock, Instant, SystemClock},
};
use uuid::Uuid;

pub use self::{
    admin::{NewAdmin, ensure_admin},
    password::hash_password,
    stand_in::StandIn,
};
use self::{
    confirmed::Confirmed,
    password::PasswordChecker,
    token::{Token, TokenSealer},
    token_uses::TokenUses,
};
use crate::crypto::{SealingKey, SecretKey};

/// What is kept of tokens in the catalog: revocations, and now and then that one was used.
#[async_trait]
pub trait TokenStore: Send + Sync {
    /// Ends a token on every replica.
    async fn revoke_token(&self, token: Uuid, principal: &str, at: Instant) -> Result<()>;

    /// Tokens that were revoked and could still be used otherwise.
    async fn revoked_tokens(&self) -> Result<Vec<Uuid>>;

    /// Records that a token was used at `at`; forgets tokens that were not used since `idle_since`.
    async fn record_use(
        &self,
        token: Uuid,
        principal: &str,
        at: Instant,
        idle_since: Instant,
    ) -> Result<()>;

    /// When a use of the token was last recorded, by any replica.
    async fn last_use(&self, token: Uuid) -> Result<Option<Instant>>;
}

/// How credentials are checked.
#[derive(Debug, Clone)]
pub struct AuthConfig {
    /// A token that was not used for this long has ended.
    pub token_idle: Duration,
    /// How long the last confirmed logins count while the catalog does not answer.
    pub catalog_grace: Duration,
    /// Passwords that are hashed at once; each takes 19 MiB and a core.
    pub parallel_hashes: usize,
}

impl Default for AuthConfig {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            token_idle: Duration::from_secs(8 * 3600),
            catalog_grace: Duration::from_secs(300),
            parallel_hashes: (cores / 2).max(1),
        }
    }
}

/// A login as the catalog has it.
#[derive(Debug)]
struct Login {
    principal: Principal,
    password_hash: SecretText,
}

/// Checks credentials against the catalog.
pub struct CatalogAuthenticator {
    store: Arc<dyn GrantStore>,
    passwords: PasswordChecker,
    tokens: TokenSealer,
    /// By which tokens that stand for a login are known again.
    stand_ins: SealingKey,
    uses: TokenUses,
    clock: Arc<dyn Clock>,
    grace: Duration,
    /// Logins that proved themselves, so at most as many as there are users.
    logins: Mutex<HashMap<String, Arc<Confirmed<Option<Login>>>>>,
}

impl CatalogAuthenticator {
    /// An authenticator on these stores; `key` seals its tokens, alike on every replica.
    pub fn new(
        store: Arc<dyn GrantStore>,
        tokens: Arc<dyn TokenStore>,
        key: &SecretKey,
        config: &AuthConfig,
    ) -> Self {
        Self::with_clock(store, tokens, key, config, Arc::new(SystemClock))
    }

    /// The same, with another clock for the idle time of tokens.
    pub fn with_clock(
        store: Arc<dyn GrantStore>,
        tokens: Arc<dyn TokenStore>,
        key: &SecretKey,
        config: &AuthConfig,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            store,
            passwords: PasswordChecker::new(key, config.parallel_hashes),
            tokens: TokenSealer::new(key),
            stand_ins: key.derive("stand-in"),
            uses: TokenUses::new(tokens, config),
            clock,
            grace: config.catalog_grace,
            logins: Mutex::default(),
        }
    }

    async fn check_password(&self, user: &str, password: &SecretText) -> Result<Principal> {
        let known = self.known(user);
        if let Some(known) = &known {
            let login = self.confirm(known, user).await?;
            if let Some(login) = &*login
                && self
                    .passwords
                    .remembers(user, password, &login.password_hash)
            {
                return Ok(login.principal.clone());
            }
        }
        // From here on a user that exists and one that does not cost the same: one look-up, one hash.
        let login = self.load(user).await?;
        let hash = login.as_ref().map(|login| &login.password_hash);
        let right = self.passwords.check(user, password, hash).await?;
        let Some(login) = login.filter(|_| right) else {
            return Err(unauthenticated());
        };
        let principal = login.principal.clone();
        self.remember(user, login);
        Ok(principal)
    }

    async fn check_token(&self, text: &SecretText) -> Result<Principal> {
        let now = self.clock.now();
        let token = self.tokens.open(text).ok_or_else(unauthenticated)?;
        let login = self.login(&token.principal).await?;
        let login = Option::as_ref(&login).ok_or_else(unauthenticated)?;
        if !self.tokens.belongs(&token, &login.password_hash) {
            return Err(unauthenticated());
        }
        self.uses.admit(&token, now).await?;
        Ok(login.principal.clone())
    }

    /// The login of a name that was proved before, by a password or by our seal on it.
    async fn login(&self, name: &str) -> Result<Arc<Option<Login>>> {
        let known = self.logins().entry(name.to_owned()).or_default().clone();
        self.confirm(&known, name).await
    }

    async fn confirm(
        &self,
        known: &Confirmed<Option<Login>>,
        name: &str,
    ) -> Result<Arc<Option<Login>>> {
        known.get(self.grace, || self.load(name)).await
    }

    async fn load(&self, name: &str) -> Result<Option<Login>> {
        let principal = self.store.principal(name).await?;
        let password_hash = self.store.password_hash(name).await?;
        Ok(principal
            .zip(password_hash)
            .map(|(principal, password_hash)| Login {
                principal,
                password_hash,
            }))
    }

    fn known(&self, name: &str) -> Option<Arc<Confirmed<Option<Login>>>> {
        self.logins().get(name).cloned()
    }

    fn remember(&self, name: &str, login: Login) {
        let known = self.logins().entry(name.to_owned()).or_default().clone();
        known.set(Some(login));
    }

    fn logins(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Confirmed<Option<Login>>>>> {
        self.logins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Authenticator for CatalogAuthenticator {
    async fn authenticate(&self, credentials: &Credentials) -> Result<Principal> {
        match credentials {
            Credentials::Basic { user, password } => self.check_password(user, password).await,
            Credentials::Bearer(token) => self.check_token(token).await,
        }
    }

    async fn mint(&self, principal: &Principal) -> Result<SecretText> {
        let login = self.login(&principal.name).await?;
        let login = Option::as_ref(&login).ok_or_else(unauthenticated)?;
        let token = Token {
            id: Uuid::new_v4(),
            principal: principal.name.clone(),
            issued: self.clock.now(),
            login: self.tokens.mark(&principal.name, &login.password_hash),
        };
        self.tokens.seal(&token)
    }

    async fn revoke(&self, token: &SecretText) -> Result<()> {
        let token = self.tokens.open(token).ok_or_else(unauthenticated)?;
        self.uses.revoke(&token, self.clock.now()).await
    }
}

/// The one answer to credentials that prove nothing.
fn unauthenticated() -> Error {
    Error::unauthenticated("the credentials are not valid")
        .with_remedy("check user and password, or log in again for a new token")
}

#[cfg(test)]
mod tests;
