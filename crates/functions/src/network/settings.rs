//! Files that say where names are found: those of the host, for who is in the host's network.

use crate::host::Host;
use crate::runtime_files::write_file;
use sandbox::{Mount, Reach};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Who is the way to the platform inside, besides what the host knows by name. Source: Lambda 4.6.
const OWN_HOSTS: &str = "\n127.0.0.1 sandbox.localdomain sandbox\n";
/// A longer list of hosts is not shown.
const HOSTS_BYTES_MAX: u64 = 1 << 20;

/// The network of an environment in namespaces of its own, and what its processes find about it.
#[derive(Debug, Default)]
pub(crate) struct Surroundings {
    pub(crate) reach: Reach,
    pub(crate) settings: Vec<Mount>,
}

impl Surroundings {
    /// What cannot be shown is left out: addresses are reached all the same.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn of(host: &Host, reach: Reach) -> Self {
        if reach != Reach::Host {
            return Self {
                reach,
                settings: Vec::new(),
            };
        }
        let folder = host.runtime_directory.clone();
        let find = move || {
            let hosts = hosts(&folder)
                .inspect_err(|error| tracing::warn!(%error, "cannot give functions the names that this machine knows"))
                .ok();
            let place = |source: PathBuf, target: &str| Mount {
                source,
                target: target.into(),
            };
            let hosts = hosts.map(|file| place(file, "/etc/hosts"));
            let servers = fs::canonicalize("/etc/resolv.conf").ok();
            hosts
                .into_iter()
                .chain(servers.map(|file| place(file, "/etc/resolv.conf")))
                .collect()
        };
        Self {
            reach,
            settings: tokio::task::spawn_blocking(find).await.unwrap_or_default(),
        }
    }
}

/// A file with the hosts that this machine knows by name, and ours. It appears whole: others may look at an older one. Blocks.
fn hosts(folder: &Path) -> io::Result<PathBuf> {
    let known = Path::new("/etc/hosts");
    let mut text = match fs::metadata(known) {
        Ok(about) if about.len() <= HOSTS_BYTES_MAX => String::from_utf8_lossy(&fs::read(known)?).into_owned(),
        _ => "127.0.0.1 localhost\n".to_owned(),
    };
    text.push_str(OWN_HOSTS);
    let path = folder.join("hosts");
    if !fs::read(&path).is_ok_and(|found| found == text.as_bytes()) {
        write_file(&path, &text)?;
    }
    Ok(path)
}
