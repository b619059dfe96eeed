//! Reads the checklist: one line for each behaviour, in our words, with a status for what no test can prove yet.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use super::citations::is_id;

/// One behaviour to prove.
#[derive(Debug)]
pub(super) struct Item {
    /// `ALB-X-NNN`, `LAM-X-NNN` or `EDG-NNN`: stable for ever.
    pub(super) id: String,
    pub(super) wording: String,
    pub(super) status: Status,
}

/// What the checklist itself says of an item; tests say the rest.
#[derive(Debug, PartialEq)]
pub(super) enum Status {
    /// A test is expected.
    Open,
    /// The part of albacore it belongs to is not built yet; a test overrules this.
    Later(String),
    /// We behave otherwise, knowingly, and no test changes that.
    Different(String),
}

const HEADER: &str = "id\twording\tstatus";

pub(super) fn parse(text: &str) -> Result<Vec<Item>> {
    let mut lines = text.lines();
    if lines.next() != Some(HEADER) {
        bail!("the first line has to be the columns id, wording, status, separated by tabs");
    }
    let mut seen = BTreeSet::new();
    let mut items = Vec::new();
    for (index, line) in lines.enumerate() {
        let number = index + 2;
        let [id, wording, status] = line.split('\t').collect::<Vec<_>>()[..] else {
            bail!("line {number}: three columns, separated by tabs, the last may be empty");
        };
        if !is_id(id) {
            bail!("line {number}: `{id}` is no id of the form ALB-X-001, LAM-X-001 or EDG-001");
        }
        if !seen.insert(id) {
            bail!("line {number}: {id} stands there twice");
        }
        if wording.trim().is_empty() || wording.contains('|') {
            bail!("line {number}: the wording is one cell of a table, not empty and without `|`");
        }
        let status = match status.split_once(": ") {
            _ if status.is_empty() => Status::Open,
            Some(("later", reason)) => Status::Later(reason.to_owned()),
            Some(("different", reason)) => Status::Different(reason.to_owned()),
            _ => bail!("line {number}: the status is `later: <what>`, `different: <reason>` or empty"),
        };
        items.push(Item {
            id: id.to_owned(),
            wording: wording.to_owned(),
            status,
        });
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_have_one_of_three_states() {
        let text =
            "id\twording\tstatus\nALB-R-001\ta\t\nALB-R-002\tb\tlater: APIs\nALB-X-003\tc\tdifferent: narrower\n";
        let items = parse(text).expect("a checklist");
        let states: Vec<_> = items.into_iter().map(|item| item.status).collect();
        assert_eq!(
            states,
            [
                Status::Open,
                Status::Later("APIs".into()),
                Status::Different("narrower".into())
            ]
        );
    }

    #[test]
    fn a_mistake_is_named_with_its_line() {
        let cases = [
            ("", "the first line"),
            ("id\twording\tstatus\nALB-R-001\ta", "line 2: three columns"),
            ("id\twording\tstatus\nALB-R-1\ta\t", "line 2: `ALB-R-1` is no id"),
            (
                "id\twording\tstatus\nALB-R-001\ta\t\nALB-R-001\tb\t",
                "line 3: ALB-R-001 stands there twice",
            ),
            ("id\twording\tstatus\nALB-R-001\t\t", "line 2: the wording"),
            ("id\twording\tstatus\nALB-R-001\ta\tsoon", "line 2: the status"),
        ];
        for (text, expected) in cases {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }
}
