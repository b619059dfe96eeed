//! What inits report, and what of it is told to albacore.

use super::{Kind, Progress, Root, shells};
use crate::cgroup::Group;
use crate::message::{Id, Reply};
use crate::namespace::Listeners;
use crate::spec::Step;
use crate::status::ExitStatus;
use crate::sys::process::Pid;
use crate::sys::socket;
use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

impl Root {
    /// Takes one report of an init's and hands it on.
    pub(super) fn hear(&mut self, id: Id) {
        let Some(environment) = self.environments.get_mut(&id) else {
            return;
        };
        let mut buffer = [0; Reply::BYTES];
        let received = match socket::receive(environment.control.as_fd(), &mut buffer) {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(_) => return self.end(id),
        };
        let handle = received.fds.into_iter().next().flatten();
        match Reply::decode(buffer.get(..received.bytes).unwrap_or_default()) {
            // A shell that was opened before it was ready.
            Some(Reply::Ready { .. }) => {}
            Some(Reply::Opened { .. }) => {
                if let Kind::Enclosure { listeners, .. } = &mut environment.kind {
                    let listeners = listeners.take();
                    let files = listeners.as_ref().map(Listeners::files);
                    self.reply_with(Reply::Opened { id }, files.as_ref().map_or(&[], |it| &it[..]));
                }
            }
            Some(Reply::Completed { .. }) => self.reply(Reply::Completed { id }),
            Some(Reply::Started { id: process, pid, .. }) => {
                let init = environment.init;
                let pid = match environment.kind {
                    Kind::Host => pid,
                    // Inside it has another number.
                    Kind::Enclosure { .. } => handle.and_then(|it| shells::pid_of(&it)).unwrap_or(0),
                };
                environment.processes.insert(process, Progress::Started);
                self.stirred = Instant::now();
                self.reply(Reply::Started { id: process, pid, init });
            }
            // Of the enclosure itself: it has ended.
            Some(Reply::Failed { id: 0, step, errno }) => {
                let reply = Reply::Failed { id, step, errno };
                self.reply(reply);
            }
            Some(Reply::Failed {
                id: process,
                step,
                errno,
            }) => {
                self.forget(id, process);
                self.reply(Reply::Failed {
                    id: process,
                    step,
                    errno,
                });
            }
            Some(Reply::Exited {
                id: process, status, ..
            }) => {
                let init = environment.init;
                self.forget(id, process);
                let out_of_memory = self.was_out_of_memory(init);
                self.reply(Reply::Exited {
                    id: process,
                    status,
                    out_of_memory,
                });
            }
            Some(Reply::Connected | Reply::Socket { .. }) | None => self.end(id),
        }
    }

    fn forget(&mut self, environment: Id, process: Id) {
        if let Some(environment) = self.environments.get_mut(&environment) {
            environment.processes.remove(&process);
        }
        self.processes.remove(&process);
    }

    fn was_out_of_memory(&mut self, init: Pid) -> bool {
        self.group_of.get_mut(&init).is_some_and(Group::was_out_of_memory)
    }

    /// An init has ended, or was killed: then its main processes die with it, and `reap` sees to the rest.
    fn end(&mut self, id: Id) {
        let Some(environment) = self.environments.remove(&id) else {
            return;
        };
        if matches!(environment.kind, Kind::Enclosure { .. }) {
            // Whoever waits for it to open or to be completed waits for nothing; otherwise nobody listens.
            self.reply(Reply::Failed {
                id,
                step: Step::Init,
                errno: libc::ECHILD,
            });
        }
        let out_of_memory = self.was_out_of_memory(environment.init);
        for (process, progress) in environment.processes {
            self.processes.remove(&process);
            self.reply(match progress {
                Progress::Started => Reply::Exited {
                    id: process,
                    status: ExitStatus::KILLED_WAIT_STATUS,
                    out_of_memory,
                },
                Progress::Starting => Reply::Failed {
                    id: process,
                    step: Step::Init,
                    errno: libc::ECHILD,
                },
            });
        }
    }
}
