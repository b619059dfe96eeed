//! Who gives way to traffic: the control plane, the store, and whoever works for them.

use tracing::debug;

/// Nice values above those of traffic. A third of its share where everybody wants the processor: enough to get on when traffic
/// leaves nothing. It does not keep a thread that wakes from stopping a request; that it is a batch thread does.
const NICE: i32 = 5;

/// This thread, and those that it starts from now on, give way. Traffic's threads are there already.
pub(super) fn give_way() {
    if let Err(error) = sandbox::give_way(NICE) {
        debug!(%error, "this thread keeps its priority");
    }
}
