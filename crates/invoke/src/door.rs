//! The contract by which functions call the platform: whoever runs them knows this page, and nothing of the APIs behind it.
//!
//! Each run of an execution environment has a door of its own, with credentials that are good for nothing anywhere else.
//! `functions` listens where only the processes of that environment can connect, and hands connections over; `control`
//! implements [`Doorkeeper`].

use model::Secret;
use model::lambda::function::Function;
use std::fmt;
use std::net::TcpStream;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Makes doors.
pub trait Doorkeeper: Send + Sync {
    /// A door for one run of an environment of this function.
    ///
    /// # Errors
    /// The system gives no random numbers.
    fn open(&self, function: &Function) -> Result<Arc<dyn Door>, NoDoor>;
}

/// One run's way to the platform.
pub trait Door: Send + Sync {
    /// What its processes sign with.
    fn credentials(&self) -> &DoorCredentials;

    /// Places for connections. One is taken before a connection is accepted, so that those that are too many wait in the
    /// kernel.
    fn places(&self) -> &Arc<Semaphore>;

    /// Answers what comes on a connection that a process of this environment has made. Does not wait.
    fn serve(&self, connection: TcpStream, place: OwnedSemaphorePermit);

    /// What runs in the environment from now on has this trace.
    fn runs(&self, trace_id: Option<&str>);

    /// The run is over: its credentials are good for nothing any more, and its connections end.
    fn close(&self);
}

/// Temporary credentials of a function's role.
#[derive(Clone, Debug)]
pub struct DoorCredentials {
    /// `AWS_ACCESS_KEY_ID`
    pub access_key: String,
    /// `AWS_SECRET_ACCESS_KEY`
    pub secret_key: Secret<String>,
    /// `AWS_SESSION_TOKEN`
    pub session_token: Secret<String>,
}

/// There is no door: the system gives no random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random numbers for credentials")]
pub struct NoDoor;

impl fmt::Debug for dyn Door {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Door")
    }
}
