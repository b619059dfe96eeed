//! The conformance page: what of the Application Load Balancer's and of Lambda's behaviour we have, each line with its
//! test.
//!
//! The checklist (`docs/conformance/checklist.tsv`) says what there is to prove, tests cite its ids, and the page is
//! made from both, so that it can only claim what a test stands behind.

mod checklist;
mod citations;
mod page;

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use checklist::Item;
use citations::Citation;

use crate::repository::Repository;

const PAGE: &str = "docs/conformance.md";
const CHECKLIST: &str = "docs/conformance/checklist.tsv";
const DIFFERENCES: &str = "docs/conformance/differences.md";

/// Says whether the page is what the checklist and the tests say today.
pub(crate) fn findings(repository: &Repository) -> Vec<String> {
    match render(repository) {
        Ok(page) if repository.text(PAGE) == Some(&page) => Vec::new(),
        Ok(_) => vec![format!(
            "{PAGE}: not what checklist and tests say; run `make conformance` and commit the page"
        )],
        Err(error) => vec![format!("{error:#}")],
    }
}

/// Writes the page.
pub(crate) fn write(repository: &Repository) -> Result<()> {
    repository.write(PAGE, &render(repository)?)
}

fn render(repository: &Repository) -> Result<String> {
    let checklist = repository
        .text(CHECKLIST)
        .with_context(|| format!("{CHECKLIST} is missing"))?;
    let items = checklist::parse(checklist).with_context(|| CHECKLIST.to_owned())?;
    let differences = repository
        .text(DIFFERENCES)
        .with_context(|| format!("{DIFFERENCES} is missing"))?;
    let citations = repository.sources.iter().flat_map(citations::scan);
    Ok(page::render(&items, &by_id(&items, citations)?, differences))
}

/// The tests of each id. A cited id that the checklist does not have is a slip of the pen and an error.
fn by_id(items: &[Item], citations: impl Iterator<Item = Citation>) -> Result<BTreeMap<String, Vec<String>>> {
    let mut tests: BTreeMap<String, Vec<String>> = items.iter().map(|item| (item.id.clone(), Vec::new())).collect();
    for Citation { id, test } in citations {
        match tests.get_mut(&id) {
            Some(tests) if tests.contains(&test) => {}
            Some(tests) => tests.push(test),
            None => bail!("{test} cites {id}, which {CHECKLIST} does not have"),
        }
    }
    Ok(tests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_citation_of_an_unknown_id_is_an_error() {
        let items = checklist::parse("id\twording\tstatus\nALB-C-001\tlower priority first\t\n").expect("a checklist");
        let cite = |id: &str| Citation {
            id: id.to_owned(),
            test: "a.rs::t".to_owned(),
        };
        let tests = by_id(&items, [cite("ALB-C-001"), cite("ALB-C-001")].into_iter()).expect("a known id");
        assert_eq!(tests["ALB-C-001"], ["a.rs::t"]);
        let error = by_id(&items, [cite("ALB-C-999")].into_iter()).expect_err("an unknown id");
        assert!(error.to_string().contains("a.rs::t cites ALB-C-999"), "{error}");
    }
}
