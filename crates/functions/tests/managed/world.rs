//! What a case works with: one core, functions made of files, and what they log.

use bytes::Bytes;
use functions::{CoreFunctions, Functions, LogEvent, LogSink, Options, Source};
use invoke::{Invocation, InvokeOutcome, Invoker};
use model::lambda::function::{
    Code, CodeLocation, Environment, Function, FunctionConfiguration, FunctionMemory, FunctionName, FunctionTimeout,
    Layers,
};
use model::lambda::logging::Logging;
use model::lambda::runtime::Runtime;
use model::{AccountId, Change, FunctionArn, Owner, Region, Scope, State};
use sandbox::{Spawner, Tier};
use std::collections::HashMap;
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

/// How interpreters are started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// For their function.
    Fresh,
    /// Ahead, wherever the function allows it.
    Parked,
}

pub(crate) struct World {
    pub(crate) directory: PathBuf,
    pub(crate) functions: Functions,
    pub(crate) core: CoreFunctions,
    pub(crate) state: watch::Sender<Arc<State>>,
    pub(crate) log: Arc<Log>,
    pub(crate) spawner: sandbox::Spawner,
    pub(crate) start: Start,
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

pub(crate) fn arn() -> FunctionArn {
    let scope = Scope {
        region: Region::try_from("eu-west-1").unwrap(),
        account: AccountId::try_from("111122223333").unwrap(),
    };
    FunctionArn::new(&scope, "f")
}

impl World {
    pub(crate) fn new(spawner: sandbox::Spawner, start: Start) -> Self {
        static CASES: AtomicUsize = AtomicUsize::new(0);
        let number = CASES.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("albacore-managed-{}-{number}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let state = watch::Sender::new(Arc::new(State::default()));
        let log = Arc::new(Log::default());
        let options = options(&directory, start);
        let functions = Functions::new(spawner.clone(), options, Arc::clone(&log) as Arc<dyn LogSink>);
        Self {
            core: functions.core(state.subscribe()),
            functions,
            state,
            log,
            directory,
            spawner,
            start,
        }
    }

    /// The same world with other limits; the case must shut the new core down.
    pub(crate) fn with_options(mut self, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = options(&self.directory, self.start);
        change(&mut options);
        self.functions = Functions::new(self.spawner.clone(), options, Arc::clone(&self.log) as Arc<dyn LogSink>);
        self.core = self.functions.core(self.state.subscribe());
        self
    }

    /// Another core in the same place, which starts interpreters in another way; the case must shut it down.
    pub(crate) fn another(&self, start: Start) -> Self {
        let state = watch::Sender::new(Arc::new(State::default()));
        let log = Arc::clone(&self.log) as Arc<dyn LogSink>;
        let functions = Functions::new(self.spawner.clone(), options(&self.directory, start), log);
        Self {
            core: functions.core(state.subscribe()),
            functions,
            state,
            log: Arc::clone(&self.log),
            directory: self.directory.clone(),
            spawner: self.spawner.clone(),
            start,
        }
    }

    /// The processes that run Python, in all environments.
    pub(crate) fn interpreters(&self) -> Vec<u32> {
        let is_python = |pid: &u32| {
            let words = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            words.contains("bootstrap.py")
        };
        pids_below(&self.spawner).into_iter().filter(is_python).collect()
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
                provisioned: 0,
                ephemeral_storage: model::lambda::function::EphemeralStorage::default(),
                logging: Logging::default(),
                layers: Layers::default(),
                network: None,
                aws_api: model::lambda::function::AwsApi::OwnRole,
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

    /// The folder of a function of [`World::function`], as the function sees it.
    pub(crate) fn seen(&self, function: &Function) -> PathBuf {
        match self.spawner.tier() {
            Tier::Process => folder_of(function),
            Tier::Namespace => "/var/task".into(),
        }
    }

    pub(crate) fn invoke(&self, event: &str) -> invoke::LocalBoxFuture<InvokeOutcome> {
        let payload = Bytes::copy_from_slice(event.as_bytes());
        self.core
            .invoke(Invocation::new(arn(), payload, Some("Root=1-5-7".to_owned())))
    }
}

fn options(directory: &Path, start: Start) -> Options {
    Options {
        parked_per_runtime: usize::from(start == Start::Parked),
        parked_always: start == Start::Parked,
        ..Options::new(directory.join("data"))
    }
}

/// A process's parent.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The folder of a function of [`World::function`].
pub(crate) fn folder_of(function: &Function) -> PathBuf {
    match &function.code.location {
        CodeLocation::Folder(folder) => folder.clone(),
        other => panic!("not a folder: {other:?}"),
    }
}

/// The command lines of the processes of all environments: what is below the inits, which are the spawner's children.
pub(crate) fn processes_below(spawner: &Spawner) -> Vec<String> {
    let below = pids_below(spawner).into_iter();
    below
        .map(|pid| {
            let words = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            words.replace('\0', " ")
        })
        .collect()
}

fn pids_below(spawner: &Spawner) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let parents: HashMap<u32, u32> = pids.filter_map(|pid| Some((pid, parent_of(pid)?))).collect();
    let is_below = |&pid: &u32| {
        // The depth is bounded, should ids be reused meanwhile.
        let above: Vec<u32> = std::iter::successors(Some(pid), |at| parents.get(at).copied())
            .take(100)
            .collect();
        above.iter().skip(2).any(|&pid| pid == spawner.pid())
    };
    // What is ready for an environment to come belongs to none: it is the spawner's program still.
    let waits = |pid: &u32| {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words.split(|&byte| byte == 0).nth(1) == Some(b"--albacore-spawner")
    };
    parents
        .keys()
        .copied()
        .filter(|pid| is_below(pid) && !waits(pid))
        .collect()
}

/// Kills what a case left that failed.
pub(crate) fn end_all_below(spawner: &Spawner) {
    let pids = pids_below(spawner)
        .into_iter()
        .filter_map(|pid| i32::try_from(pid).ok());
    for pid in pids.filter_map(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    let until = std::time::Instant::now() + Duration::from_secs(10);
    while !pids_below(spawner).is_empty() && std::time::Instant::now() < until {
        std::thread::yield_now();
    }
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
