//! Asks the running server's admin address: one GET on the loopback, bounded in time and size.
//!
//! The verbs need no more than this; a whole HTTP client would be the largest part of the program.

use std::{
    io::{Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

use ducksync_core::{Error, Result};

use crate::config::Config;

const TIMEOUT: Duration = Duration::from_secs(5);
const LARGEST: u64 = 16 << 20;

/// An answer: its status code and body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// Such as 200.
    pub(super) status: u16,
    /// The body.
    pub(super) body: String,
}

/// Gets `path` of the server that runs with this configuration.
///
/// # Errors
/// `FailedPrecondition` if there is no admin address, `Unavailable` if nothing answers there.
pub(super) fn get(config: &Config, path: &str) -> Result<Answer> {
    let Some(listen) = &config.admin_listen else {
        return Err(Error::failed_precondition(
            "admin.listen is empty: the server cannot be asked",
        )
        .with_remedy("set admin.listen, for instance to \"127.0.0.1:8089\""));
    };
    let listen = reachable(listen);
    ask(&listen, path).map_err(|error| {
        Error::unavailable(format!(
            "asking the server on http://{listen}{path} failed: {error}"
        ))
        .with_remedy("start it with `ducksync serve`, or name its configuration with --config")
    })
}

fn ask(listen: &str, path: &str) -> std::io::Result<Answer> {
    let none = || std::io::Error::other("the address has no host");
    let address = listen.to_socket_addrs()?.next().ok_or_else(none)?;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    // HTTP/1.0: the body ends where the connection does.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {listen}\r\n\r\n")?;
    let mut text = String::new();
    stream.take(LARGEST).read_to_string(&mut text)?;
    parse(&text).ok_or_else(|| std::io::Error::other("the answer is not HTTP"))
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?;
    Some(Answer {
        status: status.parse().ok()?,
        body: body.to_owned(),
    })
}

/// The address by which this machine reaches a server that listens on all of its addresses.
fn reachable(listen: &str) -> String {
    match listen.rsplit_once(':') {
        Some(("0.0.0.0", port)) => format!("127.0.0.1:{port}"),
        Some(("[::]", port)) => format!("[::1]:{port}"),
        _ => listen.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let answer =
            parse("HTTP/1.0 503 Service Unavailable\r\nA: b\r\n\r\nno\r\n\r\nway").unwrap();
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (503, "no\r\n\r\nway")
        );
        assert_eq!(parse("SSH-2.0"), None);
        assert_eq!(reachable("0.0.0.0:8089"), "127.0.0.1:8089");
        assert_eq!(reachable("localhost:1"), "localhost:1");
    }
}
