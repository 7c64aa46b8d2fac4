//! Who logs in, and the body that says so.
//!
//! Secrets are exposed in [`Login::body`] alone, which goes straight onto the wire.

use ducksync_core::{
    error::{Error, Result},
    secret::SecretText,
};
use serde_json::{Value, json};

/// Snowflake sends Arrow only to clients whose name it knows; this is its Go driver's, whose wire
/// format is the plain one. The application's own name goes beside it.
const CLIENT: (&str, &str) = ("Go", "1.19.0");

/// The parameters of a login.
#[derive(Debug)]
pub(super) struct Login {
    pub(super) account: String,
    pub(super) user: String,
    pub(super) credential: Credential,
    pub(super) database: Option<String>,
    pub(super) schema: Option<String>,
    pub(super) warehouse: Option<String>,
    pub(super) role: Option<String>,
    pub(super) chunk_size_mb: u64,
}

/// How the user proves who they are.
#[derive(Debug)]
pub(super) enum Credential {
    /// A password.
    Password(SecretText),
    /// A private key in PEM, of which Snowflake has the public half.
    KeyPair(SecretText),
    /// A token that somebody issued, and its kind.
    Token(SecretText, &'static str),
}

impl Credential {
    pub(super) fn password(text: &str) -> Self {
        Self::Password(SecretText::new(text))
    }

    pub(super) fn key_pair(pem: &str) -> Self {
        Self::KeyPair(SecretText::new(pem.trim()))
    }

    pub(super) fn token(token: &str, authenticator: Option<&str>) -> Result<Self> {
        let kind = match authenticator.map(str::to_lowercase).as_deref() {
            None | Some("programmatic_access_token") => "PROGRAMMATIC_ACCESS_TOKEN",
            Some("oauth") => "OAUTH",
            Some(_) => {
                return Err(Error::invalid("secret parameter authenticator is unknown")
                    .with_remedy("use programmatic_access_token or oauth"));
            }
        };
        Ok(Self::Token(SecretText::new(token), kind))
    }
}

impl Login {
    /// The account without its region, as tokens and logins name it.
    fn account_name(&self) -> String {
        let locator = self.account.split('.').next().unwrap_or_default();
        locator.to_uppercase()
    }

    /// Finds a key that cannot sign before anybody waits for a login.
    pub(super) fn check(&self) -> Result<()> {
        match &self.credential {
            Credential::KeyPair(pem) => self.signed(pem).map(drop),
            Credential::Password(_) | Credential::Token(..) => Ok(()),
        }
    }

    /// A fresh token signed with the key; Snowflake accepts it for a short while only.
    fn signed(&self, pem: &SecretText) -> Result<String> {
        let identity = format!("{}.{}", self.account_name(), self.user.to_uppercase());
        snowflake_jwt::generate_jwt_token(pem.expose(), &identity).map_err(|_| {
            // The cause is left out on purpose: it could quote the key.
            Error::invalid("secret parameter private_key cannot sign a login")
                .with_remedy("give an unencrypted RSA key in PKCS#8 PEM form (BEGIN PRIVATE KEY)")
        })
    }

    /// The body of a login request.
    pub(super) fn body(&self) -> Result<Value> {
        let mut data = json!({
            "CLIENT_APP_ID": CLIENT.0,
            "CLIENT_APP_VERSION": CLIENT.1,
            "SVN_REVISION": "",
            "ACCOUNT_NAME": self.account_name(),
            "LOGIN_NAME": self.user,
            "CLIENT_ENVIRONMENT": {
                "APPLICATION": "DuckSync",
                "OS": std::env::consts::OS,
                "OS_VERSION": std::env::consts::ARCH,
            },
            "SESSION_PARAMETERS": {
                "CLIENT_RESULT_CHUNK_SIZE": self.chunk_size_mb,
                "GO_QUERY_RESULT_FORMAT": "ARROW",
            },
        });
        match &self.credential {
            Credential::Password(password) => data["PASSWORD"] = password.expose().into(),
            Credential::KeyPair(pem) => {
                data["AUTHENTICATOR"] = "SNOWFLAKE_JWT".into();
                data["TOKEN"] = self.signed(pem)?.into();
            }
            Credential::Token(token, kind) => {
                data["AUTHENTICATOR"] = (*kind).into();
                data["TOKEN"] = token.expose().into();
            }
        }
        Ok(json!({ "data": data }))
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;

    use super::*;

    fn login(credential: Credential) -> Login {
        Login {
            account: "xy12345.us-east-1".into(),
            user: "Duck".into(),
            credential,
            database: None,
            schema: None,
            warehouse: None,
            role: None,
            chunk_size_mb: 16,
        }
    }

    #[test]
    fn key_pair_tokens_name_the_account_without_region_in_upper_case() {
        use rsa::pkcs8::{EncodePrivateKey as _, LineEnding};
        let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap();
        let pem = key.to_pkcs8_pem(LineEnding::LF).unwrap();
        let body = login(Credential::key_pair(&pem)).body().unwrap();
        let token = body.pointer("/data/TOKEN").unwrap().as_str().unwrap();
        let claims = token.split('.').nth(1).unwrap();
        let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(claims)
            .unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims["sub"], "XY12345.DUCK");
        let issuer = claims["iss"].as_str().unwrap();
        assert!(issuer.starts_with("XY12345.DUCK.SHA256:"), "{issuer}");
    }

    #[test]
    fn g11_an_unfit_key_is_refused_without_showing_it() {
        let error = login(Credential::key_pair("BEGIN SECRET STUFF"))
            .check()
            .unwrap_err();
        assert!(error.to_string().contains("private_key"), "{error}");
        assert!(!format!("{error:?}").contains("SECRET STUFF"), "{error:?}");
    }
}
