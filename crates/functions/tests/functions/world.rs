//! What a case works with: one core, functions made of Python text, and a line to the function while it runs.

use bytes::Bytes;
use functions::{CoreFunctions, Functions, LogEvent, LogSink, Options, Source};
use invoke::{Invocation, InvokeOutcome, Invoker};
use model::lambda::function::{
    Code, CodeLocation, Environment, Function, FunctionConfiguration, FunctionMemory, FunctionName, FunctionTimeout,
    Layers,
};
use model::lambda::logging::Logging;
use model::lambda::runtime::Runtime;
use model::{AccountId, Change, FunctionArn, Owner, Region, Scope, Secret, State};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use sandbox::Tier;
use std::collections::BTreeMap;
use std::fs;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;

pub(crate) type LocalFuture = Pin<Box<dyn Future<Output = ()>>>;

/// What every runtime begins with.
const PRELUDE: &str = r#"#!/usr/bin/python3
import http.client, json, os, signal, socket, sys
API = os.environ['AWS_LAMBDA_RUNTIME_API']
HOST, PORT = API.split(':')
connection = http.client.HTTPConnection(API)
def call(method, path, body=None, headers={}):
    connection.request(method, '/2018-06-01' + path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), dict(answer.getheaders())
ME = int.from_bytes(os.urandom(4), 'big')
def next_event():
    status, body, headers = call('GET', '/runtime/invocation/next')
    assert status == 200, body
    return headers['Lambda-Runtime-Aws-Request-Id'], body, headers
def respond(id, body):
    return call('POST', '/runtime/invocation/' + id + '/response', body)
def raw():
    return socket.create_connection((HOST, int(PORT)))
def tell(text):
    'Connects to the case, says text, and waits until the case says something.'
    line = socket.socket(socket.AF_UNIX)
    line.connect(os.environ['CASE_SOCKET'])
    line.sendall(text.encode() + b'\n')
    return line.recv(100).decode()
def hand_over(line):
    'Lets the case read what comes on a connection, also when this process has ended.'
    case = socket.socket(socket.AF_UNIX)
    case.connect(os.environ['CASE_HANDOVERS'])
    socket.send_fds(case, [b'x'], [line.fileno()])
"#;

pub(crate) struct World {
    pub(crate) directory: PathBuf,
    pub(crate) functions: Functions,
    pub(crate) core: CoreFunctions,
    pub(crate) state: watch::Sender<Arc<State>>,
    pub(crate) log: Arc<Log>,
    pub(crate) listener: UnixListener,
    handovers: std::os::unix::net::UnixListener,
    revisions: AtomicUsize,
    pub(crate) spawner: sandbox::Spawner,
}

/// Log events as they came.
#[derive(Default)]
pub(crate) struct Log {
    events: Mutex<Vec<Event>>,
    /// Only their bytes are counted from here on.
    counts_only: AtomicBool,
    pub(crate) bytes: AtomicUsize,
}

#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) function: String,
    pub(crate) group: String,
    pub(crate) stream: String,
    pub(crate) timestamp_ms: u64,
    pub(crate) source: Source,
    pub(crate) message: String,
}

impl LogSink for Log {
    fn event(&self, event: LogEvent<'_>) {
        self.bytes.fetch_add(event.message.len(), Ordering::Relaxed);
        if self.counts_only.load(Ordering::Relaxed) {
            return;
        }
        self.events.lock().unwrap().push(Event {
            function: event.function.to_string(),
            group: event.group.to_owned(),
            stream: event.stream.to_owned(),
            timestamp_ms: event.timestamp_ms,
            source: event.source,
            message: String::from_utf8_lossy(event.message).into_owned(),
        });
    }
}

impl Log {
    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    /// The messages of everybody.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.events().into_iter().map(|event| event.message).collect()
    }

    /// The messages of one of them.
    pub(crate) fn lines_of(&self, source: Source) -> Vec<String> {
        let events = self.events().into_iter().filter(|event| event.source == source);
        events.map(|event| event.message).collect()
    }

    /// How many messages begin like this.
    pub(crate) fn count(&self, beginning: &str) -> usize {
        self.lines().iter().filter(|line| line.starts_with(beginning)).count()
    }

    pub(crate) fn clear(&self) {
        self.events.lock().unwrap().clear();
    }

    pub(crate) fn count_only(&self) {
        self.counts_only.store(true, Ordering::Relaxed);
    }
}

pub(crate) fn scope() -> Scope {
    Scope {
        region: Region::try_from("eu-west-1").unwrap(),
        account: AccountId::try_from("111122223333").unwrap(),
    }
}

pub(crate) fn arn(name: &str) -> FunctionArn {
    FunctionArn::new(&scope(), name)
}

impl World {
    pub(crate) fn new(spawner: sandbox::Spawner) -> Self {
        static CASES: AtomicUsize = AtomicUsize::new(0);
        let number = CASES.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("albacore-functions-{}-{number}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let bind = |name: &str| {
            let path = directory.join(name);
            let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
            listener.set_nonblocking(true).unwrap();
            listener
        };
        let (listener, handovers) = (bind(CASE), bind(HANDOVERS));
        let state = watch::Sender::new(Arc::new(State::default()));
        let log = Arc::new(Log::default());
        let functions = Functions::new(
            spawner.clone(),
            Options::new(directory.join("data")),
            Arc::clone(&log) as Arc<dyn LogSink>,
        );
        Self {
            core: functions.core(state.subscribe()),
            functions,
            state,
            log,
            listener: UnixListener::from_std(listener).unwrap(),
            handovers,
            revisions: AtomicUsize::new(0),
            directory,
            spawner,
        }
    }

    /// The same world with other limits. Nothing may have been invoked yet; the case must shut the new core down.
    pub(crate) fn with_options(mut self, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::new(self.directory.join("data"));
        change(&mut options);
        self.functions = Functions::new(self.spawner.clone(), options, Arc::clone(&self.log) as Arc<dyn LogSink>);
        self.core = self.functions.core(self.state.subscribe());
        self
    }

    /// Where a function may hand over a connection.
    pub(crate) fn handovers(&self) -> Handovers {
        Handovers(UnixListener::from_std(self.handovers.try_clone().unwrap()).unwrap())
    }

    /// A function named `f` whose bootstrap is `program` after the prelude.
    pub(crate) fn function(&self, program: &str) -> Function {
        self.function_named("f", program)
    }

    pub(crate) fn function_named(&self, name: &str, program: &str) -> Function {
        let folder = self
            .directory
            .join(format!("{name}-{}", self.revisions.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir_all(&folder).unwrap();
        write_program(&folder.join("bootstrap"), &format!("{PRELUDE}{program}"));
        // A function that does not see the host finds the case in its own folder.
        for name in [CASE, HANDOVERS] {
            fs::hard_link(self.directory.join(name), folder.join(name)).unwrap();
        }
        let root = match self.spawner.tier() {
            Tier::Process => folder.as_path(),
            Tier::Namespace => Path::new("/var/task"),
        };
        let socket = |name: &str| Secret::new(root.join(name).display().to_string());
        let directory = Secret::new(self.directory.display().to_string());
        Function {
            arn: arn(name),
            name: FunctionName::try_from(name).unwrap(),
            configuration: FunctionConfiguration {
                runtime: Runtime::ProvidedAl2023,
                handler: "app.handler".to_owned(),
                timeout: FunctionTimeout::try_from(Duration::from_secs(30)).unwrap(),
                memory: FunctionMemory::default(),
                environment: Environment::new(BTreeMap::from([
                    ("CASE_SOCKET".to_owned(), socket(CASE)),
                    ("CASE_HANDOVERS".to_owned(), socket(HANDOVERS)),
                    // What `processes_of` looks for.
                    ("CASE_DIRECTORY".to_owned(), directory),
                ]))
                .unwrap(),
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

    pub(crate) fn put(&self, function: Function) {
        self.apply(&Change::PutFunction(Arc::new(function)));
    }

    pub(crate) fn apply(&self, change: &Change) {
        self.state.send_modify(|state| {
            let mut next = State::clone(state);
            next.apply(change);
            *state = Arc::new(next);
        });
    }

    pub(crate) fn invoke(&self, event: &str) -> invoke::LocalBoxFuture<InvokeOutcome> {
        self.invoke_named("f", event)
    }

    pub(crate) fn invoke_named(&self, name: &str, event: &str) -> invoke::LocalBoxFuture<InvokeOutcome> {
        let payload = Bytes::copy_from_slice(event.as_bytes());
        self.core
            .invoke(Invocation::new(arn(name), payload, Some("Root=1-5-7".to_owned())))
    }

    /// Invokes and expects an answer.
    pub(crate) async fn answer(&self, event: &str) -> String {
        text(self.invoke(event).await)
    }

    /// Waits for a function to call `tell`.
    pub(crate) async fn told(&self) -> Told {
        let (mut line, _) = self.listener.accept().await.unwrap();
        let mut text = Vec::new();
        while text.last() != Some(&b'\n') {
            assert_ne!(
                line.read_buf(&mut text).await.unwrap(),
                0,
                "the function ended while it told something"
            );
        }
        text.pop();
        Told {
            text: String::from_utf8(text).unwrap(),
            line,
        }
    }
}

/// Sockets in the directory of the case.
const CASE: &str = "case";
const HANDOVERS: &str = "handovers";

/// Takes connections from functions: what the Runtime API answers there can be read after the process was killed for it.
pub(crate) struct Handovers(UnixListener);

impl Handovers {
    /// All that comes on the next one until its end.
    pub(crate) async fn read(&self) -> String {
        let (from, _) = self.0.accept().await.unwrap();
        let mut space = [MaybeUninit::uninit(); 64];
        let line = loop {
            from.readable().await.unwrap();
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let mut byte = [0];
            let received = recvmsg(
                &from,
                &mut [IoSliceMut::new(&mut byte)],
                &mut ancillary,
                RecvFlags::DONTWAIT,
            );
            match received {
                Err(Errno::AGAIN) => {
                    let nothing: std::io::Result<()> = from.try_io(Interest::READABLE, || Err(Errno::AGAIN.into()));
                    assert!(nothing.is_err());
                }
                received => {
                    received.unwrap();
                    let mut descriptors = ancillary.drain().flat_map(|message| match message {
                        RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect(),
                        _ => Vec::new(),
                    });
                    break descriptors.next().expect("a connection");
                }
            }
        };
        let line = std::net::TcpStream::from(line);
        line.set_nonblocking(true).unwrap();
        let mut text = String::new();
        let mut line = TcpStream::from_std(line).unwrap();
        line.read_to_string(&mut text).await.unwrap();
        text
    }
}

/// A function that waits in `tell`.
pub(crate) struct Told {
    pub(crate) text: String,
    line: UnixStream,
}

impl Told {
    /// Lets it go on.
    pub(crate) async fn go_on(mut self) {
        self.line.write_all(b"go").await.unwrap();
    }
}

pub(crate) fn write_program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[track_caller]
pub(crate) fn text(outcome: InvokeOutcome) -> String {
    match outcome {
        InvokeOutcome::Buffered(payload) => String::from_utf8(payload.to_vec()).unwrap(),
        other => panic!("not an answer: {other:?}"),
    }
}

/// Error type and payload of a function error, the request id in it replaced by `ID`.
#[track_caller]
pub(crate) fn function_error(outcome: InvokeOutcome) -> (String, String) {
    let InvokeOutcome::FunctionError { error_type, payload } = outcome else {
        panic!("not an error: {outcome:?}")
    };
    let payload = String::from_utf8(payload.to_vec()).unwrap();
    let payload = match payload.split_once("RequestId: ") {
        Some((before, after)) => format!("{before}RequestId: ID{}", &after[36..]),
        None => payload,
    };
    (error_type, payload)
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
