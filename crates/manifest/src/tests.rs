//! Whole manifests: what loads, what is wrong with the others, and where.

mod broken;
mod broken_rules;
mod certificates;
mod good;
mod warnings;

use crate::testing::TestFolder;

/// A folder with code of every kind.
fn folder() -> TestFolder {
    let folder = TestFolder::new();
    folder.put_executable("fn/bootstrap");
    folder.put_executable("run");
    folder.put("python/app.py", "def handler(event, context): pass\n");
    folder.put("plain/bootstrap", "#!/bin/sh\n");
    folder.put("text", "hello\n");
    folder.put_executable("odd");
    std::fs::write(folder.path("odd"), "hello\n").unwrap();
    folder.put("code.zip", "PK\u{3}\u{4}");
    folder
}

/// The mistakes of `text` as `line:column: message`.
fn mistakes(text: &str) -> Vec<String> {
    let folder = folder();
    let file = format!("{}:", folder.path("albacore.yaml").display());
    let strip = |line: String| line.strip_prefix(&file).map(str::to_owned).unwrap_or(line);
    match folder.load(text) {
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes.all.iter().map(|it| strip(it.to_string())).collect(),
    }
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(mistakes(text), expected, "{text}");
}
