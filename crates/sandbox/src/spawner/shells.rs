//! Inits that wait for a main process in namespaces of their own.

use super::{Environment, Kind, QUIET, QUIET_AWAITED_MAX, Root};
use crate::cgroup::Group;
use crate::launch::Inside;
use crate::message::{Id, Reply, Request};
use crate::namespace::{self, Failure, Listeners, Network, Order};
use crate::spec::{Reach, Step};
use crate::sys::process::{self, Pid};
use crate::sys::{fd, socket};
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long the first one may take to show that everything works.
const REHEARSAL_TIME_MAX: Duration = Duration::from_secs(5);

/// Processes and threads of one environment, those of ours included.
const PROCESSES_MAX: u64 = 1024 + 8;

/// An init without a main process.
pub(super) struct Shell {
    pub(super) init: Pid,
    pub(super) control: OwnedFd,
    /// Where it has a network of its own.
    pub(super) listeners: Option<Listeners>,
}

impl Root {
    /// Makes the first shell and waits until it has tried everything that a start needs.
    pub(super) fn rehearse(&mut self) -> Result<(), Failure> {
        let shell = self.fork_apart(Network::Own, true)?;
        let deadline = Instant::now() + REHEARSAL_TIME_MAX;
        let late = || (Step::Namespaces, io::Error::from_raw_os_error(libc::ETIMEDOUT));
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(late());
            }
            fd::poll(&mut [fd::interest(shell.control.as_fd(), libc::POLLIN)], Some(left)).map_err(|_| late())?;
            let mut buffer = [0; Reply::BYTES];
            let reply = match socket::receive(shell.control.as_fd(), &mut buffer) {
                Ok(received) => Reply::decode(buffer.get(..received.bytes).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(_) => None,
            };
            return match reply {
                Some(Reply::Ready { .. }) => {
                    self.shells.push_back(shell);
                    Ok(())
                }
                Some(Reply::Failed { step, errno, .. }) => Err((step, io::Error::from_raw_os_error(errno))),
                _ => Err((Step::Namespaces, io::Error::from_raw_os_error(libc::ECHILD))),
            };
        }
    }

    /// How long until one more is to be made, if one is.
    pub(super) fn shell_due(&mut self) -> Option<Duration> {
        let lacks =
            self.closing.is_none() && !self.shells_fail && self.shells_used && self.shells.len() < self.shells_wanted;
        if !lacks {
            self.shells_lacking = None;
            return None;
        }
        let now = Instant::now();
        let lacking = *self.shells_lacking.get_or_insert(now);
        let due = (self.stirred + QUIET).min(lacking + QUIET_AWAITED_MAX);
        Some(due.saturating_duration_since(now))
    }

    /// Makes one more. If that fails, none are made until the next start, which says why.
    pub(super) fn add_shell(&mut self) {
        self.shells_lacking = None;
        match self.fork_apart(Network::Own, false) {
            Ok(shell) => self.shells.push_back(shell),
            Err(_) => self.shells_fail = true,
        }
        if let Some(namespaces) = &mut self.namespaces {
            namespaces.make_spare();
        }
    }

    /// Gives a shell everything that the file in `files` names. Albacore hears of it when the shell has it.
    pub(super) fn open_enclosure(&mut self, id: Id, files: Vec<OwnedFd>) -> Result<(), Failure> {
        let error = |step, errno| (step, io::Error::from_raw_os_error(errno));
        let file = files.into_iter().next().ok_or(error(Step::Request, libc::EMFILE))?;
        let file = File::from(file);
        let inside = Inside::read(&file).map_err(|error| (Step::Request, error))?;
        let Some(namespaces) = &mut self.namespaces else {
            return Err(error(Step::Namespaces, libc::ENOSYS));
        };
        let mounts = namespaces.mounts_of(&inside)?;
        let shell = match inside.reach {
            // Those that wait have networks of their own already.
            Reach::Host => self.fork_apart(Network::Host, false)?,
            Reach::Nothing | Reach::Public | Reach::PublicAndPrivate => {
                (self.shells_fail, self.shells_used) = (false, true);
                match self.shells.pop_front() {
                    Some(shell) => shell,
                    None => self.fork_apart(Network::Own, false)?,
                }
            }
        };
        if let Some(group) = self.group_of.get_mut(&shell.init) {
            let tmp = mounts.first().map(|mount| mount.try_clone()).transpose();
            if let Some(tmp) = tmp.map_err(|error| (Step::Mount, error))? {
                group.has_tmp(tmp, inside.scratch_bytes);
            }
            let limited = group.allow(inside.memory_bytes);
            limited.map_err(|error| (Step::ControlGroup, error))?;
        }
        self.look_soon();
        let files: Vec<_> = std::iter::once(file.as_fd())
            .chain(mounts.iter().map(AsFd::as_fd))
            .collect();
        // As for any other request.
        let _ = socket::send(
            shell.control.as_fd(),
            &Request::Open(id).encode(),
            &files,
            socket::Wait::Never,
        );
        // While it puts all that in place. What it says is heard after this.
        self.connect(shell.init, inside.reach)?;
        self.environments.insert(
            id,
            Environment {
                control: shell.control,
                init: shell.init,
                kind: Kind::Enclosure {
                    listeners: shell.listeners,
                    is_frozen: false,
                },
                processes: HashMap::new(),
            },
        );
        Ok(())
    }

    /// Adds what the file in `files` names. Albacore hears of it when the enclosure has it.
    pub(super) fn complete_enclosure(&mut self, id: Id, files: Vec<OwnedFd>) -> Result<(), Failure> {
        let error = |step, errno| (step, io::Error::from_raw_os_error(errno));
        let file = files.into_iter().next().ok_or(error(Step::Request, libc::EMFILE))?;
        let file = File::from(file);
        let inside = Inside::read(&file).map_err(|error| (Step::Request, error))?;
        if inside.reach == Reach::Host {
            return Err(error(Step::Network, libc::EISCONN));
        }
        // It may have ended meanwhile.
        let (Some(namespaces), Some(environment)) = (&self.namespaces, self.environments.get(&id)) else {
            return Err(error(Step::Init, libc::ESRCH));
        };
        let mounts = namespaces.more_mounts_of(&inside)?;
        if let Some(group) = self.group_of.get_mut(&environment.init) {
            let limited = group.allow(inside.memory_bytes);
            limited.map_err(|error| (Step::ControlGroup, error))?;
        }
        let files: Vec<_> = std::iter::once(file.as_fd())
            .chain(mounts.iter().map(AsFd::as_fd))
            .collect();
        // As for any other request.
        let _ = socket::send(
            environment.control.as_fd(),
            &Request::Complete(id).encode(),
            &files,
            socket::Wait::Never,
        );
        let init = environment.init;
        self.look_soon();
        // As before.
        self.connect(init, inside.reach)
    }

    /// Stops all processes of an enclosure, or lets them go on.
    pub(super) fn freeze(&mut self, id: Id, frozen: bool) {
        let Some(environment) = self.environments.get_mut(&id) else {
            return;
        };
        let Kind::Enclosure { is_frozen, .. } = &mut environment.kind else {
            return;
        };
        if std::mem::replace(is_frozen, frozen) == frozen {
            return;
        }
        let group = self.group_of.get(&environment.init);
        if !group.is_some_and(|group| group.freeze(frozen)) {
            let request = if frozen { Request::Freeze(id) } else { Request::Thaw(id) };
            super::pass_on(environment, request);
        }
        if !frozen {
            self.look_soon();
        }
    }

    /// Gives an enclosure its share of the processors. If that fails, it has more.
    pub(super) fn share_cpu(&self, id: Id, quota_us: u64) {
        let group = self.environments.get(&id).and_then(|it| self.group_of.get(&it.init));
        if let Some(group) = group {
            let _ = group.share_cpu(quota_us);
        }
    }

    /// Lets the user of functions open these pipes, not only write to them: programs open `/dev/stderr` anew.
    pub(super) fn give_to_functions(&self, pipes: &[OwnedFd]) -> Result<(), Failure> {
        let user = self.namespaces.as_ref().and_then(|it| it.ids().function());
        let Some((user, group)) = user else { return Ok(()) };
        for pipe in pipes {
            process::give_to(pipe.as_fd(), user, group).map_err(|error| (Step::Streams, error))?;
        }
        Ok(())
    }

    /// Takes one report of a shell's: it is ready, or it has ended and is of no use.
    pub(super) fn hear_shell(&mut self, index: usize) {
        let Some(shell) = self.shells.get(index) else { return };
        let mut buffer = [0; Reply::BYTES];
        match socket::receive(shell.control.as_fd(), &mut buffer) {
            Ok(received)
                if Reply::decode(buffer.get(..received.bytes).unwrap_or_default())
                    .is_some_and(|reply| matches!(reply, Reply::Ready { .. })) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            _ => {
                // Made again and again it would end again and again; the next start says why.
                self.shells_fail = true;
                self.shells.remove(index);
            }
        }
    }

    fn fork_apart(&mut self, network: Network, rehearse: bool) -> Result<Shell, Failure> {
        let Some(namespaces) = &mut self.namespaces else {
            return Err((Step::Namespaces, io::Error::from_raw_os_error(libc::ENOSYS)));
        };
        let at = |error| (Step::Namespaces, error);
        let ids = *namespaces.ids();
        self.shells_made = self.shells_made.wrapping_add(1);
        let (control, init_control) = socket::pair().map_err(at)?;
        let group = self
            .groups
            .make(PROCESSES_MAX)
            .map_err(|error| (Step::ControlGroup, error))?;
        let entrances = group.as_ref().map(Group::entrances).transpose();
        let entrances = entrances
            .map_err(|error| (Step::ControlGroup, error))?
            .unwrap_or_default();
        let birthplace = group.as_ref().and_then(Group::birthplace);
        let forked = namespaces.fork(
            network,
            &Order {
                control: init_control.as_fd(),
                birthplace: birthplace.as_ref().map(AsFd::as_fd),
                entrances: &entrances,
                owner: ids.owner_of(self.shells_made),
                rehearse,
            },
        );
        // One of them may be new.
        self.inits.extend(namespaces.forkers());
        let (child, listeners) = forked.inspect_err(|_| {
            if let Some(group) = &group {
                group.remove();
            }
        })?;
        self.inits.insert(child);
        self.group_of.extend(group.map(|group| (child, group)));
        let shell = Shell {
            init: child,
            control,
            listeners,
        };
        // Without its users it ends when the shell is dropped.
        namespace::number_users(child, &ids).map_err(|error| (Step::User, error))?;
        socket::send(
            shell.control.as_fd(),
            &Request::Enter.encode(),
            &[],
            socket::Wait::Never,
        )
        .map_err(at)?;
        Ok(shell)
    }
}

/// The number that a process has here, from a handle of it that came from elsewhere.
pub(super) fn pid_of(handle: &OwnedFd) -> Option<Pid> {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", handle.as_raw_fd())).ok()?;
    let number = text.lines().find_map(|line| line.strip_prefix("Pid:"))?;
    number.trim().parse().ok().filter(|&pid: &Pid| pid > 0)
}
