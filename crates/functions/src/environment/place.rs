//! Where a run of a runtime takes place when it does not see the host: with an interpreter that waits there already, or made
//! for it.

use super::Environment;
use crate::code::ReadyCode;
use crate::door::DoorVariables;
use crate::interpreters::Choice;
use crate::launch::{self, Inside, Launch};
use crate::network::Surroundings;
use crate::parking::{Parked, Purpose};
use model::lambda::function::EphemeralStorage;
use sandbox::{Process, RUNTIME_API_PORT, Reach, Scratch, SpawnError, Spec, Step};
use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::rc::Rc;

/// What an environment keeps from one run to the next.
pub(super) struct Place {
    scratch: RefCell<Scratch>,
    /// There has been no run yet, so what is at `/tmp` may still become another one.
    is_fresh: Cell<bool>,
}

impl Place {
    pub(super) fn new(scratch: Scratch) -> Self {
        Self {
            scratch: RefCell::new(scratch),
            is_fresh: Cell::new(true),
        }
    }

    /// The inside of the next run, perhaps with what became of its main process: an interpreter that has waited in it, or one
    /// that was asked for together with it, which saves the time between.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing.
    pub(super) async fn open(
        &self,
        environment: &Rc<Environment>,
        code: &ReadyCode,
        layers: Option<&Path>,
        interpreter: Choice<'_>,
        door: Option<&DoorVariables>,
        reach: Reach,
    ) -> Result<(Inside, Option<Result<Process, SpawnError>>), SpawnError> {
        let function = &environment.scheduler.function;
        let storage = function.configuration.ephemeral_storage;
        let memory_bytes = u64::from(function.configuration.memory.megabytes()) * 1024 * 1024;
        let is_fresh = self.is_fresh.replace(false);
        // What is parked has a `/tmp` of the ordinary size already, and a network of its own.
        if is_fresh
            && reach != Reach::Host
            && layers.is_none()
            && storage == EphemeralStorage::default()
            && let Some((inside, parked, wanted)) = parked_for(environment, code, interpreter, door).await
        {
            let scratch = parked.scratch.clone();
            let completed = inside.complete(memory_bytes, reach).await;
            match completed.and_then(|()| parked.assign(&wanted).map_err(SpawnError::from)) {
                Ok(process) => {
                    environment.scheduler.core.host.parking.count_use();
                    self.scratch.replace(scratch);
                    return Ok((inside, Some(Ok(process))));
                }
                Err(error @ SpawnError::Setup { step: Step::Code, .. }) => return Err(error),
                // It was killed while it waited; a new one shows whether anything is wrong.
                Err(error) => tracing::debug!(%error, "a parked interpreter was of no use"),
            }
        }
        let scratch = self.scratch.borrow().clone();
        let spawner = &environment.scheduler.core.host.spawner;
        let program = interpreter.interpreter();
        let network = Surroundings::of(&environment.scheduler.core.host, reach).await;
        let (inside, opening) = Inside::begin(spawner, code, layers, program, scratch, memory_bytes, &network).await?;
        // What may hold extensions, which come before the runtime; or there is no Runtime API yet.
        if layers.is_some() || reach == Reach::Host {
            opening.opened().await?;
            return Ok((inside, None));
        }
        let wanted = wanted(environment, code, interpreter, door, &inside);
        let (opened, started) = tokio::join!(opening.opened(), spawner.spawn(wanted));
        opened?;
        Ok((inside, Some(started)))
    }
}

/// An interpreter that waits and is right for this function, what it is going to see, and how the function would have it
/// started.
async fn parked_for(
    environment: &Rc<Environment>,
    code: &ReadyCode,
    choice: Choice<'_>,
    door: Option<&DoorVariables>,
) -> Option<(Inside, Parked, Spec)> {
    let interpreter = choice.interpreter()?;
    let core = &environment.scheduler.core;
    let purpose = Purpose::of(interpreter, environment.scheduler.function.configuration.memory);
    let parked = core.parked(&purpose).await?;
    let inside = parked.inside.planned(code);
    let wanted = wanted(environment, code, choice, door, &inside);
    if parked.fits(&wanted) {
        return Some((inside, parked, wanted));
    }
    let waiting_max = core.host.options.parked_per_runtime;
    core.host.parking.give_back(&purpose, parked, waiting_max);
    None
}

/// How a function without layers would have its runtime started in there.
fn wanted(
    environment: &Environment,
    code: &ReadyCode,
    interpreter: Choice<'_>,
    door: Option<&DoorVariables>,
    inside: &Inside,
) -> Spec {
    launch::spec(&Launch {
        function: &environment.scheduler.function,
        code,
        layers: None,
        interpreter,
        runtime_api: SocketAddr::from((Ipv4Addr::LOCALHOST, RUNTIME_API_PORT)),
        door,
        temporary: Path::new(""),
        log_stream: &environment.journal.stream,
        metadata_token: &environment.metadata_token,
        is_provisioned: environment.is_kept(),
        inside: Some(inside),
    })
}
