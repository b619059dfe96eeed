//! Environments that are kept ready for versions and aliases, and how they share the concurrency with all others.

use crate::Case;
use crate::world::{World, arn, text, until};
use invoke::{Invocation, InvokeOutcome, InvokeRefusal, Invoker};
use model::lambda::about::{About, Architecture, RoleArn, Tracing};
use model::lambda::alias::{Alias, VersionRef};
use model::lambda::package::{Package, PackageDigest};
use model::lambda::resources::Change as LambdaChange;
use model::lambda::version::{Provisioned, Version};
use model::{Change, FunctionArn, Timestamp};
use std::sync::Arc;

pub(crate) const CASES: &[Case] = &[
    ("kept_ready_for_a_version", |world| Box::pin(kept_for_a_version(world))),
    ("provisioned_first_then_spilled_over", |world| {
        Box::pin(spilled_over(world))
    }),
    ("all_that_is_reserved_is_provisioned", |world| {
        Box::pin(nothing_left(world))
    }),
    ("provisioned_moves_with_its_alias", |world| Box::pin(moved(world))),
    ("provisioned_is_replaced", |world| Box::pin(replaced(world))),
    ("no_room_for_what_is_provisioned", |world| Box::pin(no_room(world))),
    ("functions_of_a_region_share_its_concurrency", |world| {
        Box::pin(shared(world))
    }),
];

/// Says which process it is and how it was started.
const TELL: &str = "
while True:
    id, event, _ = next_event()
    tell(event)
    respond(id, '%s %s %d' % (event, os.environ['AWS_LAMBDA_INITIALIZATION_TYPE'], ME))
";

fn publish(world: &World, number: u64, program: &str) -> FunctionArn {
    let mut function = world.function(program);
    function.arn = arn("f").qualified(number);
    let digest = PackageDigest([0; 32]);
    let about = About {
        role: RoleArn::try_from("arn:aws:iam::000000000000:role/r").unwrap(),
        description: String::new(),
        package: Package { digest, bytes: 1 },
        architecture: Architecture::X8664,
        has_environment: false,
        tracing: Tracing::PassThrough,
        layers: Vec::new(),
        vpc: None,
        last_modified: Timestamp(0),
        revision: 1,
    };
    let version = Version {
        number,
        function: Arc::new(function),
        about,
        description: None,
    };
    let version = Arc::new(version);
    world.apply(&Change::Lambda(LambdaChange::PutVersion(version.clone())));
    version.arn().clone()
}

fn provision(world: &World, target: &FunctionArn, requested: u32) {
    let change = match requested {
        0 => LambdaChange::DeleteProvisioned(target.clone()),
        requested => LambdaChange::PutProvisioned(Arc::new(Provisioned {
            target: target.clone(),
            requested,
            last_modified: Timestamp(0),
        })),
    };
    world.apply(&Change::Lambda(change));
}

fn put_alias(world: &World, version: u64) -> FunctionArn {
    let alias = Alias {
        arn: arn("f").qualified("live"),
        version: VersionRef::Number(version),
        routing: None,
        description: String::new(),
        revision: 1,
    };
    let live = alias.arn.clone();
    world.apply(&Change::Lambda(LambdaChange::PutAlias(Arc::new(alias))));
    live
}

fn invoke(world: &World, function: &FunctionArn, event: &'static str) -> invoke::LocalBoxFuture<InvokeOutcome> {
    let payload = bytes::Bytes::from_static(event.as_bytes());
    world.core.invoke(Invocation::new(function.clone(), payload, None))
}

async fn ready(world: &World, version: &FunctionArn, count: u32) {
    until(|| world.functions.kept_ready(version).ready == count).await;
}

// LAM-N-008: all of them are there at last. LAM-N-014: they know it, and their init is over before the first invocation
async fn kept_for_a_version(world: World) {
    world.put(world.function(TELL));
    let version = publish(&world, 1, TELL);
    provision(&world, &version, 2);
    ready(&world, &version, 2).await;
    let running = invoke(&world, &version, "1");
    world.told().await.go_on().await;
    assert!(text(running.await).starts_with("1 provisioned-concurrency "));
    let running = world.invoke("2");
    world.told().await.go_on().await;
    assert!(text(running.await).starts_with("2 on-demand "), "it is another version");
    provision(&world, &version, 0);
    until(|| world.functions.kept_ready(&version).wanted == 0).await;
    ready(&world, &version, 0).await;
}

// LAM-N-016: those that find all of them busy run on demand
async fn spilled_over(world: World) {
    world.put(world.function(TELL));
    let version = publish(&world, 1, TELL);
    // One that is not provisioned, and has been idle for less long than those that are.
    let first = invoke(&world, &version, "0");
    let told = world.told().await;
    provision(&world, &version, 1);
    ready(&world, &version, 1).await;
    told.go_on().await;
    let on_demand = text(first.await);
    assert!(on_demand.starts_with("0 on-demand "));
    until(|| world.functions.reports().iter().map(|it| it.idle).sum::<u32>() == 2).await;
    let running = [invoke(&world, &version, "1"), invoke(&world, &version, "1")];
    for _ in 0..2 {
        world.told().await.go_on().await;
    }
    let [one, two] = running;
    let (one, two) = (text(one.await), text(two.await));
    assert!(one.starts_with("1 provisioned-concurrency "), "{one}");
    assert_eq!(two[1..], on_demand[1..]);
}

// LAM-N-017: what is reserved is all provisioned, and none of it is left for $LATEST
async fn nothing_left(world: World) {
    let mut function = world.function(TELL);
    function.configuration.concurrency = Some(1);
    world.put(function);
    let version = publish(&world, 1, TELL);
    provision(&world, &version, 1);
    ready(&world, &version, 1).await;
    let throttled = InvokeOutcome::Refused(InvokeRefusal::Throttled);
    assert_eq!(world.invoke("0").await, throttled);
    let running = invoke(&world, &version, "1");
    world.told().await.go_on().await;
    assert!(text(running.await).starts_with("1 provisioned-concurrency "));
    provision(&world, &version, 0);
    let running = world.invoke("2");
    world.told().await.go_on().await;
    assert!(text(running.await).starts_with("2 on-demand "));
}

// LAM-N-015: the environments go with the alias
async fn moved(world: World) {
    world.put(world.function(TELL));
    let versions = [publish(&world, 1, TELL), publish(&world, 2, TELL)];
    let live = put_alias(&world, 1);
    provision(&world, &live, 2);
    ready(&world, &versions[0], 2).await;
    put_alias(&world, 2);
    ready(&world, &versions[1], 2).await;
    ready(&world, &versions[0], 0).await;
    let running = invoke(&world, &live, "1");
    world.told().await.go_on().await;
    assert!(text(running.await).starts_with("1 provisioned-concurrency "));
    world.apply(&Change::Lambda(LambdaChange::DeleteProvisioned(live)));
    ready(&world, &versions[1], 0).await;
}

/// One that has ended is started again, whether or not anybody invokes it.
async fn replaced(world: World) {
    let ends = "
while True:
    id, event, _ = next_event()
    respond(id, str(ME))
    if event == 'end':
        os._exit(1)
";
    world.put(world.function(ends));
    let version = publish(&world, 1, ends);
    provision(&world, &version, 1);
    ready(&world, &version, 1).await;
    let first = text(invoke(&world, &version, "end").await);
    until(|| world.functions.kept_ready(&version).ready == 0).await;
    ready(&world, &version, 1).await;
    assert_ne!(text(invoke(&world, &version, "again").await), first);
}

async fn no_room(world: World) {
    let world = world.with_options(|options| options.environments_max = 1);
    world.put(world.function(TELL));
    let version = publish(&world, 1, TELL);
    provision(&world, &version, 2);
    until(|| {
        let report = world.functions.kept_ready(&version);
        report.ready == 1 && report.no_room
    })
    .await;
    provision(&world, &version, 1);
    until(|| !world.functions.kept_ready(&version).no_room).await;
    world.core.shutdown().await;
}

/// Functions without a reservation share what is left of the account's concurrency; one with a reservation does not.
async fn shared(world: World) {
    let world = world.with_options(|options| {
        options.account_concurrency = 3;
        options.queue_per_function_max = 0;
    });
    let mut reserved = world.function_named("g", TELL);
    reserved.configuration.concurrency = Some(1);
    world.put(reserved);
    world.put(world.function(TELL));
    world.put(world.function_named("h", TELL));
    let throttled = InvokeOutcome::Refused(InvokeRefusal::Throttled);
    let mut running = vec![world.invoke("1"), world.invoke_named("h", "2")];
    assert_eq!(world.invoke("3").await, throttled);
    assert_eq!(world.invoke_named("h", "4").await, throttled);
    running.push(world.invoke_named("g", "5"));
    assert_eq!(world.invoke_named("g", "6").await, throttled);
    for _ in 0..3 {
        world.told().await.go_on().await;
    }
    for outcome in running {
        text(outcome.await);
    }
    world.core.shutdown().await;
}
