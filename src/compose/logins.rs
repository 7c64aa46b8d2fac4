//! Logins at the start: those of `auth.users_file`, else the first `admin` (V-19).

use std::io::{self, Write};

use ducksync_catalog::auth::{ensure_admin, hash_password};
use ducksync_core::{
    Error, Result,
    auth::{Authenticator, Credentials, GrantStore},
};

use crate::config::{Config, ConfiguredUser, Listen};

/// The file with the first password, in the data directory.
const PASSWORD_FILE: &str = "admin-password";

/// Makes the configured logins and, if there is none at all, `admin`.
///
/// # Errors
/// `FailedPrecondition` if the server would listen beyond this machine without any login.
pub(crate) async fn prepare(
    config: &Config,
    store: &dyn GrantStore,
    authenticator: &dyn Authenticator,
) -> Result<()> {
    for user in &config.users.users {
        put(user, store, authenticator).await?;
    }
    for (to, grant) in &config.users.grants {
        store.grant(to, grant).await?;
    }
    if let Some(listen) = config.listen.iter().find(|listen| !listen.is_loopback())
        && !store.has_users().await?
    {
        return Err(without_users(listen));
    }
    let file = config.data_directory.join(PASSWORD_FILE);
    if let Some(admin) = ensure_admin(store, &file).await? {
        // To stdout, which is no log, and never again (V-19).
        let password = admin.password.expose();
        let _ = writeln!(
            io::stdout(),
            "ducksync login admin, password {password}, kept in {}",
            file.display()
        );
    }
    Ok(())
}

/// A password that is right already is left alone: a new hash would end the user's tokens.
async fn put(
    user: &ConfiguredUser,
    store: &dyn GrantStore,
    authenticator: &dyn Authenticator,
) -> Result<()> {
    let credentials = Credentials::Basic {
        user: user.name.clone(),
        password: user.password.clone(),
    };
    if let Ok(principal) = authenticator.authenticate(&credentials).await
        && principal.roles == user.roles
    {
        return Ok(());
    }
    let hash = hash_password(&user.password).await?;
    store
        .put_user(&user.name, &hash, &user.roles, false)
        .await
        .map(drop)
}

fn without_users(listen: &Listen) -> Error {
    let shown = listen.client_url(listen.port);
    Error::failed_precondition(format!("{shown} would be open to others, and there is no login yet"))
        .with_remedy(
            "name a file of logins in auth.users_file, or start once on the loopback, which makes admin",
        )
}
