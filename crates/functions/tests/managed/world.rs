//! What a case works with: one core, functions made of files, and what they log.

use bytes::Bytes;
use functions::{CoreFunctions, Functions, LogEvent, LogSink, Options, Source};
use invoke::{Invocation, InvokeOutcome, Invoker};
use model::lambda::function::{
    Code, CodeLocation, Environment, Function, FunctionConfiguration, FunctionMemory, FunctionName, FunctionTimeout,
};
use model::lambda::logging::Logging;
use model::lambda::runtime::Runtime;
use model::{AccountId, Change, FunctionArn, Owner, Region, Scope, State};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

pub(crate) type LocalFuture = Pin<Box<dyn Future<Output = ()>>>;

/// Path and text of each file.
pub(crate) type Files<'a> = &'a [(&'a str, &'a str)];

pub(crate) struct World {
    pub(crate) directory: PathBuf,
    pub(crate) functions: Functions,
    pub(crate) core: CoreFunctions,
    pub(crate) state: watch::Sender<Arc<State>>,
    pub(crate) log: Arc<Log>,
    spawner: sandbox::Spawner,
}

/// Log events as they came.
#[derive(Default)]
pub(crate) struct Log(Mutex<Vec<(Source, String)>>);

impl Log {
    pub(crate) fn of(&self, source: Source) -> Vec<String> {
        let log = self.0.lock().unwrap();
        let of_source = log.iter().filter(|(from, _)| *from == source);
        of_source.map(|(_, message)| message.clone()).collect()
    }
}

impl LogSink for Log {
    fn event(&self, event: LogEvent<'_>) {
        let message = String::from_utf8_lossy(event.message).into_owned();
        self.0.lock().unwrap().push((event.source, message));
    }
}

fn arn() -> FunctionArn {
    let scope = Scope {
        region: Region::try_from("eu-west-1").unwrap(),
        account: AccountId::try_from("111122223333").unwrap(),
    };
    FunctionArn::new(&scope, "f")
}

impl World {
    pub(crate) fn new(spawner: sandbox::Spawner) -> Self {
        static CASES: AtomicUsize = AtomicUsize::new(0);
        let number = CASES.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("albacore-managed-{}-{number}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let state = watch::Sender::new(Arc::new(State::default()));
        let log = Arc::new(Log::default());
        let options = Options::new(directory.join("data"));
        let functions = Functions::new(spawner.clone(), options, Arc::clone(&log) as Arc<dyn LogSink>);
        Self {
            core: functions.core(state.subscribe()),
            functions,
            state,
            log,
            directory,
            spawner,
        }
    }

    /// The same world with other limits; the case must shut the new core down.
    pub(crate) fn with_options(mut self, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::new(self.directory.join("data"));
        change(&mut options);
        self.functions = Functions::new(self.spawner.clone(), options, Arc::clone(&self.log) as Arc<dyn LogSink>);
        self.core = self.functions.core(self.state.subscribe());
        self
    }

    /// A function named `f` that is made of `files`.
    pub(crate) fn function(&self, runtime: &str, handler: &str, files: Files<'_>) -> Function {
        static FOLDERS: AtomicUsize = AtomicUsize::new(0);
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let folder = self.directory.join(format!("code-{number}"));
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Function {
            arn: arn(),
            name: FunctionName::try_from("f").unwrap(),
            configuration: FunctionConfiguration {
                runtime: Runtime::try_from(runtime).unwrap(),
                handler: handler.to_owned(),
                timeout: FunctionTimeout::try_from(Duration::from_secs(30)).unwrap(),
                memory: FunctionMemory::default(),
                environment: Environment::default(),
                concurrency: None,
                logging: Logging::default(),
            },
            code: Code {
                revision: folder.display().to_string().into(),
                location: CodeLocation::Folder(folder),
            },
            owner: Owner::Manifest,
        }
    }

    /// Replaces the function `f`.
    pub(crate) fn put(&self, function: Function) {
        self.state.send_modify(|state| {
            let mut next = State::clone(state);
            next.apply(&Change::PutFunction(Arc::new(function)));
            *state = Arc::new(next);
        });
    }

    pub(crate) fn invoke(&self, event: &str) -> invoke::LocalBoxFuture<InvokeOutcome> {
        let payload = Bytes::copy_from_slice(event.as_bytes());
        self.core
            .invoke(Invocation::new(arn(), payload, Some("Root=1-5-7".to_owned())))
    }
}

/// The folder of a function of [`World::function`].
pub(crate) fn folder_of(function: &Function) -> PathBuf {
    match &function.code.location {
        CodeLocation::Folder(folder) => folder.clone(),
        other => panic!("not a folder: {other:?}"),
    }
}

/// The command lines of the processes whose environment variables name `directory`.
pub(crate) fn processes_of(directory: &Path) -> Vec<String> {
    let needle = directory.as_os_str().as_encoded_bytes();
    let found = fs::read_dir("/proc").unwrap().flatten().filter(|entry| {
        let variables = fs::read(entry.path().join("environ")).unwrap_or_default();
        variables.windows(needle.len()).any(|window| window == needle)
    });
    found
        .map(|entry| fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default())
        .collect()
}

pub(crate) fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Lets everything else on this core run until `condition` holds.
pub(crate) async fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}
