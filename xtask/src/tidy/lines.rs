//! Words that may not stand in a line: a crude scan, with a way out that has to give its reason.
//!
//! `tidy: allow(<rule>): <reason>` in a comment on the line itself, or on the line above, lets one line pass.

use crate::repository::Source;

/// Where a rule looks.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// Every Rust file.
    Rust,
    /// Every file of code, in any language.
    Code,
    /// Test code only: see [`Source::is_test_file`], and `#[cfg(test)]` modules.
    Tests,
    /// Every text file.
    Everywhere,
}

struct Rule {
    name: &'static str,
    place: Place,
    words: &'static [&'static str],
    why: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        name: "unfinished",
        place: Place::Rust,
        words: &["todo!", "unimplemented!", "dbg!(", "#[ignore"],
        why: "what is committed is finished, and no test is switched off",
    },
    Rule {
        name: "note",
        place: Place::Code,
        words: &["FIXME", "XXX", "TODO"],
        why: "an open end says what it waits for: `TODO(what it waits for)`",
    },
    Rule {
        name: "sleep",
        place: Place::Tests,
        words: &["thread::sleep", "time::sleep", "time::sleep_until", "time.sleep"],
        why: "a test waits until something is so, never for a time",
    },
    Rule {
        name: "path",
        place: Place::Everywhere,
        words: &["/work/", "/root/"],
        why: "a path of somebody's machine says nothing on another",
    },
];

/// This file names what it looks for.
const OWN_PATH: &str = "xtask/src/tidy/lines.rs";

const CODE: [&str; 6] = [".rs", ".py", ".mjs", ".js", ".sh", "Makefile"];

pub(super) fn findings(source: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    if source.path == OWN_PATH {
        return findings;
    }
    let tests = test_lines(source);
    let mut above = "";
    for (number, (line, is_test)) in source.text.lines().zip(tests).enumerate() {
        for rule in RULES.iter().filter(|rule| applies(rule.place, source, is_test)) {
            let Some(word) = rule.words.iter().find(|word| stands_in(line, word)) else {
                continue;
            };
            if !allows(line, rule.name) && !allows(above, rule.name) {
                findings.push(format!("{}:{}: `{word}`: {}", source.path, number + 1, rule.why));
            }
        }
        above = line;
    }
    findings
}

fn applies(place: Place, source: &Source, is_test: bool) -> bool {
    let has_ending = |endings: &[&str]| endings.iter().any(|ending| source.path.ends_with(ending));
    match place {
        Place::Rust => has_ending(&[".rs"]),
        Place::Code => has_ending(&CODE),
        Place::Tests => is_test && has_ending(&CODE),
        Place::Everywhere => true,
    }
}

/// A `TODO(reason)` is the one form that may stand.
fn stands_in(line: &str, word: &str) -> bool {
    let has_reason = |rest: &str| rest.starts_with('(') && rest.find(')').is_some_and(|end| end > 3);
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + word.len()..]);
        let goes_on = word.ends_with(is_of_word) && after.starts_with(is_of_word);
        let is_part_of_a_word = goes_on || before.ends_with(is_of_word);
        let has_its_reason = word == "TODO" && has_reason(after);
        !is_part_of_a_word && !has_its_reason
    })
}

fn is_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn allows(line: &str, rule: &str) -> bool {
    let marker = format!("tidy: allow({rule}):");
    line.split_once(&marker)
        .is_some_and(|(_, reason)| !reason.trim().is_empty())
}

/// For each line, whether it is test code. A `#[cfg(test)]` module at the margin runs to the end of the file, because
/// tests stand last and a raw string may hold a lone brace; an indented one runs to the brace at its own indent.
fn test_lines(source: &Source) -> Vec<bool> {
    let is_test_file = source.is_test_file();
    let mut marked = false;
    let mut closing: Option<String> = None;
    let mut is_test = |line: &str| {
        let (indent, code) = line.split_at(line.len() - line.trim_start().len());
        if let Some(end) = &closing {
            if !end.is_empty() && line == end {
                closing = None;
            }
            return true;
        }
        if code.starts_with("#[cfg(test)]") {
            marked = true;
        } else if marked && !code.starts_with("#[") && !code.starts_with("//") {
            marked = false;
            if code.contains("mod ") && code.ends_with('{') {
                closing = Some(if indent.is_empty() {
                    String::new()
                } else {
                    format!("{indent}}}")
                });
            }
        }
        is_test_file || closing.is_some()
    };
    source.text.lines().map(&mut is_test).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    #[track_caller]
    fn check(path: &str, text: &str, expected: &[&str]) {
        let findings = findings(&source(path, text));
        assert_eq!(findings.len(), expected.len(), "{findings:?}");
        for (finding, expected) in findings.iter().zip(expected) {
            assert!(finding.starts_with(expected), "{finding}");
        }
    }

    #[test]
    fn unfinished_rust_is_found_with_its_line() {
        check(
            "crates/a/src/lib.rs",
            "fn a() {\n    todo!()\n}\n",
            &["crates/a/src/lib.rs:2: `todo!`"],
        );
        check(
            "crates/a/src/lib.rs",
            "#[ignore = \"slow\"]\n",
            &["crates/a/src/lib.rs:1: `#[ignore`"],
        );
        check("README.md", "we refuse `todo!`\n", &[]);
    }

    #[test]
    fn a_note_needs_a_reason() {
        check("a.py", "# TODO: later\n", &["a.py:1: `TODO`"]);
        check("a.rs", "// FIXME broken\n", &["a.rs:1: `FIXME`"]);
        check("a.rs", "// TODO(needs the event source mapping of SQS)\n", &[]);
        check("a.rs", "// TODO()\n", &["a.rs:1: `TODO`"]);
        check("a.sh", "mktemp name.XXXXXX; AUTODO=1\n", &[]);
    }

    #[test]
    fn sleeping_is_refused_in_tests_only() {
        let text = "tokio::time::sleep(pause).await;\n";
        check("crates/a/src/lib.rs", text, &[]);
        check("crates/a/tests/it.rs", text, &["crates/a/tests/it.rs:1: `time::sleep`"]);
        check("crates/testkit/src/wait.rs", text, &["crates/testkit/src/wait.rs:1"]);
        check(
            "tests/client.py",
            "time.sleep(1)\n",
            &["tests/client.py:1: `time.sleep`"],
        );
        let module =
            "fn f() { std::thread::sleep(d) }\n#[cfg(test)]\n#[allow(x)]\nmod tests {\n    std::thread::sleep(d);\n}\n";
        check(
            "crates/a/src/lib.rs",
            module,
            &["crates/a/src/lib.rs:5: `thread::sleep`"],
        );
        let inner = "mod a {\n    #[cfg(test)]\n    mod t {\n        thread::sleep(d);\n    }\n    fn f() { thread::sleep(d) }\n}\n";
        check("crates/a/src/lib.rs", inner, &["crates/a/src/lib.rs:4"]);
    }

    #[test]
    fn an_allowed_line_gives_its_reason() {
        check(
            "tests/a.rs",
            "// tidy: allow(sleep): the function under test sleeps\nthread::sleep(d);\n",
            &[],
        );
        check(
            "tests/a.rs",
            "thread::sleep(d); // tidy: allow(sleep): the subject\n",
            &[],
        );
        check(
            "tests/a.rs",
            "// tidy: allow(sleep):\nthread::sleep(d);\n",
            &["tests/a.rs:2"],
        );
        check(
            "tests/a.rs",
            "// tidy: allow(path): no\nthread::sleep(d);\n",
            &["tests/a.rs:2"],
        );
        check(
            "tests/a.rs",
            "// tidy: allow(sleep): one line only\n\nthread::sleep(d);\n",
            &["tests/a.rs:3"],
        );
    }

    #[test]
    fn machine_paths_are_refused_everywhere() {
        check("docs/a.md", "cd /work/main\n", &["docs/a.md:1: `/work/`"]);
        check("Makefile", "\tcp /root/x .\n", &["Makefile:1: `/root/`"]);
    }
}
