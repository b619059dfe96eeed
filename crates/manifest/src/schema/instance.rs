//! `instances`: the addresses of instances. On AWS an instance has one; here the manifest tells it.

use super::Walk;
use crate::mistake::{Spot, shown};
use crate::reader::{accepted, text, wrong};
use crate::yaml::{Key, Node};
use model::elb::target_group::InstanceId;
use std::net::IpAddr;

impl Walk<'_> {
    pub(super) fn instance(&mut self, key: &Key, node: &Node) {
        accepted(&mut self.report, key.spot, InstanceId::try_from(key.text.as_str()));
        let expected = "an IP address such as `10.0.0.5`";
        let address = text(&mut self.report, node, expected).and_then(|written| {
            written
                .parse::<IpAddr>()
                .ok()
                .or_else(|| wrong(&mut self.report, node, expected))
        });
        self.instances.insert(key.text.clone(), address);
    }

    /// The address of an instance that a target group names.
    pub(super) fn address_of(&mut self, spot: Spot, id: &InstanceId) -> Option<IpAddr> {
        self.used_instances.insert(id.as_str().to_owned());
        let known = self.instances.get(id.as_str());
        if known.is_none() {
            let message = format!(
                "found the instance {}, whose address is not known; expected it in the section `instances`: \
                 `instances: {{ {id}: 10.0.0.5 }}`",
                shown(id.as_str())
            );
            self.report.mistake(spot, message);
        }
        known.copied().flatten()
    }
}
