//! The spawner process: single-threaded, small, between albacore and the init processes of its environments.
//!
//! It forks one init for each request and passes messages on. When albacore closes the socket, or dies, it kills
//! everything below it and ends. What one environment needs is the business of `init`.
//!
//! In the `namespace` tier it keeps some inits ready, each in namespaces of its own: making those takes longer than all
//! the rest of a start.

mod memory;
mod reports;
mod shells;
mod way_out;

use crate::cgroup::{Group, Groups};
use crate::descendants;
use crate::host::Tier;
use crate::init::{self, Birth, Place};
use crate::landlock;
use crate::launch::Launch;
use crate::message::{Id, Reply, Request};
use crate::namespace::{Failure, Listeners, Namespaces};
use crate::outbound::{self, Outbound};
use crate::seccomp;
use crate::spec::Step;
use crate::sys::confine::{self, Resource};
use crate::sys::fd::{self, StandardStream};
use crate::sys::process::{self, Disposition, Fork, Pid, Reaped};
use crate::sys::{errno, socket};
use shells::Shell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// The first argument that makes this binary a spawner.
pub(crate) const ARGUMENT: &str = "--albacore-spawner";

/// How long the inits may take to end their environments after albacore has gone; then they are killed as well.
const CLOSING_TIME_MAX: Duration = Duration::from_secs(8);
/// How long the spawner waits for what it has killed itself.
const KILL_TIME_MAX: Duration = Duration::from_secs(2);
/// An init is made ahead when nobody has asked for anything for so long: what is started meanwhile has its runtime in front
/// of it, and making namespaces and control groups holds up every fork on the machine.
const QUIET: Duration = Duration::from_millis(20);
/// If it is never quiet, one is made all the same.
const QUIET_AWAITED_MAX: Duration = Duration::from_millis(250);
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
    let tier = match std::env::args_os().nth(2) {
        Some(name) if name == Tier::Namespace.name() => Tier::Namespace,
        _ => Tier::Process,
    };
    let number = |at: usize| std::env::args_os().nth(at)?.to_str()?.parse().ok();
    let (shells_wanted, share_cpu) = (number(3).unwrap_or(0), number(4).unwrap_or(0) != 0);
    // Nobody reads an error of this process: its streams are `/dev/null`. Whoever started it sees the status.
    let status = match Root::start() {
        Ok(mut root) => match root.open(tier, shells_wanted, share_cpu) {
            Ok(()) => {
                let lived = root.live();
                root.leave_network();
                lived.map_or(1, |()| 0)
            }
            Err((step, error)) => {
                root.reply(Reply::Failed {
                    id: 0,
                    step,
                    errno: errno(&error),
                });
                1
            }
        },
        Err(_) => 1,
    };
    process::exit_now(status)
}

/// The spawner: the root of the tree of all environments.
struct Root {
    albacore: OwnedFd,
    signals: OwnedFd,
    landlock_version: Option<u32>,
    /// By the name of their only process, or of the enclosure.
    environments: HashMap<Id, Environment>,
    /// In which environment a main process is, until its end has been told.
    processes: HashMap<Id, Id>,
    /// Every init that has not been collected, and who forks them; the other children are strays.
    inits: HashSet<Pid>,
    /// An init died without finishing its work, so processes of its environment may be our children now.
    strays: bool,
    /// Set when albacore has gone: everything has to be over by then.
    closing: Option<Instant>,
    /// Those of the enclosures, by their inits.
    groups: Groups,
    group_of: HashMap<Pid, Group>,
    /// In the `namespace` tier.
    namespaces: Option<Namespaces>,
    /// Once an enclosure wanted one.
    outbound: Option<Outbound>,
    /// Inits that wait for a main process.
    shells: VecDeque<Shell>,
    shells_made: u32,
    /// How many there shall be, once one was used: who runs no functions has no memory in them.
    shells_wanted: usize,
    shells_used: bool,
    /// None are made until the next start, which says why they fail.
    shells_fail: bool,
    /// When albacore asked for something, or a program began to run.
    stirred: Instant,
    /// Since when there are fewer shells than there shall be.
    shells_lacking: Option<Instant>,
    /// When to look at the memory of the enclosures.
    look_at: Option<Instant>,
}

struct Environment {
    control: OwnedFd,
    init: Pid,
    kind: Kind,
    /// What has been told to albacore about its processes.
    processes: HashMap<Id, Progress>,
}

enum Kind {
    /// Of one process, among those of the host.
    Host,
    /// With the listeners of its network, until albacore has them.
    Enclosure {
        listeners: Option<Listeners>,
        is_frozen: bool,
    },
}

/// What has been told to albacore about a main process whose end has not been.
#[derive(Clone, Copy, PartialEq)]
enum Progress {
    Starting,
    Started,
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
            processes: HashMap::new(),
            inits: HashSet::new(),
            strays: false,
            closing: None,
            groups: Groups::default(),
            group_of: HashMap::new(),
            namespaces: None,
            outbound: None,
            shells: VecDeque::new(),
            shells_made: 0,
            shells_wanted: 0,
            shells_used: false,
            shells_fail: false,
            stirred: Instant::now(),
            shells_lacking: None,
            look_at: None,
        };
        Ok(root)
    }

    /// Gets ready for environments of this tier, and says so.
    fn open(&mut self, tier: Tier, shells_wanted: usize, share_cpu: bool) -> Result<(), Failure> {
        if tier == Tier::Namespace {
            // While the files of the groups are where this process sees them.
            self.groups = Groups::prepare(share_cpu);
            let namespaces = Namespaces::prepare()?;
            // Their ends are no ends of environments, and they are not strays.
            self.inits.extend(namespaces.forkers());
            self.namespaces = Some(namespaces);
            self.shells_wanted = shells_wanted;
            self.rehearse()?;
            // What a killed one has left.
            outbound::sweep();
        }
        // What is forked finds it made.
        seccomp::filter_on_host();
        let controllers = self.groups.controllers();
        self.reply(Reply::Ready { controllers });
        Ok(())
    }

    fn reply(&self, reply: Reply) {
        self.reply_with(reply, &[]);
    }

    fn reply_with(&self, reply: Reply, files: &[BorrowedFd<'_>]) {
        // An error means that albacore has gone; the next look at the socket finds that out.
        let _ = socket::send(self.albacore.as_fd(), &reply.encode(), files, socket::Wait::ForRoom);
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
            let patience = self.patience();
            // Every one is polled for its end; that it is ready need not be known.
            let first_shell = entries.len();
            entries.extend(
                self.shells
                    .iter()
                    .map(|it| fd::interest(it.control.as_fd(), libc::POLLIN)),
            );
            fd::poll(&mut entries, patience)?;
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
            // From behind, so that the numbers before stay right.
            for index in (0..self.shells.len()).rev() {
                if ready(first_shell + index) {
                    self.hear_shell(index);
                }
            }
            if self.closing.is_none() && ready(ids.len() + 1) {
                self.obey();
            }
            if self.shell_due().is_some_and(|due| due.is_zero()) {
                self.add_shell();
            }
            self.look_at_memory();
            match self.closing {
                Some(_) if !children && self.environments.is_empty() => return Ok(()),
                Some(deadline) if Instant::now() >= deadline => {
                    for group in self.group_of.values() {
                        group.kill();
                    }
                    return kill_everything();
                }
                _ => {}
            }
        }
    }

    /// How long to wait when nothing happens.
    fn patience(&mut self) -> Option<Duration> {
        let closing = self
            .closing
            .map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let strays = self.strays.then_some(KILL_AGAIN_AFTER);
        let dues = [closing, strays, self.shell_due(), self.look_due()];
        dues.into_iter().flatten().min()
    }

    /// Takes one request of albacore's.
    fn obey(&mut self) {
        let mut buffer = [0; Request::BYTES];
        let received = match socket::receive(self.albacore.as_fd(), &mut buffer) {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(_) => return self.close(),
        };
        self.stirred = Instant::now();
        let files: Vec<OwnedFd> = received.fds.into_iter().flatten().collect();
        match Request::decode(buffer.get(..received.bytes).unwrap_or_default()) {
            Some(Request::Spawn(id)) => {
                let spawned = self.spawn(id, files);
                self.report_failure(id, spawned);
            }
            Some(Request::Open(id)) => {
                let opened = self.open_enclosure(id, files);
                self.report_failure(id, opened);
            }
            Some(request @ (Request::Terminate(id) | Request::Kill(id))) => {
                // One that is not there any more has ended by itself, and its report is on its way.
                if let Some(&environment) = self.processes.get(&id) {
                    // What is frozen does nothing about it.
                    self.freeze(environment, false);
                }
                let environment = self.processes.get(&id).and_then(|it| self.environments.get(it));
                if let Some(environment) = environment {
                    pass_on(environment, request);
                }
            }
            Some(Request::Complete(id)) => {
                let completed = self.complete_enclosure(id, files);
                self.report_failure(id, completed);
            }
            Some(Request::Socket { id, enclosure }) => {
                let sent = self.send_socket(id, enclosure);
                self.report_failure(id, sent);
            }
            Some(Request::Freeze(id)) => self.freeze(id, true),
            Some(Request::Thaw(id)) => self.freeze(id, false),
            Some(Request::ShareCpu { id, quota_us }) => self.share_cpu(id, quota_us),
            Some(request @ Request::Close(id)) => {
                self.freeze(id, false);
                if let Some(environment) = self.environments.get(&id) {
                    pass_on(environment, request);
                }
            }
            Some(Request::Release(scratch)) => {
                if let Some(namespaces) = &mut self.namespaces {
                    namespaces.release(scratch);
                }
            }
            Some(Request::Enter) | None => self.close(),
        }
    }

    fn report_failure(&self, id: Id, outcome: Result<(), Failure>) {
        if let Err((step, error)) = outcome {
            self.reply(Reply::Failed {
                id,
                step,
                errno: errno(&error),
            });
        }
    }

    /// Albacore has gone, or says that it is going: everything ends.
    fn close(&mut self) {
        let all: Vec<Id> = self.environments.keys().copied().collect();
        for id in all {
            self.freeze(id, false);
        }
        for (&id, environment) in &self.environments {
            pass_on(environment, Request::Close(id));
        }
        // They end when they read the end.
        self.shells_wanted = 0;
        self.shells.clear();
        if let Some(namespaces) = &mut self.namespaces {
            namespaces.dismiss_forkers();
        }
        self.closing = Some(Instant::now() + CLOSING_TIME_MAX);
    }

    /// `files`: the launch, standard output, standard error, and the log pipe if there is one.
    fn spawn(&mut self, id: Id, mut files: Vec<OwnedFd>) -> Result<(), Failure> {
        let at = |step| move |error| (step, error);
        let error = |errno| io::Error::from_raw_os_error(errno);
        // Fewer arrive when this process has no room for them.
        if files.len() < 3 {
            return Err((Step::Request, error(libc::EMFILE)));
        }
        let launch = File::from(files.remove(0));
        let enclosure = Launch::read_enclosure(&launch).map_err(at(Step::Request))?;
        let environment = match enclosure {
            Some(enclosure) => {
                self.give_to_functions(&files)?;
                enclosure
            }
            None => {
                let shell = self.fork_on_host().map_err(at(Step::Init))?;
                let environment = Environment {
                    control: shell.control,
                    init: shell.init,
                    kind: Kind::Host,
                    processes: HashMap::new(),
                };
                self.environments.insert(id, environment);
                id
            }
        };
        // An enclosure may have ended meanwhile.
        let Some(place) = self.environments.get_mut(&environment) else {
            return Err((Step::Init, error(libc::ESRCH)));
        };
        place.processes.insert(id, Progress::Starting);
        self.processes.insert(id, environment);
        let files: Vec<_> = std::iter::once(launch.as_fd())
            .chain(files.iter().map(AsFd::as_fd))
            .collect();
        // An init reads at once, so it has room. An error means that it has gone, and that is found when it is heard.
        let _ = socket::send(
            place.control.as_fd(),
            &Request::Spawn(id).encode(),
            &files,
            socket::Wait::Never,
        );
        Ok(())
    }

    fn fork_on_host(&mut self) -> io::Result<Shell> {
        let (control, init_control) = socket::pair()?;
        // SAFETY: `Root::start` has seen that there is one thread, and nothing in this crate's spawner starts another.
        // The child's branch never returns.
        match unsafe { process::fork() }? {
            Fork::Parent { child } => {
                self.inits.insert(child);
                Ok(Shell {
                    init: child,
                    control,
                    listeners: None,
                })
            }
            Fork::Child => {
                let landlock_version = self.landlock_version;
                // SAFETY: freshly forked from one thread; only the birth is used from here on.
                unsafe {
                    init::run(Birth {
                        control: init_control,
                        landlock_version,
                        place: Place::Host,
                        entrances: [const { None }; socket::FDS_MAX],
                    })
                }
            }
        }
    }

    /// Collects every ended child. True while there are others.
    fn reap(&mut self) -> bool {
        loop {
            match process::reap() {
                // An init says with 0 that it leaves nothing. Only now are its children ours: when its socket closed, they
                // may still have been its own.
                Reaped::Ended { pid, status } => {
                    self.strays |= self.inits.remove(&pid) && status != 0;
                    if let Some(group) = self.group_of.remove(&pid) {
                        group.remove();
                    }
                }
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
