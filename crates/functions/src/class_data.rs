//! The archive of loaded classes that all starts of one Java share: made once for a Java and a client, in the data folder,
//! read-only for functions. Starting with it takes about half of the processor time.
//!
//! It is made by running the client with one event, confined like any function and after everything else that starts. Until
//! it is there, and when it cannot be made, functions start without. Source: Lambda 3.3.

use crate::core::Core;
use crate::interpreters::Interpreter;
use crate::launch::{self, Inside};
use sandbox::{Enclosure, Limits, Process, Spec};
use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// How long the making may take.
const TIME_MAX: Duration = Duration::from_secs(60);
/// What is read of an archive, in bytes; it has about ten million.
const ARCHIVE_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// What is read of a request of the client, in bytes.
const REQUEST_BYTES_MAX: u64 = 1024 * 1024;

/// The archives that have been made, or tried: once in the life of this process.
#[derive(Debug, Default)]
pub(crate) struct ClassData(Mutex<HashSet<PathBuf>>);

impl ClassData {
    /// Has nobody tried this one?
    fn begin(&self, archive: &Path) -> bool {
        let mut tried = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tried.insert(archive.to_owned())
    }
}

/// Where the client is run.
enum Place {
    Inside(Inside),
    /// Below this folder of the host.
    Folder(PathBuf),
}

impl Place {
    async fn make(core: &Core, interpreter: &Interpreter, is_inside: bool) -> io::Result<Self> {
        let host = &core.host;
        if is_inside {
            let scratch = host.spawner.scratch(ARCHIVE_BYTES_MAX);
            let inside = Inside::park(&host.spawner, interpreter, scratch).await;
            return inside.map(Self::Inside).map_err(io::Error::other);
        }
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let name = format!("classes-{:016x}", u64::from_ne_bytes(random));
        let folder = host.options.data_dir.join("environments").join(name);
        let made = folder.clone();
        blocking(move || fs::create_dir_all(made)).await?;
        Ok(Self::Folder(folder))
    }

    fn temporary(&self) -> PathBuf {
        match self {
            Self::Inside(_) => "/tmp".into(),
            Self::Folder(folder) => folder.clone(),
        }
    }

    fn enclosure(&self) -> Option<Enclosure> {
        match self {
            Self::Inside(inside) => inside.enclosure(),
            Self::Folder(_) => None,
        }
    }

    fn listener(&self) -> io::Result<StdListener> {
        match self {
            Self::Inside(inside) => inside.listener(),
            Self::Folder(_) => StdListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
        }
    }

    async fn remove(self) {
        if let Self::Folder(folder) = self {
            let _ = blocking(move || fs::remove_dir_all(folder)).await; // what is left is removed at the next start
        }
    }
}

impl Core {
    /// Sees to it that there is an archive for the starts of this interpreter, if it is a Java and the host has the client.
    /// Costs two looks at the disk when there is one.
    pub(crate) fn share_classes(self: &Rc<Self>, interpreter: &Interpreter, is_inside: bool) {
        let Some(archive) = launch::shared_archive(interpreter, is_inside) else {
            return;
        };
        if self.stop.is_cancelled() || archive.exists() || !self.host.class_data.begin(&archive) {
            return;
        }
        let (core, interpreter) = (Rc::clone(self), interpreter.clone());
        self.tasks.spawn_local(async move {
            tokio::select! {
                biased;
                () = core.stop.cancelled() => return,
                () = core.host.parking.quiet() => {}
            }
            match core.make_archive(&interpreter, is_inside, &archive).await {
                Ok(()) => tracing::debug!(%interpreter, archive = %archive.display(), "classes are shared"),
                Err(error) if core.stop.is_cancelled() => tracing::debug!(%error, "classes are not shared yet"),
                Err(error) => tracing::warn!(%interpreter, %error, "functions start without shared classes"),
            }
        });
    }

    async fn make_archive(&self, interpreter: &Interpreter, is_inside: bool, archive: &Path) -> io::Result<()> {
        let place = Place::make(self, interpreter, is_inside).await?;
        let made = self.made_in(&place, interpreter).await;
        place.remove().await;
        let bytes = made?;
        let archive = archive.to_owned();
        blocking(move || {
            let draft = archive.with_extension("draft");
            fs::write(&draft, bytes)?;
            fs::set_permissions(&draft, Permissions::from_mode(0o444))?;
            fs::rename(&draft, &archive)
        })
        .await
    }

    /// The bytes of an archive.
    async fn made_in(&self, place: &Place, interpreter: &Interpreter) -> io::Result<Vec<u8>> {
        let listener = place.listener()?;
        let (program, args) = match place {
            Place::Inside(inside) => launch::training(&inside.interpreter(interpreter), interpreter, Path::new("/tmp")),
            Place::Folder(folder) => launch::training(interpreter, interpreter, folder),
        };
        let spec = Spec {
            program,
            args,
            environment: variables(listener.local_addr()?),
            working_directory: place.temporary(),
            temporary_directory: Some(place.temporary()),
            temporary_mount: false,
            layers_directory: None,
            log_pipe: false,
            assignment_pipe: false,
            limits: Limits::default(),
            enclosure: place.enclosure(),
        };
        let mut process = self.host.spawner.spawn(spec).await.map_err(io::Error::other)?;
        let made = tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(io::Error::other("albacore stops")),
            made = timeout(TIME_MAX, output(&mut process, listener)) => {
                made.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            }
        };
        process.kill();
        process.wait().await;
        made
    }
}

/// What the client has to find in its environment.
fn variables(runtime_api: SocketAddr) -> Vec<(OsString, OsString)> {
    let runtime_api = runtime_api.to_string();
    let all = [
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_FUNCTION_NAME", "classes"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "classes"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "classes"),
        ("AWS_LAMBDA_RUNTIME_API", &runtime_api),
        ("LANG", "en_US.UTF-8"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ];
    all.map(|(name, value)| (name.into(), value.into())).into()
}

/// Gives the client one event, and hears the archive when it has ended.
async fn output(process: &mut Process, listener: StdListener) -> io::Result<Vec<u8>> {
    let stdout = process.take_stdout().ok_or(io::ErrorKind::BrokenPipe)?;
    let stdout = pipe::Receiver::from_owned_fd(stdout)?;
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let mut bytes = Vec::new();
    let mut limited = stdout.take(ARCHIVE_BYTES_MAX + 1);
    let read = limited.read_to_end(&mut bytes);
    tokio::pin!(read);
    tokio::select! {
        // It ends without an event: there is no archive then.
        read = &mut read => { read?; }
        // When the listener is gone the client ends by itself.
        served = serve(listener) => { served?; read.await?; }
    }
    if bytes.is_empty() || bytes.len() as u64 > ARCHIVE_BYTES_MAX {
        return Err(io::Error::other("Java made no archive of its classes"));
    }
    Ok(bytes)
}

/// The Runtime API for one event. The client does not survive a header that is missing, or a deadline of nothing.
async fn serve(listener: TcpListener) -> io::Result<()> {
    const EVENT: &str = r#"{"a":1}"#;
    let mut is_first = true;
    loop {
        let (mut connection, _) = listener.accept().await?;
        let Ok(request) = read_request(&mut connection).await else {
            continue;
        };
        let is_next = request.starts_with("GET ") && request.contains("/invocation/next ");
        if is_next && !std::mem::take(&mut is_first) {
            return Ok(());
        }
        let (status, body) = if is_next {
            ("200 OK", EVENT)
        } else {
            ("202 Accepted", "")
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Lambda-Runtime-Aws-Request-Id: 00000000-0000-4000-8000-000000000000\r\nLambda-Runtime-Deadline-Ms: 4102444800000\r\n\
             Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:000000000000:function:classes\r\n\
             Lambda-Runtime-Trace-Id: Root=1-0-0\r\nLambda-Runtime-Client-Context: {{}}\r\n\
             Lambda-Runtime-Cognito-Identity: {{}}\r\n\r\n{body}",
            body.len()
        );
        let _ = connection.write_all(answer.as_bytes()).await; // the client shows whether it got it
    }
}

/// The head of a request, whose body is read too.
async fn read_request(connection: &mut TcpStream) -> io::Result<String> {
    let mut reader = BufReader::new(connection.take(REQUEST_BYTES_MAX));
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().ok()).flatten()
    });
    let length = length.unwrap_or(0).min(REQUEST_BYTES_MAX as usize);
    reader.read_exact(&mut vec![0; length]).await?;
    Ok(head)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
