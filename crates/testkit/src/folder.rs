//! A folder of one test, and albacore's commands in it.

use crate::program::{Finished, run};
use crate::server::Server;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder that goes away with this value. The manifest in it is `albacore.yaml`, as users have it.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    binary: PathBuf,
    variables: Vec<(&'static str, &'static str)>,
}

impl Folder {
    /// An empty one. `binary` is the albacore of this build: `env!("CARGO_BIN_EXE_albacore")`.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    pub fn new(binary: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("albacore-test-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        let binary = PathBuf::from(binary);
        Self {
            path,
            binary,
            variables: Vec::new(),
        }
    }

    /// The path of a file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file as editors do it: whoever reads sees the old file or the new one.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) {
        self.replace(name, text, 0o644);
    }

    /// Writes a program.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn write_program(&self, name: &str, text: &str) {
        self.replace(name, text, 0o755);
    }

    fn replace(&self, name: &str, text: &str, mode: u32) {
        let new = self.path(".new");
        fs::write(&new, text).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(mode)).unwrap();
        fs::rename(new, self.path(name)).unwrap();
    }

    /// Makes a pipe with a name, for a function to wait at: who reads it waits for who writes it.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    pub fn make_pipe(&self, name: &str) {
        run(Command::new("mkfifo").arg(self.path(name))).expect_success();
    }

    /// A command of albacore in this folder, with none of the variables of this process but `PATH`, and those of
    /// [`Folder::with_variable`].
    pub fn albacore(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(args)
            .current_dir(&self.path)
            .stdin(Stdio::null())
            .env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(self.variables.iter().copied());
        command
    }

    /// The folder with a variable that all its commands have.
    #[must_use]
    pub fn with_variable(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.push((name, value));
        self
    }

    /// Runs a command of albacore to its end.
    ///
    /// # Panics
    ///
    /// When it does not end.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Finished {
        run(&mut self.albacore(args))
    }

    /// Starts a server with the manifest in this folder, and waits until it is ready.
    ///
    /// Its endpoint and the listener of port 8080 are on free sockets; other listeners need `--publish PORT:0`. It has one
    /// traffic thread, unless `--cores` says otherwise.
    ///
    /// # Panics
    ///
    /// When it does not get ready.
    #[track_caller]
    pub fn up(&self, args: &[&str]) -> Server {
        self.up_with("albacore.yaml", args)
    }

    /// The same with a manifest from elsewhere.
    ///
    /// # Panics
    ///
    /// When it does not get ready.
    #[track_caller]
    pub fn up_with(&self, file: &str, args: &[&str]) -> Server {
        let usual = ["up", file, "--json", "--endpoint", "127.0.0.1:0", "--publish", "8080:0"];
        let mut command = self.albacore(&[&usual, args].concat());
        Server::start(command.env("ALBACORE_CORES", "1"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}
