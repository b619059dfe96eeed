//! What whoever runs albacore is told of its functions: settings that this machine or its tier cannot keep, and runtimes that it
//! has not got.

use crate::core::Functions;
use crate::interpreters::RuntimeNotice;
use crate::network;
use model::State;
use model::lambda::function::{EphemeralStorage, FunctionMemory, Network};

impl Functions {
    /// What there is to say about the runtimes of the functions in `state`, in their order. Looks for interpreters if a
    /// function needs one and that was not done yet, which takes some milliseconds for each of them.
    pub async fn runtime_notices(&self, state: &State) -> Vec<RuntimeNotice> {
        let mut notices = Vec::new();
        for function in state.functions() {
            let notice = |message: &str| RuntimeNotice {
                function: function.name.clone(),
                message: message.to_owned(),
                of_runtime: false,
                missing: false,
            };
            let isolated = self.host.isolates();
            if !isolated && !function.configuration.layers.is_empty() {
                notices.push(notice(
                    "its layers are not at /opt, which the tier `process` cannot give it: they are found through the search \
                     paths (PATH, LD_LIBRARY_PATH, NODE_PATH, Python's), and not by whoever names /opt",
                ));
            }
            if !self.host.spawner.controllers().memory && function.configuration.memory != FunctionMemory::default() {
                notices.push(notice(match isolated {
                    true => {
                        "its `memory` is told to it, but no limit: control groups that albacore may change are lacking"
                    }
                    false => "its `memory` is told to it, but no limit: the tier `process` has none",
                }));
            }
            if !isolated && function.configuration.ephemeral_storage != EphemeralStorage::default() {
                notices.push(notice(
                    "its `ephemeral_storage` has no effect in the tier `process`: its `/tmp` is a folder on this machine's \
                     disk, without a limit",
                ));
            }
            match function.configuration.network {
                Some(Network::Host) if isolated => notices.push(notice(
                    "with `network: host` it reaches what this machine reaches, its loopback addresses and albacore's own \
                     endpoint among it; everything else is kept from it",
                )),
                Some(Network::Outbound | Network::OutboundAndPrivate) => {
                    if let Some(lack) = self.host.spawner.outbound_lack() {
                        notices.push(notice(&format!("{}; it fails until then", network::lacks(lack))));
                    }
                }
                Some(Network::None) if !isolated => notices.push(notice(
                    "its `network: none` is not kept: in the tier `process` it reaches what this machine reaches",
                )),
                _ => {}
            }
        }
        for function in state.functions().filter(|it| it.configuration.runtime.is_managed()) {
            let interpreters = self.host.interpreters(function.configuration.runtime).await;
            notices.extend(interpreters.notice(
                &function.name,
                function.configuration.runtime,
                self.host.options.strict_runtimes,
            ));
        }
        notices
    }
}
