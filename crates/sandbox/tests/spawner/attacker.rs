//! What a function that means harm does. This very program is run as one, and prints what came of each attempt.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::Path;
use std::time::Duration;

/// The first argument that makes this program one; the attack comes next.
pub(crate) const ATTACKER: &str = "attacker";

pub(crate) fn attack(arguments: &[String]) {
    let mut arguments = arguments.iter().map(String::as_str);
    let name = arguments.next().unwrap();
    let rest: Vec<&str> = arguments.collect();
    match name {
        "read" => rest.iter().for_each(|path| read(path)),
        "write" => rest.iter().for_each(|path| write(path)),
        "list" => rest.iter().for_each(|path| list(path)),
        "calls" => calls(),
        "processes" => processes(),
        "connect" => rest.iter().for_each(|address| connect(address)),
        "ask" => rest.iter().for_each(|address| ask(address)),
        "datagram" => rest.iter().for_each(|address| datagram(address)),
        "forge" => forge(rest[0], rest[1]),
        "abstract" => rest.iter().for_each(|name| connect_abstract(name)),
        "fork" => fork_bomb(),
        "fill" => fill(),
        "files" => many_files(),
        "privileges" => privileges(),
        "memory" => memory(rest[0].parse().unwrap()),
        "hold" => hold(rest[0].parse().unwrap()),
        "hold-shared" => hold_shared(rest[0].parse().unwrap()),
        "hold-in-tmp" => hold_in_tmp(rest[0].parse().unwrap()),
        "watch" => watch(),
        "spin" => spin(),
        other => panic!("{other}"),
    }
}

/// `what: ok` or the name of the error.
fn say<T>(what: &str, outcome: io::Result<T>) {
    match outcome {
        Ok(_) => println!("{what}: ok"),
        Err(error) => println!("{what}: {}", name_of(&error)),
    }
}

fn name_of(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EPERM) => "EPERM".into(),
        Some(libc::EACCES) => "EACCES".into(),
        Some(libc::ENOENT) => "ENOENT".into(),
        Some(libc::ESRCH) => "ESRCH".into(),
        Some(libc::ENOSYS) => "ENOSYS".into(),
        Some(libc::EROFS) => "EROFS".into(),
        Some(libc::ENOSPC) => "ENOSPC".into(),
        Some(libc::EAGAIN) => "EAGAIN".into(),
        Some(libc::EINVAL) => "EINVAL".into(),
        Some(libc::ECONNREFUSED) => "ECONNREFUSED".into(),
        Some(libc::EHOSTUNREACH) => "EHOSTUNREACH".into(),
        Some(libc::EADDRNOTAVAIL) => "EADDRNOTAVAIL".into(),
        Some(libc::ENETUNREACH) => "ENETUNREACH".into(),
        Some(libc::EAFNOSUPPORT) => "EAFNOSUPPORT".into(),
        _ => error.to_string(),
    }
}

fn read(path: &str) {
    let outcome = match fs::metadata(path) {
        Ok(about) if about.is_dir() => fs::read_dir(path).map(drop),
        _ => fs::read(path).map(drop),
    };
    say(path, outcome);
}

fn write(path: &str) {
    let new = Path::new(path).join("new");
    let outcome = if Path::new(path).is_dir() {
        File::create(new).map(drop)
    } else {
        OpenOptions::new().write(true).open(path).map(drop)
    };
    say(path, outcome);
}

fn list(path: &str) {
    let mut names: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    println!("{}", names.join(" "));
}

fn call(what: &str, number: libc::c_long, arguments: [usize; 5]) {
    let [a, b, c, d, e] = arguments;
    // SAFETY: every pointer among the arguments below is null or to something that lives through the call, and none of
    // the calls is expected to do anything.
    let returned = unsafe { libc::syscall(number, a, b, c, d, e) };
    say(
        what,
        if returned == -1 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        },
    );
}

fn calls() {
    let root = c"/".as_ptr() as usize;
    let tmp = c"/tmp".as_ptr() as usize;
    let tmpfs = c"tmpfs".as_ptr() as usize;
    let new_user = libc::CLONE_NEWUSER as usize;
    call("ptrace", libc::SYS_ptrace, [libc::PTRACE_TRACEME as usize, 0, 0, 0, 0]);
    call("process_vm_readv", libc::SYS_process_vm_readv, [1, 0, 0, 0, 0]);
    call("pidfd_getfd", libc::SYS_pidfd_getfd, [0, 0, 0, 0, 0]);
    call("unshare users", libc::SYS_unshare, [new_user, 0, 0, 0, 0]);
    call(
        "unshare mounts",
        libc::SYS_unshare,
        [libc::CLONE_NEWNS as usize, 0, 0, 0, 0],
    );
    call(
        "clone users",
        libc::SYS_clone,
        [new_user | libc::SIGCHLD as usize, 0, 0, 0, 0],
    );
    call("clone3", libc::SYS_clone3, [0, 0, 0, 0, 0]);
    call("setns", libc::SYS_setns, [0, 0, 0, 0, 0]);
    call("mount", libc::SYS_mount, [tmpfs, tmp, tmpfs, 0, 0]);
    call("umount", libc::SYS_umount2, [tmp, 0, 0, 0, 0]);
    call("pivot_root", libc::SYS_pivot_root, [root, root, 0, 0, 0]);
    call("chroot", libc::SYS_chroot, [tmp, 0, 0, 0, 0]);
    call(
        "open_tree",
        libc::SYS_open_tree,
        [libc::AT_FDCWD as usize, root, 1, 0, 0],
    );
    call("fsopen", libc::SYS_fsopen, [tmpfs, 0, 0, 0, 0]);
    call("io_uring_setup", libc::SYS_io_uring_setup, [1, 0, 0, 0, 0]);
    call("userfaultfd", libc::SYS_userfaultfd, [0, 0, 0, 0, 0]);
    call("bpf", libc::SYS_bpf, [0, 0, 0, 0, 0]);
    call("perf_event_open", libc::SYS_perf_event_open, [0, 0, 0, 0, 0]);
    call("keyctl", libc::SYS_keyctl, [0, 0, 0, 0, 0]);
    call("personality", libc::SYS_personality, [0x40000, 0, 0, 0, 0]);
    call("vsock", libc::SYS_socket, [libc::AF_VSOCK as usize, 1, 0, 0, 0]);
    call("packets", libc::SYS_socket, [libc::AF_PACKET as usize, 3, 0, 0, 0]);
    call("crypto", libc::SYS_socket, [libc::AF_ALG as usize, 5, 0, 0, 0]);
}

/// Every process there is: how many are seen, and what can be done to those that are not this one.
fn processes() {
    let own = std::process::id();
    let seen = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<u32>().ok());
    let others: Vec<_> = seen.filter(|&pid| pid != own).collect();
    println!("others: {others:?}");
    for name in ["environ", "mem", "fd", "root", "cwd", "exe"] {
        let path = format!("/proc/1/{name}");
        say(
            name,
            fs::File::open(&path).and_then(|_| fs::read_link(&path).map(drop).or(Ok(()))),
        );
    }
    // SAFETY: take plain numbers.
    let killed = [libc::SIGKILL, libc::SIGTERM, libc::SIGSTOP].map(|signal| unsafe { libc::kill(1, signal) });
    println!(
        "signalled: {}",
        killed.iter().filter(|&&returned| returned == 0).count()
    );
    // Whoever is still there has not been killed.
    println!("init: {}", Path::new("/proc/1/stat").exists());
}

fn connect(address: &str) {
    let address = address.parse().unwrap();
    say("connect", TcpStream::connect_timeout(&address, Duration::from_secs(5)));
}

/// What the server says.
fn ask(address: &str) {
    let mut text = String::new();
    let asked = TcpStream::connect_timeout(&address.parse().unwrap(), Duration::from_secs(5))
        .and_then(|mut stream| stream.read_to_string(&mut text));
    match asked {
        Ok(_) => println!("ask: {text}"),
        Err(error) => println!("ask: {}", name_of(&error)),
    }
}

/// What comes back for one.
fn datagram(address: &str) {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut buffer = [0; 512];
    let answered = socket
        .connect(address)
        .and_then(|()| socket.send(b"?"))
        .and_then(|_| socket.recv(&mut buffer));
    match answered {
        Ok(bytes) => println!("datagram: {}", String::from_utf8_lossy(&buffer[..bytes])),
        Err(error) => println!("datagram: {}", name_of(&error)),
    }
}

/// Tries to send as somebody else.
fn forge(source: &str, target: &str) {
    // SAFETY: take plain numbers, or point to an int that lives.
    let socket = unsafe {
        let fd = libc::socket(libc::AF_INET, libc::SOCK_DGRAM, 0);
        let on: libc::c_int = 1;
        let bytes = size_of::<libc::c_int>() as libc::socklen_t;
        libc::setsockopt(fd, libc::IPPROTO_IP, libc::IP_FREEBIND, (&raw const on).cast(), bytes);
        <UdpSocket as std::os::fd::FromRawFd>::from_raw_fd(fd)
    };
    // SAFETY: an address of zeros is a valid value.
    let mut address: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    address.sin_family = libc::AF_INET as libc::sa_family_t;
    address.sin_addr.s_addr = u32::from_ne_bytes(source.parse::<std::net::Ipv4Addr>().unwrap().octets());
    let bytes = size_of_val(&address) as libc::socklen_t;
    let fd = std::os::fd::AsRawFd::as_raw_fd(&socket);
    // SAFETY: the address lives through the call, and its length is right.
    let bound = match unsafe { libc::bind(fd, (&raw const address).cast(), bytes) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    };
    say("forge", bound.and_then(|()| socket.send_to(b"?", target)));
}

fn connect_abstract(name: &str) {
    let address = SocketAddr::from_abstract_name(name).unwrap();
    say("connect", UnixStream::connect_addr(&address));
}

/// Forks until that fails, each child doing nothing but wait.
fn fork_bomb() {
    let mut children = 0;
    let error = loop {
        // SAFETY: one thread; the child only waits.
        match unsafe { libc::fork() } {
            0 => loop {
                // SAFETY: waits for signals.
                unsafe { libc::pause() };
            },
            -1 => break io::Error::last_os_error(),
            _ => children += 1,
        }
        if children > 4000 {
            break io::Error::other("never");
        }
    };
    println!("{children} {}", name_of(&error));
    // The children hold it too.
    io::stdout().flush().unwrap();
    // SAFETY: waits for signals.
    unsafe { libc::pause() };
}

fn fill() {
    let mut file = File::create("/tmp/large").unwrap();
    let block = vec![1; 64 << 10];
    let mut written = 0_u64;
    let error = loop {
        match file.write(&block) {
            Ok(bytes) => written += bytes as u64,
            Err(error) => break error,
        }
        if written > 64 << 20 {
            break io::Error::other("never");
        }
    };
    println!("{written} {}", name_of(&error));
    drop(file);
    fs::remove_file("/tmp/large").unwrap();
    say("afterwards", fs::write("/tmp/small", "x"));
}

fn many_files() {
    let mut made = 0;
    let error = loop {
        match File::create(format!("/tmp/{made}")) {
            Ok(_) => made += 1,
            Err(error) => break error,
        }
        if made > 1_000_000 {
            break io::Error::other("never");
        }
    };
    println!("{made} {}", name_of(&error));
}

fn privileges() {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    for line in status
        .lines()
        .filter(|line| line.starts_with("Cap") || line.starts_with("NoNew"))
    {
        println!("{}", line.replace('\t', " "));
    }
    call("setuid 0", libc::SYS_setresuid, [0, 0, 0, 0, 0]);
    call("setgid 0", libc::SYS_setresgid, [0, 0, 0, 0, 0]);
    call(
        "raise nofile",
        libc::SYS_setrlimit,
        [libc::RLIMIT_NOFILE as usize, &raw const HUGE as usize, 0, 0, 0],
    );
    call(
        "raise nproc",
        libc::SYS_setrlimit,
        [libc::RLIMIT_NPROC as usize, &raw const HUGE as usize, 0, 0, 0],
    );
}

static HUGE: libc::rlimit = libc::rlimit {
    rlim_cur: 1 << 20,
    rlim_max: 1 << 20,
};

/// Uses so many megabytes.
fn memory(megabytes: usize) {
    let mut blocks = Vec::new();
    for _ in 0..megabytes {
        blocks.push(vec![1_u8; 1 << 20]);
    }
    println!("{}", blocks.len());
}

/// Uses so many megabytes until it is ended.
fn hold(megabytes: usize) {
    memory_of(megabytes);
    // SAFETY: waits for signals.
    unsafe { libc::pause() };
}

fn memory_of(megabytes: usize) {
    let blocks: Vec<_> = (0..megabytes).map(|_| vec![1_u8; 1 << 20]).collect();
    std::mem::forget(blocks);
}

/// The same in a file that nobody sees.
fn hold_shared(megabytes: usize) {
    // SAFETY: the name ends with a zero; the descriptor is nobody else's.
    let mut file = unsafe {
        let fd = libc::memfd_create(c"held".as_ptr(), 0);
        <File as std::os::fd::FromRawFd>::from_raw_fd(fd)
    };
    for _ in 0..megabytes {
        file.write_all(&[1; 1 << 20]).unwrap();
    }
    // SAFETY: waits for signals.
    unsafe { libc::pause() };
}

/// Has so many megabytes in `/tmp`, and some of its own, for longer than anybody looks away.
fn hold_in_tmp(megabytes: usize) {
    let mut file = File::create("/tmp/large").unwrap();
    for _ in 0..megabytes {
        file.write_all(&[1; 1 << 20]).unwrap();
    }
    memory_of(16);
    std::thread::park_timeout(Duration::from_millis(300));
    println!("{megabytes} ok");
}

/// Takes all means of watching files that it gets, and keeps them.
fn watch() {
    let mut watchers = 0;
    // SAFETY: takes a plain number; nobody owns what is made.
    while unsafe { libc::inotify_init1(0) } != -1 {
        watchers += 1;
    }
    println!("{watchers}");
    // SAFETY: waits for signals.
    unsafe { libc::pause() };
}

/// Works until it is ended.
fn spin() {
    println!("spins");
    loop {
        std::hint::spin_loop();
    }
}
