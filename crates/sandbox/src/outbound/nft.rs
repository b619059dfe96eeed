//! Running `nft`, which loads rules into the kernel's packet filter: whole tables at once, or nothing.

use super::rules;
use crate::sys::fd;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Where systems have it. A spawner has no `PATH`.
const FOLDERS: [&str; 6] = [
    "/usr/sbin",
    "/sbin",
    "/usr/local/sbin",
    "/usr/bin",
    "/bin",
    "/run/current-system/sw/bin",
];
/// It takes some milliseconds.
const TIME_MAX: Duration = Duration::from_secs(5);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(2);
/// What of its words is of interest.
const SAID_BYTES_MAX: u64 = 256 * 1024;

/// Where it is.
pub(super) fn program() -> Option<PathBuf> {
    let mut paths = FOLDERS.iter().map(|folder| Path::new(folder).join("nft"));
    paths.find(|path| path.is_file())
}

/// Carries commands out in the network of this process: all of them or none. Blocks for some milliseconds.
pub(super) fn load(commands: &str) -> io::Result<()> {
    let output = run(&["-f", "-"], commands)?;
    match output.is_success {
        true => Ok(()),
        // What it says has no way out of the spawner; `check_rules` hears it.
        false => Err(io::Error::from_raw_os_error(libc::EPROTO)),
    }
}

/// Would the kernel take albacore's rules? Changes nothing; needs root. Blocks for some milliseconds.
///
/// # Errors
///
/// What `nft` says to them.
pub fn check_rules() -> Result<(), String> {
    let name = "albacore-check";
    let commands = [rules::of_router(), rules::of_host(name, [169, 254, 96, 2].into())].concat();
    let output = run(&["--check", "-f", "-"], &commands).map_err(|error| error.to_string())?;
    match output.is_success {
        true => Ok(()),
        false => Err(output.errors.lines().next().unwrap_or("it failed").to_owned()),
    }
}

/// A chain of somebody else's that drops what is forwarded unless its rules say otherwise, if there is one: functions then
/// have no way out until those rules let interfaces whose names begin with `albacore` through. Needs root. Blocks for some
/// milliseconds.
pub fn foreign_barrier() -> Option<String> {
    let output = run(&["list", "chains"], "").ok()?;
    rules::barrier_in(&output.text)
}

struct Output {
    is_success: bool,
    text: String,
    errors: String,
}

fn run(args: &[&str], input: &str) -> io::Result<Output> {
    let program = program().ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))?;
    // Files and no pipes: nobody has to read and write at the same time.
    let (mut stdin, stdout, stderr) = (fd::memory_file()?, fd::memory_file()?, fd::memory_file()?);
    stdin.write_all(input.as_bytes())?;
    stdin.rewind()?;
    let mut child = Command::new(program)
        .args(args)
        .env_clear()
        .stdin(Stdio::from(stdin))
        .stdout(Stdio::from(stdout.try_clone()?))
        .stderr(Stdio::from(stderr.try_clone()?))
        .spawn()?;
    let deadline = Instant::now() + TIME_MAX;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::from_raw_os_error(libc::ETIMEDOUT));
        }
        fd::poll(&mut [], Some(LOOK_AGAIN_AFTER))?;
    };
    Ok(Output {
        is_success: status.success(),
        text: said(stdout)?,
        errors: said(stderr)?,
    })
}

fn said(mut file: File) -> io::Result<String> {
    file.rewind()?;
    let mut bytes = Vec::new();
    file.take(SAID_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
