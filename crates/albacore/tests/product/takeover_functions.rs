//! `albacore up --takeover` while functions are called at their URLs, on a socket of their own, and call AWS's APIs themselves.

use crate::aws::call;
use crate::doors::CALLER;
use crate::support::*;
use rustix::process::Signal;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Answers with who it is, asked through its door; at `/slow` it waits at the gate first, and calls another function then.
const HANDLER: &str = r#"
def handler(event, context):
    if event.get("rawPath") == "/slow":
        print("waiting", flush=True)
        open("gate").read()
        status, text = call("lambda", "/2015-03-31/functions/other/invocations", "{}")
        return "%d %s" % (status, text)
    return who()
"#;

const MANIFEST: &str = "\
functions:
  orders: { code: ./orders, runtime: python3.12, handler: app.handler, timeout: 60s, url: { auth: none } }
  other: { code: ./other, runtime: python3.12, handler: app.handler, timeout: 60s }
";
const WHO: &str = "arn:aws:sts::000000000000:assumed-role/orders/orders";
const URLS: [&str; 4] = ["--function-url-listen", "127.0.0.1:0", "--drain", "30s"];

fn folder() -> Folder {
    let folder = Folder::new(env!("CARGO_BIN_EXE_albacore"));
    for name in ["orders", "other"] {
        fs::create_dir(folder.path(name)).unwrap();
    }
    folder.write("orders/app.py", &format!("{CALLER}{HANDLER}"));
    folder.write("other/app.py", "def handler(event, context):\n    return 'called'\n");
    folder.make_pipe("orders/gate");
    folder.write("albacore.yaml", MANIFEST);
    folder
}

/// The host of the URL, and the socket for URLs.
fn url(server: &Server) -> (String, SocketAddr) {
    let (_, status) = server.own_api("status");
    let functions = status["functions"].as_array().unwrap();
    let url = functions.iter().find(|it| it["name"] == "orders").unwrap()["url"]
        .as_str()
        .unwrap();
    let host = url.strip_prefix("http://").unwrap().trim_end_matches('/').to_owned();
    let port: u16 = host.rsplit_once(':').unwrap().1.parse().unwrap();
    (host, SocketAddr::from(([127, 0, 0, 1], port)))
}

/// As a form has it.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn request(host: &str, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
}

#[test]
fn no_request_to_a_url_is_lost_and_every_door_stays_open() {
    let folder = folder();
    let mut old = folder.up(&URLS);
    let (host, socket) = url(&old);
    assert_ne!(socket, old.endpoint());
    let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    // Two at the socket of the URLs, and one at the endpoint, which answers for them, too.
    let clients: Vec<_> = [socket, socket, old.endpoint()]
        .into_iter()
        .map(|address| {
            let (stop, answers, request) = (stop.clone(), answers.clone(), request(&host, "/"));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let (status, body) = receive(send(address, &request));
                    assert_eq!((status, body.as_str()), (200, WHO));
                    answers.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let some_more = || {
        let before = answers.load(Ordering::Relaxed);
        until("requests are answered", || {
            let is_lost = clients.iter().any(std::thread::JoinHandle::is_finished);
            assert!(!is_lost, "a request was lost");
            (answers.load(Ordering::Relaxed) >= before + 12).then_some(())
        });
    };
    some_more();
    for _ in 0..2 {
        let new = folder.up(&[&URLS[..], &["--takeover"]].concat());
        old.notice("handed_over");
        assert_eq!(url(&new), (host.clone(), socket), "the URL stays what it was");
        some_more();
        assert_eq!(old.exit_code(), Some(0));
        some_more();
        old = new;
    }
    stop.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().unwrap());
    old.signal(Signal::TERM);
    assert_eq!(old.exit_code(), Some(0));
}

// What was called by its URL is finished before the process ends, when it is stopped as when it is replaced.
#[test]
fn a_stop_waits_for_functions_that_were_called_by_their_urls() {
    let folder = folder();
    let mut server = folder.up(&URLS);
    let (host, socket) = url(&server);
    let slow = send(socket, &request(&host, "/slow"));
    server.log_line("waiting");
    server.signal(Signal::TERM);
    server.notice("stopping");
    fs::write(folder.path("orders/gate"), "").unwrap();
    let (status, body) = receive(slow);
    assert!(
        status == 200 && body.contains("not authorized to perform: lambda:InvokeFunction"),
        "{body}"
    );
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn a_function_that_runs_goes_on_calling_through_its_door() {
    let folder = folder();
    let mut old = folder.up(&URLS);
    let (host, socket) = url(&old);
    let trust = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;
    let may =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"*"}}"#;
    for form in [
        format!(
            "Action=CreateRole&Version=2010-05-08&RoleName=orders&AssumeRolePolicyDocument={}",
            encoded(trust)
        ),
        format!(
            "Action=PutRolePolicy&Version=2010-05-08&RoleName=orders&PolicyName=own&PolicyDocument={}",
            encoded(may)
        ),
    ] {
        let (status, answer) = call(old.endpoint(), "iam", &form).unwrap();
        assert_eq!(status, 200, "{answer}");
    }
    let slow = send(socket, &request(&host, "/slow"));
    old.log_line("waiting");
    let new = folder.up(&[&URLS[..], &["--takeover"]].concat());
    old.notice("handed_over");
    assert_eq!(
        receive(send(socket, &request(&host, "/"))),
        (200, WHO.to_owned()),
        "the new one serves"
    );
    // The function that it calls has not run in the old process yet.
    fs::write(folder.path("orders/gate"), "").unwrap();
    assert_eq!(receive(slow), (200, "200 \"called\"".to_owned()));
    assert_eq!(old.exit_code(), Some(0));
    assert_eq!(new.own_api("ready").0, 200);
}
