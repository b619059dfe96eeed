//! What a server tells on its standard error, each notice with its words for people and its fields for programs.

use crate::confinement::Confinement;
use crate::output::{Notices, count};
use crate::plan::{Problem, Problems};
use crate::server::configuration::Applied;
use crate::server::listeners::{OpenFunctionUrl, OpenListener, narrowed_policies};
use model::State;
use model::observed::ClosedListener;
use serde_json::json;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A start that is refused: everything that is wrong. Nothing comes of it.
pub(super) fn refused<T>(notices: Notices, file: &Path, all: &Problems) -> Option<T> {
    problems(notices, all);
    let number = count(all.all.len(), "mistake");
    let text = format_args!("{}: {number}; nothing was started", file.display());
    notices.tell("refused", text, json!({ "file": file }));
    None
}

/// A change that is refused.
pub(super) fn kept(notices: Notices, file: &Path, all: &Problems, served: u64) {
    problems(notices, all);
    let number = count(all.all.len(), "mistake");
    let text = format_args!(
        "{}: {number}; keeping the configuration of revision {served}",
        file.display()
    );
    notices.tell("kept", text, json!({ "revision": served }));
}

fn problems(notices: Notices, problems: &Problems) {
    warnings(notices, problems.warnings.iter().cloned());
    for problem in &problems.all {
        notices.tell("mistake", problem, json!(problem));
    }
}

pub(super) fn warnings(notices: Notices, warnings: impl Iterator<Item = Problem>) {
    for warning in warnings {
        notices.tell("warning", format_args!("warning: {warning}"), json!(warning));
    }
}

/// The first lines, but for what is told by [`ready`].
pub(super) fn welcome(
    notices: Notices,
    state: &State,
    opened: &[OpenListener],
    trust: Option<PathBuf>,
    confinement: &Confinement,
) {
    let version = env!("CARGO_PKG_VERSION");
    let fields = json!({ "version": version, "pid": std::process::id() });
    notices.tell("version", format_args!("albacore {version}"), fields);
    if state.functions().next().is_some() {
        let (tier, meaning, missing) = (confinement.tier, confinement.meaning(), confinement.missing());
        let fields = json!({ "tier": tier.to_string(), "meaning": meaning, "missing": missing });
        notices.tell("sandbox", format_args!("sandbox: {tier}: {meaning}"), fields);
        let network = confinement.network();
        notices.tell(
            "network",
            format_args!("network: functions that name none reach: {network}"),
            json!({ "reach": network }),
        );
        for lack in missing {
            notices.tell(
                "sandbox_missing",
                format_args!("sandbox: {lack}"),
                json!({ "missing": lack }),
            );
        }
    }
    for (policy, missing) in narrowed_policies(state) {
        let text = format_args!("TLS policy {policy} is served without {}", missing.join(", "));
        notices.tell("narrowed_policy", text, json!({ "policy": policy, "missing": missing }));
    }
    if let Some(path) = trust {
        let text = format_args!(
            "certificates are issued by the local authority; trust {}",
            path.display()
        );
        notices.tell("trust", text, json!({ "path": path }));
    }
    opened.iter().for_each(|opened| listener(notices, opened));
}

pub(super) fn listener(notices: Notices, listener: &OpenListener) {
    let fields = json!({ "url": listener.url, "load_balancer": listener.load_balancer, "port": listener.port });
    notices.tell("listener", format_args!("  {listener}"), fields);
}

/// Listeners that are not served, and why.
pub(super) fn closed_listeners(notices: Notices, closed: &[ClosedListener]) {
    for ClosedListener { listener, port, reason } in closed {
        let text = format_args!(
            "closed: the listener {listener} is not served: {reason}. It is tried again every few seconds"
        );
        let fields = json!({ "listener": listener.as_str(), "port": port, "reason": reason });
        notices.tell("closed_listener", text, fields);
    }
}

pub(super) fn function_url(notices: Notices, url: &OpenFunctionUrl) {
    let fields = json!({ "url": url.url, "function": url.function });
    notices.tell("function_url", format_args!("  {url}"), fields);
}

/// The last line of a start.
pub(super) fn ready(notices: Notices, endpoint: SocketAddr, after: Duration) {
    let millis = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    let text = format_args!(
        "endpoint: http://{endpoint} (albacore's own API: http://{endpoint}/_albacore/status)\nready after {millis} ms"
    );
    notices.tell("ready", text, json!({ "endpoint": endpoint, "millis": millis }));
}

/// A reload without mistakes. Nobody is bothered with one that changed nothing, unless they wait for it.
pub(super) fn applied(notices: Notices, applied: &Applied, asked_for: bool, served: u64) {
    match &applied.change {
        Some(change) => {
            warnings(notices, applied.warnings.iter().cloned());
            let fields = json!({ "revision": served, "change": change.to_string() });
            notices.tell("revision", format_args!("revision {served}: {change}"), fields);
        }
        None if asked_for || applied.mended => {
            let text = format_args!("revision {served}: nothing changed");
            notices.tell("unchanged", text, json!({ "revision": served }));
        }
        None => {}
    }
}

pub(super) fn stopping(notices: Notices, drain: Duration) {
    let secs = drain.as_secs_f32();
    let text = format_args!("stopping: requests may finish for {secs} s; a second signal does not wait");
    notices.tell("stopping", text, json!({}));
}

pub(super) fn taking_over(notices: Notices, pid: u32) {
    let text = format_args!("taking the place of the albacore with process id {pid}");
    notices.tell("taking_over", text, json!({ "pid": pid }));
}

pub(super) fn handed_over(notices: Notices, drain: Duration) {
    let secs = drain.as_secs_f32();
    let text = format_args!(
        "another process serves now; connections of this one stay for {secs} s, and what runs then may finish for as long again"
    );
    notices.tell("handed_over", text, json!({}));
}

pub(super) fn stopped(notices: Notices, how: &str) {
    notices.tell("stopped", how, json!({}));
}
