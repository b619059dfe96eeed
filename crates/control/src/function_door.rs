//! The doors through which functions call the AWS APIs, one for each run of an execution environment.
//!
//! What comes through a door is not trusted. It is signed with the environment's own credentials, or with temporary ones
//! that STS gave out for a role; whoever may be the root on the endpoint is nobody here. The own API and function URLs are
//! not behind doors. What a door may take of this process is bounded for each environment, and for all doors together
//! beside what the endpoint has, so that functions cannot starve those who call from outside.

mod pass;
pub(crate) mod recursion;

pub(crate) use pass::Pass;

use crate::answer::{self, Answer};
use crate::server::{Entry, Shared, serve_connection};
use crate::source::Source;
use crate::{function_url, own_api};
use hyper::{Request, StatusCode};
use invoke::{Door, DoorCredentials, Doorkeeper, NoDoor};
use model::lambda::function::Function;
use std::net::{IpAddr, TcpStream};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, watch};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

/// Connections of one environment at a time; others wait in the kernel. SDKs keep ten or fewer.
pub const CONNECTIONS_MAX: usize = 16;
/// Bodies of one environment in memory at a time, in bytes. Two of the largest payloads fit.
const BODY_BYTES_MAX: u32 = 16 * 1024 * 1024;
/// Calls of one environment that are answered at a time, but for invocations.
const CALLS_PER_ENVIRONMENT_MAX: usize = 4;
/// The same of all environments.
const CALLS_MAX: usize = 16;
/// Bodies with packages that may be in memory at once, of all environments.
const UPLOADS_MAX: usize = 1;
/// Followers of logs, of all environments.
const FOLLOWERS_MAX: usize = 4;

/// What all doors together may take.
#[derive(Debug)]
pub(crate) struct Bounds {
    calls: Semaphore,
    pub(crate) uploads: Semaphore,
    pub(crate) followers: Arc<Semaphore>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            calls: Semaphore::new(CALLS_MAX),
            uploads: Semaphore::new(UPLOADS_MAX),
            followers: Arc::new(Semaphore::new(FOLLOWERS_MAX)),
        }
    }
}

/// Makes doors, which lead to an endpoint as soon as there is one. Clones mean the same.
#[derive(Debug)]
pub struct Doors<S>(Arc<Inner<S>>);

#[derive(Debug)]
struct Inner<S> {
    // Whoever runs functions is a part of what is shared.
    shared: watch::Sender<Option<Weak<Shared<S>>>>,
    runtime: Handle,
    tasks: TaskTracker,
}

impl<S> Clone for Doors<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: Source> Doors<S> {
    /// Connections are served by `runtime`.
    pub fn new(runtime: Handle) -> Self {
        Self(Arc::new(Inner {
            shared: watch::Sender::new(None),
            runtime,
            tasks: TaskTracker::new(),
        }))
    }

    /// Who has waited is served from now on.
    pub(crate) fn lead_to(&self, shared: &Arc<Shared<S>>) {
        self.0.shared.send_replace(Some(Arc::downgrade(shared)));
    }

    /// Until no connection is served any more. They end with what is shared.
    pub(crate) async fn ended(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

impl<S: Source> Doorkeeper for Doors<S> {
    fn open(&self, function: &Function) -> Result<Arc<dyn Door>, NoDoor> {
        Ok(Arc::new(Opened {
            doors: self.clone(),
            pass: Arc::new(Pass::new(function)?),
        }))
    }
}

struct Opened<S> {
    doors: Doors<S>,
    pass: Arc<Pass>,
}

impl<S: Source> Door for Opened<S> {
    fn credentials(&self) -> &DoorCredentials {
        &self.pass.credentials
    }

    fn places(&self) -> &Arc<Semaphore> {
        &self.pass.places
    }

    fn serve(&self, connection: TcpStream, place: OwnedSemaphorePermit) {
        let (pass, shared) = (self.pass.clone(), self.doors.0.shared.subscribe());
        let task = async move {
            tokio::select! {
                biased;
                // Nobody is left who could read an answer.
                () = pass.closed.cancelled() => {}
                () = serve(connection, shared, &pass) => {}
            }
            drop(place);
        };
        self.doors.0.tasks.spawn_on(task, &self.doors.0.runtime);
    }

    fn runs(&self, trace_id: Option<&str>) {
        self.pass.runs(trace_id);
    }

    fn close(&self) {
        self.pass.closed.cancel();
    }
}

async fn serve<S: Source>(
    connection: TcpStream,
    mut shared: watch::Receiver<Option<Weak<Shared<S>>>>,
    pass: &Arc<Pass>,
) {
    let shared = match shared.wait_for(Option::is_some).await {
        Ok(shared) => shared.as_ref().and_then(Weak::upgrade),
        Err(_) => None,
    };
    let (Some(shared), Ok(socket)) = (shared, tokio::net::TcpStream::from_std(connection)) else {
        return;
    };
    let stop = shared.closing_doors.clone();
    // Where it comes from is told to nobody.
    let from = (IpAddr::from([127, 0, 0, 1]), Entry::Door(pass.clone()));
    serve_connection(shared, socket, from, stop).await;
}

/// Refuses what is not behind doors.
pub(crate) fn refused<B>(request: &Request<B>) -> Option<Answer> {
    if function_url::named(request).is_some() {
        let message = "function URLs are not reached through the door of a function; invoke the function instead";
        return Some(answer::refusal(StatusCode::FORBIDDEN, message));
    }
    own_api::owns(request.uri().path()).then(|| {
        let message = "albacore's own API is not reached through the door of a function";
        answer::refusal(StatusCode::FORBIDDEN, message)
    })
}

/// Places that a call keeps until it is answered.
pub(crate) struct Places<'a>(#[allow(dead_code, reason = "held")] Option<(SemaphorePermit<'a>, SemaphorePermit<'a>)>);

impl Pass {
    /// Room for a body of so many bytes, kept until its request is answered. `None`: there was none in time.
    pub(crate) async fn room(&self, bytes: u64, patience: Duration) -> Option<SemaphorePermit<'_>> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(BODY_BYTES_MAX);
        let room = timeout(patience, self.bytes.acquire_many(bytes)).await;
        room.ok()?.ok()
    }

    /// A place for a call that is no invocation. `None`: there was none in time.
    pub(crate) async fn place<'a>(&'a self, bounds: &'a Bounds, patience: Duration) -> Option<Places<'a>> {
        let places = async {
            // Its own first: who waits for that keeps nothing from others.
            let own = self.calls.acquire().await.ok()?;
            let shared = bounds.calls.acquire().await.ok()?;
            Some(Places(Some((own, shared))))
        };
        timeout(patience, places).await.ok()?
    }
}
