//! Sealing: what leaves the server and comes back must be what we made, for whom we made it, in time.
//!
//! Tickets and handles are encrypted and authenticated (ChaCha20-Poly1305) under a key that all
//! replicas share, bound to their purpose and principal, and carry their expiry (V-12).

use chacha20poly1305::{
    ChaCha20Poly1305, Key, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use ducksync_core::{Error, Result, time::Instant};
use rand::RngCore;
use sha2::{Digest, Sha256};

const NONCE_BYTES: usize = 12;
const EXPIRY_BYTES: usize = 8;

/// Seals and opens.
pub(crate) struct Sealer {
    cipher: ChaCha20Poly1305,
}

impl Sealer {
    /// A sealer of that key, used for nothing else.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let mut derived = Sha256::new();
        derived.update(b"ducksync tickets and handles");
        derived.update(key);
        Self {
            cipher: ChaCha20Poly1305::new(Key::from_slice(&derived.finalize())),
        }
    }

    /// Seals `payload` for `principal` until `expires`.
    pub(crate) fn seal(
        &self,
        purpose: &str,
        principal: &str,
        expires: Instant,
        payload: &[u8],
    ) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE_BYTES];
        rand::rng().fill_bytes(&mut nonce);
        let mut clear = expires.timestamp_millis().to_be_bytes().to_vec();
        clear.extend_from_slice(payload);
        let aad = associated(purpose, principal);
        let sealed = self
            .cipher
            .encrypt(
                Nonce::from_slice(&nonce),
                Payload {
                    msg: &clear,
                    aad: &aad,
                },
            )
            .map_err(|_| Error::internal("sealing failed"))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what [`Sealer::seal`] made for the same purpose and principal.
    ///
    /// # Errors
    /// `InvalidArgument` for anything else, `FailedPrecondition` after its expiry.
    pub(crate) fn open(
        &self,
        purpose: &str,
        principal: &str,
        now: Instant,
        sealed: &[u8],
    ) -> Result<Vec<u8>> {
        let foreign = || {
            Error::invalid(format!(
                "this {purpose} is not one that this server gave you"
            ))
            .with_remedy("run the statement again")
        };
        let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES).ok_or_else(foreign)?;
        let aad = associated(purpose, principal);
        let clear = self
            .cipher
            .decrypt(
                Nonce::from_slice(nonce),
                Payload {
                    msg: sealed,
                    aad: &aad,
                },
            )
            .map_err(|_| foreign())?;
        let (expires, payload) = clear
            .split_first_chunk::<EXPIRY_BYTES>()
            .ok_or_else(foreign)?;
        if i64::from_be_bytes(*expires) < now.timestamp_millis() {
            return Err(
                Error::failed_precondition(format!("this {purpose} has expired"))
                    .with_remedy("run the statement again"),
            );
        }
        Ok(payload.to_vec())
    }
}

fn associated(purpose: &str, principal: &str) -> Vec<u8> {
    [purpose.as_bytes(), principal.as_bytes()].join(&0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ducksync_core::{ErrorKind, time::Clock, time::SystemClock};

    use super::*;

    #[test]
    fn v12_only_its_principal_opens_a_seal_for_its_purpose_and_in_time() {
        let (sealer, now) = (Sealer::new(&[7; 32]), SystemClock.now());
        let later = now + Duration::from_secs(60);
        let sealed = sealer.seal("ticket", "ann", later, b"rows").unwrap();
        assert_eq!(sealer.open("ticket", "ann", now, &sealed).unwrap(), b"rows");
        for (purpose, principal) in [("ticket", "bob"), ("handle", "ann")] {
            let error = sealer.open(purpose, principal, now, &sealed).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        }
        let after = later + Duration::from_secs(1);
        let error = sealer.open("ticket", "ann", after, &sealed).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FailedPrecondition);
        assert!(
            Sealer::new(&[8; 32])
                .open("ticket", "ann", now, &sealed)
                .is_err()
        );
        for cut in 0..sealed.len() {
            assert!(sealer.open("ticket", "ann", now, &sealed[..cut]).is_err());
        }
    }
}
