//! Records as they were written, in `tests/golden`: one file for each kind and version, a record on each line, and beside
//! it what the records mean.
//!
//! They fail when a record would be written otherwise, or would mean something else. What a release has written never
//! changes; a change of shape is a new version with files of its own. `ALBACORE_GOLDEN=write` writes those of the newest
//! version anew, and `ALBACORE_GOLDEN={kind}` those of one kind: before its first release, and never after it.

use crate::draw::Draw;
use model::Change;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use store::record::{Kind, decode, encode, subject};

/// Records of each kind in a file.
const SAMPLES: usize = 8;

fn path(kind: Kind, version: u32, ending: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    folder.join(format!("{kind}.v{version}.{ending}"))
}

fn read(kind: Kind, version: u32, ending: &str) -> String {
    let path = path(kind, version, ending);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn meaning(changes: &[Change]) -> String {
    let mut text = String::new();
    for change in changes {
        writeln!(text, "{change:#?}").unwrap();
        // Secrets are not printed, and are a part of what is stored.
        if let Change::PutCertificate(certificate) = change {
            writeln!(text, "{:?}", certificate.private_key_pem.expose()).unwrap();
        }
        if let Change::Iam(model::iam::Change::PutUser(user)) = change {
            let secrets = user.keys.iter().map(|key| key.secret.expose());
            writeln!(text, "{:?}", secrets.collect::<Vec<_>>()).unwrap();
        }
        if let Change::PutFunction(function) = change {
            let variables = function.configuration.environment.variables();
            let variables = variables.iter().map(|(name, value)| (name, value.expose()));
            writeln!(text, "{:?}", variables.collect::<Vec<_>>()).unwrap();
        }
    }
    text
}

#[test]
fn records_are_written_and_read_as_ever() {
    if let Ok(which) = std::env::var("ALBACORE_GOLDEN") {
        let named = Kind::ALL
            .into_iter()
            .filter(|kind| which == "write" || which == kind.as_str());
        named.for_each(write);
    }
    for kind in Kind::ALL {
        for version in 1..=kind.newest() {
            let records = read(kind, version, "jsonl");
            let changes: Vec<Change> = records
                .lines()
                .map(|record| decode(record.as_bytes()).unwrap_or_else(|error| panic!("{record}: {error:?}")))
                .collect();
            assert_eq!(changes.len(), SAMPLES, "{kind} {version}");
            assert_eq!(meaning(&changes), read(kind, version, "txt"), "{kind} {version}");
            if version == kind.newest() {
                for (change, record) in changes.iter().zip(records.lines()) {
                    assert_eq!(String::from_utf8(encode(change)).unwrap(), record);
                }
            }
        }
    }
}

/// Drawn, so that there is something of everything; the first are those with the longest records.
fn write(kind: Kind) {
    let mut draw = Draw::seeded(42);
    let of_kind = std::iter::repeat_with(|| draw.change()).filter(|change| subject(change).0 == kind);
    let mut changes: Vec<Change> = of_kind.take(40).collect();
    changes.sort_by_key(|change| std::cmp::Reverse(encode(change).len()));
    // A deletion is the shortest.
    let last = changes.split_off(changes.len() - 1);
    changes.truncate(SAMPLES - 1);
    changes.extend(last);
    let records: String = changes
        .iter()
        .map(|change| String::from_utf8(encode(change)).unwrap() + "\n")
        .collect();
    fs::write(path(kind, kind.newest(), "jsonl"), records).unwrap();
    fs::write(path(kind, kind.newest(), "txt"), meaning(&changes)).unwrap();
}
