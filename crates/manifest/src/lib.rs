//! The manifest, `albacore.yaml`: reads it as strictly as a compiler, reports every mistake with its place in one run,
//! and turns the difference to the state into one batch of the same commands as the API.
//!
//! `load` reads the file and what it names (certificates, trust stores, the folders of functions), and [`Desired::batch`]
//! compares it with a state. [`Watcher`] says when it is worth doing so again. There is no second set of rules here:
//! limits and meaning are `model`'s, and the whole manifest is decided once on an empty state for the mistakes only
//! `decide` sees.
//!
//! Left to others: submitting the batch, and running anything. All work blocks on the disk and belongs off the traffic
//! cores.
#![forbid(unsafe_code)]

mod code;
mod desired;
mod diff;
mod ids;
mod issuer;
mod mistake;
mod own;
mod reader;
mod schema;
mod watch;
mod yaml;

pub use code::CODE_FILES_MAX;
pub use desired::Desired;
pub use diff::Batch;
pub use issuer::{Issued, Issuer, NotIssued};
pub use mistake::{MISTAKES_MAX, Mistake, Mistakes, Place};
pub use own::OwnFiles;
pub use schema::ENTRIES_MAX;
pub use watch::{Changed, Watcher};
pub use yaml::{BYTES_MAX, DEPTH_MAX, NODES_MAX};

use mistake::{Report, Spot, shown};
use model::refusal::{
    ActionRefusal, CertificateRefusal, FunctionRefusal, ListenerRefusal, LoadBalancerRefusal, Refusal, RuleRefusal,
    TargetGroupRefusal, TrustStoreRefusal,
};
use model::{Scope, State};
use schema::Walk;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What the process says about all resources of the manifest.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Account and region of the resources.
    pub scope: Scope,
    /// What load balancers' DNS names end in, for example `elb.localhost`.
    pub dns_suffix: String,
    /// The zone of this process. A target that names it is one of the own zone.
    pub availability_zone: String,
    /// What is never part of a function's code.
    pub own_files: OwnFiles,
    /// Whether this machine speaks the family of an address and has one of its own to reach it from.
    pub has_way_to: fn(IpAddr) -> bool,
    /// Whether there is a folder with buckets.
    pub buckets: Buckets,
}

/// Whether the process that serves a manifest was given a folder with buckets (`--s3-root`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buckets {
    /// Nobody serves it.
    Unknown,
    /// It was not: a bucket is a mistake.
    Missing,
    /// It was. The buckets themselves may come later.
    Given,
}

/// A manifest without mistakes.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// What it asks for.
    pub desired: Desired,
    /// What was noticed besides, sorted by place.
    pub warnings: Vec<Mistake>,
    /// The files and folders it names, itself included.
    pub watched: Vec<PathBuf>,
}

/// Reads the manifest at `path` and everything it names.
///
/// `issuer` is asked for the certificates of `domain` entries; `now` tells which certificates hold.
///
/// # Errors
/// Every mistake that can be found, among them every refusal of the whole manifest on an empty state.
pub fn load(path: &Path, settings: &Settings, issuer: &dyn Issuer, now: SystemTime) -> Result<Loaded, Mistakes> {
    let name = shown(&path.display().to_string());
    match code::read_file(
        path,
        &name,
        yaml::BYTES_MAX,
        "a manifest (`{}` stands for an empty one)",
    ) {
        Ok(bytes) => load_text(&bytes, path, settings, issuer, now),
        Err(message) => {
            let mut report = Report::new(path);
            report.mistake(Spot::START, message);
            let (all, warnings) = report.into_parts();
            let watched = vec![std::path::absolute(path).unwrap_or_else(|_| path.to_owned())];
            Err(Mistakes { all, warnings, watched })
        }
    }
}

/// [`load`] with the text at hand: `path` only names it and says where relative paths start from.
///
/// # Errors
/// As [`load`].
pub fn load_text(
    text: &[u8],
    path: &Path,
    settings: &Settings,
    issuer: &dyn Issuer,
    now: SystemTime,
) -> Result<Loaded, Mistakes> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = absolute.parent().unwrap_or(Path::new("/"));
    let mut walk = Walk::new(Report::new(path), settings, folder, issuer, now);
    walk.watched.insert(absolute.clone());
    if let Some(root) = yaml::read(text, &mut walk.report) {
        walk.manifest(&root);
        decide_all(&mut walk);
    }
    let watched = walk.watched.into_iter().collect();
    let clean = walk.report.is_clean();
    let (all, warnings) = walk.report.into_parts();
    if clean {
        Ok(Loaded {
            desired: walk.desired,
            warnings,
            watched,
        })
    } else {
        Err(Mistakes { all, warnings, watched })
    }
}

/// Adds what `decide` refuses. It goes on after a refusal, and what follows from one is not said again.
fn decide_all(walk: &mut Walk<'_>) {
    let batch = walk.desired.batch(&State::default());
    for (index, refusal) in &batch.refusals {
        if walk.report.is_full() {
            return;
        }
        if !follows_from_another(refusal)
            && let Some(mistake) = walk.desired.mistake(&batch, *index, refusal)
        {
            walk.report.mistake(mistake.place.spot(), mistake.message);
        }
    }
}

/// Names are checked by the walk, so what does not exist here was refused or reported itself.
fn follows_from_another(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::LoadBalancer(LoadBalancerRefusal::NoSuchLoadBalancer(_))
            | Refusal::Listener(ListenerRefusal::NoSuchListener(_))
            | Refusal::Rule(RuleRefusal::NoSuchRule(_))
            | Refusal::Action(ActionRefusal::NoSuchTargetGroup(_))
            | Refusal::TargetGroup(TargetGroupRefusal::NoSuchTargetGroup(_) | TargetGroupRefusal::NoSuchFunction(_))
            | Refusal::Certificate(CertificateRefusal::NoSuchCertificate(_))
            | Refusal::TrustStore(TrustStoreRefusal::NoSuchTrustStore(_))
            | Refusal::Function(FunctionRefusal::NoSuchFunction(_))
    )
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
