//! Addresses: where Flight SQL listens, where the catalog is, where the lake's files lie.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Component, Path, PathBuf},
};

use ducksync_core::{Error, Result, secret::SecretText};

/// One place where Flight SQL listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listen {
    /// Whether it speaks TLS.
    pub(crate) tls: bool,
    /// The host in lower case, without brackets.
    pub(crate) host: String,
    /// The port; 0 = any free one.
    pub(crate) port: u16,
}

impl Listen {
    /// Parses every listener.
    pub(super) fn parse_all(texts: &[String]) -> Result<Vec<Self>> {
        if texts.is_empty() {
            return Err(Error::invalid("flight.listen names no address")
                .with_remedy("give it at least one, such as \"grpc://127.0.0.1:31337\""));
        }
        let parse = |text: &String| Self::parse("flight.listen", text);
        texts.iter().map(parse).collect()
    }

    /// Parses what the key or argument `name` gives.
    ///
    /// # Errors
    /// `InvalidArgument` saying what is wrong with it.
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self> {
        Self::read(text).map_err(|wrong| {
            // What stands before the @ may be a password.
            let shown = match text.contains('@') {
                true => name.to_owned(),
                false => format!("{name} {text:?}"),
            };
            Error::invalid(format!("{shown} is not an address to listen on: {wrong}")).with_remedy(
                "write grpc://host:port or grpc+tls://host:port; port 0 = any free one",
            )
        })
    }

    fn read(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "grpc" | "grpc+tcp" => false,
            "grpc+tls" => true,
            _ => return Err("its scheme is neither grpc nor grpc+tls"),
        };
        let place = rest.strip_suffix('/').unwrap_or(rest);
        if place.contains('@') {
            return Err("it names a user");
        }
        if place.contains(['/', '?', '#']) {
            return Err("there is something behind the port");
        }
        let (host, port) = place.rsplit_once(':').ok_or("it has no port")?;
        let port = port
            .parse()
            .map_err(|_| "its port is not a number up to 65535")?;
        let host = match host.strip_prefix('[').zip(host.strip_suffix(']')) {
            Some(_) => &host[1..host.len() - 1],
            None => host,
        };
        let is_name = |text: &str| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
            !text.is_empty() && text.bytes().all(fits)
        };
        if !is_name(host) && host.parse::<Ipv6Addr>().is_err() {
            return Err("its host is neither a name nor an IP address");
        }
        Ok(Self {
            tls,
            host: host.to_ascii_lowercase(),
            port,
        })
    }

    /// Whether only this machine can reach it.
    pub(crate) fn is_loopback(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        }
    }

    /// What a client on this machine writes to connect, once the port is known.
    pub(crate) fn client_url(&self, port: u16) -> String {
        let scheme = if self.tls { "grpc+tls" } else { "grpc" };
        let host = match self.host.parse::<IpAddr>() {
            Ok(address) if address.is_unspecified() => match address {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.to_string(),
                IpAddr::V6(_) => format!("[{}]", Ipv6Addr::LOCALHOST),
            },
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            _ => self.host.clone(),
        };
        format!("{scheme}://{host}:{port}")
    }
}

/// The catalog database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CatalogUrl {
    /// An SQLite file, for one process.
    Sqlite(PathBuf),
    /// Postgres, for many; the address may hold a password.
    Postgres(SecretText),
}

impl CatalogUrl {
    pub(super) fn parse(url: &SecretText, base: &Path, data_directory: &Path) -> Result<Self> {
        let text = url.expose();
        if text.is_empty() {
            return Ok(Self::Sqlite(data_directory.join("ducksync.db")));
        }
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path {
                "" | ":memory:" => Err(Error::invalid("catalog.url names no file")
                    .with_remedy("write sqlite:<path>: the catalog must outlive the process")),
                path => Ok(Self::Sqlite(tidy(&base.join(path)))),
            };
        }
        if text.starts_with("postgresql://") || text.starts_with("postgres://") {
            return Ok(Self::Postgres(url.clone()));
        }
        Err(
            Error::invalid("catalog.url is neither an SQLite nor a Postgres address")
                .with_remedy("write sqlite:<path> or postgresql://user:password@host/database"),
        )
    }

    /// The address itself, for the catalog alone.
    pub(crate) fn address(&self) -> SecretText {
        match self {
            Self::Sqlite(path) => SecretText::new(format!("sqlite:{}", path.display())),
            Self::Postgres(url) => url.clone(),
        }
    }

    /// The address as it may be shown: without a password.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
            Self::Postgres(url) => super::without_password(url),
        }
    }
}

/// The lake's data path: absolute, ending in `/`.
pub(super) fn data_path(text: &str, base: &Path, data_directory: &Path) -> Result<String> {
    if text.starts_with("s3://") {
        let bucket = text.trim_start_matches("s3://").trim_start_matches('/');
        if bucket.is_empty() {
            return Err(
                Error::invalid(format!("lake.data_path {text:?} names no bucket"))
                    .with_remedy("write s3://bucket/path/"),
            );
        }
        return Ok(format!("{}/", text.trim_end_matches('/')));
    }
    if let Some((scheme, _)) = text
        .split_once("://")
        .filter(|(scheme, _)| *scheme != "file")
    {
        return Err(
            Error::invalid(format!("lake.data_path cannot be on {scheme}://"))
                .with_remedy("use a directory or s3://bucket/path/"),
        );
    }
    let path = match text.strip_prefix("file://").unwrap_or(text) {
        "" => data_directory.join("lake"),
        path => base.join(path),
    };
    match tidy(&path).to_str() {
        Some(path) => Ok(format!("{}/", path.trim_end_matches('/'))),
        None => Err(Error::invalid("lake.data_path is not UTF-8")
            .with_remedy("use a directory with a plain name")),
    }
}

/// The path without `.` and `..`, so that one directory has one name.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                tidy.pop();
            }
            part => tidy.push(part),
        }
    }
    tidy
}

/// The address with its password, if it has one, left out.
pub(super) fn without_password(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else {
        return "[address not shown]".into();
    };
    // Parameters may hold a password as well.
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    match rest.rsplit_once('@') {
        Some((login, place)) => {
            let user = login.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}@{place}")
        }
        None => format!("{scheme}://{rest}"),
    }
}
