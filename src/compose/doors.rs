//! Sockets, bound before anything else is made.

use std::{fs, io, path::Path};

use ducksync_core::{Error, Result};
use tokio::net::TcpListener;

use crate::config::{Config, Listen};

/// All sockets of the process.
pub(crate) struct Doors {
    /// Where Flight SQL is spoken.
    pub(crate) flight: Vec<Door>,
    /// Where health and metrics are asked for.
    pub(crate) admin: Option<TcpListener>,
}

/// One socket for Flight SQL.
pub(crate) struct Door {
    /// The bound socket, kept open while the parts behind it are made anew: clients wait meanwhile.
    socket: std::net::TcpListener,
    /// Whether TLS is spoken on it.
    pub(crate) tls: bool,
    /// What a client on this machine connects to.
    pub(crate) url: String,
}

impl Doors {
    /// Binds every configured address.
    ///
    /// # Errors
    /// `FailedPrecondition` naming the address that is taken or not ours, and its key.
    pub(crate) async fn open(config: &Config) -> Result<Self> {
        let mut flight = Vec::new();
        for listen in &config.listen {
            flight.push(Door::open("flight.listen", listen).await?);
        }
        let admin = match &config.admin_listen {
            Some(address) => Some(bind("admin.listen", address).await?),
            None => None,
        };
        Ok(Self { flight, admin })
    }
}

impl Door {
    /// Binds the address that the key or argument `name` gave.
    ///
    /// # Errors
    /// `FailedPrecondition` naming the address that is taken or not ours, and `name`.
    pub(super) async fn open(name: &str, listen: &Listen) -> Result<Self> {
        let host = match listen.host.contains(':') {
            true => format!("[{}]", listen.host),
            false => listen.host.clone(),
        };
        let listener = bind(name, &format!("{host}:{}", listen.port)).await?;
        let port = listener
            .local_addr()
            .map_or(listen.port, |address| address.port());
        Ok(Self {
            socket: listener.into_std().map_err(broken)?,
            tls: listen.tls,
            url: listen.client_url(port),
        })
    }

    /// A listener on the socket; it may be dropped and another one made.
    ///
    /// # Errors
    /// `Unavailable` if the operating system gives none.
    pub(crate) fn listener(&self) -> Result<TcpListener> {
        let copy = self.socket.try_clone().map_err(broken)?;
        TcpListener::from_std(copy).map_err(broken)
    }
}

fn broken(error: io::Error) -> Error {
    Error::unavailable("a listening socket cannot be used").with_source(error)
}

async fn bind(name: &str, address: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let remedy = match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!("stop the program that listens there, or set another port in {name} (0 = any free one)")
            }
            io::ErrorKind::PermissionDenied => format!("use a port from 1024 on in {name}"),
            _ => format!("give {name} an address of this machine"),
        };
        Error::failed_precondition(format!("listening on {address} failed: {}", error.kind()))
            .with_remedy(remedy)
            .with_source(error)
    })
}

/// The text of a PEM file that `key` names.
///
/// # Errors
/// `FailedPrecondition` naming key and path.
pub(super) fn read_pem(key: &str, path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| {
        Error::failed_precondition(format!(
            "reading {key} {} failed: {}",
            path.display(),
            error.kind()
        ))
        .with_remedy(
            "check the path and its rights; relative paths begin at the configuration file",
        )
    })
}
