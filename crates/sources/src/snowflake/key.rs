//! The private key of a key pair login: how it is written, how it is opened, and the tokens it signs.
//!
//! Read are PKCS#8, plain or encrypted (PBES2, as `openssl pkcs8 -topk8` writes it), and plain PKCS#1; as
//! PEM, whatever its line breaks became on the way, or as bare base64 of PKCS#8. No error here quotes
//! what it could not read.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ducksync_core::{
    error::{Error, Result},
    secret::SecretText,
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use pkcs8::{EncryptedPrivateKeyInfo, SecretDocument};
use rsa::{
    RsaPrivateKey,
    pkcs1::{DecodeRsaPrivateKey as _, EncodeRsaPrivateKey as _},
    pkcs8::{DecodePrivateKey as _, EncodePublicKey as _},
};
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// How long a token is valid; Snowflake takes it within a minute of its issue only.
const VALID_SECONDS: i64 = 60;

/// A key that can sign.
pub(super) struct Key {
    signer: EncodingKey,
    /// `SHA256:` and the digest of the public half, as Snowflake shows it.
    fingerprint: String,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

impl Key {
    /// Reads a key. Takes up to a second where a passphrase was made costly to guess.
    ///
    /// # Errors
    /// `InvalidArgument` naming the parameter: no key, another kind of key, encrypted without a
    /// passphrase, or a passphrase that does not open it.
    pub(super) fn read(text: &SecretText, passphrase: Option<&SecretText>) -> Result<Self> {
        let written = Written::of(text.expose())?;
        let key = match written.label {
            Label::Plain => RsaPrivateKey::from_pkcs8_der(&written.der).map_err(|_| unfit())?,
            Label::Rsa => RsaPrivateKey::from_pkcs1_der(&written.der).map_err(|_| unfit())?,
            Label::Encrypted => {
                let passphrase = passphrase.ok_or_else(|| {
                    Error::invalid("secret parameter private_key is encrypted")
                        .with_remedy("give private_key_passphrase or private_key_passphrase_file")
                })?;
                let opened = opened(&written.der, passphrase)?;
                RsaPrivateKey::from_pkcs8_der(opened.as_bytes()).map_err(|_| unfit())?
            }
        };
        let public = key
            .to_public_key()
            .to_public_key_der()
            .map_err(|_| unfit())?;
        let private = key.to_pkcs1_der().map_err(|_| unfit())?;
        let key = Self {
            signer: EncodingKey::from_rsa_der(private.as_bytes()),
            fingerprint: format!(
                "SHA256:{}",
                STANDARD.encode(Sha256::digest(public.as_bytes()))
            ),
        };
        // Found now rather than at the first login: a key too short to sign.
        key.token("TEST.TEST", 0)?;
        Ok(key)
    }

    /// A token that proves `identity` (`ACCOUNT.USER`) at the instant `now`, in seconds.
    pub(super) fn token(&self, identity: &str, now: i64) -> Result<String> {
        let claims = json!({
            "iss": format!("{identity}.{}", self.fingerprint),
            "sub": identity,
            "iat": now,
            "exp": now + VALID_SECONDS,
        });
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.signer).map_err(|_| {
            Error::invalid("secret parameter private_key cannot sign a login")
                .with_remedy("use an RSA key of 2048 to 4096 bits")
        })
    }
}

fn opened(der: &[u8], passphrase: &SecretText) -> Result<SecretDocument> {
    let info = EncryptedPrivateKeyInfo::try_from(der).map_err(|_| foreign_encryption())?;
    info.decrypt(passphrase.expose())
        .map_err(|error| match error {
            pkcs8::Error::EncryptedPrivateKey(pkcs8::pkcs5::Error::UnsupportedAlgorithm {
                ..
            }) => foreign_encryption(),
            _ => {
                Error::invalid("secret parameter private_key_passphrase does not open private_key")
                    .with_remedy("give the passphrase that the key was encrypted with")
            }
        })
}

fn foreign_encryption() -> Error {
    Error::invalid("secret parameter private_key is encrypted in a way that is not understood")
        .with_remedy("convert it: openssl pkcs8 -topk8 -v2 aes-256-cbc -in old.p8 -out new.p8")
}

fn unfit() -> Error {
    Error::invalid("secret parameter private_key is not an RSA private key").with_remedy(
        "give an RSA key as PEM: PKCS#8 (BEGIN PRIVATE KEY or BEGIN ENCRYPTED PRIVATE KEY) or PKCS#1",
    )
}

/// What a text says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Label {
    Plain,
    Encrypted,
    Rsa,
}

struct Written {
    label: Label,
    der: Vec<u8>,
}

impl Written {
    fn of(text: &str) -> Result<Self> {
        // Line breaks that a shell, YAML or JSON turned into two characters.
        let text = text.replace("\\n", "\n");
        let (label, body) = match text.split_once("-----BEGIN ") {
            Some((_, rest)) => {
                let (label, rest) = rest.split_once("-----").ok_or_else(unfit)?;
                let (body, _) = rest.split_once("-----END ").ok_or_else(unfit)?;
                (label, body)
            }
            None => ("PRIVATE KEY", text.as_str()),
        };
        let label = match label {
            "PRIVATE KEY" => Label::Plain,
            "ENCRYPTED PRIVATE KEY" => Label::Encrypted,
            "RSA PRIVATE KEY" if body.contains("ENCRYPTED") => return Err(foreign_encryption()),
            "RSA PRIVATE KEY" => Label::Rsa,
            _ => return Err(unfit()),
        };
        let base64: String = body.split_whitespace().collect();
        let der = STANDARD.decode(base64).map_err(|_| unfit())?;
        Ok(Self { label, der })
    }
}

#[cfg(test)]
mod tests;
