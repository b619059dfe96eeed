//! Web frameworks behind adapters for ALB's events that others have written, unmodified, as functions of the managed
//! runtimes behind a listener of the real binary.
//!
//! Every application in `tests/frameworks` does the same, and every one is asked the same in both header modes. Where an
//! adapter does something else, its test says what, and whose doing it is. `make setup` installs the packages.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod checks;
mod node;
mod python;
mod world;

use testkit::repository;

/// An application that no test asks proves nothing.
#[test]
fn every_application_is_asked() {
    for (language, extensions) in [("python", &["py"][..]), ("node", &["cjs", "mjs"])] {
        let tests = repository(&format!("crates/albacore/tests/frameworks/{language}.rs"));
        let tests = std::fs::read_to_string(tests).unwrap();
        for file in std::fs::read_dir(repository(&format!("tests/frameworks/{language}"))).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            let (stem, extension) = name.rsplit_once('.').unwrap_or((&name, ""));
            let is_shared = stem == "image" || stem.ends_with("_application");
            let is_asked = tests.contains(&format!("\"{stem}\""));
            assert!(
                !extensions.contains(&extension) || is_shared || is_asked,
                "{name} is not asked"
            );
        }
    }
}
