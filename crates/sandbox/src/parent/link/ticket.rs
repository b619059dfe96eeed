//! The right to one process.

use super::Link;
use super::table::{Entry, Outgoing, Started};
use crate::message::{Id, Request};
use crate::parent::SpawnError;
use crate::status::ExitStatus;
use std::sync::Arc;
use tokio::sync::{oneshot, watch};

/// One process's place in the table. Dropping it kills the process.
#[derive(Debug)]
pub(crate) struct Ticket {
    link: Arc<Link>,
    id: Id,
    exit: watch::Receiver<Option<ExitStatus>>,
}

impl Ticket {
    pub(crate) fn register(link: &Arc<Link>) -> Result<(Self, oneshot::Receiver<Started>), SpawnError> {
        let mut table = link.shared.table();
        if table.gone {
            return Err(SpawnError::SpawnerGone);
        }
        let processes_max = link.shared.options.processes_max;
        if table.entries.len() >= processes_max {
            return Err(SpawnError::TooManyProcesses(processes_max));
        }
        table.last_id += 1;
        let id = table.last_id;
        let (started, has_started) = oneshot::channel();
        let (exit, has_exited) = watch::channel(None);
        let entry = Entry {
            started: Some(started),
            exit,
            kill_sent: false,
            terminate_sent: false,
        };
        table.entries.insert(id, entry);
        Ok((
            Self {
                link: Arc::clone(link),
                id,
                exit: has_exited,
            },
            has_started,
        ))
    }

    pub(crate) fn id(&self) -> Id {
        self.id
    }

    pub(crate) async fn exited(&mut self) -> ExitStatus {
        // The sender leaves the table only after it has sent, so the error is not expected.
        match self.exit.wait_for(Option::is_some).await {
            Ok(status) => status.unwrap_or(ExitStatus::KILLED),
            Err(_) => ExitStatus::KILLED,
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.exit.borrow().is_some()
    }

    pub(crate) fn kill(&self) {
        self.send_once(|entry| &mut entry.kill_sent, Request::Kill(self.id));
    }

    pub(crate) fn terminate(&self) {
        self.send_once(|entry| &mut entry.terminate_sent, Request::Terminate(self.id));
    }

    fn send_once(&self, sent: impl Fn(&mut Entry) -> &mut bool, request: Request) {
        let mut table = self.link.shared.table();
        let Some(entry) = table.entries.get_mut(&self.id) else {
            return;
        };
        if !std::mem::replace(sent(entry), true) {
            self.link.shared.send(
                &mut table,
                Outgoing {
                    request,
                    fds: Vec::new(),
                },
            );
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.kill();
    }
}
