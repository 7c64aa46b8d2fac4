//! Passwords: argon2id hashes, checked on a bounded number of blocking threads.
//!
//! A client that sends its password with every call must not pay a hash each time: a password that
//! was right is remembered for a while by its keyed fingerprint, together with the hash it matched,
//! so that a changed password is never remembered.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use argon2::{Argon2, PasswordHash, PasswordHasher, PasswordVerifier, password_hash::SaltString};
use ducksync_core::{
    error::{Error, Result},
    secret::SecretText,
};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use super::unauthenticated;
use crate::crypto::{SealingKey, SecretKey, random};

/// A hash that no password has, with the cost of those we make; unknown users are checked against it.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5bm9ib2R5\
                      $AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const REMEMBERED: usize = 4096;
const REMEMBERED_FOR: Duration = Duration::from_secs(600);
/// How long a check may wait for its turn.
const TURN: Duration = Duration::from_secs(10);
/// Longer passwords are refused unread: hashing is work for whoever sends most.
const LONGEST: usize = 1024;

pub(super) struct PasswordChecker {
    key: SealingKey,
    turns: Arc<Semaphore>,
    right: Mutex<HashMap<[u8; 32], Instant>>,
}

impl PasswordChecker {
    pub(super) fn new(key: &SecretKey, parallel: usize) -> Self {
        Self {
            key: key.derive("password"),
            turns: Arc::new(Semaphore::new(parallel.max(1))),
            right: Mutex::default(),
        }
    }

    /// Whether this password was right for this hash a short while ago.
    pub(super) fn remembers(&self, user: &str, password: &SecretText, hash: &SecretText) -> bool {
        let print = self.fingerprint(user, password, hash);
        let right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        right
            .get(&print)
            .is_some_and(|at| at.elapsed() < REMEMBERED_FOR)
    }

    /// Whether the password is right; without a hash it is not, after the same work.
    pub(super) async fn check(
        &self,
        user: &str,
        password: &SecretText,
        hash: Option<&SecretText>,
    ) -> Result<bool> {
        if password.expose().len() > LONGEST {
            return Err(unauthenticated());
        }
        let turn = timeout(TURN, self.turns.clone().acquire_owned()).await;
        let turn = turn.ok().and_then(Result::ok).ok_or_else(too_many)?;
        // Many connections of one client open at once: the first one's work serves the others.
        if hash.is_some_and(|hash| self.remembers(user, password, hash)) {
            return Ok(true);
        }
        let against = hash.map_or(NOBODY, SecretText::expose).to_owned();
        let given = password.clone();
        let right = blocking(move || {
            let right = matches(&against, given.expose());
            drop(turn);
            right
        })
        .await?;
        match hash {
            Some(hash) if right => self.remember(user, password, hash),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn remember(&self, user: &str, password: &SecretText, hash: &SecretText) {
        let print = self.fingerprint(user, password, hash);
        let mut right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        if right.len() >= REMEMBERED {
            right.retain(|_, at| at.elapsed() < REMEMBERED_FOR);
        }
        if right.len() >= REMEMBERED {
            right.clear();
        }
        right.insert(print, Instant::now());
    }

    fn fingerprint(&self, user: &str, password: &SecretText, hash: &SecretText) -> [u8; 32] {
        let parts = [user, password.expose(), hash.expose()];
        self.key.fingerprint(&parts.map(str::as_bytes))
    }
}

/// The hash of a new password, as PHC text.
///
/// # Errors
/// `InvalidArgument` for a password that is empty or longer than 1,024 bytes.
pub async fn hash_password(password: &SecretText) -> Result<SecretText> {
    if password.expose().is_empty() || password.expose().len() > LONGEST {
        return Err(Error::invalid("a password has 1 to 1024 bytes"));
    }
    let salt: [u8; 16] = random()?;
    let password = password.clone();
    blocking(move || {
        let salt = SaltString::encode_b64(&salt)?;
        let hash = Argon2::default().hash_password(password.expose().as_bytes(), &salt)?;
        Ok(SecretText::new(hash.to_string()))
    })
    .await?
    .map_err(|error: argon2::password_hash::Error| {
        Error::internal(format!("hashing a password failed: {error}"))
    })
}

fn matches(hash: &str, password: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| {
        Argon2::default()
            .verify_password(password.as_bytes(), &hash)
            .is_ok()
    })
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    #[expect(
        clippy::disallowed_methods,
        reason = "hashing takes a core for 50 ms; a semaphore counts it and it needs no interrupt"
    )]
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::internal("a password check ended early").with_source(error))
}

fn too_many() -> Error {
    Error::unavailable("too many logins are being checked").with_remedy("try again in a moment")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checker() -> PasswordChecker {
        PasswordChecker::new(&SecretKey::generate().unwrap(), 1)
    }

    #[test]
    fn s1_the_hash_of_nobody_costs_what_real_ones_cost() {
        let nobody = PasswordHash::new(NOBODY).unwrap();
        let real = Argon2::default().params().clone();
        assert_eq!(nobody.algorithm, argon2::ARGON2ID_IDENT);
        assert_eq!(
            argon2::Params::try_from(&nobody).unwrap().m_cost(),
            real.m_cost()
        );
        assert_eq!(
            argon2::Params::try_from(&nobody).unwrap().t_cost(),
            real.t_cost()
        );
        assert_eq!(nobody.hash.unwrap().len(), 32);
    }

    #[tokio::test]
    async fn s1_only_the_right_password_of_a_known_user_is_right() {
        let checker = checker();
        let right = SecretText::new("right");
        let hash = hash_password(&right).await.unwrap();
        assert!(checker.check("ann", &right, Some(&hash)).await.unwrap());
        let wrong = SecretText::new("wrong");
        assert!(!checker.check("ann", &wrong, Some(&hash)).await.unwrap());
        assert!(!checker.check("bob", &right, None).await.unwrap());
    }

    #[tokio::test]
    async fn a_remembered_password_counts_for_its_user_and_its_hash_only() {
        let checker = checker();
        let password = SecretText::new("right");
        let hash = hash_password(&password).await.unwrap();
        assert!(!checker.remembers("ann", &password, &hash));
        assert!(checker.check("ann", &password, Some(&hash)).await.unwrap());
        assert!(checker.remembers("ann", &password, &hash));
        assert!(!checker.remembers("bob", &password, &hash));
        let changed = hash_password(&SecretText::new("new")).await.unwrap();
        assert!(!checker.remembers("ann", &password, &changed));
    }

    #[tokio::test]
    async fn v16_what_is_remembered_is_bounded() {
        let checker = checker();
        let hash = SecretText::new("hash");
        for number in 0..2 * REMEMBERED {
            checker.remember("ann", &SecretText::new(number.to_string()), &hash);
        }
        assert!(checker.right.lock().unwrap().len() <= REMEMBERED);
    }

    #[tokio::test]
    async fn s1_a_password_of_a_megabyte_is_refused_unread() {
        let long = SecretText::new("x".repeat(1 << 20));
        let error = checker().check("ann", &long, None).await.unwrap_err();
        assert_eq!(error.to_string(), unauthenticated().to_string());
    }
}
