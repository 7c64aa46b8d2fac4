//! The server's secret key and what is sealed with it (G-11).
//!
//! One key of 32 bytes lives in `secret_key_file`. It is never used itself: every purpose (stored
//! secrets, bearer tokens, tickets) has a key derived from it, so that nothing sealed for one purpose
//! opens for another. This module knows no catalog and no tokens, only bytes.

use std::{fmt, path::Path};

use blake2::{
    Blake2bMac,
    digest::{KeyInit, Mac, consts::U32},
};
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use ducksync_core::error::{Error, Result};
use rand::{TryRngCore, rngs::OsRng};

mod key_file;

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
/// The first byte of everything sealed, so that another scheme can follow this one.
const SCHEME: u8 = 1;

/// The key from which all others are derived. It has no `Debug`, `Display` or serialized form.
#[derive(Clone)]
pub struct SecretKey([u8; KEY_BYTES]);

impl SecretKey {
    /// Reads the key of `path`, or makes it with a new random key and mode 0600, durable before this
    /// returns: a secret must never outlive the only key that opens it.
    ///
    /// # Errors
    /// `FailedPrecondition` if others than the owner may read the file, or if it holds no key;
    /// `Unavailable` if it cannot be read or made.
    pub fn load_or_create(path: &Path) -> Result<Self> {
        key_file::load_or_create(path)
    }

    /// A new random key that is stored nowhere.
    ///
    /// # Errors
    /// `Unavailable` if the operating system gives no randomness.
    pub fn generate() -> Result<Self> {
        random().map(Self)
    }

    /// The key for one purpose, such as `"secret"` or `"ticket"`.
    pub fn derive(&self, purpose: &str) -> SealingKey {
        SealingKey(mac(&self.0, &[b"ducksync derived key", purpose.as_bytes()]))
    }
}

/// A key for one purpose; seals bytes so that only this purpose opens them.
#[derive(Clone)]
pub struct SealingKey([u8; KEY_BYTES]);

impl SealingKey {
    /// Encrypts `bytes`; they open only with the same `aad` (what they belong to, such as a name).
    /// The nonce is random, of 192 bits: it never repeats however much is sealed.
    ///
    /// # Errors
    /// `Unavailable` if the operating system gives no randomness.
    pub fn seal(&self, aad: &str, bytes: &[u8]) -> Result<Vec<u8>> {
        let nonce: [u8; NONCE_BYTES] = random()?;
        let payload = Payload {
            msg: bytes,
            aad: aad.as_bytes(),
        };
        let sealed = self
            .cipher()
            .encrypt(XNonce::from_slice(&nonce), payload)
            .map_err(|_| Error::internal("sealing failed: the text is too long"))?;
        Ok([&[SCHEME][..], &nonce, &sealed].concat())
    }

    /// What was sealed; `None` if it was sealed by another key, for another purpose or `aad`, or was
    /// changed since.
    pub fn open(&self, aad: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let rest = sealed.strip_prefix(&[SCHEME])?;
        let (nonce, msg) = rest.split_at_checked(NONCE_BYTES)?;
        let payload = Payload {
            msg,
            aad: aad.as_bytes(),
        };
        self.cipher()
            .decrypt(XNonce::from_slice(nonce), payload)
            .ok()
    }

    /// A keyed hash of `parts`: without the key it tells nothing of them. The parts' borders count.
    pub fn fingerprint(&self, parts: &[&[u8]]) -> [u8; KEY_BYTES] {
        mac(&self.0, parts)
    }

    /// Whether `print` is the fingerprint of `parts`; takes as long whatever differs.
    pub fn matches(&self, parts: &[&[u8]], print: &[u8; KEY_BYTES]) -> bool {
        keyed(&self.0, parts).verify(print.into()).is_ok()
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&self.0).into())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey([redacted])")
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey([redacted])")
    }
}

/// Random bytes of the operating system.
///
/// # Errors
/// `Unavailable` if it gives none.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    OsRng.try_fill_bytes(&mut bytes).map_err(|error| {
        Error::unavailable("the operating system gives no random bytes").with_source(error)
    })?;
    Ok(bytes)
}

/// BLAKE2b with a key, over the parts with their lengths.
fn mac(key: &[u8; KEY_BYTES], parts: &[&[u8]]) -> [u8; KEY_BYTES] {
    keyed(key, parts).finalize().into_bytes().into()
}

fn keyed(key: &[u8; KEY_BYTES], parts: &[&[u8]]) -> Blake2bMac<U32> {
    // The hash takes keys of up to 64 bytes; ours all have 32, so padding makes no two alike.
    let mut wide = [0; 64];
    wide[..KEY_BYTES].copy_from_slice(key);
    let mut mac = <Blake2bMac<U32> as Mac>::new((&wide).into());
    for part in parts {
        mac.update(&(part.len() as u64).to_le_bytes());
        mac.update(part);
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g11_sealed_bytes_open_only_for_their_purpose_and_name() {
        let key = SecretKey::generate().unwrap();
        let sealed = key.derive("secret").seal("login", b"hunter2").unwrap();
        assert!(!sealed.windows(7).any(|window| window == b"hunter2"));
        let open = |purpose: &str, aad: &str| key.derive(purpose).open(aad, &sealed);
        assert_eq!(open("secret", "login").unwrap(), b"hunter2");
        assert_eq!(open("ticket", "login"), None);
        assert_eq!(open("secret", "other"), None);
        let other = SecretKey::generate().unwrap();
        assert_eq!(other.derive("secret").open("login", &sealed), None);
    }

    #[test]
    fn g11_any_changed_or_missing_byte_is_noticed() {
        let key = SecretKey::generate().unwrap().derive("secret");
        let sealed = key.seal("a", b"text").unwrap();
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(key.open("a", &changed), None, "byte {place}");
            assert_eq!(key.open("a", &sealed[..place]), None, "cut at {place}");
        }
    }

    #[test]
    fn sealing_twice_gives_different_bytes() {
        let key = SecretKey::generate().unwrap().derive("secret");
        assert_ne!(
            key.seal("a", b"text").unwrap(),
            key.seal("a", b"text").unwrap()
        );
    }

    #[test]
    fn i9_keys_do_not_show_themselves() {
        let key = SecretKey([0x41; 32]);
        let shown = format!("{key:?} {:?}", key.derive("x"));
        assert!(!shown.contains("65") && !shown.contains("AAAA"), "{shown}");
    }

    #[test]
    fn fingerprints_are_known_again() {
        let key = SecretKey::generate().unwrap().derive("stand-in");
        let print = key.fingerprint(&[b"token"]);
        assert!(key.matches(&[b"token"], &print));
        assert!(!key.matches(&[b"token "], &print));
    }

    #[test]
    fn fingerprints_tell_where_parts_end() {
        let key = SecretKey::generate().unwrap().derive("password");
        assert_ne!(
            key.fingerprint(&[b"ab", b"c"]),
            key.fingerprint(&[b"a", b"bc"])
        );
    }
}
