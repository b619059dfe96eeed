//! Changes that take several steps: the body is read, a package is kept and tried out, the state is changed, and the
//! answer is made from the state after it.

use super::{Asked, Call, Document, code, input, refusals};
use crate::api::{ChangeError, PrepareError};
use crate::aws::sign_in::Caller;
use crate::lambda::error::LambdaError;
use crate::links::Links;
use crate::objects::Address;
use crate::server::Shared;
use crate::source::Source;
use model::lambda::function::{Code, CodeLocation, Function, Layers};
use model::lambda::package::Package;
use model::{Command, State};
use serde_json::Value;
use std::sync::Arc;
use store::packages::package_of;

/// What an operation makes of a call.
pub(super) type By = fn(&Call<'_>) -> Result<Plan, LambdaError>;

/// Makes the answer from the state after the change.
type Answering = Box<dyn FnOnce(&Call<'_>) -> Result<Document, LambdaError> + Send>;

/// Commands for one batch, and the answer when they are done.
pub(super) struct Plan {
    commands: Vec<Command>,
    answer: Answering,
    prepare: Option<Prepare>,
}

/// What has to be unpacked before anything changes.
pub(super) struct Prepare {
    code: Code,
    layers: Layers,
}

impl Prepare {
    pub(super) fn of(function: &Function) -> Self {
        Self {
            code: function.code.clone(),
            layers: function.configuration.layers.clone(),
        }
    }

    /// A package alone.
    pub(super) fn package(package: &Package) -> Self {
        Self {
            code: super::configuration::code(package),
            layers: Layers::default(),
        }
    }
}

impl Plan {
    pub(super) fn new(
        commands: Vec<Command>,
        answer: impl FnOnce(&Call<'_>) -> Result<Document, LambdaError> + Send + 'static,
    ) -> Self {
        Self {
            commands,
            answer: Box::new(answer),
            prepare: None,
        }
    }

    pub(super) fn with_prepare(mut self, prepare: Prepare) -> Self {
        self.prepare = Some(prepare);
        self
    }
}

/// A call whose body is read.
struct Ready {
    asked: Asked,
    json: Value,
    package: Option<Package>,
    links: Arc<Links>,
}

impl Ready {
    fn of<'a>(&'a self, state: &'a State) -> Call<'a> {
        Call {
            json: &self.json,
            package: self.package.as_ref(),
            ..self.asked.of(state, &[], &self.links)
        }
    }
}

/// Makes a change; an uploader may bring a package. On its own: what is stored must be served too, whether or not the caller waits for it.
pub(super) async fn run<S: Source>(
    shared: &Arc<Shared<S>>,
    asked: Asked,
    body: Vec<u8>,
    uploader: Option<Caller>,
    by: By,
) -> Result<Document, LambdaError> {
    let shared = shared.clone();
    let changing = shared.clone().tasks.spawn(async move {
        let (json, mut zip) = blocking(move || read(&body)).await??;
        // Held for as long as the package may be in memory.
        let mut _turn = None;
        if let Some(caller) = uploader
            && let Some(address) = code::named(&json)?
        {
            _turn = shared.source.api().objects.turn().await;
            zip = Some(fetched(&shared, &asked, &caller, address).await?);
        }
        let ready = Ready {
            asked,
            json,
            package: zip.as_ref().map(|(_, package)| package.clone()),
            links: shared.links.clone(),
        };
        change(&shared, ready, zip.map(|(zip, _)| zip), by).await
    });
    changing.await.unwrap_or_else(|_| Err(LambdaError::service()))
}

/// A package and what it is.
type Sent = (Vec<u8>, Package);

/// The body without its package, and the package.
fn read(body: &[u8]) -> Result<(Value, Option<Sent>), LambdaError> {
    let mut json = input::parsed(body)?;
    let zip = code::taken(&mut json)?;
    let package = zip.map(|zip| {
        let package = package_of(&zip);
        (zip, package)
    });
    Ok((json, package))
}

/// A package out of S3, for callers that may read it.
async fn fetched<S: Source>(
    shared: &Shared<S>,
    asked: &Asked,
    caller: &Caller,
    address: Address,
) -> Result<Sent, LambdaError> {
    if address.check(&shared.source.state(), &asked.scope, caller).is_err() {
        let Address { bucket, key, .. } = &address;
        return Err(LambdaError::object(bucket, key, "AccessDenied", "Access Denied"));
    }
    let objects = shared.source.api().objects.clone();
    blocking(move || {
        code::fetched(&objects, &address).map(|zip| {
            let package = package_of(&zip);
            (zip, package)
        })
    })
    .await?
}

async fn change<S: Source>(
    shared: &Arc<Shared<S>>,
    ready: Ready,
    zip: Option<Vec<u8>>,
    by: By,
) -> Result<Document, LambdaError> {
    let source = &shared.source;
    // What is wrong with the call is found before anything is written.
    let prepare = ready.of(&source.state()).answered(by)?.prepare;
    let packages = source.packages().clone();
    // Held until the state names it.
    let _kept = match zip {
        Some(zip) => Some(blocking(move || packages.put(&zip)).await?.map_err(|error| {
            tracing::error!(%error, "a package cannot be kept");
            LambdaError::service()
        })?),
        None => None,
    };
    if let Some(Prepare { code, layers }) = prepare
        && matches!(code.location, CodeLocation::Package(_))
    {
        source.prepare(code, layers).await.map_err(|error| match error {
            PrepareError::Package(message) => code::unusable(&message),
            PrepareError::Platform(message) => {
                tracing::error!("a package cannot be unpacked: {message}");
                LambdaError::service()
            }
        })?;
    }
    let ready = Arc::new(ready);
    let then = ready.clone();
    let build = move |state: &State| {
        let Plan { commands, answer, .. } = ready.of(state).answered(by)?;
        Ok((commands, answer))
    };
    let changed = source.change(build).await.map_err(|error| match error {
        ChangeError::Build(error) => error,
        ChangeError::Refused(refusal) => refusals::of(&refusal, source.api()),
        ChangeError::Traffic(message) | ChangeError::Failed(message) => LambdaError::unavailable(&message),
    })?;
    shared.finishing.notify_one();
    (changed.rest)(&then.of(&changed.state))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, LambdaError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| LambdaError::service())
}
