//! How a Java function is started: the options, the class path, and the archive of classes that starts share. Source: Lambda
//! 3.3, 3.4.

use super::inside::TASK;
use super::joined;
use crate::code::ReadyCode;
use crate::interpreters::{Interpreter, JAVA_LIBRARY};
use model::lambda::function::FunctionMemory;
use sha2::{Digest, Sha256};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// The variable whose options come after ours and win.
pub(super) const TOOL_OPTIONS: &str = "JAVA_TOOL_OPTIONS";

const CLIENT: &str = "com.amazonaws.services.lambda.runtime.api.client.AWSLambda";
const CLIENT_FILE: &str = "com/amazonaws/services/lambda/runtime/api/client/AWSLambda.class";
const LIBRARY_PROPERTY: &str = "com.amazonaws.services.lambda.runtime.api.client.runtimeapi.NativeClient.JNI";

/// From this version on Java warns of native parts, which the client has, unless it is told.
const NATIVE_ACCESS_SINCE: u8 = 22;

/// Jars of a function that are looked into for a client.
const JARS_MAX: usize = 512;

/// What one start is made of. Paths are as the environment's processes see them.
pub(super) struct Start<'a> {
    pub(super) interpreter: &'a Interpreter,
    /// The same as the host sees it.
    pub(super) on_host: &'a Interpreter,
    /// The processes do not see the host.
    pub(super) is_inside: bool,
    pub(super) folder: &'a Path,
    pub(super) layers: Option<&'a Path>,
    pub(super) memory: FunctionMemory,
    pub(super) handler: &'a str,
    pub(super) tool_options: Option<&'a OsStr>,
}

/// Everything after `java`. Looks for two files.
pub(super) fn arguments(start: &Start<'_>) -> Vec<OsString> {
    let tool_options = start.tool_options.unwrap_or_default().to_string_lossy();
    let mut all = defaults(start.memory, &tool_options);
    if start.interpreter.series >= NATIVE_ACCESS_SINCE {
        all.push("--enable-native-access=ALL-UNNAMED".into());
    }
    let runtime = start.interpreter.runtime_folder();
    if start.on_host.runtime_folder().join(JAVA_LIBRARY).is_file() {
        let library = runtime.join(JAVA_LIBRARY);
        all.push(joined(&[
            format!("-D{LIBRARY_PROPERTY}=").as_ref(),
            library.as_os_str(),
        ]));
    }
    let archive = shared_archive(start.on_host, start.is_inside).filter(|archive| archive.is_file());
    if let Some(name) = archive.as_deref().and_then(Path::file_name)
        && !is_chosen(&tool_options, &["-XX:SharedArchiveFile", "-Xshare"])
    {
        all.push(joined(&[
            "-XX:SharedArchiveFile=".as_ref(),
            runtime.join(name).as_os_str(),
        ]));
        // One that does not fit any more is left aside without a word among the function's own.
        all.push("-Xlog:cds*=off".into());
    }
    // Where it is public, the client takes the handler from its arguments.
    all.extend([
        "-classpath".into(),
        class_path(start),
        CLIENT.into(),
        start.handler.into(),
    ]);
    all
}

/// Options that a function may replace by `JAVA_TOOL_OPTIONS`, which Java reads before the command line. Source: Lambda 3.3;
/// the exact flags differ between Lambda's versions.
fn defaults(memory: FunctionMemory, tool_options: &str) -> Vec<OsString> {
    let heap_kilobytes = u64::from(memory.megabytes()) * 1024 * 85 / 100;
    let heap = format!("-XX:MaxHeapSize={heap_kilobytes}k");
    let all: [(&str, &[&str]); 6] = [
        (&heap, &["-XX:MaxHeapSize", "-Xmx", "-XX:MaxRAMPercentage"]),
        // Functions live for seconds, on a part of a processor.
        (
            "-XX:TieredStopAtLevel=1",
            &["-XX:TieredStopAtLevel", "-XX:-TieredCompilation", "-Xint"],
        ),
        (
            "-XX:+UseSerialGC",
            &[
                "-XX:+UseSerialGC",
                "-XX:+UseG1GC",
                "-XX:+UseParallelGC",
                "-XX:+UseZGC",
                "-XX:+UseShenandoahGC",
            ],
        ),
        ("-XX:-UsePerfData", &["-XX:+UsePerfData"]),
        ("-Djava.net.preferIPv4Stack=true", &["-Djava.net.preferIPv4Stack"]),
        // The client makes a descriptor of the log channel's number.
        ("--add-opens=java.base/java.io=ALL-UNNAMED", &[]),
    ];
    let kept = all.into_iter().filter(|(_, others)| !is_chosen(tool_options, others));
    kept.map(|(option, _)| option.into()).collect()
}

/// Has the function chosen one of these options itself?
fn is_chosen(tool_options: &str, options: &[&str]) -> bool {
    let mut words = tool_options.split_ascii_whitespace();
    words.any(|word| options.iter().any(|option| word.starts_with(option)))
}

/// The client's jars; it finds the function's own classes itself, at `/var/task`, `/var/task/lib` and `/opt/java/lib`. Where
/// this host has no client, the function's own is found in these places.
fn class_path(start: &Start<'_>) -> OsString {
    let mut parts: Vec<OsString> = start
        .interpreter
        .packages
        .iter()
        .map(|jar| jar.clone().into_os_string())
        .collect();
    if parts.is_empty() {
        parts.push(start.folder.as_os_str().to_owned());
        parts.push(start.folder.join("lib/*").into_os_string());
    }
    // Elsewhere than at `/opt` the client does not look.
    let is_at_opt = start.layers == Some(Path::new(super::OPT));
    if let Some(layers) = start.layers
        && (!is_at_opt || start.interpreter.packages.is_empty())
    {
        parts.push(layers.join("java/lib/*").into_os_string());
    }
    parts.join(OsStr::new(":"))
}

/// Where the archive of classes is on the host that every start with this client shares: it fits one Java, these jars, and
/// the paths that they are seen at. `None` without the client.
pub(crate) fn shared_archive(interpreter: &Interpreter, is_inside: bool) -> Option<PathBuf> {
    if interpreter.packages.is_empty() {
        return None;
    }
    // Java compares this file, too.
    let modules = interpreter.program.parent()?.parent()?.join("lib/modules");
    let modules = fs::metadata(modules).ok()?;
    let mut hash = Sha256::new();
    hash.update(interpreter.program.as_os_str().as_bytes());
    hash.update(format!(
        "\0{}\0{}\0{}",
        interpreter.version,
        modules.size(),
        modules.mtime()
    ));
    let hash: String = hash
        .finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let place = if is_inside { "inside" } else { "host" };
    Some(interpreter.runtime_folder().join(format!("{place}-{hash}.jsa")))
}

/// What is run once to make the archive, in a shell: a handler that everybody has, so that what events are read with is
/// loaded, too. The archive comes out of standard output.
pub(crate) fn training(seen: &Interpreter, on_host: &Interpreter, temporary: &Path) -> (PathBuf, Vec<OsString>) {
    let archive = temporary.join("classes.jsa");
    let mut all: Vec<OsString> = vec![
        "-c".into(),
        // How it ends, once nobody sends events, does not matter.
        r#"archive=$1; shift; "$0" "$@" >/dev/null 2>&1; exec cat "$archive""#.into(),
        seen.program.clone().into_os_string(),
        archive.clone().into_os_string(),
        joined(&["-XX:ArchiveClassesAtExit=".as_ref(), archive.as_os_str()]),
    ];
    all.extend(arguments(&Start {
        interpreter: seen,
        on_host,
        // Without an archive yet.
        is_inside: false,
        folder: Path::new(TASK),
        layers: None,
        memory: FunctionMemory::default(),
        handler: TRAINING_HANDLER,
        tool_options: Some(OsStr::new("-Xshare:auto")),
    }));
    (PathBuf::from("/bin/sh"), all)
}

/// Takes a document.
const TRAINING_HANDLER: &str = "java.util.HashMap::putAll";

/// Does a function bring the client, in its code or a layer? Blocks.
pub(crate) fn brings_client(code: &ReadyCode, layers: Option<&Path>) -> bool {
    let ReadyCode::Folder(folder) = code else {
        return false;
    };
    if folder.join(CLIENT_FILE).is_file() {
        return true;
    }
    let folders = [Some(folder.join("lib")), layers.map(|layers| layers.join("java/lib"))];
    let listed = folders
        .into_iter()
        .flatten()
        .filter_map(|folder| fs::read_dir(folder).ok());
    let jars = listed.flatten().flatten().map(|entry| entry.path());
    let mut jars = jars
        .filter(|path| path.extension().is_some_and(|it| it == "jar"))
        .take(JARS_MAX);
    jars.any(|jar| {
        let archive = File::open(jar).ok().and_then(|file| ZipArchive::new(file).ok());
        archive.is_some_and(|archive| archive.index_for_name(CLIENT_FILE).is_some())
    })
}
