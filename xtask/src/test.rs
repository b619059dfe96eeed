//! Runs the tests as `cargo test` does, but two programs of them at a time: many wait for a program, a timer or a health check,
//! and one at a time they leave processors idle.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// So many programs run at a time.
const LANES: usize = 2;

/// These have the machine to themselves, after all others: they count what a process holds under load, or ask it for more than
/// anybody would.
const ALONE: [&str; 4] = ["load", "relay_resources", "resources", "stream_memory"];

/// These take longest, so they begin.
const FIRST: [&str; 3] = ["aws", "functions", "managed"];

/// A program of tests.
#[derive(Clone, Debug)]
struct Program {
    /// `functions test managed`, say.
    name: String,
    /// The target's name in its package.
    target: String,
    file: PathBuf,
    /// Its package's folder, where `cargo test` runs it.
    folder: PathBuf,
}

/// Builds and runs everything; each program that failed is a finding.
pub(crate) fn findings() -> Result<Vec<String>> {
    let programs = built()?;
    // Of target/debug/deps/PROGRAM.
    let built_in = programs.first().and_then(|program| program.file.ancestors().nth(2));
    let outputs = built_in.context("cargo built no tests")?.join("test-output");
    fs::create_dir_all(&outputs).with_context(|| format!("cannot make {}", outputs.display()))?;
    let (alone, mut together): (Vec<_>, Vec<_>) = programs
        .into_iter()
        .partition(|program| ALONE.contains(&program.target.as_str()));
    let place = |program: &Program| FIRST.iter().position(|first| *first == program.target);
    together.sort_by_key(|program| place(program).unwrap_or(FIRST.len()));
    let mut findings = in_lanes(together, LANES, &outputs);
    findings.extend(in_lanes(alone, 1, &outputs));
    let documented = Command::new("cargo")
        .args(["test", "--workspace", "--locked", "--doc"])
        .status()
        .context("cannot run cargo")?;
    if !documented.success() {
        findings.push("the examples in the documentation failed".to_owned());
    }
    Ok(findings)
}

/// Has cargo build all programs of tests.
fn built() -> Result<Vec<Program>> {
    let output = Command::new("cargo")
        .args(["test", "--workspace", "--locked", "--no-run"])
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    ensure!(output.status.success(), "the tests do not compile");
    let text = String::from_utf8(output.stdout).context("cargo printed no UTF-8")?;
    text.lines().filter_map(|line| program(line).transpose()).collect()
}

/// The program that a message of cargo's is about, if any.
fn program(line: &str) -> Result<Option<Program>> {
    let message: Value = serde_json::from_str(line).context("cargo printed no JSON")?;
    if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
        return Ok(None);
    }
    let Some(file) = message["executable"].as_str() else {
        return Ok(None);
    };
    let text = |value: &Value| value.as_str().map(str::to_owned).context("cargo's message has no name");
    let target = text(&message["target"]["name"])?;
    let kind = text(&message["target"]["kind"][0])?;
    let manifest = PathBuf::from(text(&message["manifest_path"])?);
    let folder = manifest.parent().context("a manifest is in a folder")?.to_owned();
    let package = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Some(Program {
        name: format!("{package} {kind} {target}"),
        target,
        file: file.into(),
        folder,
    }))
}

/// Runs programs side by side. What one of them prints is told when it has ended, in one piece, and kept in `outputs`.
fn in_lanes(programs: Vec<Program>, lanes: usize, outputs: &Path) -> Vec<String> {
    let waiting = Mutex::new(VecDeque::from(programs));
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..lanes {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().ok().and_then(|mut waiting| waiting.pop_front());
                    let Some(program) = next else { return };
                    let finding =
                        run(&program, outputs).unwrap_or_else(|error| Some(format!("{}: {error:#}", program.name)));
                    if let (Some(finding), Ok(mut failed)) = (finding, failed.lock()) {
                        failed.push(finding);
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap_or_default()
}

/// Runs one program; what is wrong, if it failed. What it prints goes into a file: a process that it leaves behind would hold
/// a pipe open.
fn run(program: &Program, outputs: &Path) -> Result<Option<String>> {
    let began = Instant::now();
    let path = outputs.join(format!("{}.txt", program.name.replace(' ', "-")));
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let status = Command::new(&program.file)
        .current_dir(&program.folder)
        .env("CARGO_MANIFEST_DIR", &program.folder)
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .status()
        .with_context(|| format!("cannot run {}", program.file.display()))?;
    let took = began.elapsed().as_secs();
    let printed = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n     Running {} ({took} s)", program.name)?;
    out.write_all(&printed)?;
    Ok((!status.success()).then(|| format!("{} failed: {status}", program.name)))
}
