//! The one binary: commands, configuration of the process, start order, telemetry, shutdown.
//!
//! ```text
//! cli          the command line
//! command      one file for each command
//! server       `up`: what is started, in which order, and how it ends
//! plan         from a manifest to a state that could be served
//! data_dir     the files of one running server, and how others find it
//! open_files   how many clients and connections to targets the limit of open files admits
//! ```
//!
//! Behaviour is left to the rooms.
#![forbid(unsafe_code)]

mod cli;
mod client;
mod command;
mod confinement;
mod data_dir;
mod issuer;
mod open_files;
mod output;
mod plan;
mod server;
mod takeover;
mod telemetry;

use clap::Parser;
use clap::error::ErrorKind;
use std::process::ExitCode;

/// Runs the command that the process was started with. The first thing `main` does: the spawner of execution
/// environments is this same binary, and must not get further than here.
pub fn run() -> ExitCode {
    sandbox::run_spawner_if_asked();
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print(); // nobody is left to be told when even that fails
            let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return ExitCode::from(if asked_for { 0 } else { 2 });
        }
    };
    telemetry::install(cli.log, cli.json);
    let code = command::run(cli).unwrap_or_else(|error| {
        output::error(&format!("albacore: {error:#}"));
        ExitCode::FAILURE
    });
    telemetry::flush();
    code
}
