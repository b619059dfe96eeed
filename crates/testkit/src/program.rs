//! Programs that run to their end: commands of albacore, and clients.

use crate::process::Process;
use crate::wait::BOUND;
use rustix::process::Pid;
use serde_json::Value;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// A program that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Its exit status; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

/// Runs a program to its end, without input.
///
/// # Panics
///
/// When it cannot be started, or has not ended within [`BOUND`]: then it is killed.
#[track_caller]
pub fn run(command: &mut Command) -> Finished {
    run_within(BOUND, command)
}

/// The same for a program that waits for long itself.
///
/// # Panics
///
/// When it cannot be started, or has not ended within the bound: then it is killed.
#[track_caller]
pub fn run_within(bound: Duration, command: &mut Command) -> Finished {
    let started = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = started.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let process = Process::of(Pid::from_child(&child));
    let (out, err) = (
        all_of(child.stdout.take().unwrap()),
        all_of(child.stderr.take().unwrap()),
    );
    let in_time = process.ends_within(bound);
    process.kill();
    let code = child.wait().unwrap().code();
    let finished = Finished {
        code,
        out: out.join().unwrap(),
        err: err.join().unwrap(),
    };
    assert!(in_time, "{command:?} did not end: {finished:?}");
    finished
}

fn all_of(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

impl Finished {
    /// Checks the exit status, and that both outputs contain these texts.
    ///
    /// # Panics
    ///
    /// When it is not so.
    #[track_caller]
    pub fn expect(&self, code: i32, out: &str, err: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(
            self.out.contains(out) && self.err.contains(err),
            "expected {out:?} and {err:?}: {self:?}"
        );
    }

    /// Checks that it has succeeded, and shows what it said if not.
    ///
    /// # Panics
    ///
    /// When it has not.
    #[track_caller]
    pub fn expect_success(&self) {
        assert_eq!(self.code, Some(0), "\n{}\n{}", self.out, self.err);
    }

    /// The standard output as a JSON document.
    ///
    /// # Panics
    ///
    /// When it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{self:?}"))
    }
}

/// A file of the repository.
pub fn repository(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    root.join(path).to_str().unwrap().to_owned()
}

/// The Python of the venv that `make setup` has made, or the one that `ALBACORE_TEST_PYTHON` names.
///
/// # Panics
///
/// When it is not there.
#[track_caller]
pub fn venv_python() -> String {
    let python = std::env::var("ALBACORE_TEST_PYTHON").unwrap_or_else(|_| repository("target/pytest-venv/bin/python"));
    assert!(Path::new(&python).exists(), "{python} is not there; run `make setup`");
    python
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_says_how_it_ended() {
        let finished = run(Command::new("sh").args(["-c", "echo '{}'; echo no >&2; exit 3"]));
        finished.expect(3, "{}", "no");
        assert_eq!(finished.json(), Value::Object(serde_json::Map::new()));
        assert_eq!(run(Command::new("sh").args(["-c", "kill -9 $$"])).code, None);
    }
}
