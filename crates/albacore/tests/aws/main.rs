//! AWS's own SDKs for Python and JavaScript against the real binary: load balancing is made, changed and asked about while it serves.
//!
//! The callers are programs in `tests/aws`; each checks the details itself, and ends with a status other than 0 and a message
//! when something is not as expected.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod hostile;
mod raw;
mod world;

use testkit::{get, repository};
use world::World;

#[test]
fn load_balancers() {
    World::start(&[]).caller("load_balancers.py").expect_success();
}

// ALB-P-030: links to bundles. ALB-X-013: not while a listener uses it
#[test]
fn trust_stores() {
    let world = World::start(&[]);
    world.caller_in("trust_stores.py", "first").expect_success();
    world
        .killed_and_started(&[])
        .caller_in("trust_stores.py", "second")
        .expect_success();
}

#[test]
fn mistakes() {
    World::start(&[]).caller("mistakes.py").expect_success();
}

#[test]
fn what_terraform_asks() {
    World::start(&[]).caller("terraform.py").expect_success();
}

#[test]
fn what_else_terraform_asks() {
    World::start(&[]).caller("terraform_more.py").expect_success();
}

// The program itself, where it is installed. Its name comes first: it waits for most of its minutes, beside which others run
#[test]
fn a_service_of_terraform() {
    World::start(&[]).patient_caller("terraform_run.py").expect_success();
}

#[test]
fn code_in_buckets() {
    World::start(&[]).caller("lambda_objects.py").expect_success();
}

#[test]
fn network() {
    World::start(&[]).caller("network.py").expect_success();
}

// EDG-132, EDG-133, EDG-134, EDG-135: sources that no security group admits are refused
#[test]
fn security_groups() {
    World::start(&[]).caller("security_groups.py").expect_success();
}

#[test]
fn rules() {
    World::start(&[]).caller("rules.py").expect_success();
}

#[test]
fn target_groups() {
    World::start(&[]).caller("target_groups.py").expect_success();
}

#[test]
fn function_urls() {
    let world = World::start(&[]);
    world.caller_in("function_urls.py", "first").expect_success();
    world
        .killed_and_started(&[])
        .caller_in("function_urls.py", "second")
        .expect_success();
}

// LAM-I-014: an SDK reads the frames. LAM-I-015: and finds their checksums correct
// LAM-R-019: a piece is there before the function has ended
#[test]
fn answers_that_stream() {
    // Sixty-four megabytes would take half a minute.
    World::start(&["--stream-rate", "unlimited"])
        .caller("response_stream.py")
        .expect_success();
}

#[test]
fn answers_that_stream_faster_than_they_may_come_whole() {
    World::start(&[]).caller("stream_rate.py").expect_success();
}

#[test]
fn functions() {
    World::start(&[]).caller("functions.py").expect_success();
}

#[test]
fn metrics() {
    World::start(&[]).caller("metrics.py").expect_success();
}

// LAM-M-004: Invocations, Errors and Duration by FunctionName, and by FunctionName and Resource
#[test]
fn metrics_of_what_was_served() {
    let world = World::start(&[]);
    world.caller_in("served.py", "first").expect_success();
    // What the last minute was is told when it is over, or when the server stops.
    world
        .stopped_and_started(&[])
        .caller_in("served.py", "second")
        .expect_success();
}

#[test]
fn metrics_by_the_sdk_for_javascript() {
    World::start(&[])
        .node_caller("metrics.mjs", "test", "secret")
        .expect_success();
}

// EDG-123: the same token, the same certificate. EDG-124: a record for each name
// EDG-126: not while it is in use. EDG-127: imported again without a drop. EDG-128: what does not fit is refused
// EDG-129: the name chooses. EDG-131: renewed under its ARN
#[test]
fn certificates() {
    World::start(&[]).caller("certificates.py").expect_success();
}

#[test]
fn log_groups() {
    World::start(&[]).caller("logs.py").expect_success();
}

#[test]
fn asynchronous_invocations() {
    World::start(&[])
        .caller_in("event_invoke.py", "locked")
        .expect_success();
    World::start(&["--manifest-unlocked"])
        .caller_in("event_invoke.py", "unlocked")
        .expect_success();
}

// LAM-A-011: an event that waited while the code was changed runs the new one
#[test]
fn events_that_wait() {
    let world = World::start(&[]);
    world.caller_in("events_queued.py", "first").expect_success();
    world
        .killed_and_started(&[])
        .caller_in("events_queued.py", "second")
        .expect_success();
}

#[test]
fn what_the_manifest_owns() {
    World::start(&[])
        .caller_in("manifest_owned.py", "locked")
        .expect_success();
    World::start(&["--manifest-unlocked"])
        .caller_in("manifest_owned.py", "unlocked")
        .expect_success();
}

#[test]
fn functions_of_the_api() {
    World::start(&[]).caller("lambda_functions.py").expect_success();
}

#[test]
fn subnets_and_groups_of_functions() {
    let mut world = World::start(&[]);
    world.caller_in("lambda_network.py", "first").expect_success();
    // They change nothing about packets, and whoever sets them is told.
    let told = world
        .server
        .logged("VpcConfig is kept and shown, and no packet goes another way for it");
    assert!(told["function"].as_str().unwrap().contains(":function:"), "{told}");
    world
        .killed_and_started(&[])
        .caller_in("lambda_network.py", "second")
        .expect_success();
}

#[test]
fn versions_aliases_layers_and_urls() {
    World::start(&[]).caller("lambda_versions.py").expect_success();
}

#[test]
fn provisioned_concurrency() {
    World::start(&[]).caller("provisioned.py").expect_success();
}

#[test]
fn provisioned_concurrency_survives_a_kill() {
    let world = World::start(&[]);
    world.caller_in("provisioned.py", "first").expect_success();
    world
        .killed_and_started(&[])
        .caller_in("provisioned.py", "second")
        .expect_success();
}

#[test]
fn what_was_answered_survives_a_kill() {
    let world = World::start(&[]);
    world.caller_in("durable.py", "first").expect_success();
    world
        .killed_and_started(&[])
        .caller_in("durable.py", "second")
        .expect_success();
}

#[test]
fn a_changed_manifest_leaves_the_rest_alone() {
    let mut world = World::start(&[]);
    world.caller_in("durable.py", "first").expect_success();
    world.change_manifest("body: owned }", "body: changed }");
    assert_eq!(get(world.server.socket(8080), "/").1, "changed");
    world.caller_in("durable.py", "second").expect_success();
}

// LAM-P-015: an alias has a permission of its own
#[test]
fn the_command_line_from_nothing_to_nothing() {
    let world = World::start(&[]);
    for part in [
        "function_is_made",
        "function_is_served",
        "code_is_changed",
        "alias_shifts",
        "all_is_deleted",
    ] {
        world.shell_caller_in("story.sh", part).expect_success();
    }
}

// LAM-E-015: the credentials in a function's environment are those of its role
#[test]
fn functions_call_the_apis_through_their_doors() {
    World::start(&[]).caller("door.py").expect_success();
}

#[test]
fn the_sdk_for_javascript_inside_of_functions() {
    World::start(&[]).caller("door_node.py").expect_success();
}

#[test]
fn functions_that_are_not_confined_call_the_apis_too() {
    World::start(&["--sandbox", "process"])
        .caller("door.py")
        .expect_success();
}

#[test]
fn functions_that_call_themselves_are_stopped() {
    World::start(&[]).caller_in("door.py", "loop").expect_success();
}

#[test]
fn signatures_are_verified_with_a_key() {
    let key = [
        "--access-key",
        "AKIDEXAMPLE",
        "--secret-key",
        "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    ];
    World::start(&key).caller("signatures.py").expect_success();
}

#[test]
fn bodies_in_chunks() {
    let key = [
        "--access-key",
        "AKIDEXAMPLE",
        "--secret-key",
        "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        "--stream-rate",
        "unlimited",
    ];
    World::start(&key).caller("chunked.py").expect_success();
}

#[test]
fn the_sdk_for_javascript() {
    let key = [
        "--access-key",
        "AKIDEXAMPLE",
        "--secret-key",
        "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    ];
    World::start(&key)
        .node_caller("sdk.mjs", key[1], key[3])
        .expect_success();
}

#[test]
fn without_a_key_any_signature_will_do() {
    World::start(&[]).caller("unverified.py").expect_success();
}

#[test]
fn users_roles_and_policies() {
    let (access_key, secret_key) = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
    let world = World::start(&["--access-key", access_key, "--secret-key", secret_key]);
    world.caller_with_key("iam.py", access_key, secret_key).expect_success();
}

#[test]
fn policies_with_conditions() {
    let (access_key, secret_key) = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
    let world = World::start(&["--access-key", access_key, "--secret-key", secret_key]);
    world
        .caller_with_key("iam_conditions.py", access_key, secret_key)
        .expect_success();
}

// LAM-P-007, LAM-P-015: the policy of what is named lets, and refuses, whoever calls
#[test]
fn what_a_call_needs_beside_its_own_action() {
    World::start(&[])
        .caller_with_key("iam_beside.py", "test", "test-secret")
        .expect_success();
}

#[test]
fn without_a_root_key_keys_of_users_are_verified_all_the_same() {
    let world = World::start(&[]);
    world.caller_in("iam_open.py", "first").expect_success();
    world
        .killed_and_started(&[])
        .caller_in("iam_open.py", "second")
        .expect_success();
}

/// A program that is not run by a test above proves nothing.
#[test]
fn every_caller_is_run() {
    let tests = std::fs::read_to_string(repository("crates/albacore/tests/aws/main.rs")).unwrap();
    for file in std::fs::read_dir(repository("tests/aws")).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let is_shared = [
            "aws.py",
            "resources.py",
            "lambda_package.py",
            "plans.py",
            "identities.py",
            "node",
            "terraform",
        ]
        .contains(&name.as_str())
            || name.starts_with("__");
        assert!(is_shared || tests.contains(&format!("\"{name}\"")), "{name} is not run");
    }
}
