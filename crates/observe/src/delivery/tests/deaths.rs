//! Processes and threads that end badly, and what they leave behind.

use super::super::folder::READY;
use super::*;
use crate::testing::{child_folder, child_part};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

#[test]
fn a_thread_that_panicked_is_reported_and_the_lines_are_delivered_all_the_same() {
    let directory = TestDirectory::new();
    let store = Arc::new(DirectoryStore::new(directory.file("s3")));
    let limits = DeliveryLimits {
        spool_bytes_max: 300,
        ..limits()
    };
    let spool = directory.file("spool");
    let node = IpAddr::from([10, 0, 0, 7]);
    let (delivery, sender) = Delivery::open(&spool, store, node, limits, |_| panic!("in the callback")).unwrap();
    let handles = delivery.follow([access("shop")]);
    sender.line(&handles[0], |out| out.extend_from_slice(b"line"));
    sender.flush();
    let monitor = delivery.monitor();
    until(|| monitor.written() == 1);
    sender.line(&handles[0], |out| out.extend_from_slice(&[b'x'; 300]));
    drop(sender);
    until(|| monitor.delivered() == 1);
    assert!(!delivery.shutdown(PATIENCE));
    assert_eq!(lines_of(directory.path(), "shop"), "line\n");
}

#[test]
fn a_kill_loses_nothing_that_was_in_the_spool() {
    const TEST: &str = "delivery::tests::deaths::a_kill_loses_nothing_that_was_in_the_spool";
    if let Some(folder) = child_folder() {
        let opened = open(&folder);
        let handles = opened.follow(&[access("shop"), access("other")]);
        for number in 0..500_usize {
            let line = number.to_string();
            opened
                .sender
                .line(&handles[number % 2], |out| out.extend_from_slice(line.as_bytes()));
        }
        opened.sender.flush();
        until(|| opened.monitor.written() == 500);
        println!("\nwritten");
        // The other end never writes; it kills.
        let _ = io::stdin().read(&mut [0]);
        panic!("it was not killed");
    }
    let directory = TestDirectory::new();
    let mut child = child_part(TEST, directory.path(), "")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "written"));

    // Somebody else on the same spool takes nothing from one that lives.
    let opened = open(directory.path());
    opened.move_clock(300);
    let handles = opened.follow(&[access("shop")]);
    opened.put_written(&handles[0], "mine");
    opened.end_interval(1);
    assert_eq!(lines_of(directory.path(), ""), "mine\n");

    child.kill().unwrap();
    child.wait().unwrap();
    // Not only at a start: at the next end of an interval, too.
    opened.end_interval(3);
    assert_eq!(opened.close(), []);
    for (log, first) in [("app.shop.", 0), ("app.other.", 1)] {
        let delivered = lines_of(directory.path(), log);
        let numbers: Vec<_> = delivered
            .lines()
            .filter_map(|line| line.parse::<usize>().ok())
            .collect();
        assert!(numbers.into_iter().eq((first..500).step_by(2)), "{log} {delivered}");
    }
    assert!(files(&directory.file("spool")).is_empty());
}

#[test]
fn what_a_death_left_is_delivered_at_the_next_start() {
    let directory = TestDirectory::new();
    let dead = directory.file("spool/dead");
    fs::create_dir_all(&dead).unwrap();
    let header = |key: &str| format!("{{\"version\":1,\"bucket\":\"logs\",\"key\":\"{key}\"}}\n");
    for (name, text) in [
        ("lock", String::new()),
        ("00000001.ready", header("a") + "one\ntwo\n"),
        ("00000002.open", header("b") + "three\nhalf a li"),
        ("00000003.open", header("c") + "half a li"),
        ("00000004.open", "{\"vers".to_owned()),
    ] {
        fs::write(dead.join(name), text).unwrap();
    }
    // It died after it had put the object, and before it removed the spool.
    fs::create_dir_all(directory.file("s3/logs")).unwrap();
    fs::write(directory.file("s3/logs/a"), "the same object").unwrap();
    let opened = open(directory.path());
    until(|| opened.monitor.delivered() == 2 && !dead.exists());
    assert_eq!(opened.close(), []);
    let expected = [("logs/a", "one\ntwo\n"), ("logs/b", "three\n")];
    let expected = expected.map(|(path, text)| (path.to_owned(), text.to_owned()));
    assert_eq!(objects(directory.path()), BTreeMap::from(expected));
}

#[test]
fn a_spool_that_cannot_be_read_is_told_once_and_stays() {
    let directory = TestDirectory::new();
    let dead = directory.file("spool/dead");
    fs::create_dir_all(&dead).unwrap();
    let path = dead.join(format!("00000001.{READY}"));
    fs::write(&path, "{\"version\":9,\"bucket\":\"logs\",\"key\":\"a\"}\nline\n").unwrap();
    let opened = open(directory.path());
    let error = "it is of version 9, which a newer albacore wrote".to_owned();
    let expected = DeliveryEvent::Stuck {
        path: path.clone(),
        error,
    };
    assert_eq!(opened.next_event(), expected);
    let bytes = fs::metadata(&path).unwrap().len();
    until(|| opened.monitor.waiting_bytes() == bytes);
    let handles = opened.follow(&[access("shop")]);
    opened.put_written(&handles[0], "line");
    opened.end_interval(1);
    assert_eq!(opened.close(), []);
    assert!(path.exists());
}
