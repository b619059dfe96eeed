//! What an init does before anybody knows what will run.

use super::waiting::Waiting;
use super::{Birth, Place, tell};
use crate::cgroup::{self, Controllers};
use crate::child::{self, Purpose, Streams};
use crate::landlock;
use crate::launch::{Launch, OWN_TMP, PLAN_BYTES, Plan};
use crate::message::{Reply, Request};
use crate::namespace::{self, Confinement, Failure, Network};
use crate::spec::Step;
use crate::sys::{fd, process, socket};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};

/// What comes of that.
#[derive(Default)]
pub(super) struct Prepared {
    /// Of the environment something is still to come.
    pub(super) is_incomplete: bool,
    pub(super) waiting: Option<Waiting>,
}

/// Everything that can be done before anybody knows what will run.
///
/// # Safety
///
/// This process must have one thread only.
pub(super) unsafe fn prepare(birth: &mut Birth) -> Result<Prepared, Failure> {
    process::set_name(c"albacore-init");
    process::become_subreaper().map_err(|error| (Step::Init, error))?;
    let Place::Apart { ids, rehearse, network } = birth.place else {
        return Ok(Prepared::default());
    };
    if !matches!(wait_for_request(&birth.control), Some((Request::Enter, _))) {
        process::exit_now(0);
    }
    // Before the groups it is in become the root of those that it sees.
    for entrance in birth.entrances.iter_mut().filter_map(Option::take) {
        cgroup::enter(entrance.as_fd()).map_err(|error| (Step::ControlGroup, error))?;
    }
    namespace::become_shell(&ids)?;
    // It may be stopped when the spawner is killed, and could not see to the end of its environment.
    process::die_with_parent().map_err(|error| (Step::Init, error))?;
    if rehearse {
        // SAFETY: one thread only, by the contract above.
        unsafe { rehearse_start(birth.landlock_version) }?;
    }
    // Without it one is forked when it is wanted.
    // SAFETY: one thread only, by the contract above.
    let waiting = unsafe { Waiting::start(network, birth.landlock_version) }.ok();
    let controllers = Controllers::default();
    tell(&birth.control, Reply::Ready { controllers });
    match wait_for_request(&birth.control) {
        Some((Request::Open(id), files)) => {
            let is_incomplete = with_plan(&files, |plan, mounts| {
                namespace::furnish(plan, mounts)?;
                Ok(plan.is_incomplete)
            })?;
            tell(&birth.control, Reply::Opened { id });
            Ok(Prepared { is_incomplete, waiting })
        }
        // The spawner does not want it any more, or has gone.
        _ => process::exit_now(0),
    }
}

/// Puts in place what came with the request to complete an environment.
pub(super) fn complete(files: &[Option<OwnedFd>]) -> Result<(), Failure> {
    with_plan(files, namespace::add_mounts)
}

/// What came with a request: the file that says what it is, and the mounts.
fn with_plan<T>(
    files: &[Option<OwnedFd>],
    act: impl FnOnce(&Plan<'_>, &[Option<OwnedFd>]) -> Result<T, Failure>,
) -> Result<T, Failure> {
    // Fewer arrive when this process has no room for them.
    let Some((Some(file), mounts)) = files.split_first() else {
        return Err((Step::Request, io::Error::from_raw_os_error(libc::EMFILE)));
    };
    let file = file
        .try_clone()
        .map(File::from)
        .map_err(|error| (Step::Request, error))?;
    let (mut usual, mut large) = ([0; PLAN_BYTES], Vec::new());
    let plan = Plan::read(&file, &mut usual, &mut large).map_err(|error| (Step::Request, error))?;
    act(&plan, mounts)
}

/// Starts a main process up to the point where it would execute its program.
///
/// # Safety
///
/// This process must have one thread only.
unsafe fn rehearse_start(landlock_version: Option<u32>) -> Result<(), Failure> {
    let at = |step| move |error| (step, error);
    let launch = Launch::rehearsal();
    let null = OpenOptions::new().read(true).write(true).open("/dev/null");
    let null = null.map_err(at(Step::Root))?;
    let (failure, writer) = io::pipe().map_err(at(Step::Init))?;
    let ruleset = landlock_version
        .map(|version| landlock::ruleset(version, Some(OWN_TMP), Some(Network::Own)))
        .transpose()
        .map_err(at(Step::Landlock))?;
    let streams = Streams {
        stdout: null.as_fd(),
        stderr: null.as_fd(),
        log: None,
        assignment: None,
    };
    let rules = ruleset.as_ref().map(AsFd::as_fd);
    let confinement = Confinement::new(Network::Own, landlock_version);
    let filter = Some(confinement.filter());
    let prepared = child::Prepared::new(&launch, streams, rules, Some(confinement), filter, Purpose::Rehearse);
    // SAFETY: one thread only, by the contract above.
    let pid = unsafe { child::start(&prepared, writer.as_fd()) }.map_err(at(Step::Fork))?;
    drop(writer);
    let mut bytes = [0; 8];
    let failed = File::from(OwnedFd::from(failure)).read_exact(&mut bytes).is_ok();
    let status = process::wait_for(pid).map_err(at(Step::Fork))?;
    if failed {
        let (step, errno) = child::decode_failure(bytes);
        return Err((step, io::Error::from_raw_os_error(errno)));
    }
    match status {
        0 => Ok(()),
        // The filter, for one, ends who calls what nobody may.
        _ => Err((Step::SystemCalls, io::Error::from_raw_os_error(libc::ENOSYS))),
    }
}

/// Waits for one request. `None`: the spawner has gone.
fn wait_for_request(control: &OwnedFd) -> Option<(Request, [Option<OwnedFd>; socket::FDS_MAX])> {
    loop {
        fd::poll(&mut [fd::interest(control.as_fd(), libc::POLLIN)], None).ok()?;
        let mut buffer = [0; Request::BYTES];
        match socket::receive(control.as_fd(), &mut buffer) {
            Ok(received) => {
                let request = Request::decode(buffer.get(..received.bytes)?)?;
                return Some((request, received.fds));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
    }
}
