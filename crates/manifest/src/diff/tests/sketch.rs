//! Any manifest follows any other.

use super::steps;
use proptest::prelude::*;
use std::fmt::Write as _;

/// A small manifest, as numbers that any value of makes sense.
#[derive(Clone, Debug)]
struct Sketch {
    functions: [u8; 2],
    groups: [Group; 3],
    trust_stores: [u8; 2],
    load_balancers: [(u8, [Listener; 2]); 2],
}

#[derive(Clone, Copy, Debug)]
struct Group {
    there: u8,
    /// Which load balancer has it, and which function.
    of: u8,
    kind: u8,
    targets: u8,
    attributes: u8,
}

#[derive(Clone, Debug)]
struct Listener {
    kind: u8,
    certificates: u8,
    mutual_authentication: u8,
    default: u8,
    rules: [(u8, u8); 3],
}

fn any_sketch() -> impl Strategy<Value = Sketch> {
    let listener = (any::<[u8; 4]>(), any::<[(u8, u8); 3]>()).prop_map(
        |([kind, certificates, mutual_authentication, default], rules)| Listener {
            kind,
            certificates,
            mutual_authentication,
            default,
            rules,
        },
    );
    let group = any::<[u8; 5]>().prop_map(|[there, of, kind, targets, attributes]| Group {
        there,
        of,
        kind,
        targets,
        attributes,
    });
    let listeners = proptest::array::uniform2(listener);
    (
        any::<[u8; 2]>(),
        proptest::array::uniform3(group),
        any::<[u8; 2]>(),
        proptest::array::uniform2((any::<u8>(), listeners)),
    )
        .prop_map(|(functions, groups, trust_stores, load_balancers)| Sketch {
            functions,
            groups,
            trust_stores,
            load_balancers,
        })
}

impl Group {
    fn is_there(self) -> bool {
        !self.there.is_multiple_of(4)
    }

    fn has_servers(self) -> bool {
        !self.kind.is_multiple_of(3)
    }

    fn is_http2(self) -> bool {
        self.has_servers() && (self.kind / 3).is_multiple_of(2)
    }

    fn yaml(self, functions: &[&str]) -> String {
        if self.has_servers() {
            return self.servers();
        }
        let function = functions
            .get(usize::from(self.of / 2 % 3))
            .map(|name| format!("function: {name}, "));
        format!(
            "{}multi_value_headers: {}, health_check: {{ enabled: {}, interval: 4{}s }}",
            function.unwrap_or_default(),
            self.there.is_multiple_of(2),
            self.there % 8 < 4,
            self.there / 8 % 3
        )
    }

    fn servers(self) -> String {
        let all = [
            "10.0.0.1",
            "'10.0.0.1:82'",
            ["{ id: 10.0.0.2, availability_zone: a }", "10.0.0.2"][usize::from(self.attributes / 8 % 2)],
            "{ id: 10.0.0.3, availability_zone: all }",
        ];
        let chosen = all.iter().enumerate().filter(|(at, _)| self.targets >> at & 1 == 1);
        let chosen: Vec<_> = chosen.map(|(_, target)| *target).collect();
        let everywhere = self.targets & 8 != 0;
        format!(
            "targets: [{}], port: {}, protocol_version: {}, cross_zone: {}, deregistration_delay: {}s, \
             health_check: {{ interval: 1{}s }}",
            chosen.join(", "),
            80 + self.targets / 16 % 2,
            if self.is_http2() { "http2" } else { "http1" },
            everywhere || self.attributes.is_multiple_of(2),
            self.attributes / 2 % 2,
            self.attributes / 4 % 2
        )
    }
}

impl Sketch {
    /// The target groups that a listener may forward to: those there are, each load balancer its own, and HTTP/2 from
    /// HTTPS listeners only.
    fn groups_of(&self, load_balancer: usize, https: bool) -> Vec<&'static str> {
        let names = ["t", "u", "v"].into_iter().zip(&self.groups);
        let mine = names.filter(|(_, group)| {
            group.is_there() && usize::from(group.of % 2) == load_balancer && (https || !group.is_http2())
        });
        mine.map(|(name, _)| name).collect()
    }

    fn action(&self, load_balancer: usize, https: bool, choice: u8) -> String {
        let groups = self.groups_of(load_balancer, https);
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
        for (name, group) in ["t", "u", "v"].into_iter().zip(self.groups) {
            if group.is_there() {
                let _ = writeln!(text, "  {name}: {{ {} }}", group.yaml(&functions));
            }
        }
        text += "trust_stores:\n  always: { ca_certificates_bundle: ca.pem }\n";
        for (name, choice) in ["x", "y"].into_iter().zip(self.trust_stores) {
            if choice % 3 != 0 {
                let bundle = if choice % 2 == 0 { "ca" } else { "other" };
                let _ = writeln!(text, "  {name}: {{ ca_certificates_bundle: {bundle}.pem }}");
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

    fn mutual_authentication(&self, choice: u8) -> String {
        let stores: Vec<_> = ["x", "y"]
            .into_iter()
            .zip(self.trust_stores)
            .filter(|(_, there)| there % 3 != 0)
            .map(|(name, _)| name)
            .collect();
        match stores.get(usize::from(choice / 4 % 2)) {
            Some(name) if choice % 4 > 1 => format!("{{ mode: verify, trust_store: {name} }}"),
            _ if choice % 4 == 1 => "passthrough".to_owned(),
            _ => "off".to_owned(),
        }
    }

    fn listener(&self, text: &mut String, load_balancer: usize, port: u16, listener: &Listener) {
        let _ = writeln!(text, "      - port: {port}");
        let https = listener.kind.is_multiple_of(2);
        if https {
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
            let mode = self.mutual_authentication(listener.mutual_authentication);
            let _ = writeln!(text, "        mutual_authentication: {mode}");
        }
        let _ = writeln!(
            text,
            "        default: {{ {} }}\n        rules:",
            self.action(load_balancer, https, listener.default)
        );
        let _ = writeln!(
            text,
            "          - {{ priority: 9, path: /always, fixed_response: 404 }}"
        );
        for (priority, (path, choice)) in (1..).zip(listener.rules) {
            if path % 3 != 0 {
                let action = self.action(load_balancer, https, choice);
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
