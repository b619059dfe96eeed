//! Asynchronous invocations that fail and leave a record in a bucket: whatever is killed, and whenever the bucket comes.

use crate::aws::lambda;
use crate::events::{Collector, FUNCTION, send, waiting};
use crate::support::{Folder, get, new_folder, until};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::{Arc, Mutex};

const OPTIONS: [&str; 2] = ["--s3-root", "s3"];
const WAITS: &str = "the record of an asynchronous invocation cannot be delivered yet";
const CONFIG: &str = "/2019-09-25/functions/work/event-invoke-config";

/// A function `work` that leaves records in the bucket `dead`, which is not there yet.
fn folder(collector: SocketAddr, more: &str) -> Folder {
    let folder = new_folder();
    folder.write_program("function", FUNCTION);
    folder.make_pipe("gate");
    fs::create_dir(folder.path("s3")).unwrap();
    let manifest = format!(
        "functions:\n  work: {{ code: ./function, timeout: 60s, environment: {{ COLLECTOR: '{collector}', GATE: ./gate }}, \
         url: {{ auth: none }}{more} }}\n"
    );
    folder.write("albacore.yaml", &manifest);
    folder
}

const TO_BUCKET: &str = ", on_failure: 'arn:aws:s3:::dead', maximum_retry_attempts: 0";

/// Every file below a folder, by its path there.
fn files(below: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![below.to_owned()];
    while let Some(folder) = folders.pop() {
        // One that is being written may have gone meanwhile.
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.path().is_dir() {
                true => folders.push(entry.path()),
                false => found.push(entry.path().strip_prefix(below).unwrap().display().to_string()),
            }
        }
    }
    found.sort_unstable();
    found
}

fn objects(folder: &Folder) -> Vec<(String, Value)> {
    let bucket = folder.path("s3/dead");
    let is_object = |key: &String| !key.ends_with(".partial");
    let read = |key: String| {
        let bytes = fs::read(bucket.join(&key)).unwrap();
        let record = serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{key} is half there: {error}"));
        (key, record)
    };
    files(&bucket).into_iter().filter(is_object).map(read).collect()
}

/// The key follows from the record.
#[track_caller]
fn check_key(key: &str, record: &Value) {
    let time = record["timestamp"].as_str().unwrap();
    let (day, second) = (time[..10].replace('-', "/"), time[..19].replace(':', "."));
    let id = record["requestContext"]["requestId"].as_str().unwrap();
    assert_eq!(key, format!("aws/lambda/async/work/{day}/{second}-{id}"));
}

#[test]
fn a_failure_leaves_a_record_in_its_bucket() {
    let (collector, address) = Collector::start();
    let folder = folder(address, TO_BUCKET);
    fs::create_dir(folder.path("s3/dead")).unwrap();
    let server = folder.up(&OPTIONS);
    assert_eq!(send(server.endpoint(), "work", "{\"n\": 1}"), Some(202));
    assert_eq!(send(server.endpoint(), "work", "{\"do\": \"fail\"}"), Some(202));
    let (key, record) = until("the object", || objects(&folder).pop());
    check_key(&key, &record);
    assert_eq!(record["requestPayload"], json!({ "do": "fail" }));
    assert_eq!(
        record["responsePayload"],
        json!({ "errorMessage": "no", "errorType": "Error" })
    );
    assert_eq!(
        record["responseContext"],
        json!({ "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" })
    );
    let context = &record["requestContext"];
    assert_eq!(
        (&context["condition"], &context["approximateInvokeCount"]),
        (&json!("RetriesExhausted"), &json!(1))
    );
    let failed = collector.of("work");
    let failed = failed.iter().find(|line| line["event"]["do"] == "fail").unwrap();
    assert_eq!(context["requestId"], failed["id"]);
    until("nothing waits", || (waiting(&server) == 0).then_some(()));
    assert_eq!(files(&folder.path("s3")).len(), 1, "nothing is told of a success");
}

/// A bucket that is gone is no loss: the record waits, over a kill too, and the function is not run again for it.
#[test]
fn a_record_waits_for_its_bucket() {
    let (collector, address) = Collector::start();
    let folder = folder(address, TO_BUCKET);
    let mut server = folder.up(&OPTIONS);
    assert_eq!(send(server.endpoint(), "work", "{\"do\": \"fail\"}"), Some(202));
    let told = server.logged(WAITS);
    assert_eq!(told["why"], "the bucket does not exist");
    server.signal(Signal::KILL);
    assert_eq!(server.exit_code(), None);

    // Whoever has it next is told once more, and goes on trying.
    let mut server = folder.up(&OPTIONS);
    server.logged(WAITS);
    assert_eq!(waiting(&server), 1);
    fs::create_dir(folder.path("s3/dead")).unwrap();
    let (key, record) = until("the object", || objects(&folder).pop());
    check_key(&key, &record);
    until("nothing waits", || (waiting(&server) == 0).then_some(()));
    assert_eq!((collector.of("work").len(), objects(&folder).len()), (1, 1));
    let (_, metrics) = get(server.endpoint(), "/_albacore/metrics");
    let failures = metrics
        .lines()
        .filter(|line| line.starts_with("albacore_functions_destination_delivery_failures"));
    assert!(failures.clone().all(|line| line.ends_with(" 0")), "{metrics}");
}

/// Sends events that fail until the server is gone, and says which were accepted.
fn fail_for_ever(endpoint: SocketAddr, prefix: &str, accepted: &Mutex<BTreeSet<String>>) {
    for number in 0.. {
        let name = format!("{prefix}-{number}");
        let event = json!({ "do": "fail", "name": name });
        match send(endpoint, "work", &event.to_string()) {
            Some(202) => drop(accepted.lock().unwrap().insert(name)),
            Some(status) => panic!("{status}"),
            None => return,
        }
    }
}

/// Every event that was answered 202 and fails has its record, one and whole, whatever is killed.
#[test]
fn no_record_is_lost_or_half_there() {
    const KILLS: usize = 4;
    const CLIENTS: usize = 3;
    let (_collector, address) = Collector::start();
    let folder = folder(address, TO_BUCKET);
    fs::create_dir(folder.path("s3/dead")).unwrap();
    let accepted = Arc::new(Mutex::new(BTreeSet::new()));
    for kill in 0..KILLS {
        let mut server = folder.up(&OPTIONS);
        let endpoint = server.endpoint();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let accepted = accepted.clone();
                std::thread::spawn(move || fail_for_ever(endpoint, &format!("e{kill}-{client}"), &accepted))
            })
            .collect();
        let enough = objects(&folder).len() + 5 + 3 * kill;
        until("records are there", || (objects(&folder).len() >= enough).then_some(()));
        server.signal(Signal::KILL);
        assert_eq!(server.exit_code(), None);
        clients.into_iter().for_each(|client| client.join().unwrap());
        objects(&folder); // whole, each of them
    }
    let server = folder.up(&OPTIONS);
    until("nothing waits", || (waiting(&server) == 0).then_some(()));
    let accepted = accepted.lock().unwrap();
    let objects = objects(&folder);
    let mut told: Vec<String> = Vec::new();
    for (key, record) in &objects {
        check_key(key, record);
        told.push(record["requestPayload"]["name"].as_str().unwrap().to_owned());
    }
    for name in &*accepted {
        let times = told.iter().filter(|it| *it == name).count();
        assert_eq!(times, 1, "{name}");
    }
    // What each client did not hear of any more may have been accepted too.
    assert!(told.len() <= accepted.len() + CLIENTS * KILLS, "{}", told.len());
    assert_eq!(
        files(&folder.path("s3/dead")).len(),
        objects.len(),
        "nothing is left behind"
    );
}

fn put(endpoint: SocketAddr, on: &str, arn: &str) -> (u16, String) {
    let document = json!({ "MaximumRetryAttempts": 0, "DestinationConfig": { on: { "Destination": arn } } });
    let (status, body) = lambda(endpoint, "PUT", CONFIG, &document.to_string()).unwrap();
    let body: Value = serde_json::from_str(&body).unwrap();
    (status, body["message"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn the_api_takes_buckets_that_are_there() {
    let (_collector, address) = Collector::start();
    let folder = folder(address, "");
    let no = "The provided destination config DestinationConfig(onSuccess=null, onFailure=OnFailure(destination=arn:aws:s3:::dead)) \
              is invalid.";
    let mut server = folder.up(&["--manifest-unlocked"]);
    let (status, message) = put(server.endpoint(), "OnFailure", "arn:aws:s3:::dead");
    assert_eq!(status, 400);
    let sentence = format!("{no} Buckets are folders in the one given with --s3-root, and none is given.");
    assert_eq!(message, sentence);
    server.signal(Signal::TERM);
    server.exit_code();

    let server = folder.up(&["--manifest-unlocked", OPTIONS[0], OPTIONS[1]]);
    let endpoint = server.endpoint();
    let asked = || put(endpoint, "OnFailure", "arn:aws:s3:::dead");
    assert_eq!(asked(), (400, no.to_owned()));
    folder.write("s3/dead", "a file");
    assert_eq!(asked(), (400, no.to_owned()));
    fs::remove_file(folder.path("s3/dead")).unwrap();
    symlink("/tmp", folder.path("s3/dead")).unwrap();
    assert_eq!(asked(), (400, no.to_owned()));
    fs::remove_file(folder.path("s3/dead")).unwrap();
    fs::create_dir(folder.path("s3/dead")).unwrap();
    let (status, message) = put(endpoint, "OnSuccess", "arn:aws:s3:::dead");
    assert_eq!(status, 400);
    assert!(
        message.contains("onSuccess=OnSuccess(destination=arn:aws:s3:::dead), onFailure=null) is invalid."),
        "{message}"
    );
    for arn in [
        "arn:aws:s3:::..",
        "arn:aws:s3:::dead/x",
        "arn:aws-cn:s3:::dead",
        "arn:aws:s3:us-east-1::dead",
    ] {
        let (status, message) = put(endpoint, "OnFailure", arn);
        assert_eq!(status, 400, "{arn}");
        assert!(message.starts_with("The provided destination config "), "{message}");
    }
    assert_eq!(asked(), (200, String::new()));
    let (_, shown) = lambda(endpoint, "GET", CONFIG, "").unwrap();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        shown["DestinationConfig"],
        json!({ "OnSuccess": {}, "OnFailure": { "Destination": "arn:aws:s3:::dead" } })
    );
    assert_eq!(send(endpoint, "work", "{\"do\": \"fail\"}"), Some(202));
    let (key, record) = until("the object", || objects(&folder).pop());
    check_key(&key, &record);
}

/// A manifest that names a bucket where there are none.
#[test]
fn a_bucket_of_the_manifest_needs_a_folder_for_buckets() {
    let (_collector, address) = Collector::start();
    let folder = folder(address, TO_BUCKET);
    let refused = folder.run(&["up", "--endpoint", "127.0.0.1:0"]);
    assert_eq!(refused.code, Some(1), "{}", refused.err);
    assert!(refused.err.contains("--s3-root"), "{}", refused.err);
    let checked = folder.run(&["check"]);
    assert_eq!(checked.code, Some(0), "{}", checked.err);
}
