//! A connection that is being opened, and the requests that wait for it.

use super::connection::{Connection, Frames, Fresh, Lease, drive};
use super::pool::Destination;
use crate::core::Core;
use crate::target::TargetFailure;
use crate::target::connect::{NotConnected, connect, count_failure};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// What becomes of it, and who wants to know.
pub(super) struct Opening {
    tls: bool,
    waiting: Cell<usize>,
    wakers: RefCell<Vec<Waker>>,
    ended: RefCell<Option<Ended>>,
}

/// Places for those who waited, or why there are none.
type Ended = Result<Vec<Lease>, NotConnected>;

/// One request that waits. It may stop waiting at any time.
pub(crate) struct Waiting(Rc<Opening>);

impl Opening {
    pub(super) fn new(tls: bool) -> Self {
        Self {
            tls,
            waiting: Cell::new(0),
            wakers: RefCell::default(),
            ended: RefCell::default(),
        }
    }

    pub(super) fn is_tls(&self) -> bool {
        self.tls
    }

    /// Requests that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.get()
    }

    pub(super) fn end(&self, opened: Result<Rc<Connection>, NotConnected>) {
        let ended = opened.map(|connection| {
            let places = self.waiting.get().min(connection.room());
            (0..places).map(|_| Lease::new(&connection)).collect()
        });
        *self.ended.borrow_mut() = Some(ended);
        let wakers = self.wakers.take();
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Waiting {
    pub(super) fn new(opening: &Rc<Opening>) -> Self {
        opening.waiting.set(opening.waiting.get() + 1);
        Self(opening.clone())
    }

    /// A place, or `None` when others who waited have taken all that there are.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<Result<Option<Lease>, NotConnected>> {
        match &mut *self.0.ended.borrow_mut() {
            Some(Ok(places)) => Poll::Ready(Ok(places.pop())),
            Some(Err(not)) => Poll::Ready(Err(not.clone())),
            None => {
                let mut wakers = self.0.wakers.borrow_mut();
                if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                    wakers.push(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}

/// Opens a connection, tells whoever waits, and moves its frames to its end.
pub(super) async fn run(core: Rc<Core>, destination: Destination, opening: Rc<Opening>) {
    let mut told = Told {
        core: &core,
        destination: &destination,
        opening: Some(opening),
    };
    let begun = begin(&core, &destination).await;
    let (connection, frames, open) = match begun {
        Ok(begun) => begun,
        Err(not) => return told.tell(Err(not)),
    };
    let watched = Rc::downgrade(&connection);
    told.tell(Ok(connection));
    drop(told);
    let timer = core.wheel.timer();
    drop((destination, core));
    drive(watched, frames, timer).await;
    drop(open);
}

async fn begin(
    core: &Core,
    destination: &Destination,
) -> Result<(Rc<Connection>, Frames, impl Sized + use<>), NotConnected> {
    let metrics = &destination.group.metrics;
    let counters = metrics.core(core.id);
    let connected = connect(core, metrics, destination.target.address, destination.tls.clone()).await;
    let connected = connected.inspect_err(|not| count_failure(counters, not.failure))?;
    counters.new_target_connections.inc();
    let tls = connected.is_tls();
    let (io, open) = connected.into_parts();
    let fresh = Fresh {
        io,
        tls,
        target: destination.target.clone(),
        wheel: core.wheel.clone(),
        idle_timeout: destination.idle_timeout,
        within: core.shared.limits.target_connect_timeout,
    };
    let (connection, frames) = fresh.begin().await?;
    Ok((connection, frames, open))
}

/// Tells those who wait what has become of it, in any case.
struct Told<'a> {
    core: &'a Core,
    destination: &'a Destination,
    opening: Option<Rc<Opening>>,
}

impl Told<'_> {
    fn tell(&mut self, opened: Result<Rc<Connection>, NotConnected>) {
        if let Some(opening) = self.opening.take() {
            self.core.http2_pool.opened(&self.destination.target, &opening, opened);
        }
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.tell(Err(NotConnected {
            failure: TargetFailure::Closed,
            why: "opening the connection was given up".to_owned(),
        }));
    }
}
