//! What one environment may write to, kept from one run of its runtime to the next.

use super::link::{Link, Outgoing};
use crate::message::{Id, Request};
use std::sync::Arc;

/// A file system of a certain size, empty at first, which the spawner makes when it is needed first. Clones mean the
/// same; when the last one is dropped, it ends with the last process that has it.
///
/// A spawner that had to be started again has lost it, and makes an empty one.
#[derive(Clone, Debug)]
pub struct Scratch(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    link: Arc<Link>,
    id: Id,
    bytes: u64,
}

impl Scratch {
    pub(crate) fn new(link: &Arc<Link>, bytes: u64) -> Self {
        Self(Arc::new(Inner {
            link: Arc::clone(link),
            id: link.fresh_id(),
            bytes,
        }))
    }

    pub(crate) fn id(&self) -> Id {
        self.0.id
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.0.bytes
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.link.send(Outgoing {
            request: Request::Release(self.id),
            fds: Vec::new(),
        });
    }
}
