//! Connections to targets that wait for another request. One pool per core; the connection that was used last is used
//! next. Source: ALB 4.3, 4.4.
//!
//! A connection that waits holds a socket and a timer, no buffers. One that the target closed, or on which it says
//! something unasked, is not used again: what it said could be taken for the answer to the next request.

use super::connect::Connection;
use crate::balance::Target;
use crate::connection::TargetIo;
use crate::wheel::ticks_of;
use socket2::SockRef;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, Interest, ReadBuf};

/// How often all connections are looked at, in ticks.
const SWEPT_EVERY: u64 = 10;
/// Connections that are closed at once when the process has no descriptors left.
const SHED: usize = 16;
/// Of the connections to one target that no request needed between two looks, one in so many is closed. The last few stay
/// until their time is over.
const SURPLUS_SHARE: usize = 8;
/// And so many at most: closing takes time.
const SURPLUS_MAX: usize = 256;

/// The connections of one core that wait.
pub(crate) struct Pool {
    targets: RefCell<HashMap<u64, Waiting, BuildHasherDefault<SerialHasher>>>,
    count: Cell<usize>,
    max: usize,
    swept: Cell<u64>,
}

/// Those of one target, the one used last at the end.
struct Waiting {
    target: Arc<Target>,
    connections: Vec<Idle>,
    /// The fewest that waited since they were last looked at: so many were not needed.
    fewest: usize,
}

struct Idle {
    connection: Connection,
    /// The tick it was put here.
    since: u64,
    /// The tick its idle timeout ends.
    until: u64,
}

impl Pool {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            targets: RefCell::default(),
            count: Cell::new(0),
            max,
            swept: Cell::new(0),
        }
    }

    /// A connection to the target that another request may use, with TLS or without. `now` is the wheel's tick.
    pub(crate) fn take(&self, target: &Target, tls: bool, now: u64) -> Option<Connection> {
        let mut targets = self.targets.borrow_mut();
        let waiting = targets.get_mut(&target.serial)?;
        while let Some(mut idle) = waiting.connections.pop() {
            self.count.set(self.count.get() - 1);
            waiting.fewest = waiting.fewest.min(waiting.connections.len());
            // What happened within the last tick the runtime may not have heard of yet; nothing is asked for that short a
            // time, because asking costs as much as it may save.
            let at_once = now.saturating_sub(idle.since) <= 1;
            let look = match at_once && !target.closes_silently.load(Ordering::Relaxed) {
                true => Look::Heard,
                false => Look::Ask,
            };
            let fits = matches!(idle.connection.io, TargetIo::Tls(_)) == tls;
            if !fits || idle.until <= now {
                continue;
            }
            if is_quiet(&mut idle.connection.io, look) {
                return Some(idle.connection);
            }
            if at_once {
                target.closes_silently.store(true, Ordering::Relaxed);
            }
        }
        None
    }

    /// Keeps a connection for another request, for the idle timeout at most. Nothing of the request before may be unread.
    pub(crate) fn put(&self, target: &Arc<Target>, mut connection: Connection, now: u64, idle_timeout: Duration) {
        let cut = target.cut.load(Ordering::Relaxed);
        if cut || self.count.get() >= self.max || !is_quiet(&mut connection.io, Look::Heard) {
            return; // it is closed
        }
        connection.timer.forget();
        let idle = Idle {
            connection,
            since: now,
            until: now.saturating_add(ticks_of(idle_timeout)).saturating_add(1),
        };
        let mut targets = self.targets.borrow_mut();
        let waiting = targets.entry(target.serial).or_insert_with(|| Waiting {
            target: target.clone(),
            connections: Vec::new(),
            fewest: 0,
        });
        waiting.connections.push(idle);
        self.count.set(self.count.get() + 1);
    }

    /// How many wait.
    pub(crate) fn count(&self) -> usize {
        self.count.get()
    }

    /// Closes what has waited for too long, was closed by its target, or belongs to a target that is gone; and step by step
    /// what a burst has left, from the one that has waited longest. Every tick.
    pub(crate) fn sweep(&self, now: u64) {
        if now.saturating_sub(self.swept.get()) < SWEPT_EVERY {
            return;
        }
        self.swept.set(now);
        let mut cx = Context::from_waker(Waker::noop());
        let mut count = 0;
        self.targets.borrow_mut().retain(|_, waiting| {
            let gone = waiting.target.cut.load(Ordering::Relaxed);
            waiting.connections.retain_mut(|idle| {
                !gone && idle.until > now && is_quiet(&mut idle.connection.io, Look::Forget(&mut cx))
            });
            let unneeded = waiting.fewest.min(waiting.connections.len());
            waiting.connections.drain(..(unneeded / SURPLUS_SHARE).min(SURPLUS_MAX));
            waiting.fewest = waiting.connections.len();
            waiting.connections.shrink_to(2 * waiting.connections.len());
            count += waiting.connections.len();
            !waiting.connections.is_empty()
        });
        self.count.set(count);
    }

    /// Closes a few connections, those that have waited longest. `false` when there are none.
    pub(crate) fn shed(&self) -> bool {
        let mut targets = self.targets.borrow_mut();
        let mut shed = 0;
        for waiting in targets.values_mut() {
            let some = waiting.connections.len().min(SHED - shed);
            waiting.connections.drain(..some);
            shed += some;
        }
        self.count.set(self.count.get() - shed);
        shed > 0
    }
}

/// How closely a connection is looked at.
enum Look<'a, 'w> {
    /// At what the runtime has heard of it.
    Heard,
    /// The kernel is asked.
    Ask,
    /// As `Heard`, and whoever waited for it last is forgotten: that request is over.
    Forget(&'a mut Context<'w>),
}

/// Whether the target has neither closed the connection nor sent anything.
fn is_quiet(io: &mut TargetIo, look: Look<'_, '_>) -> bool {
    match io {
        TargetIo::Plain(stream) => {
            let peek = || SockRef::from(&*stream).peek(&mut [MaybeUninit::uninit()]);
            let peeked = match look {
                Look::Ask => peek(),
                Look::Heard => stream.try_io(Interest::READABLE, peek),
                Look::Forget(cx) => match stream.poll_read_ready(cx) {
                    Poll::Pending => return true,
                    Poll::Ready(_) => stream.try_io(Interest::READABLE, peek),
                },
            };
            matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
        }
        // A session may have something to say that is no data: only reading it tells.
        TargetIo::Tls(stream) => {
            if matches!(look, Look::Ask) {
                let peeked = SockRef::from(stream.get_ref().0).peek(&mut [MaybeUninit::uninit()]);
                if matches!(peeked, Ok(0)) {
                    return false;
                }
            }
            let mut byte = [0];
            let mut noop = Context::from_waker(Waker::noop());
            Pin::new(stream)
                .poll_read(&mut noop, &mut ReadBuf::new(&mut byte))
                .is_pending()
        }
    }
}

/// Serials are numbered through: they need no more than to be spread.
#[derive(Default)]
struct SerialHasher(u64);

impl Hasher for SerialHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, serial: u64) {
        self.0 = (self.0 ^ serial).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
