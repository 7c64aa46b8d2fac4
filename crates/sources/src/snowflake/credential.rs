//! How a user proves who they are: given in the secret, or kept in files that somebody else replaces.
//!
//! A file is read when a login is made and at no other time, so that a credential that was rotated works
//! with the next login, without a restart. What was read is not kept.

use std::{
    fmt,
    io::Read as _,
    path::{Path, PathBuf},
};

use ducksync_core::{
    error::{Error, Result},
    secret::{Secret, SecretText},
};
use sha2::{Digest as _, Sha256};

use super::key::Key;

/// A larger file holds no password, key or token.
const LARGEST_FILE: u64 = 64 << 10;
const KINDS: [&str; 3] = ["password", "private_key", "token"];
const REMEDY: &str = "give password, private_key or token, or the same name with _file";

/// A user's proof, and where it is kept.
#[derive(Debug)]
pub(super) struct Credential {
    kind: Kind,
    held: Held,
    passphrase: Option<Held>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Password,
    KeyPair,
    /// A token that somebody issued, by Snowflake's name for its kind.
    Token(&'static str),
}

/// A secret text, or the file that holds it.
#[derive(Debug, Clone)]
enum Held {
    Text(SecretText),
    File(PathBuf),
}

/// A credential as it is at one moment.
#[derive(Debug)]
pub(super) struct Presented {
    pub(super) proof: Proof,
    /// Tells whether two are the same; nothing can be learned from it that shortens a search.
    pub(super) digest: Digest,
}

/// What is shown to Snowflake, or what makes it.
#[derive(Debug)]
pub(super) enum Proof {
    /// A password.
    Password(SecretText),
    /// The private key of which Snowflake has the public half.
    KeyPair(Box<Key>),
    /// A token, and Snowflake's name for its kind.
    Token(SecretText, &'static str),
}

/// The digest of a credential.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Digest([u8; 32]);

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Credential {
    /// What a secret's parameters say; no file is read.
    pub(super) fn of(secret: &Secret) -> Result<Self> {
        let mut present = KINDS
            .into_iter()
            .filter_map(|name| Some((name, Held::of(secret, name).transpose()?)));
        let Some((name, held)) = present.next() else {
            return Err(Error::invalid("secret parameter password is missing").with_remedy(REMEDY));
        };
        if let Some((other, _)) = present.next() {
            return Err(Error::invalid(format!(
                "secret parameters {name} and {other} exclude each other"
            ))
            .with_remedy(REMEDY));
        }
        let kind = match name {
            "password" => Kind::Password,
            "private_key" => Kind::KeyPair,
            _ => Kind::Token(token_kind(secret)?),
        };
        if kind != Kind::KeyPair && Held::of(secret, "private_key_passphrase")?.is_some() {
            return Err(Error::invalid(
                "secret parameter private_key_passphrase goes with private_key only",
            ));
        }
        if secret.get("authenticator").is_some() && !matches!(kind, Kind::Token(_)) {
            return Err(Error::invalid(
                "secret parameter authenticator goes with token only",
            ));
        }
        Ok(Self {
            kind,
            held: held?,
            passphrase: Held::of(secret, "private_key_passphrase")?,
        })
    }

    /// The credential as it is now.
    ///
    /// # Errors
    /// `InvalidArgument` naming the parameter: a file that cannot be read, or what is no key.
    pub(super) async fn present(&self) -> Result<Presented> {
        let name = match self.kind {
            Kind::Password => "password",
            Kind::KeyPair => "private_key",
            Kind::Token(_) => "token",
        };
        let (held, passphrase, kind) = (self.held.clone(), self.passphrase.clone(), self.kind);
        #[expect(
            clippy::disallowed_methods,
            reason = "two small files and a passphrase, once for each login and one at a time; the source has no engine"
        )]
        let presented = tokio::task::spawn_blocking(move || {
            let text = held.read(name)?;
            let passphrase = passphrase.map(|held| held.read("private_key_passphrase"));
            let passphrase = passphrase.transpose()?;
            let digest = Digest::of(&text, passphrase.as_ref());
            let proof = match kind {
                Kind::Password => Proof::Password(text),
                Kind::KeyPair => Proof::KeyPair(Box::new(Key::read(&text, passphrase.as_ref())?)),
                Kind::Token(kind) => Proof::Token(SecretText::new(text.expose().trim()), kind),
            };
            Ok(Presented { proof, digest })
        });
        presented
            .await
            .map_err(|error| Error::internal("reading a credential broke off").with_source(error))?
    }

    /// Whether it may be another one the next time.
    pub(super) fn is_in_files(&self) -> bool {
        let file = |held: &Held| matches!(held, Held::File(_));
        file(&self.held) || self.passphrase.as_ref().is_some_and(file)
    }
}

fn token_kind(secret: &Secret) -> Result<&'static str> {
    match secret
        .get("authenticator")
        .map(str::to_lowercase)
        .as_deref()
    {
        None | Some("" | "programmatic_access_token") => Ok("PROGRAMMATIC_ACCESS_TOKEN"),
        Some("oauth") => Ok("OAUTH"),
        Some(_) => Err(Error::invalid("secret parameter authenticator is unknown")
            .with_remedy("use programmatic_access_token or oauth")),
    }
}

impl Held {
    fn of(secret: &Secret, name: &str) -> Result<Option<Self>> {
        let given = |name: &str| secret.get(name).filter(|value| !value.trim().is_empty());
        match (given(name), given(&format!("{name}_file"))) {
            (Some(_), Some(_)) => Err(Error::invalid(format!(
                "secret parameters {name} and {name}_file exclude each other"
            ))),
            (Some(text), None) => Ok(Some(Self::Text(SecretText::new(text)))),
            (None, Some(path)) => Ok(Some(Self::File(PathBuf::from(path.trim())))),
            (None, None) => Ok(None),
        }
    }

    fn read(&self, name: &str) -> Result<SecretText> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::File(path) => read_file(path).map_err(|why| {
                let path = path.display();
                Error::invalid(format!("secret parameter {name}_file: {path}: {why}"))
                    .with_remedy("name a file with the secret that the server may read")
            }),
        }
    }
}

/// The text of a file, without the newline that editors add.
fn read_file(path: &Path) -> Result<SecretText, String> {
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| error.kind().to_string())?;
    file.take(LARGEST_FILE + 1)
        .read_to_string(&mut text)
        .map_err(|error| error.kind().to_string())?;
    let text = text.trim_end_matches(['\r', '\n']);
    match text.len() as u64 {
        0 => Err("the file is empty".to_owned()),
        length if length > LARGEST_FILE => Err("the file is larger than 64 KiB".to_owned()),
        _ => Ok(SecretText::new(text)),
    }
}

impl Digest {
    fn of(text: &SecretText, passphrase: Option<&SecretText>) -> Self {
        let mut hash = Sha256::new();
        for part in [Some(text), passphrase] {
            let part = part.map_or("", SecretText::expose);
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }
}

/// A password, for tests beside this one.
#[cfg(test)]
pub(super) fn password(text: &str) -> Credential {
    Credential {
        kind: Kind::Password,
        held: Held::Text(SecretText::new(text)),
        passphrase: None,
    }
}

/// A key without passphrase, for tests beside this one.
#[cfg(test)]
pub(super) fn key_pair(pem: &str) -> Credential {
    Credential {
        kind: Kind::KeyPair,
        ..password(pem)
    }
}

/// The digest of a password, for tests beside this one.
#[cfg(test)]
pub(super) fn digest_of(text: &str) -> Digest {
    Digest::of(&SecretText::new(text), None)
}

#[cfg(test)]
mod tests;
