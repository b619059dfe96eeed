//! Which system calls a function may not make: those that reach other processes, mounts, namespaces and the kernel's
//! large, seldom used interfaces. Everything else works, so that programs which were not written for this run too.
//!
//! Both tiers have the same filter: nothing of what it refuses is of use to a function, with or without namespaces of its own.
//!
//! The decision is a search tree, because the kernel tries the filter for every call's number when it is installed, and
//! that is a part of every start.

use crate::sys::confine;
use libc::{EAFNOSUPPORT, ENOSYS, EPERM, sock_filter};
use std::sync::OnceLock;

/// What happens to one call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rule {
    /// It fails with this error.
    Refuse(i32),
    /// No new namespaces by `clone`, whose first argument are flags.
    CloneFlags,
    /// Local sockets, IP, and what asks the kernel for its interfaces and routes.
    SocketFamily,
    /// The same without local ones.
    RemoteSocketFamily,
    /// Only what asks, and the usual one.
    Personality,
    /// Nothing that types for others on a terminal.
    TerminalInput,
}

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xC000_00B7;

/// Which local sockets a function may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LocalSockets {
    All,
    /// Only pairs, which are connected with each other and lead nowhere.
    Pairs,
}

/// Every call with a rule. `clone3` is said to be unknown, because its flags are in memory, where a filter cannot look;
/// libc then falls back to `clone`.
fn rules(local_sockets: LocalSockets) -> Vec<(u32, Rule)> {
    const REFUSED: &[libc::c_long] = &[
        // Other processes.
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_pidfd_getfd,
        libc::SYS_kcmp,
        // Namespaces and mounts.
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_open_tree,
        libc::SYS_move_mount,
        libc::SYS_fsopen,
        libc::SYS_fsconfig,
        libc::SYS_fsmount,
        libc::SYS_fspick,
        libc::SYS_mount_setattr,
        libc::SYS_name_to_handle_at,
        libc::SYS_open_by_handle_at,
        libc::SYS_quotactl,
        libc::SYS_quotactl_fd,
        libc::SYS_fanotify_init,
        libc::SYS_fanotify_mark,
        libc::SYS_swapon,
        libc::SYS_swapoff,
        // Interfaces with a history.
        libc::SYS_userfaultfd,
        libc::SYS_io_uring_setup,
        libc::SYS_io_uring_enter,
        libc::SYS_io_uring_register,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_lookup_dcookie,
        // The machine.
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_delete_module,
        libc::SYS_kexec_load,
        libc::SYS_kexec_file_load,
        libc::SYS_reboot,
        libc::SYS_sethostname,
        libc::SYS_setdomainname,
        libc::SYS_syslog,
        libc::SYS_acct,
        libc::SYS_vhangup,
        libc::SYS_settimeofday,
        libc::SYS_clock_settime,
        libc::SYS_clock_adjtime,
        libc::SYS_adjtimex,
        libc::SYS_nfsservctl,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_iopl,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_ioperm,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_modify_ldt,
        #[cfg(target_arch = "x86_64")]
        libc::SYS__sysctl,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_uselib,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_ustat,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_sysfs,
    ];
    const JUDGED: &[(libc::c_long, Rule)] = &[
        (libc::SYS_clone3, Rule::Refuse(ENOSYS)),
        (libc::SYS_clone, Rule::CloneFlags),
        (libc::SYS_socketpair, Rule::SocketFamily),
        (libc::SYS_personality, Rule::Personality),
        (libc::SYS_ioctl, Rule::TerminalInput),
    ];
    let socket = match local_sockets {
        LocalSockets::All => Rule::SocketFamily,
        LocalSockets::Pairs => Rule::RemoteSocketFamily,
    };
    let refused = REFUSED.iter().map(|&call| (call, Rule::Refuse(EPERM)));
    let mut rules: Vec<(u32, Rule)> = refused
        .chain(JUDGED.iter().copied())
        .chain([(libc::SYS_socket, socket)])
        .filter_map(|(call, rule)| Some((u32::try_from(call).ok()?, rule)))
        .collect();
    rules.sort_unstable_by_key(|&(call, _)| call);
    rules
}

/// `offsetof(struct seccomp_data, …)`
const NUMBER: u32 = 0;
const ARCHITECTURE_AT: u32 = 4;
/// The lower half of an argument, on machines whose lower half comes first, as all here do.
const fn argument(index: u32) -> u32 {
    16 + 8 * index
}

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const JUMP: u32 = libc::BPF_JMP | libc::BPF_JA;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;

const fn refusal(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | (errno as u32 & libc::SECCOMP_RET_DATA)
}

/// Skips so many instructions if the condition holds, so many otherwise.
const fn step(code: u32, value: u32, if_true: u8, if_false: u8) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt: if_true,
        jf: if_false,
        k: value,
    }
}

/// The filter of a function. Made once by the spawner, so that what it forks finds it made.
pub(crate) fn filter(local_sockets: LocalSockets) -> &'static [sock_filter] {
    static WITH_ALL: OnceLock<Vec<sock_filter>> = OnceLock::new();
    static WITH_PAIRS: OnceLock<Vec<sock_filter>> = OnceLock::new();
    let made = match local_sockets {
        LocalSockets::All => &WITH_ALL,
        LocalSockets::Pairs => &WITH_PAIRS,
    };
    made.get_or_init(|| make(local_sockets))
}

/// The filter of a function among the processes of the host, where the kernel has filters. It may have local sockets: what
/// listens at one is a file of the host, or has a name of the host's network, and both are there for it anyway.
pub(crate) fn filter_on_host() -> Option<&'static [sock_filter]> {
    confine::has_system_call_filters().then(|| filter(LocalSockets::All))
}

fn make(local_sockets: LocalSockets) -> Vec<sock_filter> {
    let mut program = vec![
        step(LOAD, ARCHITECTURE_AT, 0, 0),
        step(EQUAL, ARCHITECTURE, 1, 0),
        step(RETURN, refusal(ENOSYS), 0, 0),
        step(LOAD, NUMBER, 0, 0),
        // The calls of the x32 interface have this bit, and numbers of their own.
        step(AT_LEAST, 0x4000_0000, 0, 1),
        step(RETURN, refusal(ENOSYS), 0, 0),
    ];
    program.extend(search(&rules(local_sockets)));
    program
}

/// Finds the rule of the number that is loaded.
fn search(rules: &[(u32, Rule)]) -> Vec<sock_filter> {
    /// Fewer are tried one after the other.
    const TRIED_MAX: usize = 3;

    if rules.len() <= TRIED_MAX {
        let mut program = Vec::new();
        for &(call, rule) in rules {
            let judged = judge(rule);
            let length = u8::try_from(judged.len()).unwrap_or(u8::MAX);
            program.push(step(EQUAL, call, 0, length));
            program.extend(judged);
        }
        program.push(step(RETURN, ALLOW, 0, 0));
        return program;
    }
    let (low, high) = rules.split_at(rules.len() / 2);
    let lower = search(low);
    let first = high.first().map_or(0, |&(call, _)| call);
    let distance = u32::try_from(lower.len()).unwrap_or(u32::MAX);
    let mut program = vec![step(AT_LEAST, first, 0, 1), step(JUMP, distance, 0, 0)];
    program.extend(lower);
    program.extend(search(high));
    program
}

/// Ends in an answer on every way.
fn judge(rule: Rule) -> Vec<sock_filter> {
    /// Every `CLONE_NEW…` that `clone` knows.
    const NEW_NAMESPACES: i32 = libc::CLONE_NEWNS
        | libc::CLONE_NEWCGROUP
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET;
    const NETLINK_ROUTE: u32 = 0;
    let allow = step(RETURN, ALLOW, 0, 0);
    let refuse = |errno| step(RETURN, refusal(errno), 0, 0);
    match rule {
        Rule::Refuse(errno) => vec![refuse(errno)],
        Rule::CloneFlags => vec![
            step(LOAD, argument(0), 0, 0),
            step(ANY_BIT, NEW_NAMESPACES as u32, 0, 1),
            refuse(EPERM),
            allow,
        ],
        Rule::SocketFamily => vec![
            step(LOAD, argument(0), 0, 0),
            step(EQUAL, libc::AF_UNIX as u32, 5, 0),
            step(EQUAL, libc::AF_INET as u32, 4, 0),
            step(EQUAL, libc::AF_INET6 as u32, 3, 0),
            step(EQUAL, libc::AF_NETLINK as u32, 0, 3),
            step(LOAD, argument(2), 0, 0),
            step(EQUAL, NETLINK_ROUTE, 0, 1),
            allow,
            refuse(EAFNOSUPPORT),
        ],
        Rule::RemoteSocketFamily => {
            let mut judged = vec![
                step(LOAD, argument(0), 0, 0),
                step(EQUAL, libc::AF_UNIX as u32, 0, 1),
                refuse(EAFNOSUPPORT),
            ];
            judged.extend(judge(Rule::SocketFamily));
            judged
        }
        Rule::Personality => vec![
            step(LOAD, argument(0), 0, 0),
            step(EQUAL, 0, 2, 0),
            step(EQUAL, u32::MAX, 1, 0),
            refuse(EPERM),
            allow,
        ],
        Rule::TerminalInput => vec![
            step(LOAD, argument(1), 0, 0),
            step(EQUAL, libc::TIOCSTI as u32, 1, 0),
            step(EQUAL, 0x541C, 0, 1), // TIOCLINUX
            refuse(EPERM),
            allow,
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the filter as the kernel does.
    fn run(program: &[sock_filter], architecture: u32, call: u32, arguments: [u32; 3]) -> u32 {
        let (mut at, mut loaded) = (0_usize, 0_u32);
        loop {
            let instruction = program[at];
            at += 1;
            let k = instruction.k;
            let jump = |holds: bool| usize::from(if holds { instruction.jt } else { instruction.jf });
            match u32::from(instruction.code) {
                LOAD => {
                    loaded = match k {
                        NUMBER => call,
                        ARCHITECTURE_AT => architecture,
                        other => arguments[(other as usize - 16) / 8],
                    }
                }
                EQUAL => at += jump(loaded == k),
                AT_LEAST => at += jump(loaded >= k),
                ANY_BIT => at += jump(loaded & k != 0),
                JUMP => at += k as usize,
                RETURN => return k,
                other => panic!("{other:#x}"),
            }
        }
    }

    fn judged(call: libc::c_long, arguments: [u32; 3]) -> u32 {
        run(
            filter(LocalSockets::All),
            ARCHITECTURE,
            u32::try_from(call).unwrap(),
            arguments,
        )
    }

    #[test]
    fn every_call_has_the_answer_of_its_rule() {
        let (program, rules) = (filter(LocalSockets::All), rules(LocalSockets::All));
        for call in 0..600 {
            let rule = rules.iter().find(|&&(ruled, _)| ruled == call).map(|&(_, rule)| rule);
            let answer = run(program, ARCHITECTURE, call, [1, 0, 0]);
            match rule {
                Some(Rule::Refuse(errno)) => assert_eq!(answer, refusal(errno), "{call}"),
                Some(Rule::Personality) => assert_eq!(answer, refusal(EPERM), "{call}"),
                _ => assert_eq!(answer, ALLOW, "{call}"),
            }
        }
        assert!(
            rules.windows(2).all(|pair| pair[0].0 < pair[1].0),
            "no call has two rules"
        );
    }

    #[test]
    fn arguments_are_looked_at() {
        let flags = |flags: i32| judged(libc::SYS_clone, [flags as u32, 0, 0]);
        let thread = libc::CLONE_VM | libc::CLONE_FS | libc::CLONE_FILES | libc::CLONE_SIGHAND | libc::CLONE_THREAD;
        assert_eq!(flags(thread), ALLOW);
        assert_eq!(flags(libc::SIGCHLD), ALLOW);
        for new in [
            libc::CLONE_NEWUSER,
            libc::CLONE_NEWNS,
            libc::CLONE_NEWPID,
            libc::CLONE_NEWNET,
        ] {
            assert_eq!(flags(new | libc::SIGCHLD), refusal(EPERM));
        }
        let socket = |family: i32, protocol| judged(libc::SYS_socket, [family as u32, 1, protocol]);
        for family in [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK] {
            assert_eq!(socket(family, 0), ALLOW);
        }
        for (family, protocol) in [
            (libc::AF_VSOCK, 0),
            (libc::AF_ALG, 0),
            (libc::AF_PACKET, 3),
            (libc::AF_NETLINK, 15),
        ] {
            assert_eq!(socket(family, protocol), refusal(EAFNOSUPPORT), "{family}");
        }
        assert_eq!(judged(libc::SYS_personality, [0, 0, 0]), ALLOW);
        assert_eq!(judged(libc::SYS_personality, [u32::MAX, 0, 0]), ALLOW);
        assert_eq!(judged(libc::SYS_personality, [0x40000, 0, 0]), refusal(EPERM));
        assert_eq!(judged(libc::SYS_ioctl, [0, libc::TIOCSTI as u32, 0]), refusal(EPERM));
        assert_eq!(judged(libc::SYS_ioctl, [0, libc::TIOCGWINSZ as u32, 0]), ALLOW);
    }

    #[test]
    fn local_sockets_can_be_refused_but_for_pairs() {
        let program = filter(LocalSockets::Pairs);
        let run = |call: libc::c_long, family: i32| {
            run(
                program,
                ARCHITECTURE,
                u32::try_from(call).unwrap(),
                [family as u32, 1, 0],
            )
        };
        assert_eq!(run(libc::SYS_socket, libc::AF_UNIX), refusal(EAFNOSUPPORT));
        assert_eq!(run(libc::SYS_socketpair, libc::AF_UNIX), ALLOW);
        for family in [libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK] {
            assert_eq!(run(libc::SYS_socket, family), ALLOW, "{family}");
        }
        assert_eq!(run(libc::SYS_socket, libc::AF_VSOCK), refusal(EAFNOSUPPORT));
    }

    #[test]
    fn other_interfaces_of_the_kernel_are_unknown() {
        let program = filter(LocalSockets::All);
        assert_eq!(run(program, 0x4000_0003, 11, [0; 3]), refusal(ENOSYS), "32 bits");
        assert_eq!(run(program, ARCHITECTURE, 0x4000_0001, [0; 3]), refusal(ENOSYS), "x32");
    }
}
