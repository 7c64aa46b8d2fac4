//! `ducksync healthcheck`: whether the running server is ready, as an exit code.

use std::io::{self, Write};

use ducksync_core::Result;

use super::{Outcome, http};
use crate::config::Config;

/// Prints the server's own words.
pub(super) fn run(config: &Config) -> Result<Outcome> {
    let answer = http::get(config, "/readyz")?;
    // The exit code is the answer; that the words cannot be printed does not change it.
    let _ = writeln!(io::stdout(), "{}", answer.body.trim_end());
    Ok(match answer.status {
        200 => Outcome::Done,
        _ => Outcome::Failed,
    })
}
