//! Finding and killing everything below a process.

use crate::sys::process::{self, Pid};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::fd::AsFd;

/// What this crate reads of `/proc/<pid>/stat`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stat {
    parent: Pid,
    /// In clock ticks since boot: with the id it tells one process from every other.
    start_time: u64,
    zombie: bool,
}

/// Sends SIGKILL to every living descendant of this process, leaving out the children in `except` and all below them.
/// Returns how many it found: 0 means that, when it looked, nothing was left to kill.
///
/// A tree that is just growing may hide a process from one walk; call again until nothing is found.
pub(crate) fn kill_all(except: &HashSet<Pid>) -> usize {
    let processes = all_processes();
    let mut found = 0;
    for (pid, stat) in below(process::own_pid(), except, &processes) {
        found += usize::from(!stat.zombie);
        if !stat.zombie {
            kill(pid, stat);
        }
    }
    found
}

/// A grandchild may end, be collected by its parent and have its id taken by a stranger at any moment. So: take hold of
/// whatever has the id, see that it is the one that was found, and only then kill what we hold.
fn kill(pid: Pid, found: Stat) {
    let Ok(held) = process::open_process(pid) else { return };
    if read_stat(pid).is_some_and(|now| now.start_time == found.start_time) {
        // Fails only when it has just ended.
        let _ = process::kill_process(held.as_fd());
    }
}

fn all_processes() -> HashMap<Pid, Stat> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return HashMap::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<Pid>().ok())
        .filter_map(|pid| Some((pid, read_stat(pid)?)))
        .collect()
}

fn read_stat(pid: Pid) -> Option<Stat> {
    // The name in the second field may be any bytes.
    parse_stat(&String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/stat")).ok()?))
}

/// `pid (name) state ppid ...`, the start time being field 22. The name may hold anything, also `) Z 1`, so the fields
/// are counted from the last parenthesis.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, after_name) = text.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let start_time = fields.nth(17)?.parse().ok()?;
    Some(Stat {
        parent,
        start_time,
        zombie: matches!(state, "Z" | "X" | "x"),
    })
}

fn below(root: Pid, except: &HashSet<Pid>, processes: &HashMap<Pid, Stat>) -> Vec<(Pid, Stat)> {
    let mut children: HashMap<Pid, Vec<Pid>> = HashMap::new();
    for (&pid, stat) in processes {
        children.entry(stat.parent).or_default().push(pid);
    }
    let mut found = Vec::new();
    let mut open = vec![root];
    while let Some(parent) = open.pop() {
        // Taken out, so that the walk ends even if ids were reused while `/proc` was read and the tree has a loop.
        for child in children.remove(&parent).unwrap_or_default() {
            if child != root && !except.contains(&child) {
                found.push((child, processes[&child]));
                open.push(child);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Pid, Stat, below, parse_stat};
    use std::collections::{HashMap, HashSet};

    #[test]
    fn a_hostile_name_does_not_move_the_fields() {
        let tail = "S 41 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 2 3 4";
        for name in ["sleep", ") Z 1 (", "a b", ")"] {
            let expected = Stat {
                parent: 41,
                start_time: 987_654,
                zombie: false,
            };
            assert_eq!(parse_stat(&format!("43 ({name}) {tail}")), Some(expected), "{name}");
        }
        assert!(
            parse_stat(&format!("43 (x) {}", tail.replacen('S', "Z", 1)))
                .unwrap()
                .zombie
        );
        for broken in ["", "43 (x", "43 (x) S", "43 (x) S y 1", "43 (x) S 41 42"] {
            assert_eq!(parse_stat(broken), None, "{broken}");
        }
    }

    #[track_caller]
    fn check(tree: &[(Pid, Pid)], except: &[Pid], expected: &[Pid]) {
        let stat = |parent| Stat {
            parent,
            start_time: 0,
            zombie: false,
        };
        let processes: HashMap<_, _> = tree.iter().map(|&(pid, parent)| (pid, stat(parent))).collect();
        let except: HashSet<_> = except.iter().copied().collect();
        let mut found: Vec<_> = below(10, &except, &processes).into_iter().map(|(pid, _)| pid).collect();
        found.sort_unstable();
        assert_eq!(found, expected);
    }

    #[test]
    fn descendants_are_found_at_any_depth_and_exceptions_with_all_below_them_left_out() {
        check(&[], &[], &[]);
        check(
            &[(1, 0), (10, 1), (11, 10), (12, 11), (13, 12), (20, 1), (21, 20)],
            &[],
            &[11, 12, 13],
        );
        check(&[(11, 10), (12, 11), (13, 10), (14, 13)], &[11], &[13, 14]);
        check(&[(11, 10), (10, 12), (12, 11)], &[], &[11, 12]);
    }
}
