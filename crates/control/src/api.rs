//! What the AWS API is told by the process, and how it changes the state.

use crate::objects::Objects;
use model::observed::ClosedListener;
use model::{Refusal, Secret, State};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

/// What the process says about the resources of the AWS API.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// What load balancers' DNS names end in, for example `elb.localhost`.
    pub dns_suffix: String,
    /// The zone of this process. A target that names it is one of the own zone.
    pub availability_zone: String,
    /// The manifest, for the sentence that says whose a resource is.
    pub manifest: PathBuf,
    /// The key that callers sign with. `None`: a signature must be there, and is not verified.
    pub credentials: Option<Credentials>,
    /// What callers of albacore's own API show for what is not everybody's, when there is a key to sign with. `None`: whoever
    /// reaches it may do everything.
    pub own_api_token: Option<Secret<String>>,
    /// Where calls have objects of S3 from.
    pub objects: Objects,
    /// Listeners that are not served, though they should be.
    pub closed_listeners: ClosedListeners,
    /// What the tokens of temporary credentials are sealed with: the same after a restart.
    pub session_key: Secret<[u8; 32]>,
}

/// What traffic says about listeners that it cannot serve.
#[derive(Clone, Debug)]
pub struct ClosedListeners(pub watch::Receiver<Arc<[ClosedListener]>>);

/// All are served.
impl Default for ClosedListeners {
    fn default() -> Self {
        Self(watch::channel(Arc::default()).1)
    }
}

/// An access key.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Its id.
    pub access_key: String,
    /// Its secret.
    pub secret_key: Secret<String>,
}

/// A change that is stored and serves traffic.
#[derive(Debug)]
pub struct Changed<T> {
    /// The state after it.
    pub state: Arc<State>,
    /// What was made along with the commands.
    pub rest: T,
}

/// Why nothing was changed.
#[derive(Debug)]
pub enum ChangeError<E> {
    /// The commands could not be made.
    Build(E),
    /// One of them was refused.
    Refused(Refusal),
    /// The state after them could not be served: a rule does not compile, a port cannot be opened. For people.
    Traffic(String),
    /// It could not be stored, or is stored and not served. For people.
    Failed(String),
}

/// Why code cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A package is at fault; the text says how.
    #[error("{0}")]
    Package(String),
    /// The platform is at fault.
    #[error("{0}")]
    Platform(String),
}
