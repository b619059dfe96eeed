//! Starting the spawner process.

use super::{Obstacle, Options, SpawnerError};
use crate::cgroup::Controllers;
use crate::message::Reply;
use crate::spawner::ARGUMENT;
use crate::sys::{fd, socket};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Starts a spawner, and waits until it is ready. Blocks.
pub(super) fn start(options: &Options) -> Result<(OwnedFd, Child, Controllers), SpawnerError> {
    let timeout = options.start_timeout;
    let (ours, theirs) = socket::pair()?;
    let mut child = Command::new("/proc/self/exe")
        .arg0(own_name())
        .args([ARGUMENT, options.tier.name(), &options.shells.to_string()])
        .arg(i32::from(options.share_cpu).to_string())
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    match wait_until_ready(&ours, timeout) {
        Ok(Readiness::Ready(controllers)) => Ok((ours, child, controllers)),
        Ok(Readiness::Refused(obstacle)) => {
            end(&mut child)?;
            Err(SpawnerError::Tier(obstacle))
        }
        Ok(Readiness::Ended) => Err(SpawnerError::Ended(end(&mut child)?)),
        Ok(Readiness::Timeout) => {
            end(&mut child)?;
            Err(SpawnerError::Timeout(timeout))
        }
        Err(error) => {
            end(&mut child)?;
            Err(SpawnerError::Io(error))
        }
    }
}

/// Argument 0 of this process, so that process lists show the spawner as a part of it.
fn own_name() -> std::ffi::OsString {
    std::env::args_os().next().unwrap_or_else(|| "albacore".into())
}

enum Readiness {
    Ready(Controllers),
    Refused(Obstacle),
    Ended,
    Timeout,
}

fn wait_until_ready(socket: &OwnedFd, timeout: Duration) -> io::Result<Readiness> {
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Readiness::Timeout);
        }
        fd::poll(&mut [fd::interest(socket.as_fd(), libc::POLLIN)], Some(left))?;
        let mut buffer = [0; Reply::BYTES];
        match socket::receive(socket.as_fd(), &mut buffer) {
            Ok(received) => {
                let reply = Reply::decode(buffer.get(..received.bytes).unwrap_or_default());
                return Ok(match reply {
                    Some(Reply::Ready { controllers }) => Readiness::Ready(controllers),
                    Some(Reply::Failed { step, errno, .. }) => Readiness::Refused(Obstacle { step, errno }),
                    _ => Readiness::Ended,
                });
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// Ends a spawner that has no process yet, and collects it.
fn end(child: &mut Child) -> io::Result<ExitStatus> {
    // When it has ended by itself, this does nothing and the status is its own.
    child.kill()?;
    child.wait()
}
