//! Which interpreters this machine has: each is asked for its version, all at once and under a deadline.

use serde::Serialize;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long they may take together.
const DEADLINE: Duration = Duration::from_secs(3);
/// What is read of an answer, in bytes.
const ANSWER_BYTES_MAX: u64 = 4096;

/// Each with what it is asked. A `dotnet` without the tools of developers has no version of its own.
const PROGRAMS: [(&str, &str); 5] = [
    ("python3", "--version"),
    ("node", "--version"),
    ("java", "--version"),
    ("ruby", "--version"),
    ("dotnet", "--list-runtimes"),
];

/// One interpreter.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Runtime {
    pub(super) program: &'static str,
    /// What it says about itself. `None` when it is not there, fails or takes too long.
    pub(super) version: Option<String>,
}

/// Asks all of them.
pub(super) fn find() -> Vec<Runtime> {
    let until = Instant::now() + DEADLINE;
    let asked: Vec<_> = PROGRAMS
        .into_iter()
        .map(|(program, argument)| (program, ask(program, argument)))
        .collect();
    let answered = asked.into_iter().map(|(program, asked)| Runtime {
        program,
        version: asked.and_then(|asked| asked.version(until)),
    });
    answered.collect()
}

/// A program that was started.
struct Asked {
    child: std::process::Child,
    answer: mpsc::Receiver<String>,
}

fn ask(program: &str, argument: &str) -> Option<Asked> {
    let mut command = Command::new(program);
    command
        .arg(argument)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let output = child.stdout.take()?;
    let (tell, answer) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before a failure is of use, too.
        let _ = output.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes);
        let _ = tell.send(String::from_utf8_lossy(&bytes).into_owned()); // nobody waits after the deadline
    });
    Some(Asked { child, answer })
}

impl Asked {
    /// The first line of what it said, if it said so in time.
    fn version(mut self, until: Instant) -> Option<String> {
        let left = until.saturating_duration_since(Instant::now());
        let answer = self.answer.recv_timeout(left).ok();
        // It has said what it had to say. Only one that hangs minds.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let answer = answer?;
        let line = answer.lines().next()?.trim();
        let clean: String = line.chars().filter(|c| !c.is_control()).take(200).collect();
        (!clean.is_empty()).then_some(clean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_says_its_version_or_nothing() {
        let version = |program: &str, argument: &str, wait: u64| {
            let until = Instant::now() + Duration::from_secs(wait);
            ask(program, argument).and_then(|asked| asked.version(until))
        };
        assert!(version("python3", "--version", 60).is_some_and(|version| version.starts_with("Python 3")));
        assert_eq!(version("albacore-no-such-program", "--version", 60), None);
        // Ends and says nothing; and one that would run for an hour is not waited for.
        assert_eq!(version("false", "", 60), None);
        assert_eq!(version("sleep", "3600", 0), None);
    }
}
