//! The simulator as a program. Prints where it listens, and nothing else, on standard output.

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use snowflake_sim::{Simulator, SimulatorConfig, User};

/// Simulates a Snowflake account.
#[derive(Debug, Parser)]
#[command(name = "snowflake-sim", version)]
struct Arguments {
    /// Where to listen; port 0 picks a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Scale of the sample in DEMO.TPCH; 0 makes none.
    #[arg(long, default_value_t = 0.0)]
    tpch_scale: f64,
    /// The user who may log in.
    #[arg(long, default_value = "DUCKSYNC")]
    user: String,
    /// The user's password.
    #[arg(long, default_value = "ducksync-demo")]
    password: String,
    /// The user's public key, a PEM file.
    #[arg(long)]
    public_key: Option<PathBuf>,
    /// The user's programmatic access token.
    #[arg(long)]
    token: Option<String>,
    /// Rows in the reply itself.
    #[arg(long, default_value_t = 1_000)]
    inline_rows: usize,
    /// Rows in each remote chunk.
    #[arg(long, default_value_t = 50_000)]
    rows_per_chunk: usize,
    /// Seconds that a session token works.
    #[arg(long, default_value_t = 3_600)]
    session_validity: u64,
    /// Seconds that a master token works.
    #[arg(long, default_value_t = 14_400)]
    master_validity: u64,
    /// Milliseconds until a running statement is reported as pending.
    #[arg(long, default_value_t = 45_000)]
    sync_wait_ms: u64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    let arguments = Arguments::parse();
    let user = User {
        name: arguments.user,
        password: Some(arguments.password),
        public_key: arguments
            .public_key
            .map(std::fs::read_to_string)
            .transpose()?,
        token: arguments.token,
        ..User::default()
    };
    let config = SimulatorConfig {
        listen: arguments.listen,
        users: vec![user],
        tpch_scale: arguments.tpch_scale,
        inline_rows: arguments.inline_rows,
        rows_per_chunk: arguments.rows_per_chunk,
        session_validity: Duration::from_secs(arguments.session_validity),
        master_validity: Duration::from_secs(arguments.master_validity),
        sync_wait: Duration::from_millis(arguments.sync_wait_ms),
        ..SimulatorConfig::default()
    };
    let simulator = Simulator::start(config).await?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "listening on {}", simulator.address())?;
    stdout.flush()?;
    simulator.wait().await;
    Ok(())
}
