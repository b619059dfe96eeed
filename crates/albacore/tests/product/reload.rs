//! Changes of the manifest and of code while the server runs.

use crate::support::{Folder, get, manifest, new_folder, until, with_manifest, worker};
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

/// A folder that is itself the code of its function.
fn folder_of_code() -> Folder {
    let folder = new_folder();
    fs::copy(folder.path("function"), folder.path("bootstrap")).unwrap();
    folder.write("albacore.yaml", &manifest("one", "").replace("./function", "."));
    folder
}

#[test]
fn what_albacore_writes_into_a_folder_of_code_is_no_change_of_it() {
    let folder = folder_of_code();
    let mut server = folder.up(&["--data-dir", "state", "--access-log", "requests.log"]);
    assert_eq!(worker(&server).0, "one");
    until("the access log", || {
        fs::metadata(folder.path("requests.log"))
            .ok()
            .filter(|about| about.len() > 0)
    });
    server.signal(Signal::HUP);
    assert_eq!(server.notice("unchanged")["revision"], 1);
    // What a user writes is.
    folder.write("other", "");
    assert_eq!(server.notice("revision")["revision"], 2);
}

#[test]
fn output_that_goes_to_a_folder_of_code_is_no_change_of_it() {
    struct Killed(std::process::Child);
    impl Drop for Killed {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
    let folder = folder_of_code();
    let output = fs::File::create(folder.path("up.err")).unwrap();
    let told = |event: &str| {
        let text = fs::read_to_string(folder.path("up.err")).unwrap();
        text.contains(&format!("\"event\":\"{event}\"")).then_some(text)
    };
    let arguments = [
        "up",
        "--json",
        "--endpoint",
        "127.0.0.1:0",
        "--publish",
        "8080:0",
        "--data-dir",
        ".",
    ];
    let mut command = folder.albacore(&arguments);
    command.env("ALBACORE_CORES", "1");
    command.stdout(output.try_clone().unwrap()).stderr(output);
    let server = Killed(command.spawn().unwrap());
    until("ready", || told("ready"));
    let pid = rustix::process::Pid::from_child(&server.0);
    rustix::process::kill_process(pid, Signal::HUP).unwrap();
    let text = until("unchanged", || told("unchanged"));
    assert!(!text.contains("\"event\":\"revision\""), "{text}");
}

#[test]
fn a_file_that_never_lies_still_is_named() {
    let folder = folder_of_code();
    let mut server = folder.up(&["--data-dir", "state"]);
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let growing = folder.path("grow.log");
    let writer = std::thread::spawn(move || {
        let mut text = String::new();
        while stopped.recv_timeout(std::time::Duration::from_millis(20))
            == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
        {
            text.push_str("line\n");
            fs::write(&growing, &text).unwrap();
        }
    });
    let warning = format!(
        "{} keeps changing and counts as code, so changes are followed only every 4 s at worst; let it be written to a \
         folder that is not the code of a function",
        folder.path("grow.log").display()
    );
    server.logged(&warning);
    drop(stop);
    writer.join().unwrap();
    assert_eq!(worker(&server).0, "one");
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
