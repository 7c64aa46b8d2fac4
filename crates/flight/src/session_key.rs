//! Which session a call belongs to, and the cookie that finds it again.
//!
//! In this order: the cookie, the token with the mark of its Handshake, and for clients that show the
//! same password or token on every connection, what they show together with their address. The key
//! holds the principal's name, so that a stolen cookie alone opens nobody's session.

use std::net::SocketAddr;

use ducksync_core::{auth::Credentials, dataset::hex};
use ducksync_query::SessionKey;
use sha2::{Digest, Sha256};
use tonic::metadata::MetadataMap;
use uuid::Uuid;

use crate::credentials::Shown;

/// The cookie's name.
const COOKIE: &str = "ducksync_session";

/// A secret of this process that keys are mixed with: a cookie tells nothing about a password.
#[derive(Clone)]
pub(crate) struct Salt([u8; 32]);

impl Salt {
    /// A new secret.
    pub(crate) fn generate() -> Self {
        let mut salt = [0; 32];
        salt[..16].copy_from_slice(Uuid::new_v4().as_bytes());
        salt[16..].copy_from_slice(Uuid::new_v4().as_bytes());
        Self(salt)
    }
}

/// What finds a connection's session, as a cookie carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Connection {
    digits: String,
    /// Whether the client showed the cookie already.
    pub(crate) by_cookie: bool,
}

impl Connection {
    /// Of a call with these headers from this address.
    pub(crate) fn of(
        salt: &Salt,
        metadata: &MetadataMap,
        shown: &Shown,
        peer: Option<SocketAddr>,
    ) -> Self {
        if let Some(digits) = cookie(metadata) {
            return Self {
                digits,
                by_cookie: true,
            };
        }
        let peer = peer.map_or_else(String::new, |peer| peer.to_string());
        let parts: Vec<&[u8]> = match (&shown.credentials, &shown.mark) {
            (Credentials::Bearer(token), Some(mark)) => {
                vec![b"login", token.expose().as_bytes(), mark.login.as_bytes()]
            }
            (Credentials::Bearer(token), None) => {
                vec![b"token", token.expose().as_bytes(), peer.as_bytes()]
            }
            (Credentials::Basic { user, password }, _) => {
                vec![
                    b"basic",
                    user.as_bytes(),
                    password.expose().as_bytes(),
                    peer.as_bytes(),
                ]
            }
        };
        Self {
            digits: digest(&salt.0, &parts),
            by_cookie: false,
        }
    }

    /// The key of its session, as this principal.
    pub(crate) fn key(&self, principal: &str) -> SessionKey {
        SessionKey(digest(
            b"session",
            &[principal.as_bytes(), self.digits.as_bytes()],
        ))
    }

    /// The `set-cookie` header that brings the client back to this session.
    pub(crate) fn set_cookie(&self) -> String {
        format!("{COOKIE}={}", self.digits)
    }
}

/// The cookie of ours, if there is one that we could have made.
fn cookie(metadata: &MetadataMap) -> Option<String> {
    let headers = metadata.get_all("cookie");
    let mut pairs = headers
        .iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(|h| h.split(';'));
    pairs.find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let value = value.trim().trim_matches('"');
        let ours = name.trim() == COOKIE
            && value.len() == 64
            && value.bytes().all(|byte| byte.is_ascii_hexdigit());
        ours.then(|| value.to_owned())
    })
}

fn digest(prefix: &[u8], parts: &[&[u8]]) -> String {
    let mut sha = Sha256::new();
    sha.update(prefix);
    for part in parts {
        // Lengths keep ("ab", "c") from ("a", "bc").
        sha.update((part.len() as u64).to_be_bytes());
        sha.update(part);
    }
    hex(&sha.finalize())
}

#[cfg(test)]
mod tests {
    use ducksync_core::secret::SecretText;

    use super::*;
    use crate::credentials::{Mark, Origin};

    fn basic(user: &str, password: &str) -> Shown {
        Shown {
            credentials: Credentials::Basic {
                user: user.into(),
                password: SecretText::new(password),
            },
            mark: None,
        }
    }

    fn token(login: Option<Uuid>) -> Shown {
        Shown {
            credentials: Credentials::Bearer(SecretText::new("t")),
            mark: login.map(|login| Mark {
                origin: Origin::Brought,
                login,
            }),
        }
    }

    fn peer(port: u16) -> Option<SocketAddr> {
        Some(([127, 0, 0, 1], port).into())
    }

    #[test]
    fn connections_of_one_login_share_nothing() {
        let salt = Salt::generate();
        let of =
            |shown: &Shown, port| Connection::of(&salt, &MetadataMap::new(), shown, peer(port));
        assert_eq!(of(&basic("a", "b"), 1), of(&basic("a", "b"), 1));
        assert_ne!(of(&basic("a", "b"), 1), of(&basic("a", "b"), 2));
        assert_ne!(of(&basic("ab", "c"), 1), of(&basic("a", "bc"), 1));
        assert_ne!(of(&token(None), 1), of(&token(None), 2));
        let (one, two) = (Uuid::now_v7(), Uuid::now_v7());
        assert_eq!(of(&token(Some(one)), 1), of(&token(Some(one)), 2));
        assert_ne!(of(&token(Some(one)), 1), of(&token(Some(two)), 1));
    }

    #[test]
    fn the_cookie_leads_back_to_the_session_that_issued_it() {
        let salt = Salt::generate();
        let first = Connection::of(&salt, &MetadataMap::new(), &basic("a", "b"), peer(1));
        let mut metadata = MetadataMap::new();
        let header = format!("other=1; {}", first.set_cookie());
        metadata.insert("cookie", header.parse().unwrap());
        let again = Connection::of(&salt, &metadata, &basic("a", "b"), peer(2));
        assert!(again.by_cookie && !first.by_cookie);
        assert_eq!(again.key("a"), first.key("a"));
        assert_ne!(
            again.key("mallory"),
            first.key("a"),
            "a stolen cookie opens nothing"
        );
    }

    #[test]
    fn cookies_that_we_did_not_make_are_ignored() {
        let salt = Salt::generate();
        let mut metadata = MetadataMap::new();
        metadata.insert("cookie", "ducksync_session=guess".parse().unwrap());
        let connection = Connection::of(&salt, &metadata, &basic("a", "b"), peer(1));
        assert!(!connection.by_cookie);
    }
}
