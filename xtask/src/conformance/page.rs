//! Writes the page: counts first, then what is different on purpose, then every line of the checklist.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::checklist::{Item, Status};

/// A part of the page: a service of AWS, or what is around it.
struct Service {
    /// What its ids begin with.
    prefix: &'static str,
    name: &'static str,
    /// Its families in the order of the checklist: what their ids begin with, and the heading.
    families: &'static [(&'static [&'static str], &'static str)],
}

const SERVICES: [Service; 3] = [
    Service {
        prefix: "ALB",
        name: "Application Load Balancer",
        families: &[
            (&["ALB-R-"], "Resources and attributes"),
            (&["ALB-C-"], "Conditions"),
            (&["ALB-A-"], "Actions and transforms"),
            (&["ALB-L-"], "Lambda targets"),
            (&["ALB-H-"], "HTTP"),
            (&["ALB-D-"], "Desync"),
            (&["ALB-B-"], "Balancing, stickiness, health"),
            (&["ALB-X-"], "TLS, client certificates, sign-in, tokens"),
            (&["ALB-G-"], "Access logs and metrics"),
            (&["ALB-P-"], "Load balancing API"),
        ],
    },
    Service {
        prefix: "LAM",
        name: "Lambda",
        families: &[
            (&["LAM-C-"], "Functions"),
            (&["LAM-V-"], "Versions and aliases"),
            (&["LAM-L-"], "Layers"),
            (&["LAM-N-"], "Concurrency"),
            (&["LAM-R-"], "Runtime API"),
            (&["LAM-E-"], "Execution environment"),
            (&["LAM-X-"], "Life cycle, extensions, telemetry"),
            (&["LAM-G-"], "Function logs"),
            (&["LAM-I-"], "Invocation"),
            (&["LAM-A-"], "Asynchronous invocation"),
            (&["LAM-P-"], "Resource policies"),
            (&["LAM-U-"], "Function URLs"),
            (&["LAM-W-"], "Wire conventions and other operations"),
            (&["LAM-M-"], "Function metrics"),
        ],
    },
    Service {
        prefix: "EDG",
        name: "Certificates and security groups",
        families: &[
            (&["EDG-12", "EDG-130", "EDG-131"], "Certificates"),
            (&["EDG-13"], "Security groups"),
        ],
    },
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

/// The tests of each id.
type Tests = BTreeMap<String, Vec<String>>;

pub(super) fn render(items: &[Item], tests: &Tests, differences: &str) -> String {
    let mut page = String::from(
        "# Conformance\n\n\
         How albacore compares with AWS's Application Load Balancer, AWS Lambda and what is around them, behaviour by\n\
         behaviour. This page is made by `make conformance` from `conformance/checklist.tsv` and from the tests that cite an id; do not edit it.\n\n",
    );
    summary(&mut page, items, tests);
    let _ = write!(page, "\n{}\n", differences.trim());
    for Service { name, families, .. } in SERVICES {
        let _ = write!(page, "\n## {name}\n");
        let mut shown = BTreeSet::new();
        for (prefixes, heading) in families {
            let members = prefixes.iter().flat_map(|prefix| of(items, prefix));
            let members: Vec<_> = members.filter(|item| shown.insert(&item.id)).collect();
            family(&mut page, heading, &members, tests);
        }
    }
    page
}

/// How many items of each service, and of all, stand where.
fn summary(page: &mut String, items: &[Item], tests: &Tests) {
    let names = SERVICES.map(|service| service.name).join(" | ");
    let columns = " ---: |".repeat(SERVICES.len() + 1);
    let _ = writeln!(page, "| Behaviours | {names} | Together |\n| --- |{columns}");
    let mut line = |name: &str, counts: &dyn Fn(&Item) -> bool| {
        let count = |prefix: &str| of(items, prefix).filter(|item| counts(item)).count().to_string();
        let services = SERVICES.iter().map(|service| count(service.prefix));
        let cells: Vec<_> = [name.to_owned()]
            .into_iter()
            .chain(services)
            .chain([count("")])
            .collect();
        row(page, &cells);
    };
    for (standing, name) in STANDINGS {
        line(name, &|item| standing_of(item, tests_of(tests, item)) == standing);
    }
    line("all", &|_| true);
}

fn family(page: &mut String, heading: &str, members: &[&Item], tests: &Tests) {
    if members.is_empty() {
        return;
    }
    let _ = write!(
        page,
        "\n### {heading}\n\n| Id | Behaviour | Standing |\n| --- | --- | --- |\n"
    );
    for item in members {
        row(page, &[&*item.id, &item.wording, &cell(item, tests_of(tests, item))]);
    }
}

fn of<'a>(items: &'a [Item], prefix: &str) -> impl Iterator<Item = &'a Item> {
    items.iter().filter(move |item| item.id.starts_with(prefix))
}

fn tests_of<'a>(tests: &'a Tests, item: &Item) -> &'a [String] {
    tests.get(&item.id).map(Vec::as_slice).unwrap_or_default()
}

/// A test overrules "later"; nothing overrules "different".
fn standing_of(item: &Item, tests: &[String]) -> Standing {
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

fn row<Cell: Borrow<str>>(page: &mut String, cells: &[Cell]) {
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
             ALB-C-004\tboth\tlater: rules\nALB-X-001\tdefault certificate\tdifferent: narrower\n\
             LAM-C-001\tcreated\tlater: APIs\nLAM-R-001\twaits\t\nEDG-123\tonce\t\nEDG-137\tmapped\tlater: groups\n",
        )
        .expect("a checklist");
        let tests = BTreeMap::from([
            (
                "ALB-C-001".to_owned(),
                vec!["a.rs::x".to_owned(), "b.mjs::y|z".to_owned()],
            ),
            ("ALB-C-002".to_owned(), vec!["a.rs::x".to_owned()]),
            ("ALB-X-001".to_owned(), vec!["a.rs::x".to_owned()]),
            ("LAM-R-001".to_owned(), vec!["c.rs::z".to_owned()]),
        ]);
        let page = render(&items, &tests, "## Differences\n\nNone.\n");
        // In this order, with other lines in between.
        let mut lines = page.lines();
        for line in [
            "| tested | 2 | 1 | 0 | 3 |",
            "| not built yet | 1 | 1 | 1 | 3 |",
            "| different on purpose | 1 | 0 | 0 | 1 |",
            "| not tested | 1 | 0 | 1 | 2 |",
            "| all | 5 | 2 | 2 | 9 |",
            "## Differences",
            "## Application Load Balancer",
            "### Conditions",
            "| ALB-C-001 | lower first | tested<br>`a.rs::x`<br>`b.mjs::y\\|z` |",
            "| ALB-C-002 | default last | tested<br>`a.rs::x` |",
            "| ALB-C-003 | any | not tested |",
            "| ALB-C-004 | both | not built yet (rules) |",
            "| ALB-X-001 | default certificate | different on purpose: narrower<br>`a.rs::x` |",
            "## Lambda",
            "### Functions",
            "| LAM-C-001 | created | not built yet (APIs) |",
            "### Runtime API",
            "| LAM-R-001 | waits | tested<br>`c.rs::z` |",
            "## Certificates and security groups",
            "### Certificates",
            "| EDG-123 | once | not tested |",
            "### Security groups",
            "| EDG-137 | mapped | not built yet (groups) |",
        ] {
            assert!(lines.any(|other| other == line), "{line}\n{page}");
        }
        assert!(!page.contains("### Layers"), "a family without items has no heading");
    }

    #[test]
    fn every_item_of_the_real_checklist_is_on_the_page() {
        let items = checklist::parse(include_str!("../../../docs/conformance/checklist.tsv")).expect("our checklist");
        let page = render(&items, &BTreeMap::new(), "");
        let counts = ["ALB-", "LAM-", "EDG-"].map(|prefix| of(&items, prefix).count());
        assert_eq!(counts, [350, 281, 15]);
        for item in &items {
            assert!(page.contains(&format!("| {} |", item.id)), "{}", item.id);
        }
    }
}
