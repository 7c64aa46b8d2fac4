//! How a simulated account is set up.

use std::net::SocketAddr;
use std::time::Duration;

use crate::settings::Settings;

/// A user who may log in, by whatever is set.
#[derive(Clone, Default)]
pub struct User {
    /// The login name; compared without case.
    pub name: String,
    /// The password; `None` refuses logins by password.
    pub password: Option<String>,
    /// The public key of a key pair, as a PEM text (`BEGIN PUBLIC KEY`).
    pub public_key: Option<String>,
    /// Another public key, as one has while the first is replaced.
    pub second_public_key: Option<String>,
    /// A programmatic access token; an OAuth token too, unless that is set.
    pub token: Option<String>,
    /// An OAuth token.
    pub oauth_token: Option<String>,
    /// Refuses every login.
    pub disabled: bool,
    /// The warehouse of sessions that name none; `None` leaves them without.
    pub default_warehouse: Option<String>,
    /// The role of sessions that name none; `None` is `SYSADMIN`.
    pub default_role: Option<String>,
    /// The roles that may be taken; none listed means any.
    pub roles: Vec<String>,
}

impl std::fmt::Debug for User {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("User")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl User {
    /// Builds a user who logs in with a password.
    pub fn with_password(name: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            password: Some(password.into()),
            ..Self::default()
        }
    }
}

/// How a chunk's body is labelled when it is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChunkEncoding {
    /// Compressed, with `Content-Encoding: gzip`.
    #[default]
    Gzip,
    /// Compressed without saying so: the client must know gzip by its first bytes.
    UnlabelledGzip,
}

/// The settings of a simulator; [`SimulatorConfig::default`] suits most tests.
#[derive(Debug, Clone)]
pub struct SimulatorConfig {
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Who may log in.
    pub users: Vec<User>,
    /// Scale of the sample in `DEMO.TPCH`: 1 is 1.5 million orders, 0 is no sample.
    pub tpch_scale: f64,
    /// Rows in the reply itself.
    pub inline_rows: usize,
    /// Rows in each remote chunk.
    pub rows_per_chunk: usize,
    /// Label of the chunks' compression.
    pub chunk_encoding: ChunkEncoding,
    /// Whether replies name the chunk headers; otherwise clients derive them from `qrmk`.
    pub chunk_headers: bool,
    /// How long a chunk's address works.
    pub chunk_validity: Duration,
    /// How long a session token works.
    pub session_validity: Duration,
    /// How long a master token works.
    pub master_validity: Duration,
    /// How long a request for a result waits before it answers "pending".
    pub sync_wait: Duration,
    /// What can be switched later.
    pub settings: Settings,
    /// Compressed bytes of results to keep; the oldest results go first.
    pub retained_bytes: usize,
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            users: vec![User::with_password("DUCKSYNC", "ducksync-demo")],
            tpch_scale: 0.0,
            inline_rows: 1_000,
            rows_per_chunk: 50_000,
            chunk_encoding: ChunkEncoding::default(),
            chunk_headers: true,
            chunk_validity: Duration::from_secs(21_599),
            session_validity: Duration::from_secs(3_600),
            master_validity: Duration::from_secs(14_400),
            sync_wait: Duration::from_secs(45),
            settings: Settings::default(),
            retained_bytes: 1 << 30,
        }
    }
}
