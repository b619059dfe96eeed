//! Commands besides `up`.

use crate::support::{manifest, new_folder, repository, with_manifest};
use serde_json::Value;

#[test]
fn check_finds_every_mistake_and_touches_nothing() {
    let https = "      - { port: 8443, protocol: https, certificates: [{ domain: a.localhost }], default: { forward: worker } }\n";
    let folder = with_manifest("a", https);
    folder.run(&["check"]).expect(
        0,
        "albacore.yaml: ok (1 load balancer, 2 listeners, 1 target group, 1 certificate, 1 function)",
        "",
    );
    let good = folder.run(&["check", "--json"]);
    assert_eq!(
        (good.code, &good.json()["ok"], &good.json()["resources"]["listeners"]),
        (Some(0), &true.into(), &2.into())
    );
    assert!(!folder.path(".albacore").exists());

    folder.write(
        "bad.yaml",
        &manifest("a", "    colour: red\n").replace("60s", "60 parsecs"),
    );
    let bad = folder.run(&["check", "bad.yaml"]);
    bad.expect(1, "", "bad.yaml:4:");
    bad.expect(1, "", "2 mistakes");
    let bad = folder.run(&["check", "--json", "bad.yaml"]);
    let lines: Vec<_> = bad.json()["mistakes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mistake| mistake["line"].clone())
        .collect();
    assert_eq!((bad.code, lines), (Some(1), vec![4.into(), 12.into()]));

    folder.run(&["check", "missing.yaml"]).expect(1, "", "missing.yaml");
    folder.run(&["check", "--no-such-flag"]).expect(2, "", "--no-such-flag");
}

/// The block of the README that begins with this language.
fn readme_block(readme: &str, language: &str) -> String {
    let (_, rest) = readme.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_readme_shows_what_is_said() {
    let readme = std::fs::read_to_string(repository("README.md")).unwrap();
    let folder = new_folder();
    std::fs::create_dir(folder.path("beta")).unwrap();
    folder.write("beta/app.py", &readme_block(&readme, "python"));
    let manifest = readme_block(&readme, "yaml");
    folder.write("albacore.yaml", &manifest);
    let good = folder.run(&["check"]);
    good.expect(0, "albacore.yaml: ok", "");
    assert_eq!(good.err, "", "no warnings");

    let broken = manifest.replace("beta: 10", "bta: 10");
    assert_ne!(broken, manifest);
    folder.write("albacore.yaml", &broken);
    let said = folder.run(&["check"]);
    let mistake = said.err.lines().next().unwrap();
    assert!(
        readme.lines().any(|line| line == mistake),
        "the README does not show {mistake:?}"
    );
    said.expect(1, "", "albacore.yaml: 1 mistake\n");
    assert!(readme.contains("\nalbacore.yaml: 1 mistake; keeping"));
}

#[test]
fn settings_without_effect_are_warned_about() {
    let folder = with_manifest("a", "");
    let mut server = folder.up(&[]);
    folder.write(
        "albacore.yaml",
        &manifest("a", "").replace("target_groups:", "target_groups:\n  lonely: { function: worker }"),
    );
    let told = server.notice("warning");
    let lonely = "target group `lonely` is used by no listener and no rule";
    assert_eq!(told["message"].as_str(), Some(lonely), "{told}");
    let warning = format!("albacore.yaml:7:3: {lonely}");
    folder
        .run(&["check"])
        .expect(0, "albacore.yaml: ok", &format!("warning: {warning}"));
    folder.run(&["doctor"]).expect(0, &warning, "");
}

/// Nothing is said of what holds here.
#[test]
fn limits_of_memory_are_doubted_only_where_there_are_none() {
    let folder = with_manifest("a", "");
    let text = manifest("a", "").replace("timeout: 60s", "timeout: 60s\n    memory: 512MB");
    folder.write("albacore.yaml", &text);
    let said = folder.run(&["check"]);
    assert!(said.code == Some(0) && !said.err.contains("memory"), "{said:?}");
    let mut server = folder.up(&["--sandbox", "process"]);
    let told = server.notice("warning");
    let expected = "function worker: its `memory` is told to it, but no limit: the tier `process` has none";
    assert_eq!(told["message"].as_str(), Some(expected), "{told}");
}

#[test]
fn doctor_lists_attributes_without_effect() {
    let folder = new_folder();
    let key = "target_group_health.dns_failover.minimum_healthy_targets.count";
    let text = format!(
        "target_groups:\n  web:\n    targets: [127.0.0.1]\n    attributes: {{ {key}: 2 }}\nload_balancers:\n  shop:\n    \
         listeners: [{{ port: 8080, default: {{ forward: web }} }}]\n"
    );
    folder.write("albacore.yaml", &text);
    let listed = format!("warning: albacore.yaml:4:83: `{key}` has no effect: ");
    folder.run(&["doctor"]).expect(0, &listed, "");
    folder.write("albacore.yaml", &text.replace(": 2 }", ": 1 }"));
    let said = folder.run(&["doctor"]);
    assert!(said.code == Some(0) && !said.out.contains("no effect"), "{}", said.out);
}

#[test]
fn check_finds_what_only_the_routing_table_refuses() {
    let rest = "  other:
    listeners:
      - port: 8080
        protocol: https
        certificates: [{ domain: a.localhost }]
        \
                default: { fixed_response: { status: 200 } }
";
    let folder = with_manifest("a", rest);
    folder.run(&["check"]).expect(
        1,
        "",
        "albacore.yaml:14:9: port 8080 has an HTTP listener and an HTTPS listener",
    );
}

#[test]
fn explain_needs_no_server_when_it_is_given_a_file() {
    let folder = with_manifest("a", "");
    let text = folder.run(&["explain", "GET", "/orders?x=1", "-H", "A: b", "--file", "albacore.yaml"]);
    text.expect(
        0,
        "listener HTTP:8080 of load balancer shop\n  \u{2713} default rule matches\nforward to target group worker",
        "",
    );
    text.expect(0, "\"queryStringParameters\":{\"x\":\"1\"}", "");
    let json = folder.run(&[
        "explain",
        "POST",
        "/",
        "-d",
        "hi",
        "-H",
        "Content-Type: text/plain",
        "--client",
        "10.0.0.9",
        "--file",
        "albacore.yaml",
        "--json",
    ]);
    let event = &json.json()["action"]["target_groups"][0]["event"];
    assert_eq!(
        (&event["body"], &event["headers"]["x-forwarded-for"]),
        (&"hi".into(), &"10.0.0.9".into())
    );
    folder
        .run(&["explain", "GET", "http://localhost:9/", "--file", "albacore.yaml"])
        .expect(1, "", "no http listener has port 9");
    folder
        .run(&["explain", "GET", "/", "-d", "@missing", "--file", "albacore.yaml"])
        .expect(1, "", "cannot open missing");
    assert!(!folder.path(".albacore").exists());
}

#[test]
fn explain_asks_the_running_server() {
    let folder = with_manifest("a", "");
    let none = folder.run(&["explain", "GET", "/"]);
    none.expect(1, "", "albacore up");
    none.expect(1, "", "--file");
    let server = folder.up(&[]);
    folder.write("body", "from a file");
    let url = format!("http://localhost:{}/a", server.socket(8080).port());
    let by_socket = folder.run(&[
        "explain",
        "PUT",
        &url,
        "-d",
        "@body",
        "-H",
        "Content-Type: text/plain",
        "--json",
    ]);
    let event = &by_socket.json()["action"]["target_groups"][0]["event"];
    assert_eq!(
        (&event["body"], &event["httpMethod"]),
        (&"from a file".into(), &"PUT".into())
    );
    folder
        .run(&["explain", "GET", "http://localhost:8080/a"])
        .expect(0, "function worker", "");
    folder
        .run(&["explain", "GET", "http://localhost:9/a"])
        .expect(1, "", "no http listener has port 9");
    let (_, requests) = server.own_api("requests");
    assert_eq!(
        requests["requests"],
        Value::Array(vec![]),
        "nothing was sent to a target"
    );
}

#[test]
fn status_shows_the_running_server() {
    let folder = with_manifest("a", "");
    folder.run(&["status"]).expect(
        1,
        "",
        "no albacore is running on .albacore; start one with `albacore up`",
    );
    let server = folder.up(&[]);
    let text = folder.run(&["status"]);
    text.expect(0, &format!("http://localhost:{}/", server.socket(8080).port()), "");
    text.expect(0, "function worker (provided.al2023)", "");
    text.expect(0, "\ntarget worker of target group worker\n  unavailable", "");
    text.expect(0, "/.albacore/logs, 0 events written, 0 lost", "");
    let json = folder.run(&["status", "--json"]).json();
    assert_eq!((&json["ready"], &json["revision"]), (&true.into(), &1.into()));
    // Found by its endpoint from anywhere else, too.
    let elsewhere = new_folder();
    elsewhere
        .run(&["status", "--endpoint", &server.endpoint().to_string()])
        .expect(0, "ready", "");
}

#[test]
fn doctor_tells_what_the_machine_can_do() {
    let folder = with_manifest("a", "");
    let theirs = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let publish = format!("8080:{}", theirs.local_addr().unwrap().port());
    let text = folder.run(&["doctor", "--publish", &publish]);
    for part in [
        "sandbox     tier ",
        "python3: Python 3",
        "open files",
        "policies are served whole",
        "in use",
    ] {
        text.expect(0, part, "");
    }
    let json = folder.run(&["doctor", "--json", "--publish", "8080:0"]).json();
    assert_eq!(json["manifest"]["ports"][0]["free"], true);
    folder.write("albacore.yaml", "functions: 1\n");
    folder.run(&["doctor"]).expect(1, "1 mistake", "");
}

#[test]
fn doctor_warns_of_a_limit_of_open_files_that_is_too_low() {
    let folder = with_manifest("a", "");
    let of = |connections: &str| {
        let limited = "ulimit -n 120 && exec \"$0\" doctor --cores 1 --publish 8080:0 --connections-max \"$1\"";
        testkit::run(
            std::process::Command::new("sh")
                .args(["-c", limited, env!("CARGO_BIN_EXE_albacore"), connections])
                .current_dir(folder.path("")),
        )
    };
    of("27").expect(
        0,
        "warning: 120 open files are enough for 26 client connections, not for the 27 of --connections-max",
        "",
    );
    assert!(!of("26").out.contains("enough"));
}

#[test]
fn help_teaches_by_example() {
    let folder = new_folder();
    for (args, example) in [
        (vec!["--help"], "albacore explain GET http://localhost:8080/orders/7"),
        (vec!["up", "--help"], "ALBACORE_DATA_DIR"),
        (vec!["check", "--help"], "albacore check --json deploy/albacore.yaml"),
        (vec!["explain", "--help"], "-d @order.json"),
        (vec!["--help"], "albacore logs -f"),
        (vec!["up", "--help"], "ALBACORE_STRICT_RUNTIMES"),
        (
            vec!["invoke", "--help"],
            "albacore invoke orders --payload-file event.json",
        ),
        (vec!["invoke", "--help"], "1  the function failed"),
        (vec!["logs", "--help"], "albacore logs --since 10m --limit 1000"),
    ] {
        folder.run(&args).expect(0, example, "");
    }
    folder.run(&["--version"]).expect(0, env!("CARGO_PKG_VERSION"), "");
    folder.run(&[]).expect(2, "", "Usage");
}
