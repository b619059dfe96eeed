use super::*;
use crate::testing::{TestFolder, TestIssuer, apply, now, settings};
use crate::{Loaded, load_text};
use model::command::target_group::CreateTargetGroup;
use model::elb::name::TargetGroupName;
use model::{ResourceId, TargetGroupArn};
use proptest::prelude::*;
use std::fmt::Write as _;
use std::sync::OnceLock;

/// One folder with code for all cases; it stays until the process ends.
fn load(text: &str) -> Loaded {
    static FOLDER: OnceLock<std::path::PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/manifest-tests/code");
        std::fs::create_dir_all(&path).unwrap();
        let folder = TestFolder::at(path);
        folder.put_executable("run");
        folder.put_executable("fn/bootstrap");
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
    assert_eq!(after, state_of(to), "{to}");
    assert_eq!(desired.batch(&after).commands, [], "nothing is left to do");
    assert_eq!(batch.commands.len(), batch.places.len());
    let name = |command: &Command| {
        let text = format!("{command:?}");
        text[..text.find('(').or(text.find(' ')).unwrap()].to_owned()
    };
    batch.commands.iter().map(name).collect()
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
        multi_value_headers: false,
        health_check: model::elb::health_check::HealthCheck::of_lambda(),
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
    let (index, refusal) = &batch.refusals[0];
    assert!(
        refusal.to_string().contains("deletion protection is enabled"),
        "{refusal}"
    );
    assert_eq!((batch.places[*index].line(), batch.places[*index].column()), (1, 1));
    check(&protected, BASE, &["SetLoadBalancerAttributes"]);
}

/// A small manifest, as numbers that any value of makes sense.
#[derive(Clone, Debug)]
struct Sketch {
    functions: [u8; 2],
    groups: [(u8, u8); 3],
    load_balancers: [(u8, [Listener; 2]); 2],
}

#[derive(Clone, Debug)]
struct Listener {
    kind: u8,
    certificates: u8,
    default: u8,
    rules: [(u8, u8); 3],
}

fn any_sketch() -> impl Strategy<Value = Sketch> {
    let listener = (any::<u8>(), any::<u8>(), any::<u8>(), any::<[(u8, u8); 3]>()).prop_map(
        |(kind, certificates, default, rules)| Listener {
            kind,
            certificates,
            default,
            rules,
        },
    );
    let listeners = proptest::array::uniform2(listener);
    (
        any::<[u8; 2]>(),
        any::<[(u8, u8); 3]>(),
        proptest::array::uniform2((any::<u8>(), listeners)),
    )
        .prop_map(|(functions, groups, load_balancers)| Sketch {
            functions,
            groups,
            load_balancers,
        })
}

impl Sketch {
    /// The target groups that the load balancer may forward to: those there are, each load balancer its own.
    fn groups_of(&self, load_balancer: usize) -> Vec<&'static str> {
        let names = ["t", "u", "v"].into_iter().zip(&self.groups);
        let mine = names.filter(|(_, (there, of))| *there % 4 != 0 && usize::from(*of % 2) == load_balancer);
        mine.map(|(name, _)| name).collect()
    }

    fn action(&self, load_balancer: usize, choice: u8) -> String {
        let groups = self.groups_of(load_balancer);
        let some: Vec<String> = groups
            .iter()
            .enumerate()
            .filter(|(at, _)| choice >> at & 1 == 1)
            .map(|(_, name)| format!("{name}: {}", choice >> 4))
            .collect();
        match choice % 8 {
            0 => "fixed_response: 404".to_owned(),
            _ if some.is_empty() => "redirect: { protocol: https, port: 8443 }".to_owned(),
            _ => format!("forward: {{ {} }}", some.join(", ")),
        }
    }

    fn yaml(&self) -> String {
        let mut text = "functions:\n  always: { code: run }\n".to_owned();
        let functions: Vec<&str> = ["f", "g"]
            .into_iter()
            .zip(self.functions)
            .filter(|(_, choice)| choice % 3 != 0)
            .map(|(name, choice)| {
                let _ = writeln!(
                    text,
                    "  {name}: {{ code: {}, timeout: {}s }}",
                    ["run", "fn"][usize::from(choice % 2)],
                    1 + choice % 4
                );
                name
            })
            .collect();
        text += "target_groups:\n  always: { function: always }\n";
        for (name, (there, function)) in ["t", "u", "v"].into_iter().zip(self.groups) {
            if there % 4 != 0 {
                let function = functions
                    .get(usize::from(function / 2 % 3))
                    .map(|name| format!("function: {name}, "));
                let _ = writeln!(
                    text,
                    "  {name}: {{ {}multi_value_headers: {}, health_check: {{ enabled: {}, interval: 4{}s }} }}",
                    function.unwrap_or_default(),
                    there % 2 == 0,
                    there % 8 < 4,
                    there / 8 % 3
                );
            }
        }
        text += "load_balancers:\n  always: { listeners: [{ port: 1, default: { forward: always } }] }\n";
        for (at, (choice, listeners)) in self.load_balancers.iter().enumerate() {
            if choice % 4 == 0 {
                continue;
            }
            let scheme = ["internal", "internet-facing"][usize::from(choice / 4 % 2)];
            let _ = writeln!(
                text,
                "  {}:\n    scheme: {scheme}\n    listeners:\n      - {{ port: 1, default: {{ fixed_response: 404 }} }}",
                ["a", "b"][at]
            );
            for (port, listener) in [80, 443].into_iter().zip(listeners) {
                if listener.kind % 4 != 0 {
                    self.listener(&mut text, at, port, listener);
                }
            }
        }
        text
    }

    fn listener(&self, text: &mut String, load_balancer: usize, port: u16, listener: &Listener) {
        let _ = writeln!(text, "      - port: {port}");
        if listener.kind.is_multiple_of(2) {
            let names = ["x", "y", "z"].iter().enumerate();
            let names = names.filter(|(at, _)| {
                listener.certificates >> at & 1 == 1 || *at == usize::from(listener.certificates >> 3) % 3
            });
            let names: Vec<String> = names
                .map(|(_, name)| format!("{{ domain: {name}.localhost }}"))
                .collect();
            let _ = writeln!(
                text,
                "        protocol: https\n        certificates: [{}]",
                names.join(", ")
            );
        }
        let _ = writeln!(
            text,
            "        default: {{ {} }}\n        rules:",
            self.action(load_balancer, listener.default)
        );
        let _ = writeln!(
            text,
            "          - {{ priority: 9, path: /always, fixed_response: 404 }}"
        );
        for (priority, (path, choice)) in (1..).zip(listener.rules) {
            if path % 3 != 0 {
                let action = self.action(load_balancer, choice);
                let _ = writeln!(
                    text,
                    "          - {{ priority: {priority}, path: /{}, {action} }}",
                    path % 4
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    /// From any manifest to any other there is one batch that is accepted, and it leaves what the other alone makes.
    #[test]
    fn any_manifest_follows_any_other(from in any_sketch(), to in any_sketch()) {
        steps(&from.yaml(), &to.yaml());
    }
}
