//! What clients show in the `authorization` header.
//!
//! Drivers differ: Go sends Basic without padding, JDBC with it; some log in once by Handshake, others
//! show Basic or a static token with every call. All are understood on every call.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use ducksync_core::{Error, Result, auth::Credentials, secret::SecretText};
use tonic::metadata::MetadataMap;
use uuid::Uuid;

/// The header by which a client proves who it is.
pub(crate) const AUTHORIZATION: &str = "authorization";

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Whether the server made a token at this Handshake, so that it may end with its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Made for this login.
    Minted,
    /// The client had it before.
    Brought,
}

/// What one Handshake adds to a token: connections that log in with the same token get sessions of
/// their own, and no state is needed to tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Whose the token is.
    pub(crate) origin: Origin,
    /// Which Handshake it was.
    pub(crate) login: Uuid,
}

/// What a client shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    /// What proves who it is.
    pub(crate) credentials: Credentials,
    /// Which Handshake it went through, if any.
    pub(crate) mark: Option<Mark>,
}

impl Shown {
    /// Reads the `authorization` header.
    ///
    /// # Errors
    /// `Unauthenticated` if it is missing or cannot be read; the text never repeats it.
    pub(crate) fn read(metadata: &MetadataMap) -> Result<Self> {
        let header = metadata.get(AUTHORIZATION).ok_or_else(|| {
            Error::unauthenticated("the call has no authorization header")
                .with_remedy("log in with user and password, or send a bearer token")
        })?;
        let text = header.to_str().map_err(|_| unreadable())?.trim();
        let (scheme, value) = text.split_once(' ').ok_or_else(unreadable)?;
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => basic(value.trim()),
            "bearer" => Ok(bearer(value.trim())),
            _ => Err(unreadable()),
        }
    }
}

/// The header value that a Handshake answers with.
pub(crate) fn bearer_header(token: &SecretText, mark: Mark) -> String {
    let origin = match mark.origin {
        Origin::Minted => 'm',
        Origin::Brought => 'b',
    };
    format!("Bearer {}~{origin}{}", token.expose(), mark.login.simple())
}

fn basic(value: &str) -> Result<Shown> {
    let bytes = BASE64.decode(value).map_err(|_| unreadable())?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable())?;
    // Passwords may hold colons, names may not.
    let (user, password) = text.split_once(':').ok_or_else(unreadable)?;
    let credentials = Credentials::Basic {
        user: user.to_owned(),
        password: SecretText::new(password),
    };
    Ok(Shown {
        credentials,
        mark: None,
    })
}

fn bearer(value: &str) -> Shown {
    let (token, mark) = match value
        .rsplit_once('~')
        .map(|(token, mark)| (token, read_mark(mark)))
    {
        Some((token, Some(mark))) => (token, Some(mark)),
        _ => (value, None),
    };
    Shown {
        credentials: Credentials::Bearer(SecretText::new(token)),
        mark,
    }
}

/// A token that ends like a mark by chance would need 33 particular characters behind a tilde.
fn read_mark(text: &str) -> Option<Mark> {
    let origin = match text.as_bytes().first()? {
        b'm' => Origin::Minted,
        b'b' => Origin::Brought,
        _ => return None,
    };
    let digits = text.get(1..).filter(|digits| digits.len() == 32)?;
    Some(Mark {
        origin,
        login: Uuid::try_parse(digits).ok()?,
    })
}

fn unreadable() -> Error {
    Error::unauthenticated("the authorization header cannot be read")
        .with_remedy("send Basic with user and password, or Bearer with a token")
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};

    use super::*;

    fn read(value: &str) -> Result<Shown> {
        let mut metadata = MetadataMap::new();
        metadata.insert(AUTHORIZATION, value.parse().unwrap());
        Shown::read(&metadata)
    }

    fn user_and_password(shown: Shown) -> (String, String) {
        let Credentials::Basic { user, password } = shown.credentials else {
            panic!("not basic")
        };
        (user, password.expose().to_owned())
    }

    #[test]
    fn s1_basic_is_read_with_and_without_padding_and_splits_at_the_first_colon() {
        for password in ["pw1", "p:w:", "", "pässword", "x"] {
            let plain = format!("ann:{password}");
            for text in [
                BASE64_STANDARD.encode(&plain),
                BASE64_STANDARD_NO_PAD.encode(&plain),
            ] {
                for scheme in ["Basic", "basic", "BASIC"] {
                    let shown = read(&format!("{scheme} {text}")).unwrap();
                    assert_eq!(user_and_password(shown), ("ann".into(), password.into()));
                }
            }
        }
    }

    #[test]
    fn a_token_comes_back_with_the_mark_of_its_handshake() {
        let token = SecretText::new("abc~def.g_h-i");
        for origin in [Origin::Minted, Origin::Brought] {
            let mark = Mark {
                origin,
                login: Uuid::now_v7(),
            };
            let shown = read(&bearer_header(&token, mark)).unwrap();
            assert_eq!(shown.credentials, Credentials::Bearer(token.clone()));
            assert_eq!(shown.mark, Some(mark));
        }
        let shown = read("Bearer abc~def.g_h-i").unwrap();
        assert_eq!(
            shown,
            Shown {
                credentials: Credentials::Bearer(token),
                mark: None
            }
        );
    }

    #[test]
    fn i9_what_cannot_be_read_is_not_repeated() {
        for header in ["Basic %%%", "Basic bm9jb2xvbg==", "Digest secret", "secret"] {
            let error = read(header).unwrap_err();
            assert_eq!(error.kind(), ducksync_core::ErrorKind::Unauthenticated);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let none = Shown::read(&MetadataMap::new()).unwrap_err();
        assert_eq!(none.kind(), ducksync_core::ErrorKind::Unauthenticated);
    }
}
