//! The commands, one file each.

mod check;
mod doctor;
mod explain;
mod invoke;
mod logs;
mod status;

use crate::cli::{Cli, Command};
use crate::server;
use anyhow::Result;
use std::process::ExitCode;

/// Runs the command that was asked for. An error is printed by the caller and means exit status 1.
pub(crate) fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Up(args) => server::up(*args, cli.json),
        Command::Check(args) => check::run(&args, cli.json),
        Command::Explain(args) => explain::run(&args, cli.json),
        Command::Invoke(args) => Ok(invoke::run(&args, cli.json)),
        Command::Logs(args) => logs::run(&args, cli.json),
        Command::Status(args) => status::run(&args, cli.json),
        Command::Doctor(args) => doctor::run(&args, cli.json),
    }
}
