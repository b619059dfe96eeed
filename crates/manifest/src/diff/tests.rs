//! What is done to get from one manifest to another.

mod event_invokes;
mod function_urls;
mod servers;
mod sketch;
mod trust_stores;

use super::*;
use crate::testing::{TestFolder, TestIssuer, apply, now, settings};
use crate::{Loaded, load_text};
use model::command::target_group::CreateTargetGroup;
use model::elb::health_check::HealthCheck;
use model::elb::name::TargetGroupName;
use model::elb::target_group::{LambdaTargets, TargetGroup, TargetKind};
use model::{Change, ResourceId, TargetGroupArn};
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

/// One folder with code for all cases; it stays until the process ends.
fn load(text: &str) -> Loaded {
    static FOLDER: OnceLock<std::path::PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/manifest-tests/code");
        std::fs::create_dir_all(&path).unwrap();
        let folder = TestFolder::at(path);
        folder.put_executable("run");
        folder.put_executable("fn/bootstrap");
        folder.put_authority("ca", 2030);
        folder.put_authority("other", 2030);
        folder.path("albacore.yaml")
    });
    load_text(text.as_bytes(), folder, &settings(), &TestIssuer, now())
        .unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"))
}

fn state_of(text: &str) -> State {
    apply(&State::default(), &load(text).desired.batch(&State::default()).commands)
}

/// What is done to get from one manifest to another, a word for each command.
fn steps(from: &str, to: &str) -> Vec<String> {
    let state = state_of(from);
    let desired = load(to).desired;
    let batch = desired.batch(&state);
    assert_eq!(batch.refusals, [], "{to}");
    let after = apply(&state, &batch.commands);
    assert_eq!(in_order(&after), in_order(&state_of(to)), "{to}");
    assert_eq!(desired.batch(&after).commands, [], "nothing is left to do");
    assert_eq!(batch.commands.len(), batch.places.len());
    let name = |command: &Command| {
        let text = format!("{command:?}");
        text.split(['(', ' ']).next().unwrap().to_owned()
    };
    batch.commands.iter().map(name).collect()
}

/// The state with the targets of each group in one order, which means nothing.
fn in_order(state: &State) -> State {
    let mut ordered = state.clone();
    for group in state.target_groups() {
        let mut group = TargetGroup::clone(group);
        if let TargetKind::Servers(servers) = &mut group.targets {
            servers.targets.sort_unstable_by_key(|it| (it.id.clone(), it.port));
        }
        ordered.apply(&Change::PutTargetGroup(Arc::new(group)));
    }
    ordered
}

#[track_caller]
fn check(from: &str, to: &str, expected: &[&str]) {
    assert_eq!(steps(from, to), expected, "from\n{from}\nto\n{to}");
}

const BASE: &str = "
functions: { f: { code: run }, g: { code: fn } }
target_groups: { t: { function: f }, u: { function: g } }
load_balancers:
  a:
    listeners:
      - port: 80
        default: { forward: t }
        rules: [{ priority: 1, path: /a, forward: t }]
";

fn but(old: &str, new: &str) -> String {
    assert!(BASE.contains(old), "{old}");
    BASE.replace(old, new)
}

#[test]
fn an_unchanged_manifest_is_an_empty_batch() {
    check(BASE, BASE, &[]);
}

#[test]
fn everything_is_created_in_an_order_that_is_accepted() {
    let made = [
        "CreateFunction",
        "CreateFunction",
        "CreateTargetGroup",
        "RegisterFunction",
        "CreateTargetGroup",
        "RegisterFunction",
        "CreateLoadBalancer",
        "CreateListener",
        "CreateRule",
    ];
    check("{}", BASE, &made);
    let gone = [
        "DeleteLoadBalancer",
        "DeleteTargetGroup",
        "DeleteTargetGroup",
        "DeleteFunction",
        "DeleteFunction",
    ];
    check(BASE, "{}", &gone);
}

#[test]
fn each_change_is_its_own_command() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("code: run", "code: run, timeout: 9s", &["UpdateFunction"]),
        ("code: fn", "code: run", &["UpdateFunction"]),
        (
            "function: f",
            "function: g",
            &["DeregisterFunction", "RegisterFunction"],
        ),
        ("t: { function: f }", "t: {}", &["DeregisterFunction"]),
        (
            "function: f",
            "function: f, multi_value_headers: true",
            &["SetLambdaAttributes"],
        ),
        (
            "    listeners",
            "    attributes: { idle_timeout.timeout_seconds: 5 }\n    listeners",
            &["SetLoadBalancerAttributes"],
        ),
        (
            "    listeners",
            "    scheme: internal\n    listeners",
            &[
                "DeleteLoadBalancer",
                "CreateLoadBalancer",
                "CreateListener",
                "CreateRule",
            ],
        ),
        (
            "port: 80",
            "port: 81",
            &["DeleteListener", "CreateListener", "CreateRule"],
        ),
        (
            "default: { forward: t }",
            "default: { fixed_response: 404 }",
            &["ModifyListener", "ModifyListener"],
        ),
        (
            "default: { forward: t }",
            "default: { forward: { t: 1, u: 1 } }",
            &["ModifyListener"],
        ),
        ("path: /a", "path: /b", &["ModifyRule"]),
        (
            "path: /a, ",
            "path: /a, rewrite_url: { regex: a, replace: b }, ",
            &["ModifyRule"],
        ),
        (
            "path: /a, forward: t",
            "path: /a, forward: u",
            &["DeleteRule", "CreateRule"],
        ),
        ("priority: 1", "priority: 2", &["DeleteRule", "CreateRule"]),
        (
            "port: 80",
            "port: 80\n        protocol: https\n        certificates: [{ domain: a.localhost }]",
            &["ImportCertificate", "ModifyListener"],
        ),
    ];
    for (old, new, expected) in cases {
        check(BASE, &but(old, new), expected);
    }
    let https = but(
        "port: 80",
        "port: 80\n        protocol: https\n        certificates: [{ domain: a.localhost }]",
    );
    check(&https, BASE, &["ModifyListener", "DeleteCertificate"]);
    let replaced = https.replace("a.localhost", "b.localhost");
    check(
        &https,
        &replaced,
        &["ImportCertificate", "ModifyListener", "DeleteCertificate"],
    );
}

#[test]
fn target_groups_change_hands_between_load_balancers() {
    let forwarding = |a: &str, b: &str| {
        format!(
            "functions: {{ f: {{ code: run }} }}\ntarget_groups: {{ t: {{ function: f }}, u: {{ function: f }} }}\nload_balancers:\n  \
             a: {{ listeners: [{{ port: 80, default: {{ forward: {a} }}, rules: [{{ priority: 1, path: /a, forward: {a} }}] }}] }}\n  \
             b: {{ listeners: [{{ port: 80, default: {{ forward: {b} }} }}] }}\n"
        )
    };
    steps(&forwarding("t", "u"), &forwarding("u", "t"));
}

#[test]
fn certificates_change_hands_under_the_limit() {
    let listener = |port: u16, first: usize, count: usize| {
        let certificates: String = (first..first + count).fold(String::new(), |mut all, number| {
            let _ = write!(all, ", {{ domain: c{number}.localhost }}");
            all
        });
        format!(
            "      - {{ port: {port}, protocol: https, certificates: [{{ domain: a.localhost }}{certificates}], default: {{ fixed_response: 404 }} }}\n"
        )
    };
    let manifest = |listeners: String| format!("load_balancers:\n  a:\n    listeners:\n{listeners}");
    let from = manifest(listener(443, 0, 13) + &listener(444, 13, 12));
    let to = manifest(listener(443, 25, 12) + &listener(444, 37, 13));
    steps(&from, &to);
    steps(&to, &from);
}

#[test]
fn what_others_own_is_left_alone() {
    let arn = TargetGroupArn::new(&settings().scope, "theirs", ResourceId(1));
    let theirs = Command::CreateTargetGroup(CreateTargetGroup {
        arn: arn.clone(),
        name: TargetGroupName::try_from("theirs").unwrap(),
        targets: TargetKind::Lambda(LambdaTargets {
            function: None,
            multi_value_headers: false,
            health_check: HealthCheck::of_lambda(),
        }),
        owner: Owner::Api,
    });
    let state = apply(&State::default(), &[theirs]);
    let state = apply(&state, &load(BASE).desired.batch(&state).commands);
    let emptied = apply(&state, &load("{}").desired.batch(&state).commands);
    assert!(emptied.target_group(&arn).is_some());
    assert_eq!(emptied.target_groups().count(), 1);

    // Its name is taken, which is said where the manifest wants it.
    let wants = load("functions: { f: { code: run } }\ntarget_groups:\n  theirs: { function: f }\n");
    let batch = wants.desired.batch(&state);
    let (index, refusal) = &batch.refusals[0];
    assert_eq!(refusal.to_string(), "a target group named theirs exists already");
    assert_eq!((batch.places[*index].line(), batch.places[*index].column()), (3, 3));
}

#[test]
fn a_protected_load_balancer_stays_until_its_protection_is_taken_away() {
    let protected = but(
        "    listeners",
        "    attributes: { deletion_protection.enabled: true }\n    listeners",
    );
    let state = state_of(&protected);
    let batch = load("{}").desired.batch(&state);
    let said = |desired: &Loaded, batch: &Batch| {
        let (index, refusal) = &batch.refusals[0];
        let mistake = desired.desired.mistake(batch, *index, refusal).unwrap();
        (mistake.place.line(), mistake.place.column(), mistake.message)
    };
    let message = "load balancer `a` is not in the manifest any more and cannot be deleted because deletion protection is \
                   enabled; write it again with `attributes: { deletion_protection.enabled: false }` first";
    assert_eq!(said(&load("{}"), &batch), (1, 1, message.to_owned()));
    check(&protected, BASE, &["SetLoadBalancerAttributes"]);
    // Another scheme needs another load balancer.
    let internal = load(&protected.replace("    attributes", "    scheme: internal\n    attributes"));
    let batch = internal.desired.batch(&state);
    let (line, column, message) = said(&internal, &batch);
    assert!(
        message.starts_with("load balancer `a` has another `scheme` now and cannot be made anew"),
        "{message}"
    );
    assert_eq!((line, column), (5, 3));
}
