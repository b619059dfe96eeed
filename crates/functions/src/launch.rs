//! What the main process of an environment is given: program, directories, environment variables.
//!
//! Source: Lambda 3.2 and 3.3. In the `process` tier the code is where it lies on the host, so `LAMBDA_TASK_ROOT` and the
//! current directory are that folder and not `/var/task`, and what lies below `/var/runtime` and `/var/lang` on Lambda is
//! the folder of the bootstraps and that of the interpreter. The writable directory is `/tmp` where the host allows it
//! ([`with_own_tmp`]), and otherwise named by `TMPDIR`.

mod managed;

use crate::code::ReadyCode;
use crate::interpreters::{Choice, Interpreter};
use model::lambda::function::Function;
use model::lambda::logging::LogFormat;
use sandbox::{HostFeatures, LOG_DESCRIPTOR, Limits, Spec};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use time::OffsetDateTime;

/// Names the writable directory when it is not at `/tmp`. Lambda sets no such variable.
const TMPDIR: &str = "TMPDIR";

/// The file that `provided.*` runs, and the folder that it starts in.
pub(crate) fn program_and_folder(code: &ReadyCode) -> (PathBuf, PathBuf) {
    match code {
        ReadyCode::Folder(folder) => (folder.join("bootstrap"), folder.clone()),
        ReadyCode::Executable(program) => (program.clone(), program.parent().unwrap_or(Path::new("/")).to_owned()),
    }
}

/// A log group has one stream for each environment: `YYYY/MM/DD/[version]{id}`, with the function's name before the
/// version in a group that others may share. Source: Lambda 9.3.
pub(crate) fn log_stream_name(function: &Function, started: SystemTime, environment_id: &str) -> String {
    let started = OffsetDateTime::from(started);
    let (year, month, day) = (started.year(), u8::from(started.month()), started.day());
    let name = match function.configuration.logging.group {
        Some(_) => function.name.as_str(),
        None => "",
    };
    format!("{year:04}/{month:02}/{day:02}/{name}[$LATEST]{environment_id}")
}

/// What one start of a runtime is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Launch<'a> {
    pub(crate) function: &'a Function,
    pub(crate) code: &'a ReadyCode,
    /// What runs a managed runtime.
    pub(crate) interpreter: Choice<'a>,
    pub(crate) runtime_api: SocketAddr,
    /// The writable directory.
    pub(crate) temporary: &'a Path,
    pub(crate) log_stream: &'a str,
}

/// The description of the process, whose writable directory is at its own path and named by `TMPDIR`.
pub(crate) fn spec(launch: &Launch<'_>) -> Spec {
    let (bootstrap, folder) = program_and_folder(launch.code);
    let interpreter = match launch.interpreter {
        Choice::Exact(interpreter) | Choice::Nearest(interpreter) => Some(interpreter),
        Choice::NotNeeded | Choice::Missing => None,
    };
    let environment = variables(launch, interpreter, &folder);
    let (program, args) = match interpreter {
        Some(interpreter) => managed::wrapped(
            interpreter.program.clone(),
            managed::arguments(interpreter),
            environment.get(OsStr::new(managed::EXEC_WRAPPER)),
            &folder,
        ),
        None => (bootstrap, Vec::new()),
    };
    Spec {
        program,
        args,
        environment: environment.into_iter().collect(),
        working_directory: folder,
        temporary_directory: Some(launch.temporary.to_owned()),
        temporary_mount: false,
        log_pipe: interpreter.is_some(),
        limits: Limits::default(),
    }
}

/// Has the writable directory at `/tmp`, as on Lambda, if the host allows it and it would hide nothing that `spec` needs.
/// Then nothing has to name it: `TMPDIR` is absent, unless the function has one of its own.
///
/// # Cancel safety
///
/// Nothing is lost when the future is dropped.
pub(crate) async fn with_own_tmp(mut spec: Spec, features: HostFeatures) -> io::Result<Spec> {
    if !features.temporary_mount {
        return Ok(spec);
    }
    let decide = move || {
        spec.temporary_mount = sandbox::can_mount_over_tmp(&features, &spec);
        if spec.temporary_mount {
            let directory = spec.temporary_directory.as_deref().map(Path::as_os_str);
            spec.environment
                .retain(|(name, value)| name != TMPDIR || directory != Some(value.as_os_str()));
        }
        spec
    };
    tokio::task::spawn_blocking(decide).await.map_err(io::Error::other)
}

/// The later ones win: what a function may override, its own, what Lambda sets itself.
fn variables(launch: &Launch<'_>, interpreter: Option<&Interpreter>, folder: &Path) -> BTreeMap<OsString, OsString> {
    let &Launch {
        function,
        runtime_api,
        temporary,
        log_stream,
        ..
    } = launch;
    let configuration = &function.configuration;
    let name = function.name.as_str();
    // `arn:{partition}:lambda:{region}:...`
    let region = function.arn.as_str().split(':').nth(3).unwrap_or_default();
    let root = folder.as_os_str();
    let memory = configuration.memory.megabytes().to_string();
    let log_group = match &configuration.logging.group {
        Some(group) => group.as_str().to_owned(),
        None => format!("/aws/lambda/{name}"),
    };

    let mut all: BTreeMap<OsString, OsString> = BTreeMap::new();
    let mut set = |name: &str, value: OsString| all.insert(name.into(), value);
    set("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR".into());
    set("LANG", "en_US.UTF-8".into());
    set(
        "LD_LIBRARY_PATH",
        joined(&[
            "/lib64:/usr/lib64:".as_ref(),
            root,
            ":".as_ref(),
            root,
            "/lib:/opt/lib".as_ref(),
        ]),
    );
    set("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin".into());
    set(TMPDIR, temporary.into());
    set("TZ", ":UTC".into());
    if let Some(interpreter) = interpreter {
        for (name, value) in managed::variables(interpreter, root) {
            set(name, value);
        }
    }

    for (name, value) in configuration.environment.variables() {
        set(name, value.expose().into());
    }

    set("AWS_DEFAULT_REGION", region.into());
    set("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory.into());
    set("AWS_LAMBDA_FUNCTION_NAME", name.into());
    set("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".into());
    set("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".into());
    set("AWS_LAMBDA_LOG_GROUP_NAME", log_group.into());
    set("AWS_LAMBDA_LOG_STREAM_NAME", log_stream.into());
    set("AWS_LAMBDA_RUNTIME_API", runtime_api.to_string().into());
    set("AWS_REGION", region.into());
    set("LAMBDA_TASK_ROOT", root.into());
    set("_HANDLER", configuration.handler.as_str().into());
    if let LogFormat::Json { application_level, .. } = configuration.logging.format {
        set("AWS_LAMBDA_LOG_FORMAT", "JSON".into());
        set("AWS_LAMBDA_LOG_LEVEL", application_level.as_str().into());
    }
    match interpreter {
        Some(interpreter) => {
            set(
                "AWS_EXECUTION_ENV",
                format!("AWS_Lambda_{}", configuration.runtime).into(),
            );
            set("LAMBDA_RUNTIME_DIR", managed::runtime_folder(interpreter).into());
            set("_LAMBDA_TELEMETRY_LOG_FD", LOG_DESCRIPTOR.to_string().into());
        }
        None => {
            set("LAMBDA_RUNTIME_DIR", "/var/runtime".into());
        }
    }
    all
}

fn joined(parts: &[&OsStr]) -> OsString {
    parts.iter().copied().collect()
}

#[cfg(test)]
mod tests;
