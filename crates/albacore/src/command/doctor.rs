//! `albacore doctor`: what this machine can do, and what of the manifest has no effect.

mod runtimes;

use crate::cli::{Doctor, Publish, SandboxChoice};
use crate::command::check::plan_alone;
use crate::confinement::{Confinement, CpuShare};
use crate::open_files;
use crate::output;
use crate::plan::{Plan, Problem, Problems};
use anyhow::Result;
use model::elb::listener::ListenerProtocol;
use model::elb::security_policy::SecurityPolicy;
use runtimes::Runtime;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Write};
use std::net::{IpAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;

/// Everything that was found out.
#[derive(Debug, Serialize)]
struct Findings {
    version: &'static str,
    sandbox: Sandbox,
    runtimes: Vec<Runtime>,
    /// The soft and the hard limit; `None` is unlimited. `albacore up` raises the soft one to the hard one.
    open_files: [Option<usize>; 2],
    /// What the hard limit is too low for.
    #[serde(skip_serializing_if = "Option::is_none")]
    open_files_warning: Option<String>,
    tls_policies: Vec<Policy>,
    /// `None` when there is no manifest.
    manifest: Option<Manifest>,
}

#[derive(Debug, Serialize)]
struct Sandbox {
    tier: String,
    /// What is missing of it, and why it is not the strongest.
    missing: Vec<String>,
    user_namespaces: bool,
    cgroup: Option<String>,
    landlock_version: Option<u32>,
    seccomp: bool,
    /// Functions have a `/tmp` of their own.
    temporary_mount: bool,
    /// What functions reach that do not name a network.
    network: &'static str,
    /// What may keep packets of functions from leaving, though nothing is missing.
    network_warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Policy {
    name: &'static str,
    /// Versions and suites that AWS offers under this name and albacore does not.
    not_served: Vec<&'static str>,
    /// Whether the manifest uses it.
    used: bool,
}

#[derive(Debug, Serialize)]
struct Manifest {
    file: PathBuf,
    mistakes: Vec<Problem>,
    /// Settings without effect, and whatever else was noticed.
    warnings: Vec<Problem>,
    ports: Vec<Port>,
}

#[derive(Debug, Serialize)]
struct Port {
    listener: u16,
    socket: u16,
    free: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

pub(super) fn run(args: &Doctor, json: bool) -> Result<ExitCode> {
    let publish = Publish::map(&args.publish)?;
    let outcome = if args.file.exists() {
        Some(plan_alone(&args.file, &args.resources)?)
    } else {
        None
    };
    let used: BTreeSet<_> = match &outcome {
        Some(Ok(plan)) => policies_of(plan).collect(),
        _ => BTreeSet::new(),
    };
    let open_files = open_files::limits();
    let findings = Findings {
        version: env!("CARGO_PKG_VERSION"),
        sandbox: sandbox()?,
        runtimes: runtimes::find(),
        open_files,
        open_files_warning: open_files::warning(open_files[1], args.places.wanted()),
        tls_policies: SecurityPolicy::all()
            .iter()
            .map(|policy| Policy {
                name: policy.name,
                not_served: proxy::missing_of_policy(policy),
                used: used.contains(policy.name),
            })
            .collect(),
        manifest: outcome.map(|outcome| manifest(args, outcome, &publish)),
    };
    if json {
        output::print_json(&serde_json::to_value(&findings)?);
    } else {
        output::print(&findings.for_people());
    }
    let is_well = findings.manifest.is_none_or(|manifest| manifest.mistakes.is_empty());
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Tries it, as `albacore up` does.
fn sandbox() -> Result<Sandbox> {
    let (spawner, confinement) = Confinement::start(SandboxChoice::Auto, CpuShare::Memory)?;
    let features = spawner.host_features();
    Ok(Sandbox {
        tier: confinement.tier.to_string(),
        missing: confinement.missing(),
        user_namespaces: features.user_namespaces,
        cgroup: features.cgroup.map(|version| version.to_string()),
        landlock_version: features.landlock_version,
        seccomp: features.seccomp,
        temporary_mount: features.temporary_mount,
        network: confinement.network(),
        network_warnings: match spawner.outbound_lack() {
            None => network_warnings(),
            Some(_) => Vec::new(),
        },
    })
}

/// Tries the rules of the packet filter, and looks for those of others.
fn network_warnings() -> Vec<String> {
    let refused = sandbox::check_rules().err().map(|said| {
        format!("the kernel does not take albacore's rules, so functions will have no way out; nft says: {said}")
    });
    let barrier = sandbox::foreign_barrier().map(|chain| {
        format!(
            "the chain `{chain}` of another program drops what is forwarded: unless it lets interfaces named albacore* \
             through, functions have no way out (Docker: iptables -I DOCKER-USER -i albacore+ -j ACCEPT, and the same \
             with -o)"
        )
    });
    refused.into_iter().chain(barrier).collect()
}

fn policies_of(plan: &Plan) -> impl Iterator<Item = &'static str> {
    plan.state.listeners().filter_map(|listener| match &listener.protocol {
        ListenerProtocol::Https(tls) => Some(tls.policy.name),
        ListenerProtocol::Http => None,
    })
}

fn manifest(args: &Doctor, outcome: Result<Plan, Problems>, publish: &BTreeMap<u16, u16>) -> Manifest {
    let file = args.file.clone();
    match outcome {
        Ok(plan) => {
            let numbers: BTreeSet<_> = plan.state.listeners().map(|listener| listener.port).collect();
            let ports = numbers
                .into_iter()
                .map(|port| probe(args.bind, port, publish.get(&port).copied()));
            Manifest {
                file,
                mistakes: Vec::new(),
                warnings: plan.loaded.warnings.iter().cloned().map(Problem::from).collect(),
                ports: ports.collect(),
            }
        }
        Err(problems) => Manifest {
            file,
            mistakes: problems.all,
            warnings: problems.warnings,
            ports: Vec::new(),
        },
    }
}

/// Opens the port for a moment. Port 0 is always free.
fn probe(bind: IpAddr, listener: u16, published: Option<u16>) -> Port {
    let socket = published.unwrap_or(listener);
    let opened = TcpListener::bind((bind, socket));
    Port {
        listener,
        socket,
        free: opened.is_ok(),
        reason: opened.err().map(|error| error.to_string()),
    }
}

impl Findings {
    fn for_people(&self) -> String {
        let mut text = String::new();
        say(&mut text, "albacore", self.version);
        let sandbox = &self.sandbox;
        say(&mut text, "sandbox", format_args!("tier {}", sandbox.tier));
        for lack in &sandbox.missing {
            say(&mut text, "", lack);
        }
        say(
            &mut text,
            "",
            format_args!("user namespaces: {}", yes(sandbox.user_namespaces)),
        );
        say(
            &mut text,
            "",
            format_args!("control groups: {}", sandbox.cgroup.as_deref().unwrap_or("none")),
        );
        match sandbox.landlock_version {
            Some(version) => say(&mut text, "", format_args!("landlock: version {version}")),
            None => say(&mut text, "", "landlock: no"),
        }
        say(
            &mut text,
            "",
            format_args!("system call filters: {}", yes(sandbox.seccomp)),
        );
        let tmp = if sandbox.tier == "namespace" {
            "/tmp: each environment has its own, of a fixed size, in memory"
        } else if sandbox.temporary_mount {
            "/tmp: each environment has its own, unless what runs lies in /tmp"
        } else {
            "/tmp: the host's; the variable TMPDIR names the folder that a function may write to"
        };
        say(&mut text, "", tmp);
        say(
            &mut text,
            "",
            format_args!("functions without `network` reach: {}", sandbox.network),
        );
        for warning in &sandbox.network_warnings {
            say(&mut text, "", format_args!("warning: {warning}"));
        }
        for (at, runtime) in self.runtimes.iter().enumerate() {
            let name = if at == 0 { "runtimes" } else { "" };
            say(
                &mut text,
                name,
                format_args!(
                    "{}: {}",
                    runtime.program,
                    runtime.version.as_deref().unwrap_or("not found")
                ),
            );
        }
        say(
            &mut text,
            "",
            "a runtime runs on the nearest version; java* and dotnet* need their public clients (--runtime-clients); provided.* \
             bring their own program",
        );
        let [soft, hard] = self
            .open_files
            .map(|limit| limit.map_or("unlimited".to_owned(), |limit| limit.to_string()));
        say(
            &mut text,
            "open files",
            format_args!("{soft}, raised to {hard} by `albacore up`"),
        );
        if let Some(warning) = &self.open_files_warning {
            say(&mut text, "", format_args!("warning: {warning}"));
        }
        self.policies(&mut text);
        match &self.manifest {
            None => say(&mut text, "manifest", "none here"),
            Some(manifest) => manifest.describe(&mut text),
        }
        text
    }

    fn policies(&self, text: &mut String) {
        let whole = self
            .tls_policies
            .iter()
            .filter(|policy| policy.not_served.is_empty())
            .count();
        let all = self.tls_policies.len();
        let summary = format_args!("{whole} of {all} policies are served whole; --json lists what the others lack");
        say(text, "TLS", summary);
        for policy in self.tls_policies.iter().filter(|policy| policy.used) {
            let missing = policy.not_served.join(", ");
            let served = match missing.as_str() {
                "" => "served whole".to_owned(),
                missing => format!("without {missing}"),
            };
            say(text, "", format_args!("{}: {served}", policy.name));
        }
    }
}

impl Manifest {
    fn describe(&self, text: &mut String) {
        let mistakes = output::count(self.mistakes.len(), "mistake");
        say(text, "manifest", format_args!("{}: {mistakes}", self.file.display()));
        self.mistakes.iter().for_each(|mistake| say(text, "", mistake));
        self.warnings
            .iter()
            .for_each(|warning| say(text, "", format_args!("warning: {warning}")));
        for port in &self.ports {
            let state = port.reason.as_deref().unwrap_or("free");
            let published = if port.socket == port.listener {
                String::new()
            } else {
                format!(" on {}", port.socket)
            };
            say(text, "", format_args!("port {}{published}: {state}", port.listener));
        }
    }
}

fn say(text: &mut String, name: &str, value: impl Display) {
    let _ = writeln!(text, "{name:<11} {value}"); // writing to a string cannot fail
}

fn yes(there: bool) -> &'static str {
    if there { "yes" } else { "no" }
}
