//! Who acts, and what they may.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    secret::SecretText,
};

/// What a principal may do (V-12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Privilege {
    /// Read rows.
    Select,
    /// Start runs.
    Refresh,
    /// Define, alter and drop.
    Manage,
    /// Send statements to a source.
    Passthrough,
    /// Everything, storage and principals included.
    Admin,
}

impl Privilege {
    /// Parses a privilege.
    ///
    /// # Errors
    /// `InvalidArgument` listing the privileges.
    pub fn parse(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().as_str() {
            "select" => Ok(Self::Select),
            "refresh" => Ok(Self::Refresh),
            "manage" => Ok(Self::Manage),
            "passthrough" => Ok(Self::Passthrough),
            "admin" => Ok(Self::Admin),
            _ => Err(Error::invalid(format!("privilege {text:?} is unknown"))
                .with_remedy("use select, refresh, manage, passthrough or admin")),
        }
    }

    /// The word as it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Refresh => "refresh",
            Self::Manage => "manage",
            Self::Passthrough => "passthrough",
            Self::Admin => "admin",
        }
    }
}

/// What a privilege is about. Names are compared ignoring case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantTarget {
    /// Everything on this server.
    Server,
    /// One source.
    Source(String),
    /// All tables of one lake schema.
    Schema(String),
    /// One lake table, by schema and name.
    Table(String, String),
}

/// A privilege of a principal or role on a target.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Grant {
    /// What may be done.
    pub privilege: Privilege,
    /// With what.
    pub target: GrantTarget,
}

/// Who acts, with the rights confirmed at login or since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The login name.
    pub name: String,
    /// Roles it has.
    pub roles: Vec<String>,
    /// What it may, its roles' grants included.
    pub grants: Arc<[Grant]>,
}

impl Principal {
    /// Whether it may do `privilege` on `target`: by a grant on the target, on what contains it, or as
    /// admin of the server. No grant = no right.
    pub fn may(&self, privilege: Privilege, target: &GrantTarget) -> bool {
        self.grants.iter().any(|grant| {
            let privileged = grant.privilege == Privilege::Admin || grant.privilege == privilege;
            privileged && contains(&grant.target, target)
        })
    }

    /// As [`Principal::may`].
    ///
    /// # Errors
    /// `PermissionDenied` naming the privilege and target.
    pub fn require(&self, privilege: Privilege, target: &GrantTarget) -> Result<()> {
        if self.may(privilege, target) {
            return Ok(());
        }
        let on = match target {
            GrantTarget::Server => "this server".to_owned(),
            GrantTarget::Source(name) => format!("source {name}"),
            GrantTarget::Schema(name) => format!("schema {name}"),
            GrantTarget::Table(schema, name) => format!("table {schema}.{name}"),
        };
        Err(Error::permission_denied(format!(
            "{} lacks the privilege {} on {on}",
            self.name,
            privilege.as_str()
        ))
        .with_remedy("ask an administrator to grant it"))
    }

    /// Whether it may do everything.
    pub fn is_admin(&self) -> bool {
        self.may(Privilege::Admin, &GrantTarget::Server)
    }
}

fn contains(granted: &GrantTarget, wanted: &GrantTarget) -> bool {
    let same = |l: &str, r: &str| l.to_lowercase() == r.to_lowercase();
    match (granted, wanted) {
        (GrantTarget::Server, _) => true,
        (GrantTarget::Source(l), GrantTarget::Source(r)) => same(l, r),
        (GrantTarget::Schema(l), GrantTarget::Schema(r) | GrantTarget::Table(r, _)) => same(l, r),
        (GrantTarget::Table(ls, l), GrantTarget::Table(rs, r)) => same(ls, rs) && same(l, r),
        _ => false,
    }
}

/// What a client shows to prove who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// User and password.
    Basic {
        /// The login name.
        user: String,
        /// The password.
        password: SecretText,
    },
    /// A token that this server minted, or a static one.
    Bearer(SecretText),
}

/// Checks credentials. Unknown user and wrong password are the same error, after the same work.
#[async_trait]
pub trait Authenticator: Send + Sync {
    /// Who shows these credentials.
    ///
    /// # Errors
    /// `Unauthenticated`, without saying what was wrong.
    async fn authenticate(&self, credentials: &Credentials) -> Result<Principal>;

    /// A new bearer token of that principal; valid while it is used (idle expiry), on every replica.
    async fn mint(&self, principal: &Principal) -> Result<SecretText>;

    /// Ends a bearer token.
    async fn revoke(&self, token: &SecretText) -> Result<()>;
}

/// Principals and grants in the catalog.
#[async_trait]
pub trait GrantStore: Send + Sync {
    /// The principal of that name with its confirmed grants; `None` if there is none.
    async fn principal(&self, name: &str) -> Result<Option<Principal>>;

    /// The password hash of that login (PHC text); `None` if there is none.
    async fn password_hash(&self, name: &str) -> Result<Option<SecretText>>;

    /// Makes or replaces a login; with `only_first` it is made only while there is none at all, which
    /// is decided in the same transaction. Whether it was.
    async fn put_user(
        &self,
        name: &str,
        password_hash: &SecretText,
        roles: &[String],
        only_first: bool,
    ) -> Result<bool>;

    /// Grants to a login or role.
    async fn grant(&self, to: &str, grant: &Grant) -> Result<()>;

    /// Takes a grant back.
    async fn revoke(&self, from: &str, grant: &Grant) -> Result<()>;

    /// Whether there is any login.
    async fn has_users(&self) -> Result<bool>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v12_grants_reach_what_they_contain_and_nothing_else() {
        let table = GrantTarget::Table("Prod".into(), "Sales".into());
        let rows = [
            (Privilege::Select, GrantTarget::Server, true),
            (Privilege::Admin, GrantTarget::Server, true),
            (Privilege::Select, GrantTarget::Schema("prod".into()), true),
            (
                Privilege::Select,
                GrantTarget::Table("PROD".into(), "sales".into()),
                true,
            ),
            (
                Privilege::Select,
                GrantTarget::Table("prod".into(), "sale".into()),
                false,
            ),
            (Privilege::Select, GrantTarget::Source("prod".into()), false),
            (Privilege::Refresh, GrantTarget::Server, false),
        ];
        for (privilege, target, expected) in rows {
            let principal = Principal {
                name: "ann".into(),
                roles: vec![],
                grants: vec![Grant {
                    privilege,
                    target: target.clone(),
                }]
                .into(),
            };
            assert_eq!(
                principal.may(Privilege::Select, &table),
                expected,
                "{privilege:?} {target:?}"
            );
        }
    }
}
