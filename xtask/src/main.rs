//! The house's own chores, run as `cargo xtask <command>`: what no compiler and no linter checks for us.
//!
//! Each command reads the checkout and says what is wrong, one sentence a finding. Nothing here is part of the product.

#![forbid(unsafe_code)]

mod aws_api;
mod conformance;
mod licences;
mod repository;
mod test;
mod tidy;

use std::process::ExitCode;

use anyhow::{Result, bail};
use repository::Repository;

const USAGE: &str = "usage: cargo xtask <command>
  tidy                    the rules of the house: arrows between rooms, unsafe code, long files, sleeps in tests
  conformance [--check]   write docs/conformance.md from the checklist and the tests that cite it, or check it is fresh
  aws-api [--check]       write docs/aws-api.md from the tables of operations, or check it is fresh
  licences                licences, banned crates and duplicates of the dependencies, by deny.toml
  test                    every test of the workspace, two programs at a time";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(findings) if findings.is_empty() => ExitCode::SUCCESS,
        Ok(findings) => {
            for finding in &findings {
                eprintln!("{finding}");
            }
            eprintln!("{} finding(s)", findings.len());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What the command found wrong; empty when all is well.
fn run(arguments: &[&str]) -> Result<Vec<String>> {
    match arguments {
        ["tidy"] => tidy::findings(&Repository::open()?),
        ["conformance"] => conformance::write(&Repository::open()?).map(|()| Vec::new()),
        ["conformance", "--check"] => Ok(conformance::findings(&Repository::open()?)),
        ["aws-api"] => aws_api::write(&Repository::open()?).map(|()| Vec::new()),
        ["aws-api", "--check"] => Ok(aws_api::findings(&Repository::open()?)),
        ["licences"] => licences::findings(&Repository::open()?),
        ["test"] => test::findings(),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(Vec::new())
        }
        _ => bail!("no such command\n{USAGE}"),
    }
}
