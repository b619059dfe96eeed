//! The environment's temporary directory at the path `/tmp`, where functions expect it.
//!
//! The main process gets a mount namespace of its own, and in it the directory is mounted over `/tmp`. Who may not make
//! one makes a user namespace first, which gives the right to, with the same user and group as outside. Both end with
//! the last process in them, so nothing has to be taken back and no other process ever sees the mount.
//!
//! That the process cannot take the mount away is the work of the steps after it: it has no capability in its user
//! namespace, and a namespace it makes itself gets this mount locked.

use crate::host::HostFeatures;
use crate::spec::Spec;
use crate::sys::{fd, mount, process};
use std::ffi::{CStr, CString, OsStr};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

const TMP: &str = "/tmp";
/// How far the first line of a script is read, in bytes. The kernel reads as many.
const FIRST_LINE_BYTES_MAX: u64 = 256;

/// Everything the mount needs, made before the fork.
#[derive(Debug)]
pub(crate) struct OwnTmp {
    directory: CString,
    /// What goes to `uid_map` and `gid_map`: one user and one group, with the numbers they have outside.
    users: String,
    groups: String,
}

impl OwnTmp {
    /// For a directory that exists, absolute.
    pub(crate) fn new(directory: &CStr) -> Self {
        let (user, group) = mount::own_user_and_group();
        Self {
            directory: directory.to_owned(),
            users: format!("{user} {user} 1"),
            groups: format!("{group} {group} 1"),
        }
    }

    /// Mounts the directory over `/tmp` for this process and its descendants. Only for a process with one thread.
    /// Does not allocate.
    pub(crate) fn mount(&self) -> io::Result<()> {
        match mount::unshare_mounts() {
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                mount::unshare_users_and_mounts()?;
                // An ordinary user may map its group only when no process in there can leave its groups any more.
                write(c"/proc/self/setgroups", b"deny")?;
                write(c"/proc/self/uid_map", self.users.as_bytes())?;
                write(c"/proc/self/gid_map", self.groups.as_bytes())?;
            }
            other => other?,
        }
        mount::isolate_mounts()?;
        mount::bind(&self.directory, c"/tmp")
    }
}

fn write(path: &CStr, text: &[u8]) -> io::Result<()> {
    // A path of this length is copied to the stack and not to the heap.
    let file = OpenOptions::new()
        .write(true)
        .open(OsStr::from_bytes(path.to_bytes()))?;
    fd::write(file.as_fd(), text)
}

/// Does this host let a process like this one do it? Tried in a child that does nothing else.
pub(crate) fn is_possible() -> bool {
    // A mount over a link covers what the link names, and nobody could say any more what is hidden.
    if !fs::symlink_metadata(TMP).is_ok_and(|about| about.is_dir()) {
        return false;
    }
    // Nothing is ever mounted beneath this directory; with a mount beneath it, it could not be mounted alone.
    let own_tmp = OwnTmp::new(c"/proc/self/fdinfo");
    let mut command = Command::new("/proc/self/exe");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // SAFETY: runs in the child, which has one thread, and does not allocate: system calls with what was made before.
    unsafe {
        command.pre_exec(move || {
            own_tmp.mount()?;
            process::exit_now(0)
        });
    }
    command.status().is_ok_and(|status| status.success())
}

/// May [`Spec::temporary_mount`] be set for this process? The host has to allow it, there has to be a temporary
/// directory, and nothing that the process starts with may be hidden: its program, that of the first line if it is a
/// script, the working directory, and every argument that is an absolute path, each also behind its links.
///
/// Blocks for some microseconds on the file system.
pub fn can_mount_over_tmp(features: &HostFeatures, spec: &Spec) -> bool {
    if !features.temporary_mount || spec.temporary_directory.is_none() {
        return false;
    }
    let arguments = spec.args.iter().map(Path::new);
    let absolute_arguments = arguments.filter(|argument| argument.is_absolute());
    let mut paths = [spec.program.as_path(), &spec.working_directory]
        .into_iter()
        .chain(absolute_arguments);
    !paths.any(is_beneath_tmp) && !script_interpreter(&spec.program).is_some_and(|it| is_beneath_tmp(Path::new(&it)))
}

/// One that is not there is judged by its name, and whoever needs it finds out.
fn is_beneath_tmp(path: &Path) -> bool {
    path.starts_with(TMP) || path.canonicalize().is_ok_and(|path| path.starts_with(TMP))
}

/// `#!interpreter argument`
fn script_interpreter(program: &Path) -> Option<std::ffi::OsString> {
    let mut start = Vec::new();
    let file = File::open(program).ok()?;
    file.take(FIRST_LINE_BYTES_MAX).read_to_end(&mut start).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    Some(OsStr::from_bytes(words.next()?).to_owned())
}

#[cfg(test)]
mod tests {
    use super::{can_mount_over_tmp, script_interpreter};
    use crate::host::HostFeatures;
    use crate::spec::{Limits, Spec};
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    const ABLE: HostFeatures = HostFeatures {
        temporary_mount: true,
        user_namespaces: false,
        cgroup: None,
        landlock_version: None,
        seccomp: false,
    };

    fn spec() -> Spec {
        Spec {
            program: "/srv/bootstrap".into(),
            args: vec!["-c".into(), "tmp/x".into(), "/tmpfiles/x".into()],
            environment: vec![("A".into(), "/tmp/x".into())],
            working_directory: "/srv".into(),
            temporary_directory: Some("/tmp/data/tmp".into()),
            temporary_mount: false,
            layers_directory: None,
            log_pipe: false,
            assignment_pipe: false,
            limits: Limits::default(),
            enclosure: None,
        }
    }

    #[test]
    fn nothing_that_a_process_starts_with_may_be_hidden() {
        assert!(can_mount_over_tmp(&ABLE, &spec()));
        let unable = HostFeatures {
            temporary_mount: false,
            ..ABLE
        };
        assert!(!can_mount_over_tmp(&unable, &spec()));
        for hidden in [
            Spec {
                temporary_directory: None,
                ..spec()
            },
            Spec {
                program: "/tmp/bootstrap".into(),
                ..spec()
            },
            Spec {
                working_directory: "/tmp".into(),
                ..spec()
            },
            Spec {
                args: vec!["-S".into(), "/tmp/data/bootstrap.py".into()],
                ..spec()
            },
        ] {
            assert!(!can_mount_over_tmp(&ABLE, &hidden), "{hidden:?}");
        }
    }

    #[test]
    fn links_and_first_lines_are_followed() {
        let name = format!("own-tmp-{}", std::process::id());
        let within = Path::new("/tmp").join(&name);
        let outside = Path::new("/var/tmp").join(&name);
        fs::create_dir(&within).unwrap();
        fs::create_dir(&outside).unwrap();
        symlink(&within, outside.join("link")).unwrap();
        let script = outside.join("script");
        fs::write(&script, "#! /tmp/venv/python -S\nx").unwrap();
        let read = script_interpreter(&script);
        let linked = Spec {
            working_directory: outside.join("link"),
            ..spec()
        };
        let scripted = Spec {
            program: script.clone(),
            ..spec()
        };
        let seen = [&linked, &scripted].map(|spec| can_mount_over_tmp(&ABLE, spec));
        fs::write(&script, "#!/bin/sh").unwrap();
        let plain = can_mount_over_tmp(&ABLE, &scripted);
        fs::remove_dir_all(within).unwrap();
        fs::remove_dir_all(outside).unwrap();
        assert_eq!(read, Some("/tmp/venv/python".into()));
        assert_eq!((seen, plain), ([false, false], true));
    }
}
