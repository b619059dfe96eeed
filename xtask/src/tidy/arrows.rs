//! Who may use whom: the table of rooms in ARCHITECTURE.md against the manifests of the crates.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};

use crate::repository::Repository;

const PAGE: &str = "ARCHITECTURE.md";
/// The room for tests: nobody's normal dependency, whatever the table says about "everything".
const TESTKIT: &str = "testkit";
/// Rooms of plain functions over plain data, whose tests need nothing beyond what the rooms themselves need.
const PURE: [&str; 3] = ["model", "routing", "http1"];

pub(super) fn findings(repository: &Repository) -> Result<Vec<String>> {
    let Some(page) = repository.text(PAGE) else {
        return Ok(vec![format!("{PAGE}: missing, and with it the table of rooms")]);
    };
    match Table::parse(page) {
        Ok(table) => Ok(compare(&table, &Manifests::read(repository)?)),
        Err(finding) => Ok(vec![format!("{PAGE}: {finding:#}")]),
    }
}

#[derive(Debug, PartialEq)]
enum MayUse {
    Everything,
    Rooms(BTreeSet<String>),
}

/// The table of rooms: each room and the rooms it may use.
#[derive(Debug, PartialEq)]
struct Table(BTreeMap<String, MayUse>);

impl Table {
    /// Finds the table whose header begins with `Room` and ends with `May use`, and reads it to its last row.
    fn parse(page: &str) -> Result<Self> {
        let mut lines = page.lines().map(str::trim).skip_while(|line| {
            let cells = cells(line);
            cells.first() != Some(&"Room") || cells.last() != Some(&"May use")
        });
        let header = lines.next().context("there is no table `| Room | … | May use |`")?;
        let columns = cells(header).len();
        let mut rooms = BTreeMap::new();
        for line in lines.skip(1).take_while(|line| line.starts_with('|')) {
            let cells = cells(line);
            let (Some(room), Some(may_use)) = (cells.first(), cells.last()) else {
                continue;
            };
            let room = room.trim_matches('`').to_owned();
            if cells.len() != columns {
                bail!(
                    "the row of room `{room}` has {} cells, the header {columns}",
                    cells.len()
                );
            }
            if rooms.insert(room.clone(), may_use_of(may_use)).is_some() {
                bail!("room `{room}` has two rows");
            }
        }
        for (room, may_use) in &rooms {
            let MayUse::Rooms(used) = may_use else { continue };
            if let Some(unknown) = used.iter().find(|used| !rooms.contains_key(*used)) {
                bail!("room `{room}` may use `{unknown}`, which has no row");
            }
        }
        Ok(Self(rooms))
    }

    fn allows(&self, from: &str, to: &str) -> bool {
        match self.0.get(from) {
            Some(MayUse::Everything) => to != TESTKIT,
            Some(MayUse::Rooms(rooms)) => rooms.contains(to),
            None => false,
        }
    }
}

fn cells(line: &str) -> Vec<&str> {
    let inner = line.strip_prefix('|').and_then(|line| line.strip_suffix('|'));
    inner
        .map(|inner| inner.split('|').map(str::trim).collect())
        .unwrap_or_default()
}

fn may_use_of(cell: &str) -> MayUse {
    match cell {
        "everything" => MayUse::Everything,
        "–" | "-" => MayUse::Rooms(BTreeSet::new()),
        rooms => MayUse::Rooms(
            rooms
                .split(',')
                .map(|room| room.trim().trim_matches('`').to_owned())
                .collect(),
        ),
    }
}

/// One room naming another in its manifest.
struct Arrow {
    from: String,
    to: String,
    /// A dev-dependency, seen by the room's tests only.
    for_tests: bool,
}

/// The rooms there are, and the arrows between them.
struct Manifests {
    rooms: BTreeSet<String>,
    arrows: Vec<Arrow>,
}

impl Manifests {
    fn read(repository: &Repository) -> Result<Self> {
        let metadata = repository.metadata()?;
        let packages = metadata["packages"]
            .as_array()
            .context("`cargo metadata` names no packages")?;
        let room_at = |path: Option<&str>| {
            let path = repository.relative(path?)?;
            Some(path.strip_prefix("crates/")?.split('/').next()?.to_owned())
        };
        let mut manifests = Self {
            rooms: BTreeSet::new(),
            arrows: Vec::new(),
        };
        for package in packages {
            let Some(from) = room_at(package["manifest_path"].as_str()) else {
                continue;
            };
            for dependency in package["dependencies"].as_array().into_iter().flatten() {
                let Some(to) = room_at(dependency["path"].as_str()) else {
                    continue;
                };
                manifests.arrows.push(Arrow {
                    from: from.clone(),
                    to,
                    for_tests: dependency["kind"] == "dev",
                });
            }
            manifests.rooms.insert(from);
        }
        Ok(manifests)
    }
}

fn compare(table: &Table, manifests: &Manifests) -> Vec<String> {
    let mut findings = Vec::new();
    for room in manifests.rooms.iter().filter(|room| !table.0.contains_key(*room)) {
        findings.push(format!(
            "{PAGE}: room `{room}` (crates/{room}) has no row in the table of rooms"
        ));
    }
    for room in table.0.keys().filter(|room| !manifests.rooms.contains(*room)) {
        findings.push(format!(
            "{PAGE}: room `{room}` has a row in the table of rooms, but there is no crates/{room}"
        ));
    }
    for Arrow { from, to, for_tests } in &manifests.arrows {
        let may_for_tests = *for_tests && !PURE.contains(&from.as_str());
        if !table.allows(from, to) && !may_for_tests && table.0.contains_key(from) {
            let how = if *for_tests { "its tests use" } else { "it uses" };
            findings.push(format!(
                "crates/{from}/Cargo.toml: {how} `{to}`, which the table of rooms in {PAGE} does not allow"
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
# Rooms
| Other | May use |
| --- | --- |
| x | y |

| Room | Lives here | Never here | May use |
| --- | --- | --- | --- |
| `model` | resources | I/O | – |
| `routing` | tables | sockets | model |
| `proxy` | listeners | stores | `model`, routing |
| `albacore` | the binary | behaviour | everything |
| `testkit` | servers | product code | albacore |

After the table | is | not read |
";

    fn table(page: &str) -> Table {
        Table::parse(page).expect("a table of rooms")
    }

    #[test]
    fn the_table_is_found_among_others_and_read_to_its_end() {
        let Table(rooms) = table(PAGE);
        let rooms_of = |names: &[&str]| MayUse::Rooms(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(
            rooms.keys().collect::<Vec<_>>(),
            ["albacore", "model", "proxy", "routing", "testkit"]
        );
        assert_eq!(rooms["model"], rooms_of(&[]));
        assert_eq!(rooms["proxy"], rooms_of(&["model", "routing"]));
        assert_eq!(rooms["albacore"], MayUse::Everything);
    }

    #[test]
    fn a_table_with_a_mistake_is_refused_with_its_room() {
        let cases = [
            ("no table here", "there is no table"),
            (
                "| Room | May use |\n|---|---|\n| `a` | b |",
                "room `a` may use `b`, which has no row",
            ),
            (
                "| Room | May use |\n|---|---|\n| `a` | – |\n| `a` | – |",
                "room `a` has two rows",
            ),
            (
                "| Room | May use |\n|---|---|\n| `a` | b | c |",
                "the row of room `a` has 3 cells, the header 2",
            ),
        ];
        for (page, expected) in cases {
            let error = Table::parse(page).expect_err(page).to_string();
            assert!(error.contains(expected), "{page}: {error}");
        }
    }

    #[track_caller]
    fn check(rooms: &[&str], arrows: &[(&str, &str, bool)], expected: &[&str]) {
        let manifests = Manifests {
            rooms: rooms.iter().map(|room| (*room).to_owned()).collect(),
            arrows: arrows
                .iter()
                .map(|(from, to, for_tests)| Arrow {
                    from: (*from).to_owned(),
                    to: (*to).to_owned(),
                    for_tests: *for_tests,
                })
                .collect(),
        };
        let findings = compare(&table(PAGE), &manifests);
        assert_eq!(findings.len(), expected.len(), "{findings:?}");
        for (finding, expected) in findings.iter().zip(expected) {
            assert!(finding.contains(expected), "{finding}");
        }
    }

    const ALL: &[&str] = &["model", "routing", "proxy", "albacore", "testkit"];

    #[test]
    fn arrows_of_the_table_are_fine_and_others_are_named() {
        check(
            ALL,
            &[
                ("routing", "model", false),
                ("albacore", "proxy", false),
                ("testkit", "albacore", false),
            ],
            &[],
        );
        check(
            ALL,
            &[("model", "routing", false)],
            &["crates/model/Cargo.toml: it uses `routing`"],
        );
        check(
            ALL,
            &[("routing", "proxy", false)],
            &["crates/routing/Cargo.toml: it uses `proxy`"],
        );
        check(ALL, &[("albacore", "testkit", false)], &["it uses `testkit`"]);
    }

    #[test]
    fn tests_may_use_any_room_except_in_the_pure_rooms() {
        check(
            ALL,
            &[
                ("proxy", "testkit", true),
                ("proxy", "albacore", true),
                ("routing", "model", true),
            ],
            &[],
        );
        check(
            ALL,
            &[("routing", "testkit", true)],
            &["crates/routing/Cargo.toml: its tests use `testkit`"],
        );
        check(
            ALL,
            &[("model", "proxy", true)],
            &["crates/model/Cargo.toml: its tests use `proxy`"],
        );
    }

    #[test]
    fn rooms_and_rows_must_be_the_same() {
        check(
            &["model", "routing", "proxy", "albacore"],
            &[],
            &["`testkit` has a row"],
        );
        check(
            &[ALL, &["waf"]].concat(),
            &[("waf", "model", false)],
            &["`waf` (crates/waf) has no row"],
        );
    }
}
