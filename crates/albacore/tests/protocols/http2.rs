//! HTTP/2 by h2spec, a test of other implementations by their frames: against pages of our own, and against targets of
//! HTTP/1.1 and of HTTP/2.

use crate::world::{Target, World};
use std::process::Command;
use testkit::{repository, run};

/// Cases of h2spec that do not pass, by their names, and why not. There are none.
const DEVIATIONS: [(&str, &str); 0] = [];

#[test]
fn h2spec() {
    let (http1, http2) = (Target::start("http1_target.mjs"), Target::start("http2_target.mjs"));
    let world = World::start(&format!(
        "target_groups:\n  \
           http1: {{ targets: ['127.0.0.1:{}'] }}\n  \
           http2: {{ targets: ['127.0.0.1:{}'], protocol_version: http2 }}\n\
         load_balancers:\n  shop:\n    listeners:\n      \
           - {{ port: 8080, default: {{ fixed_response: {{ status: 404 }} }} }}\n      \
           - port: 8443\n        protocol: https\n        \
             certificates: [{{ certificate: site.pem, private_key: site.key }}]\n        \
             rules:\n          \
             - {{ priority: 1, path: /http1, forward: http1 }}\n          \
             - {{ priority: 2, path: /http2, forward: http2 }}\n        \
             default: {{ fixed_response: {{ status: 200, body: fixed }} }}\n",
        http1.port, http2.port
    ));
    for path in ["/", "/http1", "/http2"] {
        let mut command = Command::new(repository("target/protocols/h2spec/h2spec"));
        // Strict: what a specification only recommends is asked for too. Time is never asserted, but silence must end.
        let port = world.port(8443).to_string();
        command.args([
            "--tls",
            "--insecure",
            "--strict",
            "--timeout",
            "10",
            "--port",
            &port,
            "--path",
            path,
        ]);
        let finished = run(&mut command);
        let failed: Vec<_> = finished
            .out
            .lines()
            .filter(|line| line.contains('×'))
            .map(str::trim)
            .collect();
        let unexpected: Vec<_> = failed
            .iter()
            .filter(|line| !DEVIATIONS.iter().any(|(name, _)| line.contains(name)))
            .collect();
        assert!(unexpected.is_empty(), "{path}: {unexpected:#?}\n{}", finished.out);
        let passed = format!(
            "146 tests, {} passed, 0 skipped, {} failed",
            146 - DEVIATIONS.len(),
            DEVIATIONS.len()
        );
        assert!(finished.out.contains(&passed), "{path}:\n{}", finished.out);
    }
    world.is_well();
}
