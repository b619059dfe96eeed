//! What the main process of an environment is given: program, directories, environment variables.
//!
//! Source: Lambda 3.2 and 3.3, for `provided.*`. In the `process` tier the code is where it lies on the host, so
//! `LAMBDA_TASK_ROOT` and the current directory are that folder and not `/var/task`, and the writable directory is
//! `TMPDIR` and not `/tmp`.

use crate::code::ReadyCode;
use crate::interpreters::Choice;
use model::lambda::function::Function;
use sandbox::{Limits, Spec};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use time::OffsetDateTime;

/// The file that `provided.*` runs, and the folder that it starts in.
pub(crate) fn program_and_folder(code: &ReadyCode) -> (PathBuf, PathBuf) {
    match code {
        ReadyCode::Folder(folder) => (folder.join("bootstrap"), folder.clone()),
        ReadyCode::Executable(program) => (program.clone(), program.parent().unwrap_or(Path::new("/")).to_owned()),
    }
}

/// `/aws/lambda/{function}` has one stream for each environment: `YYYY/MM/DD/[version]{id}`. Source: Lambda 9.3.
pub(crate) fn log_stream_name(started: SystemTime, environment_id: &str) -> String {
    let started = OffsetDateTime::from(started);
    let (year, month, day) = (started.year(), u8::from(started.month()), started.day());
    format!("{year:04}/{month:02}/{day:02}/[$LATEST]{environment_id}")
}

/// What one start of a runtime is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Launch<'a> {
    pub(crate) function: &'a Function,
    pub(crate) code: &'a ReadyCode,
    /// What runs a managed runtime.
    pub(crate) interpreter: Choice<'a>,
    /// Where the bootstraps of the managed runtimes lie.
    pub(crate) runtime_directory: &'a Path,
    pub(crate) runtime_api: SocketAddr,
    /// The writable directory.
    pub(crate) temporary: &'a Path,
    pub(crate) log_stream: &'a str,
}

/// The description of the process.
pub(crate) fn spec(launch: &Launch<'_>) -> Spec {
    let &Launch {
        function,
        code,
        runtime_api,
        temporary,
        log_stream,
        ..
    } = launch;
    let (program, folder) = program_and_folder(code);
    Spec {
        environment: variables(function, &folder, runtime_api, temporary, log_stream)
            .into_iter()
            .collect(),
        log_pipe: false,
        program,
        args: Vec::new(),
        working_directory: folder,
        temporary_directory: Some(temporary.to_owned()),
        limits: Limits::default(),
    }
}

/// The later ones win: what a function may override, its own, what Lambda sets itself.
fn variables(
    function: &Function,
    folder: &Path,
    runtime_api: SocketAddr,
    temporary: &Path,
    log_stream: &str,
) -> BTreeMap<OsString, OsString> {
    let name = function.name.as_str();
    // `arn:{partition}:lambda:{region}:...`
    let region = function.arn.as_str().split(':').nth(3).unwrap_or_default();
    let root = folder.as_os_str();
    let library_path: OsString = [
        "/lib64:/usr/lib64:".as_ref(),
        root,
        ":".as_ref(),
        root,
        "/lib:/opt/lib".as_ref(),
    ]
    .into_iter()
    .collect();
    let memory = function.configuration.memory.megabytes().to_string();

    let mut all: BTreeMap<OsString, OsString> = BTreeMap::new();
    let mut set = |name: &str, value: OsString| all.insert(name.into(), value);
    set("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR".into());
    set("LANG", "en_US.UTF-8".into());
    set("LD_LIBRARY_PATH", library_path);
    set("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin".into());
    set("TMPDIR", temporary.into());
    set("TZ", ":UTC".into());

    for (name, value) in function.configuration.environment.variables() {
        set(name, value.expose().into());
    }

    set("AWS_DEFAULT_REGION", region.into());
    set("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory.into());
    set("AWS_LAMBDA_FUNCTION_NAME", name.into());
    set("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".into());
    set("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".into());
    set("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}").into());
    set("AWS_LAMBDA_LOG_STREAM_NAME", log_stream.into());
    set("AWS_LAMBDA_RUNTIME_API", runtime_api.to_string().into());
    set("AWS_REGION", region.into());
    set("LAMBDA_RUNTIME_DIR", "/var/runtime".into());
    set("LAMBDA_TASK_ROOT", root.into());
    set("_HANDLER", function.configuration.handler.as_str().into());
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::lambda::function::{
        Code, CodeLocation, Environment, FunctionConfiguration, FunctionMemory, FunctionName, FunctionTimeout,
    };
    use model::lambda::logging::Logging;
    use model::lambda::runtime::Runtime;
    use model::{AccountId, FunctionArn, Owner, Region, Scope, Secret};
    use std::time::{Duration, UNIX_EPOCH};

    fn function(variables: &[(&str, &str)]) -> Function {
        let scope = Scope {
            region: Region::try_from("eu-west-1").unwrap(),
            account: AccountId::try_from("111122223333").unwrap(),
        };
        let variables = variables
            .iter()
            .map(|&(name, value)| (name.to_owned(), Secret::new(value.to_owned())));
        Function {
            arn: FunctionArn::new(&scope, "orders"),
            name: FunctionName::try_from("orders").unwrap(),
            configuration: FunctionConfiguration {
                runtime: Runtime::ProvidedAl2023,
                handler: "app.main".to_owned(),
                timeout: FunctionTimeout::default(),
                memory: FunctionMemory::default(),
                environment: Environment::new(variables.collect()).unwrap(),
                concurrency: None,
                logging: Logging::default(),
            },
            code: Code {
                location: CodeLocation::Folder("/srv/orders".into()),
                revision: "1".into(),
            },
            owner: Owner::Manifest,
        }
    }

    fn made(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
        let address = "127.0.0.1:4711".parse().unwrap();
        let spec = spec(&Launch {
            function: &function(variables),
            code: &ReadyCode::Folder("/srv/orders".into()),
            interpreter: Choice::NotNeeded,
            runtime_directory: Path::new("/data/runtimes"),
            runtime_api: address,
            temporary: Path::new("/data/tmp"),
            log_stream: "stream",
        });
        let text = |value: OsString| value.into_string().unwrap();
        spec.environment
            .into_iter()
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    }

    // LAM-E-008: AWS_EXECUTION_ENV and _X_AMZN_TRACE_ID are absent for provided.* at process start
    #[test]
    fn the_variables_of_a_provided_runtime() {
        let variables = made(&[("STAGE", "dev")]);
        for (name, expected) in [
            ("AWS_DEFAULT_REGION", "eu-west-1"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            ("AWS_LAMBDA_FUNCTION_NAME", "orders"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/orders"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "stream"),
            ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:4711"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR"),
            ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
            ("LAMBDA_TASK_ROOT", "/srv/orders"),
            ("LANG", "en_US.UTF-8"),
            (
                "LD_LIBRARY_PATH",
                "/lib64:/usr/lib64:/srv/orders:/srv/orders/lib:/opt/lib",
            ),
            ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin"),
            ("STAGE", "dev"),
            ("TMPDIR", "/data/tmp"),
            ("TZ", ":UTC"),
            ("_HANDLER", "app.main"),
        ] {
            assert_eq!(variables.get(name).map(String::as_str), Some(expected), "{name}");
        }
        assert_eq!(variables.len(), 19, "nothing else: {variables:?}");
    }

    // LAM-E-010: customer values for PATH and LD_LIBRARY_PATH are honoured
    #[test]
    fn a_function_may_override_what_is_not_reserved() {
        let variables = made(&[("PATH", "/a"), ("LD_LIBRARY_PATH", "/b"), ("TZ", "Europe/Berlin")]);
        assert_eq!(
            (&*variables["PATH"], &*variables["LD_LIBRARY_PATH"], &*variables["TZ"]),
            ("/a", "/b", "Europe/Berlin")
        );
    }

    #[test]
    fn an_executable_runs_from_its_own_folder() {
        let (program, folder) = program_and_folder(&ReadyCode::Executable("/srv/bin/hello".into()));
        assert_eq!(
            (program, folder),
            (PathBuf::from("/srv/bin/hello"), PathBuf::from("/srv/bin"))
        );
    }

    // LAM-G-015: the form of log stream names
    #[test]
    fn log_stream_names_begin_with_the_day() {
        for (secs, expected) in [
            (0, "1970/01/01/[$LATEST]ab"),
            (951_782_400, "2000/02/29/[$LATEST]ab"),
            (951_868_800, "2000/03/01/[$LATEST]ab"),
            (1_735_689_599, "2024/12/31/[$LATEST]ab"),
            (4_107_542_400, "2100/03/01/[$LATEST]ab"),
        ] {
            assert_eq!(log_stream_name(UNIX_EPOCH + Duration::from_secs(secs), "ab"), expected);
        }
    }
}
