//! Where files are.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Folders and files of the process.
#[derive(Debug, Args)]
#[command(next_help_heading = "Files")]
pub(crate) struct Files {
    /// Where albacore keeps its files: the local certificate authority, keys, logs, metrics, what functions write
    #[arg(long, value_name = "FOLDER", default_value = ".albacore", env = "ALBACORE_DATA_DIR")]
    pub(crate) data_dir: PathBuf,
    /// Keep files in a temporary folder, and remove it at the end
    #[arg(long, env = "ALBACORE_EPHEMERAL")]
    pub(crate) ephemeral: bool,
    /// The access log, or `off`; the default is access.log in the data folder
    #[arg(long, value_name = "FILE|off", env = "ALBACORE_ACCESS_LOG")]
    pub(crate) access_log: Option<PathBuf>,
    /// Where load balancers find the buckets of `access_logs.s3.bucket` and the like: each is a folder in this one, made when
    /// it is missing. The default is s3 in the data folder
    #[arg(long, value_name = "FOLDER", env = "ALBACORE_LOG_BUCKETS")]
    pub(crate) log_buckets: Option<PathBuf>,
    /// Where the objects of S3 are: each folder in this one is a bucket, and a path below it is a key. The AWS API takes certificate
    /// bundles, revocation lists and code from there, and asynchronous invocations that fail leave records in the buckets that
    /// are their destinations. Without it there are no buckets
    #[arg(long, value_name = "FOLDER", env = "ALBACORE_S3_ROOT")]
    pub(crate) s3_root: Option<PathBuf>,
    /// What lines of the access, connection and health-check logs look like, in the file and in buckets
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        default_value = "text",
        env = "ALBACORE_LOG_FORMAT"
    )]
    pub(crate) log_format: LogFormat,
}

impl Files {
    /// The folder of `--s3-root`, wherever the process goes.
    pub(crate) fn buckets(&self) -> Option<PathBuf> {
        let root = self.s3_root.as_ref()?;
        Some(std::path::absolute(root).unwrap_or_else(|_| root.clone()))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// As AWS writes them
    Text,
    /// Objects with AWS's names for the fields
    Json,
}

impl From<LogFormat> for proxy::LogFormat {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Text => Self::Text,
            LogFormat::Json => Self::Json,
        }
    }
}
