//! WebSockets between the servers and the clients of `websockets` (Python) and `ws` (Node). Source: ALB 4.8.

use crate::world::{Target, World};

/// Listeners in clear text and with TLS, and one whose idle timeout is two seconds.
fn world(target: &Target) -> World {
    let port = target.port;
    World::start(&format!(
        "target_groups:\n  \
           web: {{ targets: ['127.0.0.1:{port}'] }}\n  \
           impatient: {{ targets: ['127.0.0.1:{port}'] }}\n\
         load_balancers:\n  \
           shop:\n    listeners:\n      \
             - {{ port: 8080, default: {{ forward: web }} }}\n      \
             - port: 8443\n        protocol: https\n        \
               certificates: [{{ certificate: site.pem, private_key: site.key }}]\n        \
               default: {{ forward: web }}\n  \
           impatient:\n    attributes: {{ idle_timeout.timeout_seconds: 2 }}\n    listeners:\n      \
             - {{ port: 8081, default: {{ forward: impatient }} }}\n"
    ))
}

// ALB-H-042: both directions. ALB-H-043: one line in the log, at the end
#[test]
fn python_to_node() {
    let target = Target::start("websocket_server.mjs");
    let world = world(&target);
    let impatient = [("IMPATIENT_PORT", world.port(8081).to_string())];
    world.client("websocket_client.py", &impatient).expect_success();
    world.is_well();
}

// ALB-H-042: both directions. ALB-H-043: one line in the log, at the end
#[test]
fn node_to_python() {
    let target = Target::start("websocket_server.py");
    let world = world(&target);
    world.client("websocket_client.mjs", &[]).expect_success();
    world.is_well();
}

#[test]
fn python_to_python() {
    let target = Target::start("websocket_server.py");
    let world = world(&target);
    let impatient = [("IMPATIENT_PORT", world.port(8081).to_string())];
    world.client("websocket_client.py", &impatient).expect_success();
}

#[test]
fn node_to_node() {
    let target = Target::start("websocket_server.mjs");
    let world = world(&target);
    world
        .client("websocket_client.mjs", &[("SHOWS_HEADERS", "1".to_owned())])
        .expect_success();
}
