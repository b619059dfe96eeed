//! What the main process of an environment is given: program, directories, environment variables.
//!
//! Source: Lambda 3.2 and 3.3. In the `process` tier the code is where it lies on the host, so `LAMBDA_TASK_ROOT` and the
//! current directory are that folder and not `/var/task`, layers are a folder of their own and not `/opt`, and what lies below `/var/runtime` and `/var/lang` on Lambda is
//! the folder of the bootstraps and that of the interpreter. The writable directory is `/tmp` where the host allows it
//! ([`with_own_tmp`]), and otherwise named by `TMPDIR`.

mod dotnet;
mod inside;
mod java;
mod managed;
mod node;
mod parked;
mod ruby;

pub(crate) use dotnet::is_executable_assembly;
pub(crate) use inside::Inside;
pub(crate) use java::{brings_client, shared_archive, training};
pub(crate) use node::memory_at_start;
pub(crate) use parked::{assignment, fits, parked_spec};

use crate::code::ReadyCode;
use crate::door::DoorVariables;
use crate::interpreters::{Choice, Interpreter, Language};
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

const TIME_ZONE: &str = "TZ";

/// Where layers are on Lambda.
const OPT: &str = "/opt";

/// The file that `provided.*` runs, and the folder that it starts in. The layers' file is run where the code has none.
/// Blocks for some microseconds on the file system if there are layers. Source: Lambda 3.3.
pub(crate) fn program_and_folder(code: &ReadyCode, layers: Option<&Path>) -> (PathBuf, PathBuf) {
    match code {
        ReadyCode::Folder(folder) => {
            let own = folder.join("bootstrap");
            let in_layer = layers.map(|layers| layers.join("bootstrap"));
            let program = match in_layer {
                Some(in_layer) if !own.is_file() && in_layer.is_file() => in_layer,
                _ => own,
            };
            (program, folder.clone())
        }
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
    let version = function.arn.qualifier().unwrap_or("$LATEST");
    format!("{year:04}/{month:02}/{day:02}/{name}[{version}]{environment_id}")
}

/// What one start of a runtime is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Launch<'a> {
    pub(crate) function: &'a Function,
    pub(crate) code: &'a ReadyCode,
    /// The folder with its layers, if it has any: what is `/opt` on Lambda.
    pub(crate) layers: Option<&'a Path>,
    /// What runs a managed runtime.
    pub(crate) interpreter: Choice<'a>,
    pub(crate) runtime_api: SocketAddr,
    /// The way to the platform, if there is one.
    pub(crate) door: Option<&'a DoorVariables>,
    /// The writable directory.
    pub(crate) temporary: &'a Path,
    pub(crate) log_stream: &'a str,
    /// What opens the metadata endpoint.
    pub(crate) metadata_token: &'a str,
    /// It is kept ready, so nobody has asked for this start.
    pub(crate) is_provisioned: bool,
    /// Where its processes do not see the host. All other paths here are the host's.
    pub(crate) inside: Option<&'a Inside>,
}

impl Launch<'_> {
    /// What a path of the host is for the environment's processes.
    fn seen(&self, path: &Path) -> PathBuf {
        self.inside.map_or_else(|| path.to_owned(), |inside| inside.seen(path))
    }

    /// Where the layers are for them, if there are any.
    fn seen_layers(&self) -> Option<PathBuf> {
        self.layers.map(|layers| self.seen(layers))
    }

    /// The interpreter as they see it.
    fn seen_interpreter(&self) -> Option<Interpreter> {
        let interpreter = self.interpreter.interpreter()?;
        Some(match self.inside {
            Some(inside) => inside.interpreter(interpreter),
            None => interpreter.clone(),
        })
    }

    fn seen_temporary(&self) -> PathBuf {
        self.inside.map_or_else(|| self.temporary.to_owned(), |_| "/tmp".into())
    }

    /// Layers are at their place inside already.
    fn layers_directory(&self) -> Option<PathBuf> {
        self.layers.filter(|_| self.inside.is_none()).map(Path::to_owned)
    }
}

/// The description of the process, whose writable directory is at its own path and named by `TMPDIR`.
pub(crate) fn spec(launch: &Launch<'_>) -> Spec {
    let (bootstrap, folder) = program_and_folder(launch.code, launch.layers);
    let (bootstrap, folder) = (launch.seen(&bootstrap), launch.seen(&folder));
    let interpreter = launch.seen_interpreter();
    let interpreter = interpreter.as_ref();
    let layers = launch.seen_layers();
    let layers = layers.as_deref();
    let environment = variables(launch, interpreter, &folder);
    let (program, args) = match interpreter {
        Some(interpreter) => managed::wrapped(
            interpreter.program.clone(),
            arguments(launch, interpreter, &folder, &environment),
            environment.get(OsStr::new(managed::EXEC_WRAPPER)),
            &[("/var/task", &folder), (OPT, layers.unwrap_or(Path::new(OPT)))],
        ),
        None => (bootstrap, Vec::new()),
    };
    Spec {
        program,
        args,
        environment: ordered(environment),
        working_directory: folder,
        temporary_directory: Some(launch.seen_temporary()),
        temporary_mount: false,
        layers_directory: launch.layers_directory(),
        log_pipe: interpreter.is_some(),
        assignment_pipe: false,
        limits: Limits::default(),
        enclosure: launch.inside.and_then(Inside::enclosure),
    }
}

/// What the interpreter is started with; it and the folder of the code are as the environment's processes see them.
fn arguments(
    launch: &Launch<'_>,
    interpreter: &Interpreter,
    folder: &Path,
    environment: &BTreeMap<OsString, OsString>,
) -> Vec<OsString> {
    let layers = launch.seen_layers();
    let configuration = &launch.function.configuration;
    match interpreter.language {
        Language::Python | Language::Ruby => managed::arguments(interpreter, layers.as_deref(), &[]),
        Language::Nodejs => {
            let options = environment.get(OsStr::new(node::OPTIONS));
            let heap = node::heap(
                configuration.memory,
                options.map_or(OsStr::new(""), OsString::as_os_str),
            );
            managed::arguments(interpreter, layers.as_deref(), &heap)
        }
        Language::Java => java::arguments(&java::Start {
            interpreter,
            on_host: launch.interpreter.interpreter().unwrap_or(interpreter),
            is_inside: launch.inside.is_some(),
            folder,
            layers: layers.as_deref(),
            memory: configuration.memory,
            handler: &configuration.handler,
            tool_options: environment.get(OsStr::new(java::TOOL_OPTIONS)).map(OsString::as_os_str),
        }),
        Language::Dotnet => {
            let is_exact = matches!(launch.interpreter, Choice::Exact(_));
            dotnet::arguments(interpreter, folder, &configuration.handler, is_exact)
        }
    }
}

/// Variables of the runtime that extensions do not have, besides those that begin with `_`. Source: Lambda 3.2.
const NOT_FOR_EXTENSIONS: [&str; 8] = [
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_METADATA_API",
    "AWS_LAMBDA_METADATA_TOKEN",
    "AWS_XRAY_CONTEXT_MISSING",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
];

/// The description of an external extension's process, whose program this is.
pub(crate) fn extension_spec(launch: &Launch<'_>, program: &Path) -> Spec {
    let folder = match launch.code {
        ReadyCode::Folder(folder) => folder.as_path(),
        ReadyCode::Executable(program) => program.parent().unwrap_or(Path::new("/")),
    };
    let mut environment = variables(launch, None, &launch.seen(folder));
    environment.retain(|name, _| {
        !name.as_encoded_bytes().starts_with(b"_") && !NOT_FOR_EXTENSIONS.iter().any(|other| name == other)
    });
    Spec {
        program: launch.seen(program),
        args: Vec::new(),
        environment: environment.into_iter().collect(),
        working_directory: PathBuf::from("/"),
        temporary_directory: Some(launch.seen_temporary()),
        temporary_mount: false,
        layers_directory: launch.layers_directory(),
        log_pipe: false,
        assignment_pipe: false,
        limits: Limits::default(),
        enclosure: launch.inside.and_then(Inside::enclosure),
    }
}

/// Has the writable directory at `/tmp`, as on Lambda, if the host allows it and it would hide nothing that `spec` needs.
/// Then nothing has to name it: `TMPDIR` is absent, unless the function has one of its own.
///
/// # Cancel safety
///
/// Nothing is lost when the future is dropped.
pub(crate) async fn with_own_tmp(mut spec: Spec, features: HostFeatures) -> io::Result<Spec> {
    if !features.temporary_mount || spec.enclosure.is_some() {
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
        log_stream,
        metadata_token,
        ..
    } = launch;
    let configuration = &function.configuration;
    let name = function.name.as_str();
    // `arn:{partition}:lambda:{region}:...`
    let region = function.arn.as_str().split(':').nth(3).unwrap_or_default();
    let root = folder.as_os_str();
    let layers = launch.seen_layers();
    let opt = layers.as_deref().unwrap_or(Path::new(OPT)).as_os_str();
    let memory = configuration.memory.megabytes().to_string();
    let log_group = match &configuration.logging.group {
        Some(group) => group.as_str().to_owned(),
        None => format!("/aws/lambda/{name}"),
    };

    let mut all = overridable(interpreter, root, opt);
    let mut set = |name: &str, value: OsString| all.insert(name.into(), value);
    if let Some(interpreter) = interpreter {
        for (name, value) in managed::of_runtime(configuration.runtime, interpreter, root, opt) {
            set(name, value);
        }
    }
    if launch.inside.is_none() {
        set(TMPDIR, launch.temporary.into());
    }

    if let Some(door) = launch.door {
        set("AWS_ENDPOINT_URL", format!("http://{}", door.address).into());
    }
    for (name, value) in configuration.environment.variables() {
        set(name, value.expose().into());
    }

    if let Some(DoorVariables { credentials, .. }) = launch.door {
        set("AWS_ACCESS_KEY_ID", credentials.access_key.as_str().into());
        set("AWS_SECRET_ACCESS_KEY", credentials.secret_key.expose().into());
        set("AWS_SESSION_TOKEN", credentials.session_token.expose().into());
    }
    set("AWS_DEFAULT_REGION", region.into());
    set("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory.into());
    set("AWS_LAMBDA_FUNCTION_NAME", name.into());
    set(
        "AWS_LAMBDA_FUNCTION_VERSION",
        function.arn.qualifier().unwrap_or("$LATEST").into(),
    );
    let initialization = match launch.is_provisioned {
        true => "provisioned-concurrency",
        false => "on-demand",
    };
    set("AWS_LAMBDA_INITIALIZATION_TYPE", initialization.into());
    set("AWS_LAMBDA_LOG_GROUP_NAME", log_group.into());
    set("AWS_LAMBDA_LOG_STREAM_NAME", log_stream.into());
    set("AWS_LAMBDA_METADATA_API", runtime_api.to_string().into());
    set("AWS_LAMBDA_METADATA_TOKEN", metadata_token.into());
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

/// What a function may override: the code is in `root`, and its layers are in `opt`.
fn overridable(interpreter: Option<&Interpreter>, root: &OsStr, opt: &OsStr) -> BTreeMap<OsString, OsString> {
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
            "/lib:".as_ref(),
            opt,
            "/lib".as_ref(),
        ]),
    );
    let path = joined(&["/usr/local/bin:/usr/bin:/bin:".as_ref(), opt, "/bin".as_ref()]);
    set("PATH", path);
    set(TIME_ZONE, ":UTC".into());
    if let Some(interpreter) = interpreter {
        for (name, value) in managed::variables(interpreter, root, opt) {
            set(name, value);
        }
    }
    all
}

/// The variables in the order that a program sees. The time zone is first: an interpreter that waited keeps it when it gets
/// the others.
fn ordered(mut all: BTreeMap<OsString, OsString>) -> Vec<(OsString, OsString)> {
    let zone = all.remove_entry(OsStr::new(TIME_ZONE));
    zone.into_iter().chain(all).collect()
}

fn joined(parts: &[&OsStr]) -> OsString {
    parts.iter().copied().collect()
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_managed;
