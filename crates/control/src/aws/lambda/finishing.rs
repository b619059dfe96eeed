//! Functions that are being created or updated come to their end here, and packages that nothing uses go.
//!
//! It looks at the state alone, so that what a killed process has left is finished by the next one, and doing it twice
//! does no harm.

use super::policy::fresh_revision;
use crate::api::PrepareError;
use crate::lambda::error::LambdaError;
use crate::server::Shared;
use crate::source::Source;
use model::command::lambda::{Command, Finish};
use model::lambda::about::Status;
use model::lambda::function::{Code, CodeLocation, Function};
use model::lambda::package::PackageDigest;
use model::{Command as AnyCommand, State};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tracing::warn;

/// How long it waits after something went wrong, and how often it looks anyway.
const AGAIN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60 * 60)];

/// Goes on until the endpoint stops.
pub(crate) async fn run<S: Source>(shared: Arc<Shared<S>>) {
    loop {
        let all_done = finish(&shared).await;
        if all_done {
            collect(&shared).await;
        }
        let wait = AGAIN[usize::from(all_done)];
        tokio::select! {
            () = shared.stopping.cancelled() => return,
            // Told, or after a while: both mean to look again.
            _ = timeout(wait, shared.finishing.notified()) => {}
        }
    }
}

/// Finishes what can be finished. False if something has to be tried again.
async fn finish<S: Source>(shared: &Arc<Shared<S>>) -> bool {
    let state = shared.source.state();
    let unfinished = state.lambda().records().filter_map(|record| {
        let function: Arc<Function> = match &record.status {
            Status::Pending => state.function(&record.function)?.clone(),
            Status::Updating(next) => next.function.clone(),
            Status::Active | Status::Failed(_) | Status::UpdateFailed(_) => return None,
        };
        let of = record.shown(&function).0.revision;
        Some((function, of))
    });
    let mut all_done = true;
    for (function, of) in unfinished.collect::<Vec<_>>() {
        let configuration = &function.configuration;
        let prepared = shared
            .source
            .prepare(function.code.clone(), configuration.layers.clone());
        let failure = match prepared.await {
            Ok(()) => None,
            Err(PrepareError::Package(message)) => Some(message),
            Err(PrepareError::Platform(error)) => {
                warn!(function = %function.name, error, "a function cannot be finished yet");
                all_done = false;
                continue;
            }
        };
        let function = function.arn.clone();
        let changed = shared.source.change(move |_| {
            let finish = Finish {
                function,
                of,
                failure,
                revision: fresh_revision()?,
            };
            Ok::<_, LambdaError>((vec![AnyCommand::Lambda(Command::Finish(finish))], ()))
        });
        all_done &= changed.await.is_ok();
    }
    all_done
}

async fn collect<S: Source>(shared: &Arc<Shared<S>>) {
    let shared = shared.clone();
    let collected = tokio::task::spawn_blocking(move || {
        let packages = shared.source.packages().clone();
        packages.collect(|| used(&shared.source.state()))
    });
    if let Ok(Err(error)) = collected.await {
        warn!(%error, "packages that nothing uses are left behind");
    }
}

/// Every package that something needs or may need.
fn used(state: &State) -> BTreeSet<PackageDigest> {
    let digest = |code: &Code| match code.location {
        CodeLocation::Package(digest) => Some(digest),
        CodeLocation::Folder(_) | CodeLocation::Executable(_) | CodeLocation::Zip(_) => None,
    };
    let lambda = state.lambda();
    let next = lambda.records().filter_map(|record| match &record.status {
        Status::Updating(next) => Some(&next.function),
        _ => None,
    });
    let versions = lambda.versions().map(|version| &version.function);
    let functions = state.functions().chain(next).chain(versions);
    let codes = functions.flat_map(|it| std::iter::once(&it.code).chain(it.configuration.layers.in_order()));
    let layers = lambda.all_layer_versions().map(|version| version.package.digest);
    codes.filter_map(digest).chain(layers).collect()
}
