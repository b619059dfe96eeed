//! For tests only: directories that go away, processes that die, and waiting until something is so.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub(crate) struct TestDirectory(PathBuf);

impl TestDirectory {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "albacore-observe-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).unwrap()
    }
}

impl Drop for TestDirectory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// How long a test waits for what must come before it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until something is so.
#[track_caller]
pub(crate) fn until(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "it never became so");
        std::thread::yield_now();
    }
}

const CHILD: &str = "ALBACORE_OBSERVE_TEST_CHILD";

/// Runs the test of this name in a process of its own, as its child part in a folder: one that can be killed, or that
/// has limits. `prepare` is what a shell does first.
pub(crate) fn child_part(test: &str, folder: &Path, prepare: &str) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("{prepare}\nexec \"$0\" \"$@\"")])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, folder);
    shell
}

/// Runs the child part of a test to its end, and fails when it fails.
#[track_caller]
pub(crate) fn run_child_part(test: &str, prepare: &str) {
    let directory = TestDirectory::new();
    let output = child_part(test, directory.path(), prepare).output().unwrap();
    let (told, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success() && told.contains("1 passed"), "{told}{errors}");
}

/// The folder, in the child part of a test.
pub(crate) fn child_folder() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}
