use super::super::Controllers;
use super::*;

const MB: u64 = 1 << 20;

#[test]
fn the_less_is_left_the_sooner_somebody_looks() {
    for (left_mb, milliseconds) in [(0, 5), (4, 5), (20, 20), (100, 100), (10_000, 100)] {
        let expected = Duration::from_millis(milliseconds);
        assert_eq!(again_after(left_mb * 1_000_000), expected, "{left_mb}");
    }
}

#[test]
fn files_that_are_kept_and_what_is_in_tmp_do_not_count() {
    let figures = format!(
        "cache 1\nshmem {}\ninactive_anon 7\ninactive_file {}\nactive_file {}\ntotal_shmem 9\n",
        100 * MB,
        2 * MB,
        3 * MB
    );
    let tmp = |bytes, files| Used { bytes, files };
    for (in_tmp, expected) in [
        (tmp(0, 0), 5 * MB),
        (tmp(40 * MB, 0), 45 * MB),
        // What was there before this group counts for another.
        (tmp(400 * MB, 0), 105 * MB),
        (tmp(40 * MB, 1024), 46 * MB),
    ] {
        assert_eq!(not_counted(&figures, in_tmp), expected, "{in_tmp:?}");
    }
    assert_eq!(not_counted("", tmp(MB, 0)), 0);
    assert_eq!(not_counted(&format!("slab_reclaimable {MB}\nshmem 0"), tmp(MB, 0)), MB);
}

/// A folder stands for a group of version 2, whose memory no machine of ours can limit.
#[test]
fn the_largest_process_of_who_uses_more_is_killed() {
    use std::os::unix::process::ExitStatusExt;
    let folder = std::env::temp_dir().join(format!("albacore-allowance-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    let members = format!("{}\n{}\n", std::process::id(), child.id());
    let write = |file: &str, text: String| fs::write(folder.join(file), text).unwrap();
    for file in ["memory.max", "memory.swap.max"] {
        write(file, String::new());
    }
    write("cgroup.procs", members);
    write("memory.stat", format!("shmem 0\ninactive_file {}\n", 200 * MB));
    write("memory.events", "oom_kill 0\n".into());
    let two = Controllers {
        memory: true,
        ..Controllers::default()
    };
    let mut group = Group::of(vec![(Version::Two, two, folder.clone())]);
    let init = process::own_pid();
    assert_eq!(group.look(init), None, "it may use as much as it likes");
    group.has_tmp(fs::File::open("/proc").unwrap().into(), 512 * MB);
    group.allow(Some(128 * MB)).unwrap();
    assert_eq!(
        fs::read_to_string(folder.join("memory.max")).unwrap(),
        (640 * MB).to_string(),
        "room for both"
    );
    for used in [20 * MB, 128 * MB, 320 * MB] {
        write("memory.current", used.to_string());
        assert!(group.look(init).is_some() && !group.was_out_of_memory(), "{used}");
    }
    write("memory.current", (340 * MB).to_string());
    assert_eq!(group.look(init), Some(LOOK_AGAIN_MIN));
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
    assert!(group.was_out_of_memory());
    assert!(!group.was_out_of_memory(), "told once");
    fs::remove_dir_all(&folder).unwrap();
}
