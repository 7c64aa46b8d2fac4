//! The first login: `admin`, with a random password in a file (V-19).

use std::path::Path;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ducksync_core::{
    auth::{Grant, GrantStore, GrantTarget, Privilege},
    error::{Error, Result},
    secret::SecretText,
};

use super::hash_password;
use crate::{crypto::random, private_file};

const WHAT: &str = "the first password";

/// The login that a first start made; print the password once.
#[derive(Debug)]
pub struct NewAdmin {
    /// Its password, also in the file.
    pub password: SecretText,
}

/// Makes the login `admin` if there is no login at all: a random password, kept in `password_file`
/// (mode 0600), and every right on the server. `None` if there are logins.
///
/// A start that was killed on its way goes on at the next one: the password of a file that is there
/// already is used, and the login comes last, after its rights.
///
/// # Errors
/// `FailedPrecondition` if the file is there and others can read it, or it is empty; `Unavailable`
/// if it cannot be made or the catalog does not answer.
pub async fn ensure_admin(
    store: &dyn GrantStore,
    password_file: &Path,
) -> Result<Option<NewAdmin>> {
    if store.has_users().await? {
        return Ok(None);
    }
    let (password, made_here) = first_password(password_file)?;
    let grant = Grant {
        privilege: Privilege::Admin,
        target: GrantTarget::Server,
    };
    store.grant("admin", &grant).await?;
    let hash = hash_password(&password).await?;
    if store.put_user("admin", &hash, &[], true).await? {
        return Ok(Some(NewAdmin { password }));
    }
    // Another server was first: a password made here opens nothing.
    if made_here {
        private_file::remove(password_file, WHAT)?;
    }
    Ok(None)
}

/// The password to begin with, and whether its file was made just now.
fn first_password(path: &Path) -> Result<(SecretText, bool)> {
    let fresh = URL_SAFE_NO_PAD.encode(random::<18>()?);
    if private_file::create(path, WHAT, &format!("{fresh}\n"))? {
        return Ok((SecretText::new(fresh), true));
    }
    let kept = private_file::read(path, WHAT)?.unwrap_or_default();
    match kept.trim() {
        "" => Err(Error::failed_precondition(format!(
            "{} is there and holds no password",
            path.display()
        ))
        .with_remedy("remove it and start again")),
        kept => Ok((SecretText::new(kept), false)),
    }
}
