//! gRPC between the servers and the clients of `grpcio` (Python) and `@grpc/grpc-js` (Node). Source: ALB 4.2, 5.6.

use crate::world::{Target, World};
use testkit::until;

/// A group of gRPC on 8443. The same server in a group of HTTP/1.1 is on 8081, where gRPC must not go. `check` are settings of
/// the health check.
fn world(target: &Target, check: &str) -> World {
    let (port, certificates) = (target.port, "[{ certificate: site.pem, private_key: site.key }]");
    World::start(&format!(
        "target_groups:\n  \
           calls:\n    targets: ['127.0.0.1:{port}']\n    protocol_version: grpc\n    \
             health_check: {{ interval: 5s, timeout: 4s{check} }}\n  \
           wrong: {{ targets: ['127.0.0.1:{port}'] }}\n\
         load_balancers:\n  shop:\n    listeners:\n      \
           - {{ port: 8080, default: {{ fixed_response: {{ status: 404 }} }} }}\n      \
           - {{ port: 8443, protocol: https, certificates: {certificates}, default: {{ forward: calls }} }}\n      \
           - {{ port: 8081, protocol: https, certificates: {certificates}, default: {{ forward: wrong }} }}\n"
    ))
}

/// Waits until the target of the group of gRPC has passed its check.
fn until_healthy(world: &World) {
    until("the target is healthy", || {
        let (_, targets) = world.server.own_api("targets");
        let all = targets["targets"].as_array()?;
        let calls = all.iter().find(|target| {
            let group = target["target_group"].as_str();
            group.is_some_and(|group| group.contains("/calls/"))
        })?;
        (calls["state"] == "healthy").then_some(())
    });
}

// ALB-H-026: trailers. ALB-H-024: gRPC to HTTP/1.1 is 464
// By default the check calls a method that nobody has, and UNIMPLEMENTED (12) is what it wants to hear.
#[test]
fn python_to_python() {
    let target = Target::start("grpc_server.py");
    let world = world(&target, "");
    until_healthy(&world);
    let wrong = [("WRONG_PORT", world.port(8081).to_string())];
    world.client("grpc_client.py", &wrong).expect_success();
    world.is_well();
}

// ALB-H-026: trailers
// The check calls the health service of gRPC, as servers have it.
#[test]
fn node_to_python() {
    let target = Target::start("grpc_server.py");
    let world = world(&target, ", path: /grpc.health.v1.Health/Check, matcher: '0'");
    until_healthy(&world);
    world.client("grpc_client.mjs", &[]).expect_success();
    world.is_well();
}

// ALB-H-026: trailers
#[test]
fn python_to_node() {
    let target = Target::start("grpc_server.mjs");
    let world = world(&target, "");
    until_healthy(&world);
    let variables = [
        ("WRONG_PORT", world.port(8081).to_string()),
        ("NODE_SERVER", "1".to_owned()),
    ];
    world.client("grpc_client.py", &variables).expect_success();
    world.is_well();
}

// ALB-H-026: trailers
#[test]
fn node_to_node() {
    let target = Target::start("grpc_server.mjs");
    let world = world(&target, ", path: /grpc.health.v1.Health/Check, matcher: '0'");
    until_healthy(&world);
    world.client("grpc_client.mjs", &[]).expect_success();
    world.is_well();
}
