//! Bearer tokens: sealed texts that carry all that a replica needs to know them by.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ducksync_core::{
    error::{Error, Result},
    secret::SecretText,
    time::Instant,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::crypto::{SealingKey, SecretKey};

/// Tells our tokens from others, and this form of them from later ones.
const PREFIX: &str = "ds1.";
const AAD: &str = "bearer";
/// No token of ours is longer; a longer text is refused unread.
const LONGEST: usize = 2048;

/// What a token says. Only its seal makes it true.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Token {
    /// Its identity, by which it is revoked.
    pub(super) id: Uuid,
    /// The login it stands for.
    pub(super) principal: String,
    /// When it was minted.
    pub(super) issued: Instant,
    /// A mark of the password at that time: a new password ends the tokens of the old one.
    pub(super) login: [u8; 16],
}

/// Seals and opens tokens.
pub(super) struct TokenSealer {
    key: SealingKey,
}

impl TokenSealer {
    pub(super) fn new(key: &SecretKey) -> Self {
        Self {
            key: key.derive("token"),
        }
    }

    pub(super) fn seal(&self, token: &Token) -> Result<SecretText> {
        let json = serde_json::to_vec(token)
            .map_err(|error| Error::internal("a token cannot be written").with_source(error))?;
        let sealed = URL_SAFE_NO_PAD.encode(self.key.seal(AAD, &json)?);
        Ok(SecretText::new(format!("{PREFIX}{sealed}")))
    }

    /// The token, if it is one of ours.
    pub(super) fn open(&self, text: &SecretText) -> Option<Token> {
        let text = text.expose();
        let sealed = text
            .strip_prefix(PREFIX)
            .filter(|_| text.len() <= LONGEST)?;
        let json = self.key.open(AAD, &URL_SAFE_NO_PAD.decode(sealed).ok()?)?;
        serde_json::from_slice(&json).ok()
    }

    /// The mark of a login's password.
    pub(super) fn mark(&self, user: &str, password_hash: &SecretText) -> [u8; 16] {
        let parts = [user.as_bytes(), password_hash.expose().as_bytes()];
        let print = self.key.fingerprint(&parts);
        let mut mark = [0; 16];
        mark.copy_from_slice(&print[..16]);
        mark
    }

    /// Whether the token was minted under the password of that hash.
    pub(super) fn belongs(&self, token: &Token, password_hash: &SecretText) -> bool {
        token.login == self.mark(&token.principal, password_hash)
    }
}

#[cfg(test)]
mod tests {
    use ducksync_core::time::{Clock, SystemClock};

    use super::*;

    #[test]
    fn s1_tokens_open_on_every_replica_with_the_key_and_nowhere_else() {
        let key = SecretKey::generate().unwrap();
        let token = Token {
            id: Uuid::new_v4(),
            principal: "a_rather_long_login_name".into(),
            issued: SystemClock.now(),
            login: [7; 16],
        };
        let text = TokenSealer::new(&key).seal(&token).unwrap();
        assert!(text.expose().starts_with(PREFIX) && !text.expose().contains("a_rather_long"));
        assert_eq!(TokenSealer::new(&key).open(&text), Some(token));
        let other = TokenSealer::new(&SecretKey::generate().unwrap());
        assert_eq!(other.open(&text), None);
        for forged in ["", "ds1.", "ds1.AAAA", "eyJhbGciOiJub25lIn0.e30."] {
            assert_eq!(TokenSealer::new(&key).open(&SecretText::new(forged)), None);
        }
    }
}
