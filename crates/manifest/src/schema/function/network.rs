//! `network`.

use crate::reader::{boolean, fields, text, wrong};
use crate::schema::Walk;
use crate::yaml::{Node, Value};
use model::lambda::function::Network;

const EXPECTED: &str = "`none`, `outbound`, `host`, or `{ outbound: { allow_private: true } }`";

impl Walk<'_> {
    /// What a function reaches: a word, or a mapping where there is more to say.
    pub(super) fn network(&mut self, node: &Node) -> Option<Network> {
        if matches!(node.value, Value::Map(_)) {
            return self.outbound(node);
        }
        match text(&mut self.report, node, EXPECTED)? {
            "none" => Some(Network::None),
            "outbound" => Some(Network::Outbound),
            "host" => Some(Network::Host),
            _ => wrong(&mut self.report, node, EXPECTED),
        }
    }

    fn outbound(&mut self, node: &Node) -> Option<Network> {
        let network = fields(&mut self.report, node, "the network", &["outbound"], &[])?;
        if !network.all_known {
            return None;
        }
        let settings = network.require(&mut self.report, "outbound", "`{ allow_private: true }`")?;
        let settings = fields(&mut self.report, settings, "the way out", &["allow_private"], &[])?;
        let allows = match settings.get("allow_private") {
            Some(node) => boolean(&mut self.report, node)?,
            None => false,
        };
        settings.all_known.then_some(match allows {
            true => Network::OutboundAndPrivate,
            false => Network::Outbound,
        })
    }
}
