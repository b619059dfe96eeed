//! What we take from others, by the rules of `deny.toml`: licences, banned crates, duplicates and sources.
//!
//! `cargo deny` reads the same file and also knows the advisories; this part needs no tool beyond Cargo, so that it
//! runs in every `make check`.

mod expression;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use toml::{Table, Value};

use crate::repository::Repository;

/// The one place our dependencies come from, as Cargo.lock writes it.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub(crate) fn findings(repository: &Repository) -> Result<Vec<String>> {
    let rules = Rules::parse(repository.text("deny.toml").context("deny.toml is missing")?)?;
    let packages = packages(&repository.cargo(&rules.tree(&["--format", "{p}|{l}"]))?)?;
    let mut findings: Vec<_> = packages
        .iter()
        .filter_map(|package| rules.licence_finding(package))
        .collect();
    for ban in rules
        .bans
        .iter()
        .filter(|ban| packages.iter().any(|package| package.name == ban.name))
    {
        let users = repository.cargo(&rules.tree(&["--invert", &ban.name, "--depth", "1", "--format", "{p}|"]))?;
        let users = packages_named(&users)
            .into_iter()
            .filter(|user| *user != ban.name && !ban.wrappers.contains(*user));
        findings.extend(users.map(|user| format!("{user} uses {}, which deny.toml bans: {}", ban.name, ban.reason)));
    }
    findings.extend(rules.duplicates(&packages));
    findings.extend(foreign_sources(
        repository.text("Cargo.lock").context("Cargo.lock is missing")?,
    ));
    Ok(findings)
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Package {
    name: String,
    version: String,
    licence: String,
}

/// Reads lines `name v1.2.3 (…)|MIT`; Cargo adds `(*)` where it has shown a package's own dependencies before.
fn packages(tree: &str) -> Result<BTreeSet<Package>> {
    let lines = tree.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| package(line).with_context(|| format!("`cargo tree` printed `{line}`")))
        .collect()
}

fn package(line: &str) -> Option<Package> {
    let (name_and_version, licence) = line.split_once('|')?;
    let mut words = name_and_version.split(' ');
    let (name, version) = (words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned());
    Some(Package {
        name,
        version,
        licence: licence.trim_end_matches("(*)").trim().to_owned(),
    })
}

fn packages_named(tree: &str) -> BTreeSet<&str> {
    tree.lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| !name.is_empty())
        .collect()
}

struct Ban {
    name: String,
    wrappers: BTreeSet<String>,
    reason: String,
}

/// The part of `deny.toml` that is read here.
struct Rules {
    targets: Vec<String>,
    licences: BTreeSet<String>,
    bans: Vec<Ban>,
    /// `name:version` specs: a version by its leading parts, as in `syn:2`.
    skipped: Vec<(String, String)>,
}

impl Rules {
    fn parse(text: &str) -> Result<Self> {
        let file: Table = text.parse().context("deny.toml")?;
        let list = |section: &str, key: &str| file.get(section)?.get(key)?.as_array();
        let words = |section: &str, key: &str| -> Result<Vec<String>> {
            let list = list(section, key).with_context(|| format!("deny.toml: [{section}] {key} is missing"))?;
            Ok(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        };
        let text_of = |entry: &Value, key: &str| -> Result<String> {
            let value = entry.get(key).and_then(Value::as_str);
            Ok(value
                .with_context(|| format!("deny.toml: [bans] {entry:?} has no {key}"))?
                .to_owned())
        };
        let mut bans = Vec::new();
        for entry in list("bans", "deny").into_iter().flatten() {
            let wrappers = entry.get("wrappers").and_then(Value::as_array).into_iter().flatten();
            bans.push(Ban {
                name: text_of(entry, "crate")?,
                wrappers: wrappers.filter_map(Value::as_str).map(str::to_owned).collect(),
                reason: text_of(entry, "reason")?,
            });
        }
        let mut skipped = Vec::new();
        for entry in list("bans", "skip").into_iter().flatten() {
            text_of(entry, "reason")?;
            let name = text_of(entry, "crate")?;
            let (name, version) = name
                .split_once(':')
                .context("deny.toml: [bans] skip names `crate:version`")?;
            skipped.push((name.to_owned(), version.to_owned()));
        }
        let licences = words("licenses", "allow")?.into_iter().collect();
        Ok(Self {
            targets: words("graph", "targets")?,
            licences,
            bans,
            skipped,
        })
    }

    /// The arguments of `cargo tree` over what is built for our targets, tests and build scripts included.
    fn tree<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let mut arguments = vec![
            "tree",
            "--locked",
            "--workspace",
            "--prefix",
            "none",
            "--edges",
            "normal,build,dev",
        ];
        arguments.extend(self.targets.iter().flat_map(|target| ["--target", target]));
        arguments.extend(more);
        arguments
    }

    fn licence_finding(&self, package: &Package) -> Option<String> {
        let Package { name, version, licence } = package;
        match expression::is_allowed(licence, &self.licences) {
            Ok(true) => None,
            Ok(false) => Some(format!(
                "{name} {version}: its licence `{licence}` is not in deny.toml's allow list"
            )),
            Err(error) => Some(format!(
                "{name} {version}: its licence `{licence}` cannot be read: {error}"
            )),
        }
    }

    fn duplicates(&self, packages: &BTreeSet<Package>) -> Vec<String> {
        let mut findings = Vec::new();
        let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for package in packages {
            versions.entry(&package.name).or_default().insert(&package.version);
        }
        for (name, version) in &self.skipped {
            let of_name = versions.get_mut(name.as_str());
            let before = of_name.as_ref().map_or(0, |versions| versions.len());
            let covers = |other: &str| {
                other
                    .strip_prefix(version.as_str())
                    .is_some_and(|rest| rest.starts_with('.'))
            };
            if let Some(of_name) = of_name.filter(|_| before > 1) {
                of_name.retain(|other| !covers(other));
            } else {
                findings.push(format!(
                    "deny.toml skips the duplicate {name}:{version}, and there is none"
                ));
            }
        }
        for (name, versions) in versions.into_iter().filter(|(_, versions)| versions.len() > 1) {
            let versions: Vec<_> = versions.into_iter().collect();
            findings.push(format!(
                "{name} is in the tree as {}; bring it to one version, or give the reason in deny.toml",
                versions.join(" and ")
            ));
        }
        findings
    }
}

fn foreign_sources(lock: &str) -> Vec<String> {
    let sources = lock
        .lines()
        .filter_map(|line| line.strip_prefix("source = \"")?.strip_suffix('"'));
    let foreign: BTreeSet<&str> = sources.filter(|source| *source != REGISTRY).collect();
    foreign
        .into_iter()
        .map(|source| format!("Cargo.lock: `{source}` is not crates.io"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = r#"
[graph]
targets = ["x86_64-unknown-linux-gnu"]
[licenses]
allow = ["MIT", "ISC"]
[bans]
deny = [{ crate = "ring", reason = "one crypto provider" }]
skip = [{ crate = "syn:2", reason = "moving" }]
"#;

    fn rules() -> Rules {
        Rules::parse(RULES).expect("rules")
    }

    fn read(tree: &str) -> BTreeSet<Package> {
        packages(tree).expect("a tree")
    }

    #[test]
    fn a_tree_is_read_line_by_line() {
        let tree = "a v1.0.0 (/somewhere/a)|MIT\n\nb v2.1.0 (proc-macro)|ISC (*)\nb v2.1.0 (proc-macro)|ISC\n";
        let packages: Vec<_> = read(tree).into_iter().collect();
        let expected = [("a", "1.0.0", "MIT"), ("b", "2.1.0", "ISC")];
        assert_eq!(packages.len(), expected.len(), "{packages:?}");
        for (package, (name, version, licence)) in packages.iter().zip(expected) {
            assert_eq!(
                (&*package.name, &*package.version, &*package.licence),
                (name, version, licence)
            );
        }
        assert!(package("no number|MIT").is_none());
    }

    #[test]
    fn a_licence_outside_the_list_is_named() {
        let findings: Vec<_> = read("a v1.0.0|MIT\nb v1.0.0|GPL-3.0-only\nc v1.0.0|\n")
            .iter()
            .filter_map(|package| rules().licence_finding(package))
            .collect();
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(
            findings[0].contains("`GPL-3.0-only`") && findings[1].starts_with("c 1.0.0"),
            "{findings:?}"
        );
    }

    #[test]
    fn duplicates_want_a_reason_and_reasons_a_duplicate() {
        assert!(rules().duplicates(&read("syn v2.0.1|MIT\nsyn v3.0.9|MIT\n")).is_empty());
        let findings = rules().duplicates(&read("syn v2.0.1|MIT\nsyn v3.0.9|MIT\nsyn v20.0.0|MIT\n"));
        assert!(findings[0].contains("20.0.0 and 3.0.9"), "{findings:?}");
        let findings = rules().duplicates(&read("syn v3.0.9|MIT\n"));
        assert!(findings[0].contains("syn:2, and there is none"), "{findings:?}");
    }

    #[test]
    fn sources_are_crates_io_alone() {
        let lock = format!("source = \"{REGISTRY}\"\nsource = \"git+https://example.com/a\"\n");
        assert_eq!(
            foreign_sources(&lock),
            ["Cargo.lock: `git+https://example.com/a` is not crates.io"]
        );
    }
}
