//! The spawner process: single-threaded, small, between albacore and the init processes of its environments.
//!
//! It forks one init for each request and passes messages on. When albacore closes the socket, or dies, it kills
//! everything below it and ends. What one environment needs is the business of `init`.

use crate::descendants;
use crate::init::{self, Birth};
use crate::landlock;
use crate::message::{Id, Reply, Request};
use crate::spec::Step;
use crate::status::ExitStatus;
use crate::sys::confine::{self, Resource};
use crate::sys::fd::{self, StandardStream};
use crate::sys::process::{self, Disposition, Fork, Pid, Reaped};
use crate::sys::{errno, socket};
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// The first argument that makes this binary a spawner.
pub(crate) const ARGUMENT: &str = "--albacore-spawner";

/// How long the inits may take to end their environments after albacore has gone; then they are killed as well.
const CLOSING_TIME_MAX: Duration = Duration::from_secs(8);
/// How long the spawner waits for what it has killed itself.
const KILL_TIME_MAX: Duration = Duration::from_secs(2);
/// How soon to look again for processes that have lost their init, when none of them has ended meanwhile.
const KILL_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Becomes the spawner process if this process was started as one, and then never returns.
///
/// The first call in `main` of every binary that uses [`crate::Spawner`], before any thread or runtime exists: the
/// spawner forks, which is sound in a single-threaded process only. Does nothing unless the first argument is the
/// spawner's and standard input is the socket that comes with it.
pub fn run_spawner_if_asked() {
    if std::env::args_os().nth(1).as_deref() != Some(OsStr::new(ARGUMENT)) {
        return;
    }
    if !socket::is_message_socket(io::stdin().as_fd()) {
        return;
    }
    // Nobody reads an error of this process: its streams are `/dev/null`. Whoever started it sees the status.
    let status = match Root::start() {
        Ok(mut root) => root.live().map_or(1, |()| 0),
        Err(_) => 1,
    };
    process::exit_now(status)
}

/// The spawner: the root of the tree of all environments.
struct Root {
    albacore: OwnedFd,
    signals: OwnedFd,
    landlock_version: Option<u32>,
    environments: HashMap<Id, Environment>,
    /// Every init that has not been collected; the other children are strays.
    inits: HashSet<Pid>,
    /// An init died without finishing its work, so processes of its environment may be our children now.
    strays: bool,
    /// Set when albacore has gone: everything has to be over by then.
    closing: Option<Instant>,
}

struct Environment {
    control: OwnedFd,
    progress: Progress,
}

/// What has been told to albacore about an environment.
#[derive(Clone, Copy, PartialEq)]
enum Progress {
    Starting,
    Started,
    Over,
}

impl Root {
    fn start() -> io::Result<Self> {
        let albacore = io::stdin().as_fd().try_clone_to_owned()?;
        let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
        for stream in [StandardStream::Input, StandardStream::Output, StandardStream::Error] {
            fd::replace_stream(stream, null.as_fd())?;
        }
        drop(null);
        // SAFETY: `main` has just begun, and the only descriptor of ours above 2 is the one that is kept.
        unsafe { fd::close_all_except(&mut [albacore.as_raw_fd()]) }?;
        // `fork` relies on this, so it is checked and not only asked for in the documentation.
        if fs::read_dir("/proc/self/task")?.count() != 1 {
            return Err(io::Error::other("the spawner was not started first"));
        }
        process::set_name(c"albacore-spawn");
        process::new_session()?;
        process::become_subreaper()?;
        // What a terminal or a service manager sends to all processes at once. Albacore decides when this one ends.
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGPIPE] {
            process::set_disposition(signal, Disposition::Ignore);
        }
        // If whoever started us ignored it, children would vanish without a status.
        process::set_disposition(libc::SIGCHLD, Disposition::Default);
        let child_signal = process::child_signal();
        process::block_signals(&child_signal)?;
        confine::raise_soft_limit(Resource::OpenFiles)?; // one socket for each environment
        let root = Self {
            signals: fd::signal_file(&child_signal)?,
            albacore,
            landlock_version: landlock::version(),
            environments: HashMap::new(),
            inits: HashSet::new(),
            strays: false,
            closing: None,
        };
        root.reply(Reply::Ready);
        Ok(root)
    }

    fn reply(&self, reply: Reply) {
        // An error means that albacore has gone; the next look at the socket finds that out.
        let _ = socket::send(self.albacore.as_fd(), &reply.encode(), &[], socket::Wait::ForRoom);
    }

    fn live(&mut self) -> io::Result<()> {
        loop {
            let ids: Vec<Id> = self.environments.keys().copied().collect();
            let mut entries = Vec::with_capacity(ids.len() + 2);
            entries.push(fd::interest(self.signals.as_fd(), libc::POLLIN));
            entries.extend(
                self.environments
                    .values()
                    .map(|it| fd::interest(it.control.as_fd(), libc::POLLIN)),
            );
            if self.closing.is_none() {
                entries.push(fd::interest(self.albacore.as_fd(), libc::POLLIN));
            }
            fd::poll(&mut entries, self.patience())?;
            let ready = |index: usize| entries.get(index).is_some_and(|entry| entry.revents != 0);

            for (index, &id) in ids.iter().enumerate() {
                if ready(index + 1) {
                    self.hear(id);
                }
            }
            if ready(0) {
                fd::drain(self.signals.as_fd());
            }
            let children = self.reap();
            if self.strays {
                self.strays = descendants::kill_all(&self.inits) > 0;
            }
            if self.closing.is_none() && ready(ids.len() + 1) {
                self.obey();
            }
            match self.closing {
                Some(_) if !children && self.environments.is_empty() => return Ok(()),
                Some(deadline) if Instant::now() >= deadline => return kill_everything(),
                _ => {}
            }
        }
    }

    /// How long to wait when nothing happens.
    fn patience(&self) -> Option<Duration> {
        let closing = self
            .closing
            .map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let strays = self.strays.then_some(KILL_AGAIN_AFTER);
        closing.into_iter().chain(strays).min()
    }

    /// Takes one request of albacore's.
    fn obey(&mut self) {
        let mut buffer = [0; Request::BYTES];
        let received = match socket::receive(self.albacore.as_fd(), &mut buffer) {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(_) => return self.close(),
        };
        match Request::decode(buffer.get(..received.bytes).unwrap_or_default()) {
            Some(Request::Spawn(id)) => {
                if let Err(error) = self.spawn(id, received.fds) {
                    self.reply(Reply::Failed {
                        id,
                        step: Step::Init,
                        errno: errno(&error),
                    });
                }
            }
            Some(request @ (Request::Terminate(id) | Request::Kill(id))) => {
                // One that is not there any more has ended by itself, and its report is on its way.
                if let Some(environment) = self.environments.get(&id) {
                    pass_on(environment, request);
                }
            }
            None => self.close(),
        }
    }

    /// Albacore has gone, or says that it is going: everything ends.
    fn close(&mut self) {
        for (&id, environment) in &self.environments {
            pass_on(environment, Request::Kill(id));
        }
        self.closing = Some(Instant::now() + CLOSING_TIME_MAX);
    }

    fn spawn(&mut self, id: Id, fds: [Option<OwnedFd>; socket::FDS_MAX]) -> io::Result<()> {
        // Fewer arrive when this process has no room for them.
        let [Some(launch), Some(stdout), Some(stderr), log] = fds else {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        };
        let (control, init_control) = socket::pair()?;
        // SAFETY: `Root::start` has seen that there is one thread, and nothing in this crate's spawner starts another.
        // The child's branch never returns.
        match unsafe { process::fork() }? {
            Fork::Parent { child } => {
                self.inits.insert(child);
                self.environments.insert(
                    id,
                    Environment {
                        control,
                        progress: Progress::Starting,
                    },
                );
                Ok(())
            }
            Fork::Child => {
                let landlock_version = self.landlock_version;
                let birth = Birth {
                    id,
                    control: init_control,
                    launch,
                    stdout,
                    stderr,
                    log,
                    landlock_version,
                };
                // SAFETY: freshly forked from one thread; only `birth` is used from here on.
                unsafe { init::run(birth) }
            }
        }
    }

    /// Takes one report of an init's and hands it on.
    fn hear(&mut self, id: Id) {
        let Some(environment) = self.environments.get_mut(&id) else {
            return;
        };
        let mut buffer = [0; Reply::BYTES];
        let reply = match socket::receive(environment.control.as_fd(), &mut buffer) {
            Ok(received) => Reply::decode(buffer.get(..received.bytes).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(_) => None,
        };
        let reply = match (reply, environment.progress) {
            (Some(reply), _) => reply,
            (None, Progress::Over) => {
                self.environments.remove(&id);
                return;
            }
            // The init was killed. The main process dies with it, and `reap` sees to the rest.
            (None, Progress::Started) => Reply::Exited {
                id,
                status: ExitStatus::KILLED_WAIT_STATUS,
            },
            (None, Progress::Starting) => Reply::Failed {
                id,
                step: Step::Init,
                errno: libc::ECHILD,
            },
        };
        environment.progress = match reply {
            Reply::Ready | Reply::Started { .. } => Progress::Started,
            Reply::Failed { .. } | Reply::Exited { .. } => Progress::Over,
        };
        self.reply(reply);
    }

    /// Collects every ended child. True while there are others.
    fn reap(&mut self) -> bool {
        loop {
            match process::reap() {
                // An init says with 0 that it leaves nothing. Only now are its children ours: when its socket closed, they
                // may still have been its own.
                Reaped::Ended { pid, status } => self.strays |= self.inits.remove(&pid) && status != 0,
                Reaped::NoneEnded => return true,
                Reaped::NoChildren => return false,
            }
        }
    }
}

fn pass_on(environment: &Environment, request: Request) {
    // An init reads at once and hears of few things in its life, so its socket is never full; an error means that it
    // has gone.
    let _ = socket::send(environment.control.as_fd(), &request.encode(), &[], socket::Wait::Never);
}

/// The last resort when an init does not end in time.
fn kill_everything() -> io::Result<()> {
    let deadline = Instant::now() + KILL_TIME_MAX;
    while Instant::now() < deadline {
        descendants::kill_all(&HashSet::new());
        loop {
            match process::reap() {
                Reaped::Ended { .. } => {}
                Reaped::NoneEnded => break,
                Reaped::NoChildren => return Ok(()),
            }
        }
        fd::poll(&mut [], Some(KILL_AGAIN_AFTER))?;
    }
    Err(io::Error::from_raw_os_error(libc::ETIMEDOUT))
}
