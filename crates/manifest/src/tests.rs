//! Whole manifests: what loads, what is wrong with the others, and where.

mod broken;
mod broken_rules;
mod certificates;
mod event_invokes;
mod families;
mod function_urls;
mod good;
mod inert;
mod mutual_tls;
mod roles;
mod servers;
mod servers_broken;
mod warnings;

use crate::Settings;
use crate::testing::{TestFolder, settings};

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
    folder.put_zip("code.zip", &[("bootstrap", 0o755), ("app.py", 0o644)]);
    folder.put_zip("python.zip", &[("app.py", 0o644)]);
    folder.put_zip("plain.zip", &[("bootstrap", 0o644)]);
    folder.put("half.zip", "PK\u{3}\u{4}");
    let large = std::fs::File::create(folder.path("large.zip")).unwrap();
    large.set_len(52_428_801).unwrap();
    folder.put("index.mjs", "export const handler = async () => ({});\n");
    folder.put("node/src/index.mjs", "export const handler = async () => ({});\n");
    folder
}

/// The mistakes of `text` as `line:column: message`.
fn mistakes(text: &str) -> Vec<String> {
    mistakes_with(text, &settings())
}

fn mistakes_with(text: &str, settings: &Settings) -> Vec<String> {
    let folder = folder();
    let file = format!("{}:", folder.path("albacore.yaml").display());
    let strip = |line: String| line.strip_prefix(&file).map(str::to_owned).unwrap_or(line);
    match folder.load_with(text, settings) {
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes.all.iter().map(|it| strip(it.to_string())).collect(),
    }
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(mistakes(text), expected, "{text}");
}
