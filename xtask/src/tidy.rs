//! The rules of the house that no compiler knows, over every file of the checkout.

mod arrows;
mod lines;

use std::collections::BTreeSet;

use anyhow::{Context, Result};

use crate::aws_api;
use crate::conformance;
use crate::repository::Repository;

/// Files under `crates/*/src` that may have more than [`LINES_MAX`] lines, each with the reason.
const LONG_FILES: &[(&str, &str)] = &[];

/// At 400 lines ask what a file owns twice; above this it has to be named in [`LONG_FILES`].
const LINES_MAX: usize = 600;

/// The one room that may contain `unsafe`.
const UNSAFE_ROOM: &str = "albacore-sandbox";

pub(crate) fn findings(repository: &Repository) -> Result<Vec<String>> {
    let mut findings = arrows::findings(repository)?;
    findings.extend(unsafe_roots(repository)?);
    findings.extend(repository.sources.iter().flat_map(lines::findings));
    findings.extend(long_files(repository));
    findings.extend(examples_without_test(repository));
    findings.extend(conformance::findings(repository));
    findings.extend(aws_api::findings(repository));
    Ok(findings)
}

/// Crate roots that do not forbid `unsafe`.
fn unsafe_roots(repository: &Repository) -> Result<Vec<String>> {
    let metadata = repository.metadata()?;
    let packages = metadata["packages"]
        .as_array()
        .context("`cargo metadata` names no packages")?;
    let mut findings = Vec::new();
    for package in packages.iter().filter(|package| package["name"] != UNSAFE_ROOM) {
        for target in package["targets"].as_array().into_iter().flatten() {
            let is_root = target["kind"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|kind| kind == "lib" || kind == "bin");
            let path = target["src_path"].as_str().and_then(|path| repository.relative(path));
            let Some(path) = path.filter(|_| is_root) else { continue };
            let forbids = |text: &str| text.lines().any(|line| line.trim() == "#![forbid(unsafe_code)]");
            if !repository.text(&path).is_some_and(forbids) {
                findings.push(format!(
                    "{path}: a crate root says `#![forbid(unsafe_code)]`; only `sandbox` may not"
                ));
            }
        }
    }
    Ok(findings)
}

fn long_files(repository: &Repository) -> Vec<String> {
    let mut findings = Vec::new();
    for source in &repository.sources {
        let lines = source.text.lines().count();
        let is_product = source.path.starts_with("crates/") && source.path.contains("/src/");
        let is_listed = LONG_FILES.iter().any(|(path, _)| *path == source.path);
        if is_product && source.path.ends_with(".rs") && lines > LINES_MAX && !is_listed {
            findings.push(format!(
                "{}: {lines} lines, and {LINES_MAX} are the most. Split what it owns twice, or give the reason in \
                 LONG_FILES of xtask/src/tidy.rs",
                source.path
            ));
        }
        if is_listed && lines <= LINES_MAX {
            findings.push(format!(
                "{}: no longer a long file, so take it out of LONG_FILES",
                source.path
            ));
        }
    }
    for (path, _) in LONG_FILES {
        if repository.text(path).is_none() {
            findings.push(format!("{path}: stands in LONG_FILES and does not exist"));
        }
    }
    findings
}

/// An example that nothing runs is a promise that nobody keeps.
fn examples_without_test(repository: &Repository) -> Vec<String> {
    let folders: BTreeSet<&str> = repository
        .sources
        .iter()
        .filter_map(|source| {
            source
                .path
                .strip_prefix("examples/")?
                .split_once('/')
                .map(|(folder, _)| folder)
        })
        .collect();
    let is_named = |folder: &str| {
        let (path, name) = (format!("examples/{folder}"), format!("\"{folder}\""));
        let mut tests = repository.sources.iter().filter(|source| source.is_test_file());
        tests.any(|test| test.text.contains(&path) || test.text.contains(&name))
    };
    folders
        .into_iter()
        .filter(|folder| !is_named(folder))
        .map(|folder| format!("examples/{folder}: no test names this example"))
        .collect()
}
