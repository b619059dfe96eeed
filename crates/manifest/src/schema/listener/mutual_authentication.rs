//! `mutual_authentication` of an HTTPS listener. Source: ALB 1.7, 6.5.

use super::Walk;
use crate::reader::{Fields, boolean, fields, on_or_off, text, wrong};
use crate::yaml::{Node, Value};
use model::elb::listener::MutualAuthentication;

const EXPECTED: &str = "`off`, `passthrough` or `{ mode: verify, trust_store: .. }`";

/// What only `verify` has.
const OF_VERIFY: [&str; 3] = [
    "trust_store",
    "ignore_client_certificate_expiry",
    "advertise_trust_store_ca_names",
];

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Off,
    Passthrough,
    Verify,
}

impl Walk<'_> {
    pub(super) fn mutual_authentication(&mut self, listener: &Fields<'_>) -> Option<MutualAuthentication> {
        let Some(node) = listener.get("mutual_authentication") else {
            return Some(MutualAuthentication::Off);
        };
        if !matches!(node.value, Value::Map(_)) {
            return match self.mode(node)? {
                Mode::Off => Some(MutualAuthentication::Off),
                Mode::Passthrough => Some(MutualAuthentication::Passthrough),
                Mode::Verify => {
                    let message = "found `verify` without a trust store; expected `{ mode: verify, trust_store: .. }`";
                    self.report.mistake(node.spot, message);
                    None
                }
            };
        }
        let known: Vec<&str> = ["mode"].into_iter().chain(OF_VERIFY).collect();
        let fields = fields(&mut self.report, node, "the mutual authentication", &known, &[])?;
        let mode = fields
            .require(&mut self.report, "mode", "`off`, `passthrough` or `verify`")
            .and_then(|node| self.mode(node));
        match mode {
            None | Some(Mode::Verify) => {
                let verify = self.verify(&fields, mode.is_some());
                mode.and(verify)
            }
            Some(mode) => {
                let others = fields.present(&OF_VERIFY);
                for (key, _) in &others {
                    let message = format!(
                        "found `{}` without `mode: verify`; expected it with that mode only",
                        key.text
                    );
                    self.report.mistake(key.spot, message);
                }
                let passthrough = mode == Mode::Passthrough;
                others.is_empty().then_some(match passthrough {
                    true => MutualAuthentication::Passthrough,
                    false => MutualAuthentication::Off,
                })
            }
        }
    }

    fn mode(&mut self, node: &Node) -> Option<Mode> {
        match text(&mut self.report, node, EXPECTED)? {
            "off" => Some(Mode::Off),
            "passthrough" => Some(Mode::Passthrough),
            "verify" => Some(Mode::Verify),
            _ => wrong(&mut self.report, node, EXPECTED),
        }
    }

    /// `certain`: the mode is verify and not perhaps something else.
    fn verify(&mut self, fields: &Fields<'_>, certain: bool) -> Option<MutualAuthentication> {
        let expected = "the name of a trust store, because the mode is verify";
        let node = match certain {
            true => fields.require(&mut self.report, "trust_store", expected),
            false => fields.get("trust_store"),
        };
        let trust_store = node.and_then(|node| {
            let name = text(&mut self.report, node, "the name of a trust store")?;
            self.used_trust_stores.insert(name.to_owned());
            let names = &self.trust_store_names;
            Self::known(&mut self.report, node.spot, "trust store", name, names).then_some(name)
        });
        let ignore = match fields.get("ignore_client_certificate_expiry") {
            Some(node) => boolean(&mut self.report, node),
            None => Some(false),
        };
        let advertise = match fields.get("advertise_trust_store_ca_names") {
            Some(node) => self.advertise(node, trust_store),
            None => Some(false),
        };
        Some(MutualAuthentication::Verify {
            trust_store: self.ids().trust_store(trust_store?),
            ignore_client_certificate_expiry: ignore?,
            advertise_trust_store_ca_names: advertise?,
        })
    }

    fn advertise(&mut self, node: &Node, trust_store: Option<&str>) -> Option<bool> {
        match on_or_off(&mut self.report, node)? {
            false => Some(false),
            true => {
                let unadvertisable = trust_store.and_then(|name| self.unadvertisable.get(name));
                match unadvertisable.cloned() {
                    Some(reason) => {
                        self.report.mistake(node.spot, format!("{reason}; expected `off`"));
                        None
                    }
                    None => Some(true),
                }
            }
        }
    }
}
