//! The access log of the server: its file, its thread, and what is told about them.

use crate::cli::Files;
use anyhow::Result;
use observe::{AccessLog, AccessLogEvent, AccessLogLimits, AccessLogSender};
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

fn tell(event: AccessLogEvent) {
    match event {
        AccessLogEvent::Failing { error } => error!(error, "the access log cannot be written"),
        AccessLogEvent::Recovered { lines_lost } => warn!(lines_lost, "the access log is written again"),
        AccessLogEvent::QueueFull { lines_lost } => warn!(lines_lost, "the access log is slower than the traffic"),
        AccessLogEvent::Reopened => info!("the access log was moved, and is open anew"),
        AccessLogEvent::ReopenFailed { error } => error!(error, "the access log was moved and cannot be opened anew"),
    }
}
