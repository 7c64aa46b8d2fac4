//! What a source is told: the parameters of its secret and the options of its definition (G-11).

use std::{collections::BTreeMap, net::IpAddr};

use ducksync_core::{
    error::{Error, Result},
    secret::Secret,
};
use reqwest::Url;

use super::{credential::Credential, login::Login, refusals::Pauses, retry::RetryPolicy};

const PARAMETERS: [&str; 18] = [
    "account",
    "user",
    "password",
    "password_file",
    "private_key",
    "private_key_file",
    "private_key_passphrase",
    "private_key_passphrase_file",
    "token",
    "token_file",
    "authenticator",
    "database",
    "schema",
    "warehouse",
    "role",
    "host",
    "port",
    "protocol",
];

/// The settings of one source.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) base: Url,
    pub(super) login: Login,
    pub(super) options: Options,
    pub(super) retry: RetryPolicy,
}

/// The options of a source's definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Options {
    /// Chunks of one result that are downloaded or wait, at most.
    pub(super) prefetch: usize,
    /// Bytes of them, at most; one chunk is always allowed.
    pub(super) memory_budget: usize,
    /// Size of a chunk, as asked of Snowflake.
    pub(super) chunk_size_mb: u64,
    /// Sessions that are kept open.
    pub(super) sessions: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            prefetch: 4,
            memory_budget: 64 << 20,
            chunk_size_mb: 16,
            sessions: 8,
        }
    }
}

impl Settings {
    /// Reads secret and options; touches no network, but reads the files of the credential once, to find
    /// out early that they are unfit.
    pub(super) async fn read(
        secret: &Secret,
        options: &BTreeMap<String, serde_json::Value>,
        testing: bool,
    ) -> Result<Self> {
        if secret.kind != "snowflake" {
            let kind = &secret.kind;
            return Err(
                Error::invalid(format!("secret is of type {kind:?}, not snowflake"))
                    .with_remedy("create a secret of type snowflake"),
            );
        }
        if let Some(key) = secret
            .values
            .keys()
            .find(|key| !PARAMETERS.contains(&key.as_str()))
        {
            return Err(
                Error::invalid(format!("secret parameter {key:?} is unknown"))
                    .with_remedy(format!("use {}", PARAMETERS.join(", "))),
            );
        }
        let options = Options::read(options)?;
        let account = required(secret, "account")?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if !account.chars().all(plain) {
            return Err(
                Error::invalid("secret parameter account is not an account identifier")
                    .with_remedy("use the form organization-account or locator.region"),
            );
        }
        let (retry, pauses) = match testing {
            true => (RetryPolicy::quick(), Pauses::quick()),
            false => (RetryPolicy::default(), Pauses::default()),
        };
        let user = required(secret, "user")?;
        let mut login = Login::new(account, user, Credential::of(secret)?, pauses);
        login.database = given(secret, "database");
        login.schema = given(secret, "schema");
        login.warehouse = given(secret, "warehouse");
        login.role = given(secret, "role");
        login.chunk_size_mb = options.chunk_size_mb;
        login.check().await?;
        Ok(Self {
            base: base(secret, account, testing)?,
            login,
            options,
            retry,
        })
    }
}

impl Options {
    fn read(given: &BTreeMap<String, serde_json::Value>) -> Result<Self> {
        let mut options = Self::default();
        for (name, value) in given {
            let within = |least: u64, most: u64| whole_number(name, value, least, most);
            match name.as_str() {
                "prefetch" => options.prefetch = within(1, 64)? as usize,
                "memory_budget" => options.memory_budget = within(1 << 20, 1 << 40)? as usize,
                "chunk_size_mb" => options.chunk_size_mb = within(16, 160)?,
                "sessions" => options.sessions = within(1, 256)? as usize,
                _ => {
                    return Err(Error::invalid(format!("source option {name:?} is unknown"))
                        .with_remedy("use prefetch, memory_budget, chunk_size_mb or sessions"));
                }
            }
        }
        Ok(options)
    }
}

fn whole_number(name: &str, value: &serde_json::Value, least: u64, most: u64) -> Result<u64> {
    let number = value
        .as_u64()
        .or_else(|| value.as_str()?.trim().parse().ok());
    number
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| {
            Error::invalid(format!("source option {name} cannot be {value}"))
                .with_remedy(format!("give it a whole number from {least} to {most}"))
        })
}

fn given(secret: &Secret, key: &str) -> Option<String> {
    let value = secret.get(key)?.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

fn required<'a>(secret: &'a Secret, key: &str) -> Result<&'a str> {
    match secret.get(key).map(str::trim) {
        Some(value) if !value.is_empty() => Ok(value),
        _ => Err(Error::invalid(format!("secret parameter {key} is missing"))
            .with_remedy(format!("create the secret again with {key}"))),
    }
}

/// The address of the account: `https` everywhere, `http` only to this machine or under test.
fn base(secret: &Secret, account: &str, testing: bool) -> Result<Url> {
    let host = given(secret, "host").unwrap_or_else(|| host_of(account));
    let protocol = given(secret, "protocol")
        .unwrap_or_else(|| "https".to_owned())
        .to_lowercase();
    let port = match given(secret, "port") {
        Some(port) => match port.parse::<u16>() {
            Ok(port) if port > 0 => Some(port),
            _ => return Err(Error::invalid("secret parameter port is not a port number")),
        },
        None => None,
    };
    match protocol.as_str() {
        "https" => {}
        "http" if testing || is_loopback(&host) => {}
        "http" => {
            return Err(Error::invalid(format!(
                "secret parameter protocol: http would send the login to {host:?} in clear text"
            ))
            .with_remedy("use https; http is for this machine only"));
        }
        _ => {
            return Err(Error::invalid(
                "secret parameter protocol must be https or http",
            ));
        }
    }
    let text = match port {
        Some(port) => format!("{protocol}://{host}:{port}/"),
        None => format!("{protocol}://{host}/"),
    };
    let unfit = || {
        Error::invalid(format!(
            "secret parameter host: {host:?} is not a host name"
        ))
    };
    let url = Url::parse(&text).map_err(|_| unfit())?;
    let bare = url.path() == "/" && url.username().is_empty() && url.query().is_none();
    if bare { Ok(url) } else { Err(unfit()) }
}

fn host_of(account: &str) -> String {
    let account = account.to_lowercase().replace('_', "-");
    let china = account
        .split('.')
        .nth(1)
        .is_some_and(|region| region.starts_with("cn-"));
    let domain = if china {
        "snowflakecomputing.cn"
    } else {
        "snowflakecomputing.com"
    };
    format!("{account}.{domain}")
}

/// Whether the host of an address is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
