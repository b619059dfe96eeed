//! Programs, arguments and variables, as data.

use super::managed::EXEC_WRAPPER;
use super::*;
use crate::interpreters::Language;
use model::lambda::function::{
    Code, CodeLocation, Environment, FunctionConfiguration, FunctionMemory, FunctionName, FunctionTimeout, Layers,
};
use model::lambda::logging::{ApplicationLogLevel, LogGroupName, Logging, SystemLogLevel};
use model::lambda::runtime::Runtime;
use model::{AccountId, FunctionArn, Owner, Region, Scope, Secret};
use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

pub(super) fn function(runtime: &str, variables: &[(&str, &str)]) -> Function {
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
            runtime: Runtime::try_from(runtime).unwrap(),
            handler: "app.main".to_owned(),
            timeout: FunctionTimeout::default(),
            memory: FunctionMemory::default(),
            environment: Environment::new(variables.collect()).unwrap(),
            concurrency: None,
            provisioned: 0,
            ephemeral_storage: model::lambda::function::EphemeralStorage::default(),
            logging: Logging::default(),
            layers: Layers::default(),
            network: None,
            aws_api: model::lambda::function::AwsApi::OwnRole,
        },
        code: Code {
            location: CodeLocation::Folder("/srv/orders".into()),
            revision: "1".into(),
        },
        owner: Owner::Manifest,
    }
}

pub(super) fn spec_of(function: &Function, interpreter: Choice<'_>) -> Spec {
    spec(&launch_of(function, interpreter))
}

pub(super) fn launch_of<'a>(function: &'a Function, interpreter: Choice<'a>) -> Launch<'a> {
    static CODE: LazyLock<ReadyCode> = LazyLock::new(|| ReadyCode::Folder("/srv/orders".into()));
    Launch {
        function,
        code: &CODE,
        layers: None,
        interpreter,
        runtime_api: "127.0.0.1:4711".parse().unwrap(),
        door: None,
        temporary: Path::new("/data/tmp"),
        log_stream: "stream",
        metadata_token: "token",
        is_provisioned: false,
        inside: None,
    }
}

pub(super) fn variables_of(spec: Spec) -> BTreeMap<String, String> {
    let text = |value: OsString| value.into_string().unwrap();
    spec.environment
        .into_iter()
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

fn made(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    variables_of(spec_of(&function("provided.al2023", variables), Choice::NotNeeded))
}

pub(super) fn interpreter(language: Language) -> Interpreter {
    let (series, program, bootstrap) = match language {
        Language::Python => (11, "/usr/bin/python3.11", "/data/runtimes/python/bootstrap.py"),
        Language::Nodejs => (20, "/opt/node/bin/node", "/data/runtimes/node/bootstrap.cjs"),
        Language::Java => (21, "/opt/jdk/bin/java", "/data/runtimes/java-1/lib"),
        Language::Ruby => (31, "/usr/bin/ruby3.1", "/data/runtimes/ruby/bootstrap.rb"),
        Language::Dotnet => (
            10,
            "/opt/dotnet/dotnet",
            "/data/runtimes/dotnet-1/Amazon.Lambda.RuntimeSupport.dll",
        ),
    };
    Interpreter {
        language,
        series,
        version: String::new(),
        program: program.into(),
        packages: match language {
            Language::Python => vec!["/usr/lib/python3/dist-packages".into()],
            Language::Java => vec![
                "/data/runtimes/java-1/lib/a.jar".into(),
                "/data/runtimes/java-1/lib/b.jar".into(),
            ],
            Language::Ruby => vec!["/usr/share/gems".into()],
            Language::Nodejs | Language::Dotnet => Vec::new(),
        },
        bootstrap: bootstrap.into(),
        inside_program: program.into(),
        pieces: Vec::new(),
    }
}

pub(super) fn command(spec: &Spec) -> Vec<&str> {
    let program = spec.program.as_os_str();
    let all = std::iter::once(program).chain(spec.args.iter().map(OsString::as_os_str));
    all.map(|word| word.to_str().unwrap()).collect()
}

#[test]
fn a_managed_runtime_is_an_interpreter_with_its_bootstrap() {
    let python = interpreter(Language::Python);
    let spec = spec_of(&function("python3.12", &[]), Choice::Nearest(&python));
    assert_eq!(
        command(&spec),
        [
            "/usr/bin/python3.11",
            "-S",
            "-B",
            "-X",
            "utf8",
            "/data/runtimes/python/bootstrap.py",
            "/usr/lib/python3/dist-packages"
        ]
    );
    assert!(spec.log_pipe);
    assert_eq!(spec.working_directory, Path::new("/srv/orders"));
    let variables = variables_of(spec);
    for (name, expected) in [
        ("AWS_EXECUTION_ENV", "AWS_Lambda_python3.12"),
        ("LAMBDA_RUNTIME_DIR", "/data/runtimes/python"),
        ("PATH", "/usr/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin"),
        ("PYTHONPATH", "/data/runtimes/python"),
        ("_LAMBDA_TELEMETRY_LOG_FD", "62"),
    ] {
        assert_eq!(variables.get(name).map(String::as_str), Some(expected), "{name}");
    }
    assert_eq!(variables.len(), 23, "nothing else: {variables:?}");

    let node = interpreter(Language::Nodejs);
    let spec = spec_of(&function("nodejs20.x", &[]), Choice::Exact(&node));
    assert_eq!(
        command(&spec),
        [
            "/opt/node/bin/node",
            "--expose-gc",
            "--max-semi-space-size=6",
            "--max-old-space-size=115",
            "/data/runtimes/node/bootstrap.cjs"
        ]
    );
    assert_eq!(
        variables_of(spec)["NODE_PATH"],
        "/opt/nodejs/node20/node_modules:/opt/nodejs/node_modules:/data/runtimes/node/node_modules:\
         /data/runtimes/node:/srv/orders"
    );
}

// LAM-E-011: the wrapper is executed with the interpreter and its arguments, and ignored for provided.*
#[test]
fn a_wrapper_gets_the_interpreter_and_its_arguments() {
    let node = interpreter(Language::Nodejs);
    let command_with = |wrapper: &str| {
        let function = function("nodejs20.x", &[(EXEC_WRAPPER, wrapper)]);
        let spec = spec_of(&function, Choice::Exact(&node));
        command(&spec).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let tail = [
        "/opt/node/bin/node",
        "--expose-gc",
        "--max-semi-space-size=6",
        "--max-old-space-size=115",
        "/data/runtimes/node/bootstrap.cjs",
    ];
    assert_eq!(command_with(""), tail);
    for (wrapper, expected) in [
        ("/opt/wrap", "/opt/wrap"),
        ("/var/task/bin/wrap", "/srv/orders/bin/wrap"),
    ] {
        let shell = ["/bin/sh", "-c", "exec \"$0\" \"$@\"", expected];
        assert_eq!(command_with(wrapper), [shell.as_slice(), &tail].concat());
    }
    let provided = function("provided.al2", &[(EXEC_WRAPPER, "/opt/wrap")]);
    assert_eq!(
        command(&spec_of(&provided, Choice::NotNeeded)),
        ["/srv/orders/bootstrap"]
    );
}

// LAM-E-009: AWS_LAMBDA_LOG_FORMAT is JSON when LogFormat is JSON
#[test]
fn the_function_is_told_how_to_log() {
    let mut function = function("provided.al2023", &[]);
    let untold = variables_of(spec_of(&function, Choice::NotNeeded));
    assert!(
        !untold
            .keys()
            .any(|name| name.contains("LOG_FORMAT") || name.contains("LOG_LEVEL"))
    );
    function.configuration.logging = Logging {
        format: LogFormat::Json {
            application_level: ApplicationLogLevel::Warn,
            system_level: SystemLogLevel::Info,
        },
        group: Some(LogGroupName::try_from("/mine").unwrap()),
    };
    let told = variables_of(spec_of(&function, Choice::NotNeeded));
    assert_eq!(
        (
            &*told["AWS_LAMBDA_LOG_FORMAT"],
            &*told["AWS_LAMBDA_LOG_LEVEL"],
            &*told["AWS_LAMBDA_LOG_GROUP_NAME"]
        ),
        ("JSON", "WARN", "/mine")
    );
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
        ("AWS_LAMBDA_METADATA_API", "127.0.0.1:4711"),
        ("AWS_LAMBDA_METADATA_TOKEN", "token"),
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
    assert_eq!(variables.len(), 21, "nothing else: {variables:?}");
}

#[tokio::test]
async fn the_directory_has_a_name_of_its_own_only_where_it_is_not_tmp() {
    let able = HostFeatures {
        temporary_mount: true,
        user_namespaces: false,
        cgroup: None,
        landlock_version: None,
        seccomp: false,
    };
    let unable = HostFeatures {
        temporary_mount: false,
        ..able
    };
    for (features, variables, expected) in [
        (able, &[][..], (true, None)),
        (able, &[("TMPDIR", "/mine")], (true, Some("/mine"))),
        (unable, &[], (false, Some("/data/tmp"))),
        (unable, &[("TMPDIR", "/mine")], (false, Some("/mine"))),
    ] {
        let spec = spec_of(&function("provided.al2023", variables), Choice::NotNeeded);
        let spec = with_own_tmp(spec, features).await.unwrap();
        assert_eq!(spec.temporary_directory.as_deref(), Some(Path::new("/data/tmp")));
        let mounted = spec.temporary_mount;
        let variables = variables_of(spec);
        assert_eq!((mounted, variables.get(TMPDIR).map(String::as_str)), expected);
    }
    // What would be hidden by the mount.
    let mut spec = spec_of(&function("provided.al2023", &[]), Choice::NotNeeded);
    spec.working_directory = "/tmp/orders".into();
    let spec = with_own_tmp(spec, able).await.unwrap();
    assert!(!spec.temporary_mount);
    assert_eq!(variables_of(spec)[TMPDIR], "/data/tmp");
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
    let (program, folder) = program_and_folder(&ReadyCode::Executable("/srv/bin/hello".into()), None);
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
        let started = UNIX_EPOCH + Duration::from_secs(secs);
        assert_eq!(
            log_stream_name(&function("provided.al2023", &[]), started, "ab"),
            expected
        );
    }
    let mut function = function("provided.al2023", &[]);
    function.configuration.logging.group = Some(LogGroupName::try_from("shared").unwrap());
    assert_eq!(
        log_stream_name(&function, UNIX_EPOCH, "ab"),
        "1970/01/01/orders[$LATEST]ab"
    );
}

// LAM-E-005: bootstrap is looked up in the code, then in the layers
#[test]
fn layers_stand_where_lambda_has_opt() {
    let folder = std::env::temp_dir().join(format!("albacore-launch-{}", std::process::id()));
    let (code, layers) = (folder.join("code"), folder.join("layers"));
    for directory in [&code, &layers] {
        std::fs::create_dir_all(directory).unwrap();
    }
    let program = || program_and_folder(&ReadyCode::Folder(code.clone()), Some(&layers)).0;
    assert_eq!(program(), code.join("bootstrap"), "the error names the code's");
    std::fs::write(layers.join("bootstrap"), "").unwrap();
    assert_eq!(program(), layers.join("bootstrap"));
    std::fs::write(code.join("bootstrap"), "").unwrap();
    assert_eq!(program(), code.join("bootstrap"));
    std::fs::remove_dir_all(&folder).unwrap();

    let layered = |function: &Function, interpreter| {
        spec(&Launch {
            function,
            code: &ReadyCode::Folder("/srv/orders".into()),
            layers: Some(Path::new("/data/layers")),
            interpreter,
            runtime_api: "127.0.0.1:4711".parse().unwrap(),
            door: None,
            temporary: Path::new("/data/tmp"),
            log_stream: "stream",
            metadata_token: "token",
            is_provisioned: false,
            inside: None,
        })
    };
    let python = interpreter(Language::Python);
    let wrapped = function("python3.12", &[(EXEC_WRAPPER, "/opt/bin/wrapper")]);
    let made = layered(&wrapped, Choice::Exact(&python));
    assert!(command(&made).contains(&"/data/layers/bin/wrapper"), "{made:?}");
    assert!(command(&made).contains(&"--opt=/data/layers"), "{made:?}");
    assert_eq!(made.layers_directory.as_deref(), Some(Path::new("/data/layers")));
    assert_eq!(
        variables_of(made)["PATH"],
        "/usr/bin:/usr/local/bin:/usr/bin/:/bin:/data/layers/bin"
    );
    let node = interpreter(Language::Nodejs);
    let variables = variables_of(layered(&function("nodejs20.x", &[]), Choice::Exact(&node)));
    assert_eq!(
        variables["NODE_PATH"],
        "/data/layers/nodejs/node20/node_modules:/data/layers/nodejs/node_modules:/data/runtimes/node/node_modules:\
         /data/runtimes/node:/srv/orders"
    );
    let variables = variables_of(layered(&function("provided.al2", &[]), Choice::NotNeeded));
    assert_eq!(variables["PATH"], "/usr/local/bin:/usr/bin:/bin:/data/layers/bin");
    assert!(variables["LD_LIBRARY_PATH"].ends_with(":/data/layers/lib"));
}
