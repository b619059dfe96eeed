//! The checkout as the chores see it: its text files and what Cargo says about the workspace.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// A text file that Git tracks, or would after `git add`.
pub(crate) struct Source {
    /// From the repository's root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    /// Whether the whole file is test code: it lies in a `tests` folder or module, or in the room made for tests.
    pub(crate) fn is_test_file(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.starts_with("crates/testkit/")
            || self.path.contains("/tests/")
            || self.path.ends_with("/tests.rs")
    }
}

/// The checkout this command was built from, read once.
pub(crate) struct Repository {
    root: PathBuf,
    /// Sorted by path.
    pub(crate) sources: Vec<Source>,
}

impl Repository {
    pub(crate) fn open() -> Result<Self> {
        let package = std::env::var_os("CARGO_MANIFEST_DIR").context("run me with `cargo xtask`")?;
        let mut root = PathBuf::from(package);
        root.pop();
        // The checkout may belong to another user (a mounted volume in CI), which Git refuses to read otherwise.
        let listing = Self::output_of(
            Command::new("git")
                .args([
                    "-c",
                    "safe.directory=*",
                    "ls-files",
                    "-z",
                    "--cached",
                    "--others",
                    "--exclude-standard",
                ])
                .current_dir(&root),
        )?;
        let mut paths: Vec<&str> = listing.split('\0').filter(|path| !path.is_empty()).collect();
        paths.sort_unstable();
        paths.dedup();
        // What is not text holds nothing for us, and a file deleted but not yet committed is not there to read.
        let sources = paths
            .into_iter()
            .filter_map(|path| {
                let text = std::fs::read_to_string(root.join(path)).ok()?;
                Some(Source {
                    path: path.to_owned(),
                    text,
                })
            })
            .collect();
        Ok(Self { root, sources })
    }

    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.sources
            .iter()
            .find(|source| source.path == path)
            .map(|source| source.text.as_str())
    }

    pub(crate) fn write(&self, path: &str, text: &str) -> Result<()> {
        std::fs::write(self.root.join(path), text).with_context(|| format!("cannot write {path}"))
    }

    /// `cargo metadata` of the workspace's own packages.
    pub(crate) fn metadata(&self) -> Result<Value> {
        let text = self.cargo(&["metadata", "--format-version", "1", "--no-deps", "--locked"])?;
        serde_json::from_str(&text).context("`cargo metadata` printed no JSON")
    }

    /// What `cargo` with these arguments prints.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Result<String> {
        Self::output_of(Command::new("cargo").args(arguments).current_dir(&self.root))
    }

    /// The path from the root, when it lies inside the checkout.
    pub(crate) fn relative(&self, path: &str) -> Option<String> {
        std::path::Path::new(path)
            .strip_prefix(&self.root)
            .ok()
            .map(|path| path.to_string_lossy().into_owned())
    }

    fn output_of(command: &mut Command) -> Result<String> {
        let name = command.get_program().to_string_lossy().into_owned();
        let output = command.output().with_context(|| format!("cannot run {name}"))?;
        ensure!(
            output.status.success(),
            "{name} failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        String::from_utf8(output.stdout).with_context(|| format!("{name} printed no UTF-8"))
    }
}
