//! Changes of the manifest and of code while the server runs.

use crate::support::{get, manifest, with_manifest, worker};
use rustix::process::Signal;
use std::fs;

const SECOND: &str =
    "      - { port: 8081, protocol: http, default: { fixed_response: { status: 404, body: none } } }\n";

#[test]
fn a_saved_change_is_served_and_sockets_stay() {
    let folder = with_manifest("one", "");
    let mut server = folder.up(&["--publish", "8081:0"]);
    let socket = server.socket(8080);
    assert_eq!(worker(&server).0, "one");
    folder.write("albacore.yaml", &manifest("two", SECOND));
    let revision = server.notice("revision");
    assert_eq!(
        (&revision["revision"], &revision["change"]),
        (&2.into(), &"1 listener added, 1 function changed".into())
    );
    assert_eq!(worker(&server).0, "two");
    assert_eq!(server.socket(8080), socket, "the listener stays open");
    assert_eq!(get(server.socket(8081), "/"), (404, "none".to_owned()));
    assert_eq!(server.own_api("ready").0, 200);
    // And back: the port is closed again.
    let second = server.socket(8081);
    folder.write("albacore.yaml", &manifest("two", ""));
    assert_eq!(server.notice("revision")["change"], "1 listener removed");
    assert!(std::net::TcpStream::connect(second).is_err() || !server.own_api("status").1.to_string().contains(":8081"));
}

#[test]
fn a_change_with_mistakes_keeps_what_was_and_can_be_mended() {
    let folder = with_manifest("one", "");
    let mut server = folder.up(&[]);
    folder.write("albacore.yaml", &manifest("two", "").replace("default", "defualt"));
    let mistake = server.notice("mistake");
    assert_eq!(mistake["line"], 11, "{mistake}");
    assert_eq!(server.notice("kept")["revision"], 1);
    assert_eq!(worker(&server).0, "one");
    assert_eq!(server.own_api("ready").0, 200);
    // What only the compiled table would refuse: both protocols on one port.
    let rest = "      - { port: 8082, protocol: http, default: { forward: worker } }\n  other:\n    listeners:\n      \
                - port: 8082\n        protocol: https\n        certificates: [{ domain: a.localhost }]\n        \
                default: { fixed_response: { status: 200 } }\n";
    folder.write("albacore.yaml", &manifest("two", rest));
    let mistake = server.notice("mistake");
    assert!(
        mistake["message"].as_str().unwrap().contains("HTTPS") && mistake["line"] == 15,
        "{mistake}"
    );
    assert_eq!(server.notice("kept")["revision"], 1);
    assert_eq!(server.own_api("status").1["revision"], 1);
    // Mended to what it was: told, because somebody waits for it.
    folder.write("albacore.yaml", &manifest("one", ""));
    assert_eq!(server.notice("unchanged")["revision"], 1);
    folder.write("albacore.yaml", &manifest("two", ""));
    assert_eq!(server.notice("revision")["revision"], 2);
    assert_eq!(worker(&server).0, "two");
}

#[test]
fn new_code_is_run_by_new_environments() {
    let folder = with_manifest("one", "");
    let mut server = folder.up(&[]);
    let (_, before) = worker(&server);
    let code = fs::read_to_string(folder.path("function")).unwrap();
    let old = folder.path("old");
    fs::copy(folder.path("function"), &old).unwrap();
    fs::write(&old, code.replace("STAGE\", \"\")", "STAGE\", \"\") + \"-new\"")).unwrap();
    fs::rename(old, folder.path("function")).unwrap();
    assert_eq!(server.notice("revision")["change"], "1 function changed");
    let (stage, after) = worker(&server);
    assert_eq!(stage, "one-new");
    assert_ne!(before, after);
}

#[test]
fn a_hang_up_reads_the_manifest_again() {
    let folder = with_manifest("one", "");
    let mut server = folder.up(&[]);
    server.signal(Signal::HUP);
    assert_eq!(server.notice("unchanged")["revision"], 1);
    assert_eq!(worker(&server).0, "one");
}

#[test]
fn a_port_that_cannot_be_had_changes_nothing() {
    let theirs = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = theirs.local_addr().unwrap().port();
    let folder = with_manifest("one", "");
    let mut server = folder.up(&["--publish", &format!("8081:{taken}")]);
    folder.write("albacore.yaml", &manifest("two", SECOND));
    let mistake = server.notice("mistake");
    let message = mistake["message"].as_str().unwrap();
    assert!(
        message.contains("in use") && message.ends_with("; then save the file or send SIGHUP"),
        "{mistake}"
    );
    server.notice("kept");
    assert_eq!(worker(&server).0, "one");
    drop(theirs);
    server.signal(Signal::HUP);
    assert_eq!(server.notice("revision")["revision"], 2);
    assert_eq!(worker(&server).0, "two");
}
