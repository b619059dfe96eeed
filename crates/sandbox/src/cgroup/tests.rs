use super::*;

#[test]
fn hierarchies_are_found_with_the_group_of_this_process() {
    let mounts = "30 23 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n\
                  31 30 0:27 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
                  32 30 0:28 /docker/1 /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
                  33 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                  34 30 0:30 / /sys/fs/cgroup/nowhere rw - cgroup2 cgroup2 rw,nsdelegate\n";
    let own = "5:cpu,cpuacct:/c\n4:memory:/m/1\n3:pids:/docker/1/inner\n1:name=systemd:/s\n0::/u\n";
    let memory = Controllers {
        memory: true,
        ..Controllers::default()
    };
    let processes = Controllers {
        processes: true,
        ..Controllers::default()
    };
    let cpu = Controllers {
        cpu: true,
        ..Controllers::default()
    };
    assert_eq!(
        candidates(mounts, own),
        [
            (Version::Two, Controllers::default(), "/sys/fs/cgroup/nowhere/u".into()),
            (Version::One, memory, "/sys/fs/cgroup/memory/m/1".into()),
            (Version::One, processes, "/sys/fs/cgroup/pids/inner".into()),
            (Version::One, cpu, "/sys/fs/cgroup/cpu,cpuacct/c".into()),
        ]
    );
    assert_eq!(candidates("", own), []);
    assert_eq!(candidates(mounts, ""), []);
}

/// A folder stands for a hierarchy: a machine has one version of a controller at most.
fn hierarchy(name: &str, files: &[&str]) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("albacore-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    for file in files {
        fs::write(folder.join(file), "").unwrap();
    }
    folder
}

#[test]
fn shares_of_version_1_are_written_to_its_files() {
    let folder = hierarchy("cgroup-1", &["cgroup.procs", "cpu.cfs_quota_us", "cpu.cfs_period_us"]);
    let group = Group::of(vec![(Version::One, Controllers::from_bits(4), folder.clone())]);
    assert_eq!(group.entrances().unwrap().len(), 1, "an init moves there ahead");
    group.share_cpu(1446).unwrap();
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    assert_eq!(
        (read("cpu.cfs_quota_us"), read("cpu.cfs_period_us")),
        ("1446".into(), PERIOD_US.to_string())
    );
    // Nothing is written where the kernel has no such file.
    assert!(!folder.join("cpu.cfs_burst_us").exists());
    fs::write(folder.join("cpu.cfs_burst_us"), "").unwrap();
    group.share_cpu(1446).unwrap();
    assert_eq!(read("cpu.cfs_burst_us"), "1446");
    assert!(!group.freeze(true));
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn kills_are_read_from_both_versions_files() {
    assert_eq!(kills_in("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"), Some(2));
    assert_eq!(
        kills_in("low 0\nhigh 0\nmax 5\noom 1\noom_kill 1\noom_group_kill 1\n"),
        Some(1)
    );
    assert_eq!(kills_in("oom_kill_disable 0\nunder_oom 0\n"), None);
}

#[test]
fn controllers_survive_the_socket() {
    for bits in 0..8 {
        assert_eq!(Controllers::from_bits(bits).bits(), bits);
    }
}

/// What version 2 does without any controller, where this machine has it and lets us: births into a group are seen in
/// tests/spawner, with frozen environments.
#[test]
fn a_group_of_version_2_is_frozen_and_killed() {
    use std::os::unix::process::ExitStatusExt;
    let mut groups = Groups::prepare(false);
    let group = groups.make(1024).unwrap();
    let Some((group, folder)) = group.as_ref().and_then(|group| {
        let mut folders = group.folders.iter();
        let (.., folder) = folders.find(|(version, ..)| *version == Version::Two)?;
        Some((group, folder))
    }) else {
        println!("not tried, because this machine has no control groups of version 2 that may be changed");
        return group.iter().for_each(Group::remove);
    };
    let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    set(folder, "cgroup.procs", &child.id().to_string()).unwrap();
    let is_frozen = || {
        fs::read_to_string(folder.join("cgroup.events"))
            .unwrap()
            .contains("frozen 1")
    };
    assert!(group.freeze(true));
    while !is_frozen() {
        std::thread::yield_now();
    }
    // What stands still can be killed.
    assert!(group.kill());
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
    assert!(group.freeze(false) && !is_frozen());
    group.remove();
    assert!(!folder.exists());
}

#[test]
fn limits_of_version_2_are_written_to_its_files() {
    let files = ["memory.max", "memory.swap.max", "pids.max", "cpu.max", "cpu.max.burst"];
    let folder = hierarchy("cgroup-2", &files);
    fs::write(folder.join("memory.events"), "oom 0\noom_kill 0\n").unwrap();
    let mut group = Group::of(vec![(Version::Two, Controllers::from_bits(7), folder.clone())]);
    group.limit_memory(128 << 20).unwrap();
    group.limit_processes(1024).unwrap();
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    assert_eq!(
        (read("memory.max"), read("memory.swap.max")),
        ("134217728".into(), "0".into())
    );
    assert_eq!(read("pids.max"), "1024");
    group.share_cpu(1446).unwrap();
    assert_eq!(read("cpu.max"), format!("1446 {PERIOD_US}"));
    assert_eq!(read("cpu.max.burst"), "1446");
    assert!(!group.freeze(true), "there is no such file");
    fs::write(folder.join("cgroup.freeze"), "0").unwrap();
    assert!(group.freeze(true));
    assert_eq!(read("cgroup.freeze"), "1");
    assert!(group.freeze(false));
    assert_eq!(read("cgroup.freeze"), "0");
    assert!(!group.was_out_of_memory());
    fs::write(folder.join("memory.events"), "oom 1\noom_kill 1\n").unwrap();
    assert!(group.was_out_of_memory());
    assert!(!group.was_out_of_memory(), "told once");
    assert!(group.birthplace().is_some() && group.entrances().unwrap().is_empty());
    fs::remove_dir_all(&folder).unwrap();
}
