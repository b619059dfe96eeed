//! Targets as processes of their own: they come and go.

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use testkit::{Folder, Process, repository, self_signed};

/// A running target.
pub(crate) struct Target {
    child: Child,
    pub(crate) address: SocketAddr,
}

/// How a target is spoken with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Spoken {
    Http,
    Https,
    Http2,
}

impl Target {
    /// Starts one, with the certificate of [`write_certificate`].
    #[track_caller]
    pub(crate) fn start(folder: &Path, spoken: Spoken) -> Self {
        let mut command = Command::new("node");
        command.arg(repository("tests/load/target.mjs"));
        match spoken {
            Spoken::Http => command.arg("http"),
            Spoken::Https => command.args(["https", "target.pem", "target.key"]),
            Spoken::Http2 => command.arg("http2"),
        };
        let command = command.current_dir(folder).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let port: u16 = line.trim().parse().unwrap_or_else(|_| panic!("a target said {line:?}"));
        Self {
            child,
            address: (Ipv4Addr::LOCALHOST, port).into(),
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Has it end when it has nothing to do any more, and waits for that.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        let process = Process::of(self.pid());
        kill_process(self.pid(), Signal::TERM).unwrap();
        process.ended();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }

    /// Ends it in the middle of whatever it does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn write_certificate(folder: &Folder) {
    let pem = self_signed(folder, &["target.localhost"], testkit::Validity::Now);
    folder.write("target.pem", &pem.certificate);
    folder.write("target.key", &pem.private_key);
}
