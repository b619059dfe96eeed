//! Looks for interpreters in `PATH` and asks each what it is.
//!
//! The file in `PATH` may be a shim: a script that looks for the real program at every start, which takes longer than the
//! start of the interpreter. So what stands behind the shims of the known version managers is looked at directly, and
//! each candidate is run once and asked for its real program.

use super::path::{Candidate, candidates};
use super::{Interpreter, Language};
use crate::runtime_files::RuntimeFiles;
use sandbox::{Limits, Spawner, Spec};
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long a candidate may take to answer. A shim on a busy machine takes some hundred milliseconds.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);

/// How much of its output is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 16 * 1024;

/// The first word of the line that is the answer; a shim may say something too.
const MARK: &str = "albacore-interpreter";

/// The oldest versions that the bootstraps are written for and tested with. Newer ones are all used.
const PYTHON_MINOR_MIN: u8 = super::path::PYTHON_MINORS.start;
const NODEJS_MAJOR_MIN: u8 = 16;

/// Every candidate that answers, in the order of `PATH`. Two of one version with the same packages count once, because the
/// first one would be chosen always.
pub(super) async fn search(spawner: &Spawner, files: &RuntimeFiles) -> Vec<Interpreter> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let candidates = tokio::task::spawn_blocking(move || candidates(&path))
        .await
        .unwrap_or_default();
    let mut asked = JoinSet::new();
    for (position, candidate) in candidates.into_iter().enumerate() {
        let (spawner, files) = (spawner.clone(), files.clone());
        asked.spawn(async move {
            let answer = timeout(ANSWER_TIME_MAX, ask(&spawner, &files, &candidate)).await;
            (position, answer.ok().flatten())
        });
    }
    let mut found: Vec<(usize, Interpreter)> = Vec::new();
    while let Some(answer) = asked.join_next().await {
        if let Ok((position, Some(interpreter))) = answer {
            found.push((position, interpreter));
        }
    }
    found.sort_by_key(|(position, _)| *position);
    let mut distinct: Vec<Interpreter> = Vec::new();
    for (_, interpreter) in found {
        let is_same = |it: &Interpreter| {
            (it.language, &it.version, &it.packages)
                == (interpreter.language, &interpreter.version, &interpreter.packages)
        };
        if !distinct.iter().any(is_same) {
            distinct.push(interpreter);
        }
    }
    distinct
}

/// Runs a candidate and reads its answer. `None` if there is no answer that makes sense.
async fn ask(spawner: &Spawner, files: &RuntimeFiles, candidate: &Candidate) -> Option<Interpreter> {
    let mut process = spawner.spawn(question(files, candidate)).await.ok()?;
    let answer = read(process.take_stdout()?).await;
    // It may still be compiling.
    process.wait().await;
    parse(files, candidate, &answer?)
}

async fn read(pipe: OwnedFd) -> Option<String> {
    let mut answer = Vec::new();
    let pipe = pipe::Receiver::from_owned_fd(pipe).ok()?;
    pipe.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await.ok()?;
    String::from_utf8(answer).ok()
}

/// Python is asked for the folders of its packages too (of a virtual environment, if it is one), and compiles the
/// bootstrap for itself, which makes every later start some milliseconds faster.
const PYTHON_QUESTION: &str = r#"
import os, site, sys
home = os.path.dirname(os.path.dirname(os.path.abspath(sys.executable)))
is_virtual = os.path.exists(os.path.join(home, "pyvenv.cfg"))
packages = site.getsitepackages([home] if is_virtual else None)
answer = [sys.argv[1], "%d.%d.%d" % sys.version_info[:3], sys.executable] + packages
print("\n" + "\t".join(answer), flush=True)
for name in os.listdir(sys.argv[2]):
    stem, extension = os.path.splitext(name)
    compiled = os.path.join(sys.argv[2], "__pycache__", stem + "." + sys.implementation.cache_tag + ".pyc")
    if extension == ".py" and not os.path.exists(compiled):
        import py_compile
        py_compile.compile(os.path.join(sys.argv[2], name), compiled, quiet=2)
"#;

const NODE_QUESTION: &str = r#"
console.log('\n' + [process.argv[1], process.versions.node, process.execPath].join('\t'))
"#;

fn question(files: &RuntimeFiles, candidate: &Candidate) -> Spec {
    let package = files.python_package();
    let (args, temporary_directory): (Vec<OsString>, _) = match candidate.language {
        Language::Python => (
            ["-I", "-S", "-X", "utf8", "-c", PYTHON_QUESTION, MARK]
                .map(OsString::from)
                .into_iter()
                .chain([package.clone().into_os_string()])
                .collect(),
            Some(package),
        ),
        Language::Nodejs => (["-e", NODE_QUESTION, MARK].map(OsString::from).into(), None),
    };
    Spec {
        program: candidate.program.clone(),
        args,
        environment: environment(),
        working_directory: PathBuf::from("/"),
        temporary_directory,
        temporary_mount: false,
        log_pipe: false,
        limits: Limits::default(),
    }
}

/// That of albacore itself, because shims need it; without what would change how an interpreter starts.
fn environment() -> Vec<(OsString, OsString)> {
    let changes_interpreter = |name: &OsString| {
        let name = name.as_encoded_bytes();
        name.starts_with(b"PYTHON") || name.starts_with(b"NODE_")
    };
    std::env::vars_os()
        .filter(|(name, _)| !changes_interpreter(name))
        .collect()
}

fn parse(files: &RuntimeFiles, candidate: &Candidate, answer: &str) -> Option<Interpreter> {
    let line = answer
        .lines()
        .find_map(|line| line.strip_prefix(MARK)?.strip_prefix('\t'))?;
    let mut fields = line.split('\t');
    let version = fields.next()?;
    let program = PathBuf::from(fields.next()?);
    let mut numbers = version.split('.').map(str::parse::<u8>);
    let major = numbers.next()?.ok()?;
    let language = candidate.language;
    let (series, min, bootstrap) = match language {
        Language::Python if major == 3 => (numbers.next()?.ok()?, PYTHON_MINOR_MIN, files.python_bootstrap()),
        Language::Python => return None,
        Language::Nodejs => (major, NODEJS_MAJOR_MIN, files.node_bootstrap()),
    };
    (series >= min && program.is_absolute()).then(|| Interpreter {
        language,
        series,
        version: version.to_owned(),
        program,
        packages: fields.map(PathBuf::from).collect(),
        bootstrap,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let directory = std::env::temp_dir().join(format!("albacore-search-answers-{}", std::process::id()));
        let files = RuntimeFiles::write(&directory).unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
        let parsed = |language, answer: &str| {
            let program = PathBuf::from("/shims/it");
            let found = parse(&files, &Candidate { language, program }, answer)?;
            Some((found.series, found.version, found.program, found.packages.len()))
        };
        let python = |answer: &str| parsed(Language::Python, answer);
        let node = |answer: &str| parsed(Language::Nodejs, answer);
        assert_eq!(
            python("a shim says\n\nalbacore-interpreter\t3.11.7\t/usr/bin/python3.11\t/a\t/b\n"),
            Some((11, "3.11.7".into(), "/usr/bin/python3.11".into(), 2))
        );
        assert_eq!(
            node("\nalbacore-interpreter\t22.3.0\t/opt/node\n"),
            Some((22, "22.3.0".into(), "/opt/node".into(), 0))
        );
        for nonsense in [
            "",
            "albacore-interpreter",
            "albacore-interpreter\t3.12.1",
            "albacore-interpreter\t3.12.1\t",
            "albacore-interpreter\t3.12.1\tpython3",
            "albacore-interpreter\t3.7.1\t/usr/bin/python3",
            "albacore-interpreter\t4.12.1\t/usr/bin/python3",
            "albacore-interpreter\t3\t/usr/bin/python3",
            "albacore-interpreter\t3.999.1\t/usr/bin/python3",
            "3.12.1\t/usr/bin/python3",
        ] {
            assert_eq!(python(nonsense), None, "{nonsense:?}");
        }
        assert_eq!(node("albacore-interpreter\t14.21.3\t/usr/bin/node"), None);
    }
}
