use super::*;
use crate::testing::TestFolder;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// The longest a test waits for an event that must come.
const BOUND: Duration = Duration::from_secs(20);

struct Watched {
    folder: TestFolder,
    watcher: Watcher,
    paths: Vec<PathBuf>,
}

impl Watched {
    /// Watches a manifest, a certificate and a folder of code; what `watch` itself tells is heard already.
    fn new() -> Self {
        let folder = TestFolder::new();
        folder.put("albacore.yaml", "a");
        folder.put("certs/a.pem", "a");
        folder.put("code/lib/x.py", "a");
        let own = OwnFiles::new([folder.path("code/state")]);
        let paths = ["albacore.yaml", "certs/a.pem", "code", "missing/file"];
        let paths = paths.iter().map(|name| folder.path(name)).collect();
        let mut this = Self {
            folder,
            watcher: Watcher::new(own).unwrap(),
            paths,
        };
        assert_eq!(this.watcher.watch(&this.paths), None);
        this.wait("the first set of paths");
        this
    }

    #[track_caller]
    fn wait(&mut self, what: &str) {
        wait(&mut self.watcher, what);
    }

    /// As the owner does after it loaded the manifest.
    fn watch_again(&mut self) {
        assert_eq!(self.watcher.watch(&self.paths), None);
    }
}

/// Waits for a change without a runtime, on this thread, with a bound.
#[track_caller]
fn wait(watcher: &mut Watcher, what: &str) {
    let end = Instant::now() + BOUND;
    let thread = std::thread::current();
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(std::sync::Arc::new(Unpark(thread)));
    while Instant::now() < end {
        match watcher.changes.poll_recv(&mut Context::from_waker(&waker)) {
            Poll::Ready(changed) => {
                assert_eq!(changed, Some(Changed));
                return;
            }
            Poll::Pending => std::thread::park_timeout(BOUND),
        }
    }
    panic!("no change was told after {what}");
}

#[test]
fn every_kind_of_change_is_told() {
    let mut it = Watched::new();
    it.folder.put("albacore.yaml", "b");
    it.wait("the manifest was written");

    it.watch_again();
    let new = it.folder.put("albacore.yaml.new", "c");
    std::fs::rename(new, it.folder.path("albacore.yaml")).unwrap();
    it.wait("the manifest was replaced by a rename");

    it.watch_again();
    it.folder.put("code/lib/x.py", "bb");
    it.wait("code was written");

    it.watch_again();
    it.folder.put("code/new/deep/y.py", "a");
    it.wait("a folder with code appeared");

    it.watch_again();
    it.folder.put("certs/a.pem", "b");
    it.wait("a certificate was written");

    it.watch_again();
    it.folder.put("missing/file", "a");
    it.wait("a missing file appeared with its folder");

    it.watch_again();
    std::fs::remove_dir_all(it.folder.path("code")).unwrap();
    it.wait("the code was deleted");
}

/// The watches stand as long as they serve, and folders that come, go and move are followed.
#[test]
fn watches_are_renewed_only_when_folders_change() {
    let mut it = Watched::new();
    let stands = |it: &Watched| it.watcher.events.as_ref().unwrap().serve(&it.paths);
    it.folder.put("code/lib/x.py", "b");
    let new = it.folder.put("albacore.yaml.new", "b");
    std::fs::rename(new, it.folder.path("albacore.yaml")).unwrap();
    it.wait("files were written and renamed");
    assert!(stands(&it));
    it.watch_again();

    let path = |name: &str| it.folder.path(name);
    let (code, lib, other) = (path("code"), path("code/lib"), path("other"));
    let (aside, current) = (path("aside"), path("current"));
    let steps: [(&str, &dyn Fn()); 5] = [
        ("a folder appeared", &|| std::fs::create_dir(code.join("new")).unwrap()),
        ("a folder was renamed", &|| {
            std::fs::rename(&lib, code.join("moved")).unwrap();
        }),
        ("another folder took the place", &|| {
            std::fs::create_dir_all(other.join("lib")).unwrap();
            std::fs::rename(&code, &aside).unwrap();
            std::fs::rename(&other, &code).unwrap();
        }),
        ("the folder was made anew", &|| {
            std::fs::remove_dir_all(&code).unwrap();
            std::fs::create_dir_all(&lib).unwrap();
        }),
        ("a link took its place", &|| {
            std::fs::remove_dir_all(&code).unwrap();
            std::fs::create_dir_all(current.join("lib")).unwrap();
            std::os::unix::fs::symlink(&current, &code).unwrap();
        }),
    ];
    for (what, step) in steps {
        step();
        wait(&mut it.watcher, what);
        let renewed = |it: &Watched| !it.watcher.events.as_ref().unwrap().serve(&it.paths);
        // The event that a folder is concerned may come after the first one that something happened.
        let end = Instant::now() + BOUND;
        while !renewed(&it) && Instant::now() < end {
            std::thread::yield_now();
        }
        assert!(renewed(&it), "{what}");
        // Until they stand and nothing is left to tell.
        while renewed(&it) {
            assert_eq!(it.watcher.watch(&it.paths), None);
            wait(&mut it.watcher, "new watches stand");
        }
        for name in ["code/new/y.py", "code/lib/y.py"] {
            let path = it.folder.path(name);
            if path.parent().unwrap().is_dir() {
                std::fs::write(&path, what).unwrap();
                wait(&mut it.watcher, name);
            }
        }
        while it.watcher.changes.try_recv().is_ok() {}
        assert_eq!(it.watcher.watch(&it.paths), None);
    }
}

/// Sets a volume to `contents` as Kubernetes does: a new folder, one rename of `..data` over to it, and the old one goes.
fn mount(folder: &TestFolder, volume: &str, number: u32, file: &str, contents: &str) {
    let path = |name: String| folder.path(&format!("{volume}/{name}"));
    folder.put(&format!("{volume}/..{number}/{file}"), contents);
    let (data, new) = (path("..data".to_owned()), path("..data_tmp".to_owned()));
    std::os::unix::fs::symlink(format!("..{number}"), &new).unwrap();
    std::fs::rename(&new, &data).unwrap();
    match std::fs::symlink_metadata(path(file.to_owned())) {
        Ok(_) => std::fs::remove_dir_all(path(format!("..{}", number - 1))).unwrap(),
        Err(_) => std::os::unix::fs::symlink(format!("..data/{file}"), path(file.to_owned())).unwrap(),
    }
}

#[test]
fn volumes_that_are_set_anew_are_told() {
    let folder = TestFolder::new();
    let volumes = [("config", "albacore.yaml"), ("certs", "a.pem")];
    for (volume, file) in volumes {
        mount(&folder, volume, 1, file, "1");
    }
    let paths = volumes.map(|(volume, file)| folder.path(&format!("{volume}/{file}")));
    let mut watcher = Watcher::new(OwnFiles::default()).unwrap();
    let stands = |watcher: &Watcher| watcher.events.as_ref().is_some_and(|events| events.serve(&paths));
    // As the owner does: what new watches tell is heard before anything else happens.
    let settle = |watcher: &mut Watcher| {
        while !stands(watcher) {
            assert_eq!(watcher.watch(&paths), None);
            wait(watcher, "new watches stand");
        }
        while watcher.changes.try_recv().is_ok() {}
    };
    settle(&mut watcher);
    for number in 2..5 {
        for (volume, file) in volumes {
            mount(&folder, volume, number, file, "2");
            wait(&mut watcher, "the volume was set anew");
            assert!(!stands(&watcher), "the files lie in another folder now");
            settle(&mut watcher);
        }
    }
    // The watches have followed to where the file lies now.
    std::fs::write(folder.path("certs/..4/a.pem"), "3").unwrap();
    wait(&mut watcher, "the file was written where it lies");
}

#[test]
fn a_change_while_the_manifest_is_loaded_is_told_afterwards() {
    let mut it = Watched::new();
    it.folder.put("albacore.yaml", "b");
    it.wait("the manifest was written");
    // No system watches at this moment, as if the folder had been replaced under them.
    it.watcher.events = None;
    it.folder.put("albacore.yaml", "ccc");
    it.watch_again();
    it.wait("the watches stand again");
}

#[test]
fn without_watches_changes_are_found_by_asking() {
    let mut it = Watched::new();
    it.watcher.events = None;
    let signals = it.watcher.signals.as_ref().unwrap();
    signals.send(Signal::Lost).unwrap();
    it.wait("events were lost");
    it.folder.put("code/z.py", "a");
    it.wait("code was written without an event");
}

#[test]
fn reading_is_no_change() {
    for (kind, change) in [
        (EventKind::Access(AccessKind::Open(AccessMode::Any)), false),
        (EventKind::Access(AccessKind::Close(AccessMode::Read)), false),
        (EventKind::Access(AccessKind::Close(AccessMode::Write)), true),
        (EventKind::Create(notify::event::CreateKind::File), true),
        (EventKind::Any, true),
    ] {
        assert_eq!(is_change(&kind), change, "{kind:?}");
    }
}

#[test]
fn what_is_being_written_is_not_told_at_once() {
    use notify::event::{DataChange, MetadataKind, RenameMode};
    for (kind, writing) in [
        (EventKind::Create(CreateKind::File), true),
        (EventKind::Modify(ModifyKind::Data(DataChange::Any)), true),
        (EventKind::Modify(ModifyKind::Any), true),
        (EventKind::Access(AccessKind::Close(AccessMode::Write)), false),
        (EventKind::Modify(ModifyKind::Name(RenameMode::To)), false),
        (EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)), false),
        (EventKind::Remove(RemoveKind::File), false),
        (EventKind::Create(CreateKind::Folder), false),
    ] {
        assert_eq!(is_writing(&kind), writing, "{kind:?}");
    }
    // A file that stays open is told all the same, when its time is over.
    let mut it = Watched::new();
    let file = std::fs::File::create(it.folder.path("code/open.py")).unwrap();
    it.wait("a file was begun");
    drop(file);
    it.wait("it was closed");
}

#[test]
fn a_file_that_keeps_changing_is_named() {
    let mut it = Watched::new();
    let mut log = std::fs::File::create(it.folder.path("code/grow.log")).unwrap();
    let end = Instant::now() + BOUND;
    let warning = loop {
        assert!(Instant::now() < end, "no warning came");
        std::io::Write::write_all(&mut log, b"line\n").unwrap();
        it.wait("the file grew");
        // As the owner does after it loaded the manifest.
        if let Some(warning) = it.watcher.watch(&it.paths) {
            break warning;
        }
    };
    let named = it.folder.path("code/grow.log").display().to_string();
    assert!(warning.starts_with(&format!("{named} keeps changing")), "{warning}");
}
