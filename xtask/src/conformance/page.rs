//! Writes the page: counts first, then what is different on purpose, then every line of the checklist.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::checklist::{Item, Status};

/// The families of the checklist in their order: the letter of the id and its heading.
const FAMILIES: [(&str, &str); 10] = [
    ("R", "Resources and attributes"),
    ("C", "Conditions"),
    ("A", "Actions and transforms"),
    ("L", "Lambda"),
    ("H", "HTTP"),
    ("D", "Desync"),
    ("B", "Balancing, stickiness, health"),
    ("X", "TLS, client certificates, sign-in, tokens"),
    ("G", "Logs and metrics"),
    ("P", "API"),
];

/// Where an item stands, once checklist and tests are read together.
#[derive(Clone, Copy, PartialEq)]
enum Standing {
    Tested,
    Later,
    Different,
    Untested,
}

/// In the order of the summary.
const STANDINGS: [(Standing, &str); 4] = [
    (Standing::Tested, "tested"),
    (Standing::Later, "not built yet"),
    (Standing::Different, "different on purpose"),
    (Standing::Untested, "not tested"),
];

pub(super) fn render(items: &[Item], tests: &BTreeMap<String, Vec<String>>, differences: &str) -> String {
    let tests_of = |item: &Item| tests.get(&item.id).map(Vec::as_slice).unwrap_or_default();
    let standings: Vec<_> = items.iter().map(|item| standing(item, tests_of(item))).collect();
    let mut page = String::from(
        "# Conformance\n\n\
         How albacore compares with AWS's Application Load Balancer, behaviour by behaviour. This page is made by\n\
         `make conformance` from `conformance/checklist.tsv` and from the tests that cite an id; do not edit it.\n\n",
    );
    page.push_str("| Behaviours | Count |\n| --- | ---: |\n");
    for (standing, name) in STANDINGS {
        row(
            &mut page,
            &[
                name,
                &standings.iter().filter(|other| **other == standing).count().to_string(),
            ],
        );
    }
    row(&mut page, &["all", &items.len().to_string()]);
    let _ = write!(page, "\n{}\n", differences.trim());
    for (letter, heading) in FAMILIES {
        let family = format!("ALB-{letter}-");
        let mut members = items.iter().filter(|item| item.id.starts_with(&family)).peekable();
        if members.peek().is_none() {
            continue;
        }
        let _ = write!(
            page,
            "\n## {heading}\n\n| Id | Behaviour | Standing |\n| --- | --- | --- |\n"
        );
        for item in members {
            row(&mut page, &[&item.id, &item.wording, &cell(item, tests_of(item))]);
        }
    }
    page
}

/// A test overrules "later"; nothing overrules "different".
fn standing(item: &Item, tests: &[String]) -> Standing {
    match &item.status {
        Status::Different(_) => Standing::Different,
        _ if !tests.is_empty() => Standing::Tested,
        Status::Later(_) => Standing::Later,
        Status::Open => Standing::Untested,
    }
}

fn cell(item: &Item, tests: &[String]) -> String {
    let tests: Vec<_> = tests
        .iter()
        .map(|test| format!("`{}`", test.replace('|', "\\|")))
        .collect();
    match (&item.status, tests.is_empty()) {
        (Status::Different(reason), true) => format!("different on purpose: {reason}"),
        (Status::Different(reason), false) => format!("different on purpose: {reason}<br>{}", tests.join("<br>")),
        (_, false) => format!("tested<br>{}", tests.join("<br>")),
        (Status::Later(what), true) => format!("not built yet ({what})"),
        (Status::Open, true) => "not tested".to_owned(),
    }
}

fn row(page: &mut String, cells: &[&str]) {
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::checklist;

    #[test]
    fn the_page_counts_and_lists_every_item() {
        let items = checklist::parse(
            "id\twording\tstatus\nALB-C-001\tlower first\t\nALB-C-002\tdefault last\tlater: rules\nALB-C-003\tany\t\n\
             ALB-C-004\tboth\tlater: rules\nALB-X-001\tdefault certificate\tdifferent: narrower\n",
        )
        .expect("a checklist");
        let tests = BTreeMap::from([
            (
                "ALB-C-001".to_owned(),
                vec!["a.rs::x".to_owned(), "b.mjs::y|z".to_owned()],
            ),
            ("ALB-C-002".to_owned(), vec!["a.rs::x".to_owned()]),
            ("ALB-X-001".to_owned(), vec!["a.rs::x".to_owned()]),
        ]);
        let page = render(&items, &tests, "## Differences\n\nNone.\n");
        for line in [
            "| tested | 2 |",
            "| not built yet | 1 |",
            "| different on purpose | 1 |",
            "| not tested | 1 |",
            "| all | 5 |",
            "| ALB-C-001 | lower first | tested<br>`a.rs::x`<br>`b.mjs::y\\|z` |",
            "| ALB-C-002 | default last | tested<br>`a.rs::x` |",
            "| ALB-C-003 | any | not tested |",
            "| ALB-C-004 | both | not built yet (rules) |",
            "| ALB-X-001 | default certificate | different on purpose: narrower<br>`a.rs::x` |",
            "## Conditions",
            "## Differences",
        ] {
            assert!(page.lines().any(|other| other == line), "{line}\n{page}");
        }
        assert!(!page.contains("## Lambda"), "a family without items has no heading");
    }

    #[test]
    fn every_item_of_the_real_checklist_is_on_the_page() {
        let items = checklist::parse(include_str!("../../../docs/conformance/checklist.tsv")).expect("our checklist");
        let page = render(&items, &BTreeMap::new(), "");
        assert_eq!(items.len(), 350);
        for item in &items {
            assert!(page.contains(&format!("| {} |", item.id)), "{}", item.id);
        }
    }
}
