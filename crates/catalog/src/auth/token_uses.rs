//! Whether a token still counts: not revoked, and used within the idle time.
//!
//! Uses are kept in memory and told to the catalog every few minutes, so that a token in use stays
//! valid after a restart and on a replica that never saw it, without a write for each call.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::TimeDelta;
use ducksync_core::{
    error::{Error, Result},
    time::Instant,
};
use uuid::Uuid;

use super::{AuthConfig, TokenStore, confirmed::Confirmed, token::Token, unauthenticated};

/// How often a token in use is told to the catalog.
const TELL_EVERY: TimeDelta = TimeDelta::minutes(5);
/// Records of ended tokens are kept this much longer than they are needed, for clocks that differ.
const KEPT_LONGER: TimeDelta = TimeDelta::hours(1);
/// Tokens whose use is kept in memory; beyond it, the catalog's records serve.
const IN_MEMORY: usize = 100_000;

pub(super) struct TokenUses {
    store: Arc<dyn TokenStore>,
    idle: TimeDelta,
    grace: Duration,
    revoked: Confirmed<HashSet<Uuid>>,
    uses: Mutex<HashMap<Uuid, Use>>,
}

#[derive(Clone, Copy)]
struct Use {
    last: Instant,
    told: Instant,
}

impl TokenUses {
    pub(super) fn new(store: Arc<dyn TokenStore>, config: &AuthConfig) -> Self {
        Self {
            store,
            idle: TimeDelta::from_std(config.token_idle).unwrap_or(TimeDelta::MAX),
            grace: config.catalog_grace,
            revoked: Confirmed::default(),
            uses: Mutex::default(),
        }
    }

    /// Counts a use of the token at `now`.
    ///
    /// # Errors
    /// `Unauthenticated` if the token ended; `Unavailable` if that cannot be learned.
    pub(super) async fn admit(&self, token: &Token, now: Instant) -> Result<()> {
        let revoked = self.revoked.get(self.grace, || self.load_revoked()).await?;
        if revoked.contains(&token.id) {
            return Err(unauthenticated());
        }
        let used = self.last_use(token, now).await?;
        if now - used.last >= self.idle {
            return Err(unauthenticated());
        }
        if now - used.told >= TELL_EVERY {
            self.note(token.id, now, now);
            self.tell(token, now).await;
        } else {
            self.note(token.id, now, used.told);
        }
        Ok(())
    }

    /// Ends the token: here at once, on other replicas within a minute.
    pub(super) async fn revoke(&self, token: &Token, now: Instant) -> Result<()> {
        self.store
            .revoke_token(token.id, &token.principal, now)
            .await?;
        self.revoked.set(self.load_revoked().await?);
        Ok(())
    }

    /// The last use that this process or, where that is too long ago, any process knows of.
    async fn last_use(&self, token: &Token, now: Instant) -> Result<Use> {
        let mut used = self.uses().get(&token.id).copied().unwrap_or(Use {
            last: token.issued,
            told: token.issued,
        });
        if now - used.last >= self.idle
            && let Some(told) = self.store.last_use(token.id).await?
        {
            used.last = used.last.max(told);
            used.told = used.told.max(told);
        }
        Ok(used)
    }

    /// A failure here costs at most that an idle restart ends the token early.
    async fn tell(&self, token: &Token, now: Instant) {
        let idle_since = now
            .checked_sub_signed(self.idle)
            .and_then(|since| since.checked_sub_signed(KEPT_LONGER))
            .unwrap_or(Instant::MIN_UTC);
        let store = &self.store;
        let told = store.record_use(token.id, &token.principal, now, idle_since);
        if let Err(error) = told.await {
            tracing::debug!(%error, "the use of a token was not recorded");
        }
    }

    fn note(&self, token: Uuid, last: Instant, told: Instant) {
        let mut uses = self.uses();
        if uses.len() >= IN_MEMORY && !uses.contains_key(&token) {
            uses.retain(|_, used| last - used.last < self.idle);
            if uses.len() >= IN_MEMORY {
                uses.clear();
            }
        }
        let used = uses.entry(token).or_insert(Use { last, told });
        used.last = used.last.max(last);
        used.told = used.told.max(told);
    }

    async fn load_revoked(&self) -> Result<HashSet<Uuid>, Error> {
        Ok(self.store.revoked_tokens().await?.into_iter().collect())
    }

    fn uses(&self) -> MutexGuard<'_, HashMap<Uuid, Use>> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
