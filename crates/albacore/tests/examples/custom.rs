//! `examples/custom`.

use crate::started::Started;
use serde_json::json;
use std::process::Command;
use testkit::repository;

/// As its README says. What was built before is not built again.
fn build() {
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--release", "--locked", "--manifest-path"]);
    command.arg(repository("examples/custom/Cargo.toml"));
    // The target folder and the flags of this build are not those of the example.
    for (name, _) in std::env::vars_os() {
        let of_cargo = name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_") && name != "CARGO_HOME");
        if of_cargo || name == "RUSTFLAGS" {
            command.env_remove(&name);
        }
    }
    // Not `testkit::run`: compiling takes longer than anything it waits for.
    let built = command.output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
}

#[test]
fn a_program_of_its_own_greets() {
    build();
    let mut custom = Started::new("custom", &[8080]);
    let answer = custom.curl(&["http://localhost:8080/greet?name=Ada"]);
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({"greeting": "Hello, Ada!"}))
    );
    assert_eq!(answer.headers("content-type"), ["application/json"]);
    assert_eq!(custom.log_line("greets Ada")["function"], "greet");
    let answer = custom.curl(&["http://localhost:8080/greet"]);
    assert_eq!(answer.json(), json!({"greeting": "Hello, world!"}));
    assert_eq!(custom.curl(&["http://localhost:8080/"]).text(), "try /greet");
}
