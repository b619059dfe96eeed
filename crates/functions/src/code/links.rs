//! Where the symbolic links of a package lead: only to places inside of it.
//!
//! Nothing is looked up on the disk. A link's target is walked through the links of the same package, because a target
//! that seems to stay inside may pass another link and leave from there.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// Links followed for one link; a longer chain, or a circle, leads nowhere. The kernel's own limit.
const FOLLOWED_MAX: usize = 40;
/// Components walked for all links of a package.
const STEPS_MAX: usize = 1_000_000;

/// The links of a package: where each lies, from the package's root, and its target.
pub(super) type Links = BTreeMap<PathBuf, PathBuf>;

/// The first link that leads out of the package, or of which that cannot be said with bounded work.
pub(super) fn leading_out(links: &Links) -> Option<&Path> {
    let mut steps = 0;
    links
        .keys()
        .map(PathBuf::as_path)
        .find(|link| !stays_inside(link, links, &mut steps))
}

fn stays_inside(link: &Path, links: &Links, steps: &mut usize) -> bool {
    // The components still to walk, the next one last.
    let mut ahead: Vec<Step> = Vec::new();
    let mut at = link.to_owned();
    let mut followed = 0;
    loop {
        // `at` is a link here.
        let Some(target) = links.get(&at) else { return true };
        if followed == FOLLOWED_MAX {
            return true; // a circle, which nobody can follow either
        }
        followed += 1;
        at.pop();
        if !push_target(&mut ahead, target) {
            return false;
        }
        loop {
            *steps += 1;
            if *steps > STEPS_MAX {
                return false;
            }
            match ahead.pop() {
                None => return true,
                Some(Step::Up) if !at.pop() => return false,
                Some(Step::Up) => {}
                Some(Step::Into(name)) => {
                    at.push(name);
                    if links.contains_key(&at) {
                        break;
                    }
                }
            }
        }
    }
}

enum Step {
    Up,
    Into(OsString),
}

/// False for an absolute target.
fn push_target(ahead: &mut Vec<Step>, target: &Path) -> bool {
    for component in target.components().rev() {
        match component {
            Component::Normal(name) => ahead.push(Step::Into(name.to_owned())),
            Component::ParentDir => ahead.push(Step::Up),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads_out(links: &[(&str, &str)]) -> Option<PathBuf> {
        let links: Links = links.iter().map(|(at, to)| (at.into(), to.into())).collect();
        leading_out(&links).map(Path::to_owned)
    }

    #[test]
    fn links_inside_are_fine() {
        for links in [
            &[("a", "b")][..],
            &[("node_modules/.bin/x", "../x/cli.js")],
            &[("a/b/c", "../../d/./e/../f")],
            &[("a/up", ".."), ("b", "a/up/c")],
            &[("a", "missing/elsewhere")],
            &[("a", "a")],
            &[("a", "b"), ("b", "a")],
            &[("a/b", ".")],
        ] {
            assert_eq!(leads_out(links), None, "{links:?}");
        }
    }

    #[test]
    fn links_that_lead_out_are_found() {
        for (links, expected) in [
            (&[("a", "/etc/passwd")][..], "a"),
            (&[("a", "..")], "a"),
            (&[("a", "../a")], "a"),
            (&[("a/b", "../../x")], "a/b"),
            (&[("a/b", "c/../../..")], "a/b"),
            // Both stay inside when read alone.
            (&[("d/up", ".."), ("m", "d/up/..")], "m"),
            (&[("d/up", ".."), ("e/x", "../d/up/../x")], "e/x"),
            (&[("a", "b"), ("b", "/")], "a"),
        ] {
            assert_eq!(leads_out(links), Some(expected.into()), "{links:?}");
        }
    }

    #[test]
    fn the_work_is_bounded() {
        // Each link passes through all others, again and again.
        let mut links = Links::new();
        let long = "d/".repeat(2000);
        for number in 0..2000 {
            links.insert(format!("l{number}").into(), format!("{long}../l{}", number + 1).into());
        }
        assert!(leading_out(&links).is_some());
    }
}
