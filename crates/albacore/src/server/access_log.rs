//! The access log of the server: its file, its thread, and what is told about them.

use crate::cli::Files;
use anyhow::{Result, bail};
use observe::{AccessLog, AccessLogEvent, AccessLogLimits, AccessLogSender};
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tracing::{error, info, warn};

/// The access log's file, thread and sender.
pub(super) struct AccessLogFile {
    pub(super) path: PathBuf,
    pub(super) log: AccessLog,
    pub(super) sender: AccessLogSender,
}

impl AccessLogFile {
    /// `None` when it is off.
    pub(super) fn open(files: &Files, data_dir: &Path) -> Result<Option<Self>> {
        let path = match &files.access_log {
            Some(path) if path == Path::new("off") => return Ok(None),
            Some(path) => std::path::absolute(path)?,
            None => data_dir.join("access.log"),
        };
        refuse_odd_files(&path)?;
        let (log, sender) = AccessLog::open(&path, AccessLogLimits::default(), tell)?;
        Ok(Some(Self { path, log, sender }))
    }

    /// Writes what is queued. The senders of the cores have to be gone.
    pub(super) async fn close(self, within: Duration) {
        drop(self.sender);
        let closed = tokio::task::spawn_blocking(move || self.log.shutdown(within)).await;
        if let Ok(Err(error)) = closed {
            error!(%error, "the access log did not end well");
        }
    }
}

/// Opening a pipe that nobody reads waits for ever, and with it the start, before signals are heard.
fn refuse_odd_files(path: &Path) -> Result<()> {
    match fs::metadata(path).map(|about| about.file_type()) {
        Ok(kind) if !kind.is_file() && !kind.is_char_device() => bail!(
            "--access-log {} is neither a file nor a character device; name a file, which is made when it is missing, or `off`",
            path.display()
        ),
        // What else is wrong with it is told by opening it.
        _ => Ok(()),
    }
}

fn tell(event: AccessLogEvent) {
    match event {
        AccessLogEvent::Failing { error } => error!(error, "the access log cannot be written"),
        AccessLogEvent::Recovered { lines_lost } => warn!(lines_lost, "the access log is written again"),
        AccessLogEvent::QueueFull { lines_lost } => warn!(lines_lost, "the access log is slower than the traffic"),
        AccessLogEvent::Reopened => info!("the access log was moved, and is open anew"),
        AccessLogEvent::ReopenFailed { error } => error!(error, "the access log was moved and cannot be opened anew"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_dir::temporary_path;
    use std::os::unix::net::UnixListener;

    #[test]
    fn only_what_can_be_appended_to_at_once_is_opened() {
        let folder = temporary_path().unwrap();
        fs::create_dir(&folder).unwrap();
        let (file, pipe, socket) = (folder.join("file"), folder.join("pipe"), folder.join("socket"));
        fs::write(&file, "").unwrap();
        let status = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(status.success());
        let _listener = UnixListener::bind(&socket).unwrap();
        for good in [&file, &folder.join("absent"), Path::new("/dev/null")] {
            assert!(refuse_odd_files(good).is_ok(), "{}", good.display());
        }
        for odd in [&pipe, &socket, &folder] {
            let refused = refuse_odd_files(odd).unwrap_err().to_string();
            let expected = format!("--access-log {} is neither a file nor", odd.display());
            assert!(refused.starts_with(&expected), "{refused}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
