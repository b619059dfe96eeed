//! What an environment has open here.

use crate::Case;
use crate::world::{World, arn, open_descriptors, until};
use invoke::{Door, DoorCredentials, Doorkeeper, NoDoor};
use model::Secret;
use model::lambda::function::Function;
use std::net::TcpStream;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(crate) const CASES: &[Case] = &[("descriptors_of_an_environment", |world| Box::pin(counted(world)))];

const FUNCTION: &str = "def handler(event, context):\n    return event\n";

/// Those that wait take some too, so there are none.
async fn counted(world: World) {
    let world = world.with_options(|options| options.parked_per_runtime = 0);
    world.functions.lead_out(Arc::new(Keeper));
    world.put(world.function("python3.12", "app.handler", &[("app.py", FUNCTION)]));
    let idle = async |count: u32| {
        world.functions.keep_ready(&arn(), count);
        until(|| {
            let reports = world.functions.reports();
            world.functions.kept_ready(&arn()).ready == count
                && reports
                    .iter()
                    .all(|it| (it.idle, it.starting, it.busy) == (count, 0, 0))
        })
        .await;
    };
    idle(1).await;
    let one = open_descriptors();
    idle(4).await;
    let more = 3 * functions::DESCRIPTORS_PER_ENVIRONMENT;
    until(|| open_descriptors() == one + more).await;
    world.functions.keep_ready(&arn(), 0);
    until(|| world.functions.reports().iter().all(|it| it.idle == 0)).await;
    world.core.shutdown().await;
}

/// Doors that nobody goes through.
struct Keeper;

struct Shut {
    credentials: DoorCredentials,
    places: Arc<Semaphore>,
}

impl Doorkeeper for Keeper {
    fn open(&self, _function: &Function) -> Result<Arc<dyn Door>, NoDoor> {
        Ok(Arc::new(Shut {
            credentials: DoorCredentials {
                access_key: "ASIAEXAMPLE".into(),
                secret_key: Secret::new("secret".into()),
                session_token: Secret::new("token".into()),
            },
            places: Arc::new(Semaphore::new(1)),
        }))
    }
}

impl Door for Shut {
    fn credentials(&self) -> &DoorCredentials {
        &self.credentials
    }

    fn places(&self) -> &Arc<Semaphore> {
        &self.places
    }

    fn serve(&self, _connection: TcpStream, _place: OwnedSemaphorePermit) {}

    fn runs(&self, _trace_id: Option<&str>) {}

    fn close(&self) {}
}
