//! Packages as tools write them, and as nobody should.

mod archive;
mod layers;

use super::*;
use archive::{Entry, archive};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

const UNREADABLE: &str = "Could not unzip uploaded file. Please check your file, then try to upload again.";

/// A folder with a data folder in it, removed again.
struct World(PathBuf);

impl World {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("albacore-code-{}-{number}", std::process::id()));
        fs::create_dir_all(path.join("data")).unwrap();
        fs::write(path.join("outside"), "untouched").unwrap();
        Self(path)
    }

    fn codes(&self) -> Codes {
        Codes::new(&self.0.join("data"))
    }

    fn zip(&self, bytes: &[u8], revision: &str) -> Code {
        let path = self.0.join("code.zip");
        fs::write(&path, bytes).unwrap();
        Code {
            location: CodeLocation::Zip(path),
            revision: revision.into(),
        }
    }

    async fn unpack(&self, entries: &[Entry]) -> Result<PathBuf, String> {
        self.unpack_bytes(&archive(entries)).await
    }

    async fn unpack_bytes(&self, bytes: &[u8]) -> Result<PathBuf, String> {
        folder(self.codes().ready(&self.zip(bytes, "1")).await)
    }

    /// The names of what lies in the folder of packages.
    fn packages(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.join("data/code")).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|it| it.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Nothing was written outside, and nothing is left of what could not be unpacked.
    #[track_caller]
    fn check_untouched(&self, what: &str) {
        assert_eq!(self.packages(), [""; 0], "{what}");
        assert_eq!(
            fs::read_to_string(self.0.join("outside")).unwrap(),
            "untouched",
            "{what}"
        );
        let here: Vec<_> = fs::read_dir(&self.0)
            .unwrap()
            .flatten()
            .map(|it| it.file_name())
            .collect();
        assert_eq!(here.len(), 3, "{what}: {here:?}");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn folder(ready: Result<ReadyCode, CodeError>) -> Result<PathBuf, String> {
    match ready {
        Ok(ReadyCode::Folder(folder)) => Ok(folder),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.to_string()),
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[tokio::test]
async fn a_package_is_unpacked_with_its_modes_and_links() {
    let world = World::new();
    let entries = [
        Entry::file("bootstrap", b"#!/bin/sh\n").mode(0o100_755),
        Entry::file("lib/deep/er/data.txt", &b"data".repeat(100_000)).deflated(),
        Entry::directory("empty/").mode(0o040_700),
        Entry::file("private", b"").mode(0o100_600),
        Entry::file("everything", b"").mode(0o107_777),
        Entry::file("from-windows", b"").system(0).attributes(0x20),
        Entry::file("no-mode", b"").attributes(0),
        Entry::link("lib/link", "deep/../../bootstrap"),
        Entry::link("dangling", "not/here"),
        Entry::file("back\\slash", b"x"),
        Entry::file("./lib//odd", b"odd"),
        Entry::file("\u{e4}", b"utf-8"),
    ];
    let folder = world.unpack(&entries).await.unwrap();
    assert_eq!(folder.parent().unwrap(), world.0.join("data/code"));
    for (name, expected) in [
        ("bootstrap", 0o755),
        ("lib/deep/er/data.txt", 0o644),
        ("empty", 0o755),
        ("lib/deep", 0o755),
        ("", 0o755),
        // Who runs a function on Lambda is not the owner.
        ("private", 0o200),
        ("everything", 0o755),
        ("from-windows", 0o644),
        ("no-mode", 0o644),
        ("back\\slash", 0o644),
        ("lib/odd", 0o644),
        ("\u{e4}", 0o644),
    ] {
        assert_eq!(
            format!("{:o}", mode(&folder.join(name))),
            format!("{expected:o}"),
            "{name}"
        );
    }
    assert_eq!(
        fs::read(folder.join("lib/deep/er/data.txt")).unwrap(),
        b"data".repeat(100_000)
    );
    assert_eq!(fs::read(folder.join("lib/link")).unwrap(), b"#!/bin/sh\n");
    assert_eq!(fs::read_link(folder.join("dangling")).unwrap(), Path::new("not/here"));
}

#[tokio::test]
async fn of_two_entries_with_one_name_the_later_counts() {
    let world = World::new();
    for names in [["a", "a"], ["a", "./a"], ["d/a", "d//a"]] {
        let folder = world
            .unpack(&[Entry::file(names[0], b"first"), Entry::file(names[1], b"second")])
            .await
            .unwrap();
        assert_eq!(fs::read(folder.join(names[0])).unwrap(), b"second", "{names:?}");
    }
}

#[tokio::test]
async fn hostile_packages_write_nothing() {
    let world = World::new();
    let good = || Entry::file("good", b"good");
    let outside = world.0.join("outside").display().to_string();
    let cases: Vec<(&str, Vec<Entry>)> = vec![
        ("traversal", vec![good(), Entry::file("../../../outside", b"evil")]),
        ("traversal inside", vec![good(), Entry::file("a/../../x", b"evil")]),
        ("dots that stay inside", vec![good(), Entry::file("a/../b", b"evil")]),
        ("an absolute path", vec![good(), Entry::file(&outside, b"evil")]),
        ("two slashes", vec![good(), Entry::file("//etc/x", b"evil")]),
        ("a directory outside", vec![good(), Entry::directory("../d/")]),
        ("an absolute link", vec![good(), Entry::link("l", &outside)]),
        ("a link upwards", vec![good(), Entry::link("l", "../../../outside")]),
        (
            "a link through a link",
            vec![good(), Entry::link("d/up", ".."), Entry::link("m", "d/up/../../..")],
        ),
        (
            "writing through a link",
            vec![Entry::link("l", "."), Entry::file("l/x", b"evil"), good()],
        ),
        (
            "writing onto a link",
            vec![Entry::link("l", "good"), Entry::file("./l", b"evil"), good()],
        ),
        (
            "a link below a link",
            vec![Entry::link("l", "d"), Entry::link("l/x", "y"), good()],
        ),
        ("a link without a target", vec![Entry::link("l", "")]),
        ("a link with a long target", vec![Entry::link("l", &"x/".repeat(3000))]),
        ("a link with a NUL", vec![Entry::link("l", "a\0b")]),
        ("a file as a directory", vec![good(), Entry::file("good/x", b"evil")]),
        (
            "a directory as a file",
            vec![Entry::file("d/x", b""), Entry::file("d", b"evil")],
        ),
        ("a NUL in a name", vec![good(), Entry::file("a\0b", b"evil")]),
        ("a long name", vec![good(), Entry::file(&"x".repeat(300), b"evil")]),
        (
            "a long path",
            vec![good(), Entry::file(&"xxxxxxxx/".repeat(99).repeat(6), b"evil")],
        ),
        ("a deep path", vec![good(), Entry::file(&"x/".repeat(101), b"")]),
        ("a pipe", vec![good(), Entry::file("p", b"").mode(0o010_644)]),
        ("a device", vec![good(), Entry::file("p", b"").mode(0o020_644)]),
        ("a socket", vec![good(), Entry::file("p", b"").mode(0o140_644)]),
        (
            "an encrypted entry",
            vec![good(), Entry::file("x", b"0123456789abcdef").flags(1)],
        ),
        ("an unknown method", vec![good(), Entry::file("x", b"x").method(99)]),
        (
            "a method that is not built in",
            vec![good(), Entry::file("x", b"x").method(14)],
        ),
        ("a wrong checksum", vec![good(), Entry::file("x", b"x").crc(1)]),
        (
            "broken compression",
            vec![good(), Entry::file("x", b"\xff\xff\xff\xff").method(8)],
        ),
        ("a file without a name", vec![good(), Entry::file(".", b"x")]),
        ("nothing", vec![]),
    ];
    for (what, entries) in cases {
        let message = world.unpack(&entries).await.expect_err(what);
        assert!(
            message.starts_with(&format!("code.zip: {UNREADABLE} (")),
            "{what}: {message}"
        );
        assert!(!message.contains(char::is_control), "{what}: {message}");
        world.check_untouched(what);
    }
}

#[tokio::test]
async fn what_is_no_zip_file_is_refused() {
    let world = World::new();
    let whole = archive(&[Entry::file("a", b"hello"), Entry::file("b", &[7; 5000]).deflated()]);
    for length in 0..whole.len() {
        let message = world.unpack_bytes(&whole[..length]).await.expect_err("cut");
        assert!(message.contains(UNREADABLE), "{length}: {message}");
    }
    for text in [&b"hello"[..], &[0; 1000], b"PK\x03\x04", b"PK\x05\x06"] {
        assert!(world.unpack_bytes(text).await.unwrap_err().contains(UNREADABLE));
    }
    world.check_untouched("no zip file");
    let gone = Code {
        location: CodeLocation::Zip(world.0.join("gone.zip")),
        revision: "1".into(),
    };
    let message = folder(world.codes().ready(&gone).await).unwrap_err();
    assert!(
        message.starts_with("cannot read ") && message.contains("gone.zip"),
        "{message}"
    );
}

/// Every byte of a small package, changed: never a panic, never anything outside.
#[tokio::test]
async fn damaged_packages_do_no_harm() {
    let world = World::new();
    let whole = archive(&[
        Entry::file("d/a", &[7; 300]).deflated(),
        Entry::link("l", "d/a"),
        Entry::file("b", b"hello"),
    ]);
    // One shelf for all, as one process has it: each new one would clear out, with a thread that is still at it afterwards.
    let codes = world.codes();
    for at in 0..whole.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= change;
            let _ = codes.ready(&world.zip(&bytes, &format!("{at} {change}"))).await;
        }
    }
    assert_eq!(fs::read_to_string(world.0.join("outside")).unwrap(), "untouched");
    assert_eq!(fs::read_dir(&world.0).unwrap().count(), 3);
    assert!(!world.packages().iter().any(|it| it.starts_with('.')));
}

#[tokio::test]
async fn bombs_are_stopped_at_the_limit() {
    let world = World::new();
    let large = vec![0; 100 << 20];
    let third = Entry::file("a", &large).deflated();
    let entries = [third.clone(), third.clone().name("b"), third.name("c")];
    let bytes = archive(&entries);
    assert!(bytes.len() < 4 << 20);
    let message = world.unpack_bytes(&bytes).await.unwrap_err();
    assert_eq!(message, "code.zip: Unzipped size must be smaller than 262144000 bytes");
    world.check_untouched("a bomb");
    // What the list says of the sizes does not count.
    let lying: Vec<Entry> = entries.into_iter().map(|it| it.size(1)).collect();
    let message = world.unpack(&lying).await.unwrap_err();
    assert!(message.contains(UNREADABLE), "{message}");
    world.check_untouched("a lying bomb");
}

// LAM-C-015: 262,144,000 bytes, and not one more
#[tokio::test]
async fn a_package_may_have_every_byte_of_the_limit() {
    const LIMIT: usize = 262_144_000;
    let world = World::new();
    let most = vec![0; LIMIT - 1];
    let with = |last: &[u8]| [Entry::file("a", &most).deflated(), Entry::file("b", last)];
    let message = world.unpack_bytes(&archive(&with(b"12"))).await.unwrap_err();
    assert_eq!(message, "code.zip: Unzipped size must be smaller than 262144000 bytes");
    world.check_untouched("one byte too many");
    world.unpack_bytes(&archive(&with(b"1"))).await.unwrap();
}

#[tokio::test]
async fn too_many_entries_are_refused() {
    let world = World::new();
    let many: Vec<Entry> = (0..50_001).map(|at| Entry::file(&format!("{at}"), b"")).collect();
    let few = [Entry::file("x", &b"PK\x01\x02".repeat(200_000))];
    // Directories that are only parts of paths count too.
    let deep: Vec<Entry> = (0..600)
        .map(|at| Entry::file(&format!("{at}/{}", "x/".repeat(98)), b""))
        .collect();
    for entries in [&many[..], &few, &deep] {
        let message = world.unpack(entries).await.unwrap_err();
        assert!(
            message.ends_with("(more than 50000 entries and directories)"),
            "{message}"
        );
        world.check_untouched("many entries");
    }
}

#[tokio::test]
async fn the_zip_file_has_a_limit() {
    let world = World::new();
    let message = world.unpack_bytes(&vec![0; 52_428_801]).await.unwrap_err();
    assert_eq!(message, "code.zip: Zipped size must be smaller than 52428800 bytes");
}

/// Each traffic core has a thread and a runtime of its own.
#[test]
fn the_cores_share_one_package() {
    let world = World::new();
    let code = world.zip(&archive(&[Entry::file("bootstrap", &[1; 1 << 20]).deflated()]), "1");
    let codes = world.codes();
    let ready = |code: &Code| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        folder(runtime.block_on(codes.ready(code))).unwrap()
    };
    let folders: Vec<PathBuf> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8).map(|_| scope.spawn(|| ready(&code))).collect();
        callers.into_iter().map(|it| it.join().unwrap()).collect()
    });
    assert!(folders.windows(2).all(|it| it[0] == it[1]));
    assert_eq!(world.packages().len(), 1);
    let made = fs::metadata(&folders[0]).unwrap().ino();
    // The same contents under another revision are the same package.
    let again = world.zip(&fs::read(world.0.join("code.zip")).unwrap(), "2");
    assert_eq!(fs::metadata(ready(&again)).unwrap().ino(), made);
}

#[tokio::test]
async fn a_new_revision_is_another_package_and_a_removed_one_is_unpacked_again() {
    let world = World::new();
    let codes = world.codes();
    let first = folder(codes.ready(&world.zip(&archive(&[Entry::file("a", b"1")]), "1")).await).unwrap();
    let code = world.zip(&archive(&[Entry::file("a", b"2")]), "2");
    let second = folder(codes.ready(&code).await).unwrap();
    assert_ne!(first, second);
    assert_eq!(
        fs::read(first.join("a")).unwrap(),
        b"1",
        "old environments go on with it"
    );
    fs::remove_dir_all(&second).unwrap();
    assert_eq!(folder(codes.ready(&code).await), Ok(second.clone()));
    assert_eq!(fs::read(second.join("a")).unwrap(), b"2");
}

#[test]
fn a_dropped_caller_leaves_the_work_to_the_next() {
    let world = World::new();
    let codes = world.codes();
    let code = world.zip(&archive(&[Entry::file("a", b"1")]), "1");
    // The one thread for the disk is busy until the caller is gone.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    let (gone, until_gone) = std::sync::mpsc::channel::<()>();
    runtime.spawn_blocking(move || until_gone.recv());
    runtime.block_on(async {
        {
            let mut first = Box::pin(codes.ready(&code));
            let polled =
                std::future::poll_fn(|context| std::task::Poll::Ready(first.as_mut().poll(context).is_pending()));
            assert!(polled.await, "it waits for the disk");
        }
        drop(gone);
        let folder = folder(codes.ready(&code).await).unwrap();
        assert_eq!(fs::read(folder.join("a")).unwrap(), b"1");
    });
}

#[tokio::test]
async fn a_start_removes_what_a_killed_run_left_and_what_is_old() {
    let world = World::new();
    let code = world.zip(&archive(&[Entry::file("a", b"1")]), "1");
    let used = folder(world.codes().ready(&code).await).unwrap();
    let shelf = world.0.join("data/code");
    fs::create_dir_all(shelf.join(".0123456789abcdef/half")).unwrap();
    let age = |name: &str, age: Duration| {
        fs::create_dir_all(shelf.join(name).join("d")).unwrap();
        let folder = fs::File::open(shelf.join(name)).unwrap();
        folder.set_modified(SystemTime::now() - age).unwrap();
    };
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    age("old", DAY * 8);
    for number in 0..20 {
        age(&format!("recent{number:02}"), DAY + Duration::from_secs(number));
    }
    let _codes = world.codes();
    // They are without names at once, and gone soon.
    let mut expected: Vec<String> = (0..15).map(|number| format!("recent{number:02}")).collect();
    expected.push(used.file_name().unwrap().to_str().unwrap().to_owned());
    expected.sort();
    let named = || -> Vec<String> { world.packages().into_iter().filter(|it| !it.starts_with('.')).collect() };
    assert_eq!(named(), expected);
    let mut look = tokio::time::interval(Duration::from_millis(2));
    let gone = async {
        while world.packages().iter().any(|it| it.starts_with('.')) {
            look.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone)
        .await
        .expect("removed");
    assert_eq!(named(), expected);
    assert_eq!(fs::read(used.join("a")).unwrap(), b"1");
}

#[tokio::test]
async fn folders_and_executables_are_taken_as_they_are() {
    let world = World::new();
    let code = |location| Code {
        location,
        revision: "1".into(),
    };
    let path = PathBuf::from("/srv/orders");
    let ready = world.codes().ready(&code(CodeLocation::Folder(path.clone()))).await;
    assert_eq!(ready.unwrap(), ReadyCode::Folder(path.clone()));
    let ready = world.codes().ready(&code(CodeLocation::Executable(path.clone()))).await;
    assert_eq!(ready.unwrap(), ReadyCode::Executable(path));
    assert_eq!(world.packages(), [""; 0]);
}

/// Programs that are set to run under another user stay what they are.
#[tokio::test]
async fn a_package_cannot_be_written_by_others() {
    let world = World::new();
    let folder = world.unpack(&[Entry::file("a", b"").mode(0o100_666)]).await.unwrap();
    let about = fs::metadata(folder.join("a")).unwrap();
    assert_eq!(about.permissions().mode() & 0o777, 0o644);
    assert_eq!(mode(&world.0.join("data/code")), 0o700);
}
