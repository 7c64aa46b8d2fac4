//! The command line: what can be asked of the program, and how answers are printed.
//!
//! One file per verb. A verb returns an [`Outcome`], which becomes the exit code (O-2): 0 done,
//! 1 failed, 2 done in part, 64 asked wrongly. `serve` is [`crate::serve`]'s matter.

mod check_config;
mod doctor;
mod healthcheck;
mod http;
mod report;
mod status;
mod version;

use std::{
    ffi::OsString,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, Subcommand, ValueEnum};
use ducksync_core::Result;

use crate::config::Config;

/// An Arrow Flight SQL server that answers Snowflake's questions from DuckLake caches.
#[derive(Debug, Parser)]
#[command(name = "ducksync", disable_version_flag = true)]
pub(crate) struct Cli {
    /// The configuration; else $DUCKSYNC_CONFIG, else ./ducksync.toml, else the embedded defaults.
    #[arg(long, global = true, value_name = "PATH")]
    config: Option<PathBuf>,
    /// How answers are printed.
    #[arg(long, global = true, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
enum Command {
    /// Runs the server until it is told to stop.
    Serve,
    /// Reads the configuration and says what it means.
    CheckConfig,
    /// Tests what the server stands on, and names the fix of what does not hold.
    Doctor,
    /// Asks the running server whether it is ready.
    Healthcheck,
    /// Asks the running server how it and its datasets stand.
    Status,
    /// Says which versions this is made of.
    Version,
}

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns for people.
    Table,
    /// One JSON array of objects.
    Json,
}

/// How a verb ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All of it was done.
    Done,
    /// None of it was done, or what was asked does not hold.
    Failed,
    /// Some of it was done.
    Partial,
}

impl Outcome {
    fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Partial => 2,
        }
    }
}

/// The exit code of a call that cannot be understood.
const USAGE: u8 = 64;

/// Does what the arguments ask.
pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    match Cli::try_parse_from(arguments) {
        Ok(cli) => cli.run(),
        Err(refusal) => {
            // Help is printed to stdout and is no failure; nothing can be done if printing fails.
            let _ = refusal.print();
            ExitCode::from(if refusal.use_stderr() { USAGE } else { 0 })
        }
    }
}

impl Cli {
    fn run(&self) -> ExitCode {
        let outcome = match self.command {
            Command::Version => version::run(self.format),
            Command::Serve => self.config().and_then(crate::serve::run),
            Command::CheckConfig => self
                .config()
                .and_then(|c| check_config::run(&c, self.format)),
            Command::Doctor => self.config().and_then(|c| doctor::run(&c, self.format)),
            Command::Healthcheck => self.config().and_then(|c| healthcheck::run(&c)),
            Command::Status => self.config().and_then(|c| status::run(&c, self.format)),
        };
        ExitCode::from(match outcome {
            Ok(outcome) => outcome.code(),
            Err(error) => {
                let _ = writeln!(io::stderr(), "ducksync: {error}");
                Outcome::Failed.code()
            }
        })
    }

    fn config(&self) -> Result<Config> {
        Config::load(self.config.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn o2_verbs_and_their_options_are_understood() {
        Cli::command().debug_assert();
        let cli = parse("ducksync serve --config a.toml").unwrap();
        assert_eq!(cli.command, Command::Serve);
        assert_eq!(cli.config, Some("a.toml".into()));
        let cli = parse("ducksync --format json status").unwrap();
        assert_eq!((cli.command, cli.format), (Command::Status, Format::Json));
        assert_eq!(
            parse("ducksync check-config").unwrap().command,
            Command::CheckConfig
        );
    }

    #[test]
    fn o2_exit_codes_are_0_1_2_and_64() {
        let codes = [Outcome::Done, Outcome::Failed, Outcome::Partial].map(Outcome::code);
        assert_eq!(codes, [0, 1, 2]);
        for wrong in ["ducksync", "ducksync server", "ducksync serve --port 1"] {
            assert!(parse(wrong).unwrap_err().use_stderr(), "{wrong}");
        }
        assert!(!parse("ducksync --help").unwrap_err().use_stderr());
    }
}
