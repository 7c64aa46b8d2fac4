//! Key pair logins: a JWT signed with the key whose public half the user has registered.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::config::User;

#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    iat: i64,
    exp: i64,
}

/// Snowflake accepts tokens of at most this age.
const LONGEST: i64 = 3_600;

/// Verifies a token of a user of any account; says what is wrong with it.
pub(crate) fn verify(token: &str, user: &User) -> Result<(), String> {
    let pem = user
        .public_key
        .as_deref()
        .ok_or("the user has no public key")?;
    let key = DecodingKey::from_rsa_pem(pem.as_bytes())
        .map_err(|error| format!("the registered key is no RSA key: {error}"))?;
    let validation = Validation::new(Algorithm::RS256);
    let claims = decode::<Claims>(token, &key, &validation)
        .map_err(|error| error.to_string())?
        .claims;
    let (account, name) = claims
        .sub
        .split_once('.')
        .ok_or("`sub` is not ACCOUNT.USER")?;
    if name != user.name.to_uppercase()
        || account.is_empty()
        || account != account.to_uppercase()
        || account.contains('.')
    {
        return Err("`sub` is not ACCOUNT.USER in upper case".to_owned());
    }
    let expected = format!("{}.{}", claims.sub, fingerprint(pem)?);
    if claims.iss != expected {
        return Err(format!("`iss` is not {expected}"));
    }
    if claims.exp - claims.iat > LONGEST {
        // A longer life is allowed, but counts as one hour.
        let now = chrono::Utc::now().timestamp();
        if now - claims.iat > LONGEST {
            return Err("the token is older than an hour".to_owned());
        }
    }
    Ok(())
}

/// `SHA256:` and the digest of the key's DER form in base64.
fn fingerprint(pem: &str) -> Result<String, String> {
    let body: String = pem
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .map(str::trim)
        .collect();
    let der = STANDARD
        .decode(body)
        .map_err(|error| format!("the registered key is no PEM text: {error}"))?;
    Ok(format!("SHA256:{}", STANDARD.encode(Sha256::digest(der))))
}
