//! `auth.users_file`: logins and grants that are there at each start.
//!
//! ```toml
//! [users.ana]
//! password_file = "ana.password"          # or password = "…"
//! roles = ["analysts"]
//!
//! [grants]
//! ana = ["admin on server"]
//! analysts = ["select on schema prod", "select on table prod.sales", "passthrough on source prod"]
//! ```

use std::{collections::BTreeMap, fs, path::Path};

use ducksync_core::{
    Error, Result,
    auth::{Grant, GrantTarget, Privilege},
    secret::SecretText,
};
use serde::Deserialize;

use super::secrets::read_secret_file;

/// Logins and grants, as the file says them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Users {
    /// The logins.
    pub(crate) users: Vec<ConfiguredUser>,
    /// Grants: to whom, and what.
    pub(crate) grants: Vec<(String, Grant)>,
}

/// One login of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfiguredUser {
    /// The login name.
    pub(crate) name: String,
    /// Its password.
    pub(crate) password: SecretText,
    /// Its roles.
    pub(crate) roles: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    users: BTreeMap<String, Login>,
    #[serde(default)]
    grants: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    password: Option<SecretText>,
    password_file: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
}

impl Users {
    /// Reads the file.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|error| {
            let shown = path.display();
            Error::invalid(format!(
                "reading auth.users_file {shown} failed: {}",
                error.kind()
            ))
            .with_remedy("check the path; relative ones begin at the configuration file")
        })?;
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self> {
        // The error's own text would quote the line, and so perhaps a password.
        let file: File = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |before| before.matches('\n').count() + 1);
            let message = error.message().replace('\n', ", ");
            Error::invalid(format!("{}:{line}: {message}", path.display()))
                .with_remedy("each [users.NAME] has password or password_file, and roles")
        })?;
        let base = path.parent().unwrap_or(Path::new("/"));
        let users = file
            .users
            .into_iter()
            .map(|(name, login)| login.resolve(name, base))
            .collect::<Result<_>>()?;
        let mut grants = Vec::new();
        for (to, texts) in file.grants {
            for text in texts {
                grants.push((to.clone(), parse_grant(&text)?));
            }
        }
        Ok(Self { users, grants })
    }
}

impl Login {
    fn resolve(self, name: String, base: &Path) -> Result<ConfiguredUser> {
        let password = match (self.password, self.password_file) {
            (Some(password), None) => password,
            (None, Some(path)) => read_secret_file(&base.join(path))?,
            _ => SecretText::new(""),
        };
        if name.is_empty() || password.expose().is_empty() {
            return Err(Error::invalid(format!(
                "user {name:?} of auth.users_file has no password"
            ))
            .with_remedy("give it either password or password_file"));
        }
        Ok(ConfiguredUser {
            name,
            password,
            roles: self.roles,
        })
    }
}

/// Reads `privilege on server|source NAME|schema NAME|table SCHEMA.NAME`.
fn parse_grant(text: &str) -> Result<Grant> {
    let bad = || {
        Error::invalid(format!("grant {text:?} of auth.users_file cannot be read")).with_remedy(
            "write: PRIVILEGE on server, on source NAME, on schema NAME or on table SCHEMA.NAME",
        )
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let (privilege, target) = match words.as_slice() {
        [privilege, "on", "server"] => (privilege, GrantTarget::Server),
        [privilege, "on", "source", name] => (privilege, GrantTarget::Source((*name).into())),
        [privilege, "on", "schema", name] => (privilege, GrantTarget::Schema((*name).into())),
        [privilege, "on", "table", name] => {
            let (schema, table) = name.split_once('.').ok_or_else(bad)?;
            (privilege, GrantTarget::Table(schema.into(), table.into()))
        }
        _ => return Err(bad()),
    };
    Ok(Grant {
        privilege: Privilege::parse(privilege)?,
        target,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Users> {
        Users::parse(text, Path::new("/etc/ducksync/users.toml"))
    }

    #[test]
    fn v12_users_and_grants_are_read() {
        let users = parse(
            "[users.ana]\npassword = \"x\"\nroles = [\"analysts\"]\n[grants]\n\
             ana = [\"admin on server\"]\nanalysts = [\"select on table prod.sales\"]\n",
        )
        .unwrap();
        assert_eq!(users.users[0].name, "ana");
        let granted: Vec<_> = users
            .grants
            .iter()
            .map(|(to, g)| (to.as_str(), g.clone()))
            .collect();
        let table = GrantTarget::Table("prod".into(), "sales".into());
        assert_eq!(
            granted,
            [
                (
                    "ana",
                    Grant {
                        privilege: Privilege::Admin,
                        target: GrantTarget::Server
                    }
                ),
                (
                    "analysts",
                    Grant {
                        privilege: Privilege::Select,
                        target: table
                    }
                ),
            ]
        );
    }

    #[test]
    fn i9_a_broken_users_file_is_refused_without_quoting_it() {
        for (text, word) in [
            ("[users.ana]\npassword = \"hunter2\nroles = []", ":2:"),
            ("[users.ana]\npasword = \"hunter2\"", "pasword"),
            ("[users.ana]\nroles = []", "password_file"),
            ("[grants]\nana = [\"everything\"]", "on server"),
            ("[grants]\nana = [\"own on server\"]", "select"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
