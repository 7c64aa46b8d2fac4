//! Key pair logins: a JWT signed with the key whose public half the user has registered.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::config::User;

#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    iat: Option<i64>,
    exp: Option<i64>,
}

/// Why a token is refused: Snowflake's code and name for it. A client only learns
/// `JWT token is invalid`, and an administrator the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Invalid {
    General,
    UserInIssuer,
    MissingTime,
    IssueTime,
    ExpirationTime,
    Fingerprint,
    Algorithm,
    Signature,
}

impl Invalid {
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::General => "390144",
            Self::UserInIssuer => "394300",
            Self::MissingTime => "394301",
            Self::IssueTime => "394302",
            Self::ExpirationTime => "394303",
            Self::Fingerprint => "394304",
            Self::Algorithm => "394305",
            Self::Signature => "394306",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::General => "JWT_TOKEN_INVALID",
            Self::UserInIssuer => "JWT_TOKEN_INVALID_USER_IN_ISSUER",
            Self::MissingTime => "JWT_TOKEN_MISSING_ISSUE_OR_EXPIRATION_TIME",
            Self::IssueTime => "JWT_TOKEN_INVALID_ISSUE_TIME",
            Self::ExpirationTime => "JWT_TOKEN_INVALID_EXPIRATION_TIME",
            Self::Fingerprint => "JWT_TOKEN_INVALID_PUBLIC_KEY_FINGERPRINT_MISMATCH",
            Self::Algorithm => "JWT_TOKEN_INVALID_ALGORITHM",
            Self::Signature => "JWT_TOKEN_INVALID_SIGNATURE",
        }
    }
}

/// Seconds between a token's issue and its arrival, at most; and how far clocks may differ.
const LONGEST: i64 = 60;

/// Whose token it claims to be, of any account. Drivers need not name the user beside it.
pub(crate) fn claimed_user(token: &str) -> Result<String, Invalid> {
    let header = decode_header(token).map_err(|_| Invalid::General)?;
    if header.alg != Algorithm::RS256 {
        return Err(Invalid::Algorithm);
    }
    let claims = unverified(token)?;
    let (account, name) = claims.sub.split_once('.').ok_or(Invalid::General)?;
    if account.is_empty() || account != account.to_uppercase() {
        return Err(Invalid::General);
    }
    if name != name.to_uppercase() {
        return Err(Invalid::UserInIssuer);
    }
    Ok(name.to_owned())
}

/// Verifies that a token is the user's.
pub(crate) fn verify(token: &str, user: &User, now: DateTime<Utc>) -> Result<(), Invalid> {
    let claims = unverified(token)?;
    let issuer = |pem: &str| Some(format!("{}.{}", claims.sub, fingerprint(pem)?));
    let pem = [&user.public_key, &user.second_public_key]
        .into_iter()
        .flatten()
        .find(|pem| issuer(pem).as_deref() == Some(&claims.iss))
        .ok_or(Invalid::Fingerprint)?;
    let key = DecodingKey::from_rsa_pem(pem.as_bytes()).map_err(|_| Invalid::General)?;
    decode::<Claims>(token, &key, &untimed()).map_err(|_| Invalid::Signature)?;
    let (Some(issued), Some(expires)) = (claims.iat, claims.exp) else {
        return Err(Invalid::MissingTime);
    };
    if (now.timestamp() - issued).abs() > LONGEST {
        return Err(Invalid::IssueTime);
    }
    if expires <= now.timestamp() {
        return Err(Invalid::ExpirationTime);
    }
    Ok(())
}

/// What the token says, before it is known who says so.
fn unverified(token: &str) -> Result<Claims, Invalid> {
    let mut validation = untimed();
    validation.insecure_disable_signature_validation();
    let claims = decode::<Claims>(token, &DecodingKey::from_secret(&[]), &validation);
    claims
        .map(|token| token.claims)
        .map_err(|_| Invalid::General)
}

/// Times are compared here, with the account's clock.
fn untimed() -> Validation {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    validation.required_spec_claims.clear();
    validation
}

/// `SHA256:` and the digest of the key's DER form in base64; `None` if the text is no PEM.
fn fingerprint(pem: &str) -> Option<String> {
    let body: String = pem
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .map(str::trim)
        .collect();
    let der = STANDARD.decode(body).ok()?;
    Some(format!("SHA256:{}", STANDARD.encode(Sha256::digest(der))))
}
