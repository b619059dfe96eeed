//! Finds the tests that cite the checklist: ids in the comment lines directly above a test, in Rust, Python and
//! JavaScript. An id anywhere else proves nothing and is not counted.

use crate::repository::Source;

/// One test citing one id.
#[derive(Debug, PartialEq)]
pub(super) struct Citation {
    pub(super) id: String,
    /// `path/to/file::name of the test`.
    pub(super) test: String,
}

/// `ALB-` or `LAM-`, a letter, `-` and three digits; or `EDG-` and three digits.
pub(super) fn is_id(text: &str) -> bool {
    let is_number = |digits: &[u8]| digits.len() == 3 && digits.iter().all(u8::is_ascii_digit);
    if let Some(digits) = text.strip_prefix("EDG-") {
        return is_number(digits.as_bytes());
    }
    let rest = text.strip_prefix("ALB-").or_else(|| text.strip_prefix("LAM-"));
    let Some([family, b'-', digits @ ..]) = rest.map(str::as_bytes) else {
        return false;
    };
    family.is_ascii_uppercase() && is_number(digits)
}

/// A line as it counts between a citation and its test.
enum Line<'a> {
    Comment(&'a str),
    /// An attribute or decorator; true when it makes the function below a test.
    Attribute(bool),
    /// The head of a function; true when the head alone makes it a test.
    Function(&'a str, bool),
    Other,
}

pub(super) fn scan(source: &Source) -> Vec<Citation> {
    let is_ours = source.path.starts_with("crates/") || source.path.starts_with("tests/");
    let read = match source.path.rsplit_once('.') {
        Some((_, "rs")) if is_ours => rust,
        Some((_, "py")) if is_ours => python,
        Some((_, "mjs")) if is_ours => javascript,
        _ => return Vec::new(),
    };
    let mut citations = Vec::new();
    let mut cited: Vec<&str> = Vec::new();
    let mut is_marked = false;
    for line in source.text.lines().map(str::trim) {
        match read(source, line) {
            Line::Comment(text) => cited.extend(ids(text)),
            Line::Attribute(marks) => is_marked |= marks,
            Line::Function(name, is_test) => {
                if is_marked || is_test {
                    let cite = |id: &str| Citation {
                        id: id.to_owned(),
                        test: format!("{}::{name}", source.path),
                    };
                    citations.extend(cited.iter().copied().map(cite));
                }
                cited.clear();
                is_marked = false;
            }
            Line::Other => {
                cited.clear();
                is_marked = false;
            }
        }
    }
    citations
}

fn ids(comment: &str) -> impl Iterator<Item = &str> {
    comment
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-')
        .filter(|word| is_id(word))
}

fn rust<'a>(source: &Source, line: &'a str) -> Line<'a> {
    if let Some(text) = line.strip_prefix("//") {
        return Line::Comment(text);
    }
    if line.starts_with("#[") {
        return Line::Attribute(line.starts_with("#[test]") || line.starts_with("#[tokio::test"));
    }
    let head = line.strip_prefix("pub ").unwrap_or(line);
    let head = head.strip_prefix("async ").unwrap_or(head);
    match head.strip_prefix("fn ").and_then(|rest| rest.split_once('(')) {
        Some((name, _)) => Line::Function(name, is_case(source, name, line)),
        None => Line::Other,
    }
}

/// Whether the function is a case of a test program with a `main` of its own: `async fn name(world: World)` in a
/// crate's `tests` folder, and called by the table of cases in the same file. A helper stands in no table.
fn is_case(source: &Source, name: &str, head: &str) -> bool {
    let entry = format!("Box::pin({name}(world))");
    source.path.contains("/tests/")
        && head.starts_with(&format!("async fn {name}(world: World)"))
        && source
            .text
            .lines()
            .any(|line| line.contains(&entry) && !line.trim_start().starts_with("//"))
}

fn python<'a>(_: &Source, line: &'a str) -> Line<'a> {
    if let Some(text) = line.strip_prefix('#') {
        return Line::Comment(text);
    }
    if line.starts_with('@') {
        return Line::Attribute(false);
    }
    let head = line.strip_prefix("async ").unwrap_or(line);
    match head.strip_prefix("def ").and_then(|rest| rest.split_once('(')) {
        Some((name, _)) => Line::Function(name, name.starts_with("test_")),
        None => Line::Other,
    }
}

fn javascript<'a>(_: &Source, line: &'a str) -> Line<'a> {
    if let Some(text) = line.strip_prefix("//") {
        return Line::Comment(text);
    }
    let head = line.strip_prefix("await ").unwrap_or(line);
    let Some(rest) = head.strip_prefix("test(") else {
        return Line::Other;
    };
    let mut letters = rest.chars();
    match letters.next() {
        Some(quote @ ('"' | '\'' | '`')) => {
            let text = letters.as_str();
            Line::Function(text.split(quote).next().unwrap_or(text), true)
        }
        _ => Line::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, text: &str, expected: &[(&str, &str)]) {
        let citations = scan(&Source {
            path: path.to_owned(),
            text: text.to_owned(),
        });
        let found: Vec<_> = citations
            .iter()
            .map(|citation| (citation.id.as_str(), citation.test.as_str()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn an_id_has_one_form() {
        for id in ["ALB-X-001", "ALB-H-052", "LAM-X-001", "EDG-123"] {
            assert!(is_id(id), "{id}");
        }
        for other in [
            "",
            "ALB-",
            "ALB-X-1",
            "ALB-x-001",
            "ALB-XX-001",
            "ALB-X-0011",
            "ALB-X-00a",
            "LAMBDA-X-001",
            "NLB-X-001",
            "EDG-X-001",
            "EDG-12",
        ] {
            assert!(!is_id(other), "{other}");
        }
    }

    #[test]
    fn rust_tests_cite_in_the_comments_above() {
        let path = "crates/http1/src/desync.rs";
        let first = "crates/http1/src/desync.rs::first";
        check(
            path,
            "// ALB-D-001: twice\n#[test]\nfn first() {",
            &[("ALB-D-001", first)],
        );
        check(
            path,
            "    /// ALB-D-001, ALB-D-002\n    #[test]\n    fn first(\n",
            &[("ALB-D-001", first), ("ALB-D-002", first)],
        );
        check(
            path,
            "// ALB-D-001\n// and why\n#[tokio::test(flavor = \"x\")]\n#[cfg(unix)]\nasync fn first() {}",
            &[("ALB-D-001", first)],
        );
        check(
            path,
            "#[test]\n// ALB-D-001\nfn first(pattern in any()) {",
            &[("ALB-D-001", first)],
        );
    }

    #[test]
    fn what_is_not_directly_above_a_test_proves_nothing() {
        let path = "crates/http1/src/desync.rs";
        check(path, "// ALB-D-001\nfn helper() {}\n#[test]\nfn first() {}", &[]);
        check(path, "// ALB-D-001\n\n#[test]\nfn first() {}", &[]);
        check(path, "#[test]\nfn first() {\n    // ALB-D-001\n    check();\n}", &[]);
        check(path, "const ID: &str = \"ALB-D-001\";\n#[test]\nfn first() {}", &[]);
        check(path, "// ALB-D-001\n// #[test]\n// fn first() {}", &[]);
        check("xtask/src/a.rs", "// ALB-D-001\n#[test]\nfn first() {}", &[]);
        check("tests/a.txt", "// ALB-D-001\n#[test]\nfn first() {}", &[]);
    }

    #[test]
    fn a_case_of_a_test_program_cites_like_a_test() {
        let path = "crates/functions/tests/functions/cases.rs";
        let table = "const CASES: &[Case] = &[(\"answers\", |world| Box::pin(hello(world)))];\n";
        let cited = [("LAM-R-002", "crates/functions/tests/functions/cases.rs::hello")];
        let case = "// LAM-R-002: unchanged\nasync fn hello(world: World) {\n";
        check(path, &format!("{table}{case}"), &cited);
        check(path, &format!("{case}}}\n{table}"), &cited);
        check("crates/functions/src/cases.rs", &format!("{table}{case}"), &[]);
        for helper in [
            "async fn hello_again(world: World) {",
            "async fn hello(world: &World) {",
            "async fn hello(world: World, event: &str) {",
            "fn hello(world: World) -> LocalFuture {",
        ] {
            check(path, &format!("{table}// LAM-R-002\n{helper}\n"), &[]);
        }
        check(path, &format!("// {table}{case}"), &[]);
        check(path, case, &[]);
    }

    #[test]
    fn a_test_takes_only_its_own_citations() {
        let text = "// ALB-D-001\n#[test]\nfn first() {}\n#[test]\nfn second() {}\n";
        check("tests/a.rs", text, &[("ALB-D-001", "tests/a.rs::first")]);
    }

    #[test]
    fn python_and_javascript_tests_cite_too() {
        let python = "# ALB-H-049: in order\n@slow\nasync def test_order(self):\n# ALB-H-050\ndef helper():\n";
        check(
            "tests/client.py",
            python,
            &[("ALB-H-049", "tests/client.py::test_order")],
        );
        let javascript = "// ALB-H-049\ntest('in order', async () => {\n// ALB-H-050\nawait test(`host`, x);\n";
        check(
            "tests/client.mjs",
            javascript,
            &[
                ("ALB-H-049", "tests/client.mjs::in order"),
                ("ALB-H-050", "tests/client.mjs::host"),
            ],
        );
    }
}
