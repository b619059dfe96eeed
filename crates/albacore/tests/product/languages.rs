//! Java and Ruby behind a listener, and a host that has not got what a language needs.

use crate::support::*;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use testkit::repository;

/// What `make setup` has made of `tests/stock/java`.
fn java(name: &str) -> String {
    let path = repository(&format!("target/stock/java/{name}"));
    assert!(Path::new(&path).is_dir(), "{path} is not there; run `make setup`");
    path
}

const RUBY: &str = "def handler(event:, context:)
  { statusCode: 201, headers: { 'content-type' => 'text/plain' }, body: \"Hello from ruby #{event['path']}\" }
end
";

fn manifest() -> String {
    let function = |name: &str, rest: &str| format!("  {name}: {{ timeout: 60s, memory: 128MB, {rest} }}\n");
    let functions = [
        function(
            "coffee",
            &format!(
                "runtime: java17, handler: 'stock.Function::handle', code: {}",
                java("classes")
            ),
        ),
        function("gem", "runtime: ruby3.2, handler: app.handler, code: ./ruby"),
    ];
    format!(
        "functions:\n{}target_groups:\n  coffee: {{ function: coffee }}\n  gem: {{ function: gem }}\nload_balancers:\n  \
         all:\n    listeners:\n      - {{ port: 8080, protocol: http, default: {{ forward: coffee }} }}\n      \
         - {{ port: 8081, protocol: http, default: {{ forward: gem }} }}\n",
        functions.concat()
    )
}

fn folder() -> Folder {
    let folder = Folder::new(env!("CARGO_BIN_EXE_albacore"));
    fs::create_dir(folder.path("ruby")).unwrap();
    folder.write("ruby/app.rb", RUBY);
    folder.write("albacore.yaml", &manifest());
    folder
}

fn up(folder: &Folder, more: &[&str]) -> Server {
    let usual = [
        "up",
        "--json",
        "--endpoint",
        "127.0.0.1:0",
        "--publish",
        "8080:0",
        "--publish",
        "8081:0",
    ];
    // A home without a Maven repository.
    Server::start(
        folder
            .albacore(&[&usual, more].concat())
            .env("HOME", folder.path("ruby")),
    )
}

// LAM-R-031: a handler behind Java's public client answers a load balancer
#[test]
fn java_and_ruby_answer_a_load_balancer() {
    let folder = folder();
    fs::create_dir(folder.path("clients")).unwrap();
    symlink(java("lib"), folder.path("clients/java")).unwrap();
    let server = up(&folder, &["--runtime-clients", "clients"]);
    assert_eq!(
        get(server.socket(8080), "/hello"),
        (200, "Hello from java coffee".to_owned())
    );
    assert_eq!(get(server.socket(8080), "/fail").0, 502);
    assert_eq!(get(server.socket(8080), "/hello").0, 200);
    assert_eq!(
        get(server.socket(8081), "/there"),
        (201, "Hello from ruby /there".to_owned())
    );
}

#[test]
fn a_host_without_the_client_of_java_says_what_to_install() {
    let folder = folder();
    let mut server = up(&folder, &[]);
    let told = loop {
        let warning = server.notice("warning");
        let message = warning["message"].as_str().unwrap().to_owned();
        if message.contains("runtime interface client") {
            break message;
        }
    };
    for part in [
        "function coffee: java17",
        "mvn dependency:get -Dartifact=com.amazonaws:",
        "runtime-clients/java",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(get(server.socket(8080), "/hello").0, 502);
    assert_eq!(get(server.socket(8081), "/").0, 201);
}
