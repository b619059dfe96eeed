//! What was asked for outlives the process: by the manifest, and by the AWS API.

use crate::support::{Connection, Folder, Server, manifest, run, until, with_manifest, worker};
use rustix::process::{Resource, Rlimit, Signal, prlimit};
use std::collections::BTreeSet;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::{Arc, Mutex};

const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/elasticloadbalancing/aws4_request, \
                      SignedHeaders=host, Signature=0000000000000000000000000000000000000000000000000000000000000000";
const STATE: &str = ".albacore/state/state.redb";

/// A call of Elastic Load Balancing; `None` when the server is gone before it has answered.
fn call(endpoint: SocketAddr, fields: &str) -> Option<(u16, String)> {
    let body = format!("Version=2015-12-01&{fields}");
    let headers = [
        ("Authorization", SIGNED),
        ("X-Amz-Date", "20260101T000000Z"),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ];
    let mut connection = Connection::open(endpoint).ok()?;
    let answer = connection.ask("POST", "/", &headers, body.as_bytes()).ok()?;
    Some((answer.status, answer.body))
}

fn create(endpoint: SocketAddr, name: &str) -> Option<(u16, String)> {
    call(
        endpoint,
        &format!("Action=CreateTargetGroup&Name={name}&TargetType=lambda"),
    )
}

/// The names of all target groups.
fn target_groups(endpoint: SocketAddr) -> BTreeSet<String> {
    let (mut names, mut marker) = (BTreeSet::new(), String::new());
    loop {
        let (status, page) = call(endpoint, &format!("Action=DescribeTargetGroups{marker}")).unwrap();
        assert_eq!(status, 200, "{page}");
        let values = |tag: &str| -> Vec<String> {
            let tag = format!("<{tag}>");
            let parts = page.split(&tag).skip(1);
            parts.map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
        };
        names.extend(values("TargetGroupName"));
        match values("NextMarker").first() {
            Some(next) => marker = format!("&Marker={next}"),
            None => return names,
        }
    }
}

fn revision(server: &Server) -> u64 {
    server.own_api("status").1["revision"].as_u64().unwrap()
}

#[test]
fn a_restart_finds_what_was_there_and_changes_nothing() {
    let folder = with_manifest("a", "");
    let mut server = folder.up(&[]);
    assert_eq!(create(server.endpoint(), "made-by-api").unwrap().0, 200);
    assert_eq!(revision(&server), 2);
    for ending in [Signal::TERM, Signal::KILL] {
        server.signal(ending);
        server.exit_code();
        server = folder.up(&[]);
        assert_eq!(worker(&server).0, "a");
        assert_eq!(revision(&server), 2, "the same manifest changes nothing");
        let both = ["made-by-api", "worker"].map(str::to_owned);
        assert_eq!(target_groups(server.endpoint()), both.into());
    }
    let said = folder.run(&["status"]);
    assert!(said.out.contains(&format!("{STATE}\n")), "{}", said.out);
    let mode = |name: &str| fs::metadata(folder.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(".albacore/state"), mode(STATE)), (0o700, 0o600));
}

#[test]
fn another_manifest_takes_the_place_of_the_one_before() {
    let folder = with_manifest("a", "");
    let mut server = folder.up(&[]);
    assert_eq!(create(server.endpoint(), "made-by-api").unwrap().0, 200);
    server.signal(Signal::TERM);
    server.exit_code();
    folder.write(
        "albacore.yaml",
        &manifest("b", "")
            .replace("  worker: {", "  other: {")
            .replace("forward: worker", "forward: other"),
    );
    let server = folder.up(&[]);
    assert_eq!(worker(&server).0, "b");
    let names = ["made-by-api", "other"].map(str::to_owned);
    assert_eq!(target_groups(server.endpoint()), names.into());
    assert_eq!(revision(&server), 3);
}

/// Creates target groups until the server is gone, and says which were acknowledged.
fn create_for_ever(endpoint: SocketAddr, prefix: &str, acknowledged: &Mutex<BTreeSet<String>>) {
    for number in 0.. {
        let name = format!("{prefix}-{number}");
        match create(endpoint, &name) {
            Some((200, _)) => acknowledged.lock().unwrap().insert(name),
            Some((status, answer)) => panic!("{status}: {answer}"),
            None => return,
        };
    }
}

#[test]
fn what_was_acknowledged_survives_kill() {
    const KILLS: usize = 6;
    let folder = with_manifest("a", "");
    let acknowledged = Arc::new(Mutex::new(BTreeSet::from(["worker".to_owned()])));
    for kill in 0..KILLS {
        let mut server = folder.up(&[]);
        let endpoint = server.endpoint();
        let clients: Vec<_> = (0..3)
            .map(|client| {
                let acknowledged = acknowledged.clone();
                std::thread::spawn(move || create_for_ever(endpoint, &format!("g{kill}-{client}"), &acknowledged))
            })
            .collect();
        let enough = acknowledged.lock().unwrap().len() + 5 + kill;
        until("changes are acknowledged", || {
            (acknowledged.lock().unwrap().len() >= enough).then_some(())
        });
        server.signal(Signal::KILL);
        assert_eq!(server.exit_code(), None);
        clients.into_iter().for_each(|client| client.join().unwrap());

        let server = folder.up(&[]);
        let there = target_groups(server.endpoint());
        let mut acknowledged = acknowledged.lock().unwrap();
        let missing: Vec<_> = acknowledged.difference(&there).collect();
        assert!(missing.is_empty(), "{missing:?}");
        // Each client may have had one that was stored and not answered any more.
        assert!(there.len() <= acknowledged.len() + 3);
        // The manifest made one revision, each group another: none is there without its own, or half.
        assert_eq!(revision(&server), there.len() as u64);
        *acknowledged = there;
    }
}

#[test]
fn a_damaged_state_is_refused_with_what_to_do() {
    let folder = with_manifest("a", "");
    let mut server = folder.up(&[]);
    server.signal(Signal::TERM);
    server.exit_code();
    let good = fs::read(folder.path(STATE)).unwrap();
    let mut damaged = good.clone();
    for record in [b"\"kind\":\"listener\"".as_slice(), b"\"kind\":\"target_group\""] {
        let at = damaged.windows(record.len()).rposition(|it| it == record).unwrap();
        damaged[at + 8] = b'X';
    }
    fs::write(folder.path(STATE), &damaged).unwrap();
    let refused = folder.run(&["up", "--endpoint", "127.0.0.1:0", "--publish", "8080:0"]);
    refused.expect(1, "", "state.redb is damaged at ");
    refused.expect(1, "", "put a copy back in its place, or move it away");
    fs::write(folder.path(STATE), &good).unwrap();
    assert_eq!(revision(&folder.up(&[])), 1);
    fs::remove_file(folder.path(STATE)).unwrap();
    assert_eq!(worker(&folder.up(&[])).0, "a");
}

#[test]
fn a_takeover_takes_the_state_and_a_failed_one_gives_it_back() {
    let folder = with_manifest("a", "");
    let mut old = folder.up(&[]);
    assert_eq!(create(old.endpoint(), "before").unwrap().0, 200);
    // Found out only after the successor has the sockets and the state.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let publish = format!("8080:{}", taken.local_addr().unwrap().port());
    let refused = folder.run(&["up", "--takeover", "--endpoint", "127.0.0.1:0", "--publish", &publish]);
    assert_eq!(refused.code, Some(1), "{}", refused.err);
    until("the state can be changed again", || {
        let (status, answer) = create(old.endpoint(), "between").unwrap();
        assert!(status == 200 || status >= 500, "{status}: {answer}");
        (status == 200).then_some(())
    });

    let new = folder.up(&["--takeover"]);
    old.notice("handed_over");
    assert_eq!(create(new.endpoint(), "after").unwrap().0, 200);
    let names = ["after", "before", "between", "worker"].map(str::to_owned);
    assert_eq!(target_groups(new.endpoint()), names.into());
    assert_eq!(revision(&new), 4);
}

#[test]
fn the_api_changes_what_the_manifest_owns_when_it_may() {
    let folder = with_manifest("a", "");
    let arn = "arn%3Aaws%3Aelasticloadbalancing%3Aus-east-1%3A000000000000%3Atargetgroup%2Fworker%2F";
    let set = |server: &Server| {
        let (_, page) = call(server.endpoint(), "Action=DescribeTargetGroups&Names.member.1=worker").unwrap();
        let id = page.split("targetgroup/worker/").nth(1).unwrap()[..16].to_owned();
        let attribute = "Attributes.member.1.Key=lambda.multi_value_headers.enabled&Attributes.member.1.Value=true";
        let fields = format!("Action=ModifyTargetGroupAttributes&TargetGroupArn={arn}{id}&{attribute}");
        call(server.endpoint(), &fields).unwrap()
    };
    let mut server = folder.up(&[]);
    let (status, answer) = set(&server);
    assert_eq!(status, 400);
    let manifest = folder.path("albacore.yaml");
    let sentence = format!("belongs to the manifest {}: change it there", manifest.display());
    assert!(
        answer.contains("OperationNotPermitted") && answer.contains(&sentence),
        "{answer}"
    );
    assert!(answer.contains("--manifest-unlocked"), "{answer}");
    assert_eq!(revision(&server), 1);
    server.signal(Signal::TERM);
    server.exit_code();

    let mut server = folder.up(&["--manifest-unlocked"]);
    assert_eq!(set(&server).0, 200);
    assert_eq!(revision(&server), 2);
    server.signal(Signal::HUP);
    server.notice("revision");
    assert_eq!(revision(&server), 3, "it is as the manifest says again");
}

/// With the signal ignored, writing beyond a limit fails as it does on a full disk.
fn up_with_limits(folder: &Folder) -> Server {
    let up = folder.albacore(&["up", "--json", "--endpoint", "127.0.0.1:0", "--publish", "8080:0"]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ && exec \"$0\" \"$@\""]);
    shell.arg(up.get_program()).args(up.get_args());
    shell.current_dir(folder.path("")).env_clear();
    shell.envs(up.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Server::start(shell.env("PATH", std::env::var_os("PATH").unwrap_or_default()))
}

/// Nobody may write to the kernel's own file systems, not even the superuser.
#[test]
fn a_data_folder_that_cannot_be_written_is_named() {
    let folder = Folder::new(env!("CARGO_BIN_EXE_albacore"));
    folder.write("albacore.yaml", "load_balancers: {}\n");
    let finished = folder.run(&["up", "--endpoint", "127.0.0.1:0", "--data-dir", "/proc/self/albacore"]);
    finished.expect(1, "", "/proc/self/albacore");
}

#[test]
fn a_full_disk_refuses_changes_until_there_is_space() {
    let folder = with_manifest("a", "");
    let mut server = up_with_limits(&folder);
    let limit = |bytes| {
        let limit = Rlimit {
            current: bytes,
            maximum: None,
        };
        prlimit(Some(server.pid()), Resource::Fsize, limit).unwrap();
    };
    let state = |server: &Server| server.own_api("status").1["state"].clone();
    assert_eq!(create(server.endpoint(), "before").unwrap().0, 200);
    limit(Some(4096));
    for _ in 0..3 {
        let (status, answer) = create(server.endpoint(), "late").unwrap();
        assert!(status >= 500, "{status}: {answer}");
    }
    assert!(state(&server)["error"].is_string());
    assert_eq!(worker(&server).0, "a", "traffic goes on");
    assert_eq!(revision(&server), 2);
    limit(None);
    assert_eq!(
        create(server.endpoint(), "late").unwrap().0,
        200,
        "nothing has its name"
    );
    assert!(state(&server)["error"].is_null());
    server.signal(Signal::KILL);
    server.exit_code();

    let server = folder.up(&[]);
    let names = ["before", "late", "worker"].map(str::to_owned);
    assert_eq!(target_groups(server.endpoint()), names.into());
    assert_eq!(revision(&server), 3);
}

/// A package is unpacked when its function is called first.
#[test]
fn a_package_that_finds_no_space_fails_its_invocation_alone() {
    let folder = with_manifest("a", "");
    folder.write(
        "app.py",
        &format!(
            "# {}\ndef handler(event, context):\n    return 'unpacked'\n",
            "x".repeat(1 << 20)
        ),
    );
    run(Command::new("python3")
        .current_dir(folder.path(""))
        .args(["-m", "zipfile", "-c", "packed.zip", "app.py"]))
    .expect_success();
    let packed = "  packed: { code: ./packed.zip, runtime: python3.12, handler: app.handler, timeout: 60s }\n";
    let manifest = manifest("a", "").replacen("functions:\n", &format!("functions:\n{packed}"), 1);
    folder.write("albacore.yaml", &manifest);
    let mut server = up_with_limits(&folder);
    let limit = |bytes| {
        let limit = Rlimit {
            current: bytes,
            maximum: None,
        };
        prlimit(Some(server.pid()), Resource::Fsize, limit).unwrap();
    };
    assert_eq!(worker(&server).0, "a");
    limit(Some(64 << 10));
    for _ in 0..2 {
        let finished = folder.run(&["invoke", "packed"]);
        assert!(
            finished.code != Some(0) && finished.err.contains("ServiceException"),
            "{finished:?}"
        );
    }
    assert_eq!(worker(&server).0, "a", "others are called as ever");
    limit(None);
    folder.run(&["invoke", "packed"]).expect(0, "\"unpacked\"", "");
    let left = fs::read_dir(folder.path(".albacore/code")).unwrap().flatten();
    let names: Vec<_> = left.map(|it| it.file_name()).collect();
    assert_eq!(names.len(), 1, "nothing is left of what did not fit: {names:?}");
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
}
