//! The processes of an environment, and what they have open.
//!
//! They are the descendants of its init process, which is a child subreaper: nothing they start gets out from below it.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

/// Processes of one environment that are looked at.
const DESCENDANTS_MAX: usize = 4096;
/// Processes of the host that are looked at.
const PROCESSES_MAX: usize = 100_000;
/// Threads of one process whose children are looked at.
const THREADS_MAX: usize = 65_536;
/// Open files of one process that are looked at.
const FILES_MAX: usize = 65_536;

/// Does a process below `init` have the socket with this inode number? Blocks: some microseconds for an environment
/// with one process.
pub(super) fn hold(init: u32, inode: u64) -> bool {
    let name = format!("socket:[{inode}]");
    let holds = |pid: u32| has_open(pid, &name);
    // The kernel's lists of children are quick to read, but a child that ends may hide its siblings for a moment, and a
    // kernel may have none. The parents of all processes are the truth.
    below(init, |pid| listed_children(pid, THREADS_MAX), holds) || {
        let children = all_children();
        below(init, |pid| children.get(&pid).cloned().unwrap_or_default(), holds)
    }
}

/// The processes below `root` as the kernel lists them at this moment, the nearest ones first: at most `processes_max`, and
/// only the children of the first `threads_max` threads on the way. Blocks for some microseconds for each of them.
pub(crate) fn some_below(root: u32, processes_max: usize, threads_max: usize) -> Vec<u32> {
    let (mut found, mut looked_at, mut threads_left) = (Vec::new(), 0, threads_max);
    let mut parent = Some(root);
    while let Some(pid) = parent {
        let (children, threads) = children_of_threads(pid, threads_left);
        threads_left = threads_left.saturating_sub(threads);
        for child in children {
            if found.len() >= processes_max {
                return found;
            }
            if child != root && !found.contains(&child) {
                found.push(child);
            }
        }
        parent = found.get(looked_at).copied();
        looked_at += 1;
    }
    found
}

/// Looks for a process below `root` with a property, the nearest ones first.
fn below(root: u32, children: impl Fn(u32) -> Vec<u32>, wanted: impl Fn(u32) -> bool) -> bool {
    let mut seen = HashSet::from([root]);
    let mut level = vec![root];
    while !level.is_empty() {
        let mut next: Vec<u32> = level.iter().flat_map(|&pid| children(pid)).collect();
        // An id may have been given to another process between two looks; none is looked at twice.
        next.retain(|&pid| seen.len() <= DESCENDANTS_MAX && seen.insert(pid));
        if next.iter().any(|&pid| wanted(pid)) {
            return true;
        }
        level = next;
    }
    false
}

fn listed_children(pid: u32, threads_max: usize) -> Vec<u32> {
    children_of_threads(pid, threads_max).0
}

/// The children of a process, thread by thread, and how many threads were looked at.
fn children_of_threads(pid: u32, threads_max: usize) -> (Vec<u32>, usize) {
    let entries = fs::read_dir(format!("/proc/{pid}/task"));
    let (mut children, mut threads) = (Vec::new(), 0);
    for thread in entries.into_iter().flatten().flatten().take(threads_max) {
        threads += 1;
        let list = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        children.extend(list.split_ascii_whitespace().filter_map(|it| it.parse::<u32>().ok()));
    }
    (children, threads)
}

/// The children of every process of the host.
fn all_children() -> HashMap<u32, Vec<u32>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for entry in entries.take(PROCESSES_MAX) {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(pid) = pid
            && let Some(parent) = parent(&entry.path())
        {
            children.entry(parent).or_default().push(pid);
        }
    }
    children
}

/// `pid (name) state ppid ...`; the name may hold anything, so the fields are counted from the last parenthesis.
fn parent(process: &Path) -> Option<u32> {
    let stat = fs::read(process.join("stat")).ok()?;
    let text = String::from_utf8_lossy(&stat);
    let (_, after_name) = text.rsplit_once(')')?;
    after_name.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn has_open(pid: u32, name: &str) -> bool {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    files
        .take(FILES_MAX)
        .any(|file| fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == name))
}

#[cfg(test)]
mod tests {
    use super::{all_children, below, has_open, listed_children, some_below};
    use std::os::fd::AsRawFd;
    use std::process::{Command, id};

    #[test]
    fn both_ways_to_children_find_a_child() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let all = all_children();
        assert!(all.get(&id()).is_some_and(|children| children.contains(&child.id())));
        assert!(below(
            id(),
            |pid| all.get(&pid).cloned().unwrap_or_default(),
            |pid| pid == child.id()
        ));
        // A kernel may be built without these lists.
        if std::path::Path::new("/proc/thread-self/children").exists() {
            assert!(listed_children(id(), 1000).contains(&child.id()));
            assert!(some_below(id(), 1000, 1000).contains(&child.id()));
            assert!(!some_below(id(), 1000, 1000).contains(&id()));
            assert!(some_below(id(), 0, 1000).is_empty() && some_below(id(), 1000, 0).is_empty());
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn the_root_itself_is_not_below_and_circles_end() {
        let circle = |pid: u32| vec![(pid + 1) % 5];
        assert!(!below(0, circle, |pid| pid == 0));
        assert!(below(0, circle, |pid| pid == 4));
        let wide = |pid: u32| (pid * 10..pid * 10 + 10).collect();
        assert!(!below(1, wide, |pid| pid == 0), "bounded");
    }

    #[test]
    fn open_files_are_known_by_their_names() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(file.as_raw_fd() > 2);
        assert!(has_open(id(), "/dev/null"));
        assert!(!has_open(id(), "socket:[0]"));
    }
}
