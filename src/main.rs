//! DuckSync: an Arrow Flight SQL server between teams' tools and Snowflake.
//!
//! This package is the only one that knows all names. [`config`] reads what it is told, [`compose`]
//! makes the parts and gives them to each other, [`serve`] lets them live and end in order, [`admin`]
//! shows their health, [`cli`] is how people call it. What the parts do is in `crates/`.

mod admin;
mod cli;
mod compose;
mod config;
mod life;
mod logs;
mod serve;

use std::{env, process::ExitCode};

fn main() -> ExitCode {
    cli::run(env::args_os())
}
