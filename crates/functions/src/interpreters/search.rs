//! Looks for interpreters in `PATH` and asks each what it is.
//!
//! The file in `PATH` may be a shim: a script that looks for the real program at every start, which takes longer than the
//! start of the interpreter. So what stands behind the shims of the known version managers is looked at directly, and
//! each candidate is run once and asked for its real program.

use super::clients::{Clients, DOTNET_CLIENT};
use super::path::{Candidate, candidates, java_folders};
use super::{Interpreter, Language};
use crate::runtime_files::RuntimeFiles;
use sandbox::{Limits, Spawner, Spec};
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long a candidate may take to answer. A shim takes some hundred milliseconds, and on an overloaded machine seconds; one
/// that is given up is missed until albacore is started again.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(15);

/// How much of its output is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 16 * 1024;

/// The first word of the line that is the answer; a shim may say something too.
const MARK: &str = "albacore-interpreter";

/// The oldest versions that the bootstraps are written for and tested with. Newer ones are all used.
const PYTHON_MINOR_MIN: u8 = super::path::PYTHON_MINORS.start;
const NODEJS_MAJOR_MIN: u8 = 16;
const JAVA_FEATURE_MIN: u8 = 17;
const RUBY_SERIES_MIN: u8 = 30;
const DOTNET_MAJOR_MIN: u8 = 6;

/// Every candidate that answers, in the order of `PATH`. Two of one version with the same packages count once, because the
/// first one would be chosen always.
pub(super) async fn search(
    spawner: &Spawner,
    files: &RuntimeFiles,
    clients: &Clients,
    language: Language,
) -> Vec<Interpreter> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let candidates = tokio::task::spawn_blocking(move || candidates(&path, language, &java_folders()))
        .await
        .unwrap_or_default();
    let mut asked = JoinSet::new();
    for (position, candidate) in candidates.into_iter().enumerate() {
        let (spawner, files, clients) = (spawner.clone(), files.clone(), clients.clone());
        asked.spawn(async move {
            let answer = timeout(ANSWER_TIME_MAX, ask(&spawner, &files, &clients, &candidate)).await;
            (position, answer.unwrap_or_default())
        });
    }
    let mut found: Vec<(usize, Interpreter)> = Vec::new();
    while let Some(answer) = asked.join_next().await {
        if let Ok((position, interpreters)) = answer {
            found.extend(interpreters.into_iter().map(|interpreter| (position, interpreter)));
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

/// Runs a candidate and reads its answer. Nothing if there is no answer that makes sense; several for a program that has
/// several versions.
async fn ask(spawner: &Spawner, files: &RuntimeFiles, clients: &Clients, candidate: &Candidate) -> Vec<Interpreter> {
    let Ok(mut process) = spawner.spawn(question(files, candidate)).await else {
        return Vec::new();
    };
    let Some(stdout) = process.take_stdout() else {
        return Vec::new();
    };
    let answer = read(stdout).await;
    // It may still be compiling.
    process.wait().await;
    let Some(answer) = answer else { return Vec::new() };
    let found = parse(files, clients, candidate, &answer).into_iter();
    // Asking what belongs to it looks at the disk.
    found.collect()
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

/// Ruby is asked for the folders of the packages that it is installed with, too.
const RUBY_QUESTION: &str = r#"
own = RbConfig::CONFIG["prefix"] + "/"
packages = Gem.default_path.select { |folder| folder.start_with?(own) && folder != Gem.user_dir }
puts "\n" + [ARGV[0], RUBY_VERSION, RbConfig.ruby, *packages].join("\t")
"#;

/// Java and .NET say what they are in their own words, Java to standard error.
const JAVA_QUESTION: &str = r#"exec "$0" -XshowSettings:properties -version 2>&1"#;

fn question(files: &RuntimeFiles, candidate: &Candidate) -> Spec {
    let package = files.python_package();
    let mut program = candidate.program.clone();
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
        Language::Ruby => (["-e", RUBY_QUESTION, MARK].map(OsString::from).into(), None),
        Language::Java => {
            let java = std::mem::replace(&mut program, PathBuf::from("/bin/sh"));
            (vec!["-c".into(), JAVA_QUESTION.into(), java.into_os_string()], None)
        }
        Language::Dotnet => (vec!["--list-runtimes".into()], None),
    };
    Spec {
        program,
        args,
        environment: environment(),
        working_directory: PathBuf::from("/"),
        temporary_directory,
        temporary_mount: false,
        layers_directory: None,
        log_pipe: false,
        assignment_pipe: false,
        limits: Limits::default(),
        // It looks for things on the host.
        enclosure: None,
    }
}

/// That of albacore itself, because shims need it; without what would change how an interpreter starts.
fn environment() -> Vec<(OsString, OsString)> {
    let changes_interpreter = |name: &OsString| {
        let name = name.as_encoded_bytes();
        let families: [&[u8]; 7] = [
            b"PYTHON",
            b"NODE_",
            b"RUBY",
            b"GEM_",
            b"BUNDLE_",
            b"JAVA_TOOL_",
            b"JDK_JAVA_",
        ];
        families.iter().any(|family| name.starts_with(family))
    };
    std::env::vars_os()
        .filter(|(name, _)| !changes_interpreter(name))
        .collect()
}

fn parse(files: &RuntimeFiles, clients: &Clients, candidate: &Candidate, answer: &str) -> Vec<Interpreter> {
    match candidate.language {
        Language::Python | Language::Nodejs | Language::Ruby => {
            parse_marked(files, candidate, answer).into_iter().collect()
        }
        Language::Java => parse_java(files, clients, answer).into_iter().collect(),
        Language::Dotnet => parse_dotnet(files, clients, candidate, answer),
    }
}

/// The answer to one of our own questions.
fn parse_marked(files: &RuntimeFiles, candidate: &Candidate, answer: &str) -> Option<Interpreter> {
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
        Language::Nodejs => (major, NODEJS_MAJOR_MIN, files.node_bootstrap()),
        Language::Ruby => {
            let series = major.checked_mul(10)?.checked_add(numbers.next()?.ok()?)?;
            (series, RUBY_SERIES_MIN, files.ruby_bootstrap())
        }
        Language::Python | Language::Java | Language::Dotnet => return None,
    };
    let packages = fields.map(PathBuf::from).collect();
    (series >= min && program.is_absolute())
        .then(|| whole(language, series, version.to_owned(), program, packages, bootstrap))
}

/// What Java says of its properties: `    java.version = 21.0.4`.
fn parse_java(files: &RuntimeFiles, clients: &Clients, answer: &str) -> Option<Interpreter> {
    let property = |name: &str| {
        let mut lines = answer.lines().map(str::trim_start);
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(" = ").map(str::trim_end))
    };
    let version = property("java.version")?;
    let home = PathBuf::from(property("java.home")?);
    // `21`, `21.0.4`, `25-ea`
    let feature = version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
    if feature < JAVA_FEATURE_MIN || !home.is_absolute() {
        return None;
    }
    let folder = clients.java.clone().unwrap_or_else(|| files.java_folder()).join("lib");
    let mut jars: Vec<PathBuf> = match clients.java {
        Some(_) => super::clients::files_in(&folder, &["jar"]),
        None => Vec::new(),
    };
    jars.sort();
    let program = home.join("bin/java");
    Some(whole(
        Language::Java,
        feature,
        version.to_owned(),
        program,
        jars,
        folder,
    ))
}

/// What .NET lists: `Microsoft.NETCore.App 8.0.11 [/usr/share/dotnet/shared/Microsoft.NETCore.App]`. One program runs all.
fn parse_dotnet(files: &RuntimeFiles, clients: &Clients, candidate: &Candidate, answer: &str) -> Vec<Interpreter> {
    let folder = clients.dotnet.clone().unwrap_or_else(|| files.dotnet_folder());
    let client = folder.join(DOTNET_CLIENT);
    let packages = clients.dotnet.iter().map(|_| client.clone()).collect::<Vec<_>>();
    // A program that is started by a link looks for its runtimes beside the link's end.
    let program = candidate
        .program
        .canonicalize()
        .unwrap_or_else(|_| candidate.program.clone());
    let of_line = |line: &str| {
        let version = line.strip_prefix("Microsoft.NETCore.App ")?.split(' ').next()?;
        let major = version
            .split('.')
            .next()?
            .parse()
            .ok()
            .filter(|&it: &u8| it >= DOTNET_MAJOR_MIN)?;
        let (version, packages) = (version.to_owned(), packages.clone());
        Some(whole(
            Language::Dotnet,
            major,
            version,
            program.clone(),
            packages,
            client.clone(),
        ))
    };
    answer.lines().filter_map(of_line).collect()
}

/// With what belongs to it.
fn whole(
    language: Language,
    series: u8,
    version: String,
    program: PathBuf,
    packages: Vec<PathBuf>,
    bootstrap: PathBuf,
) -> Interpreter {
    // Clients are in the folder of the runtime already.
    let own: &[PathBuf] = match language {
        Language::Python => &packages,
        _ => &[],
    };
    let (inside_program, pieces) = super::pieces::of(language, Path::new(&program), own);
    Interpreter {
        language,
        series,
        version,
        program,
        packages,
        bootstrap,
        inside_program,
        pieces,
    }
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
            let candidate = Candidate { language, program };
            let mut found = parse(&files, &Clients::default(), &candidate, answer);
            assert!(found.len() <= 1, "{found:?}");
            let found = found.pop()?;
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
        let ruby = |answer: &str| parsed(Language::Ruby, answer);
        assert_eq!(
            ruby("\nalbacore-interpreter\t3.4.1\t/usr/bin/ruby3.4\t/usr/lib/ruby/gems/3.4.0\n"),
            Some((34, "3.4.1".into(), "/usr/bin/ruby3.4".into(), 1))
        );
        assert_eq!(ruby("albacore-interpreter\t2.7.8\t/usr/bin/ruby"), None);
        assert_eq!(ruby("albacore-interpreter\t255.255.1\t/usr/bin/ruby"), None);
    }

    #[test]
    fn java_and_dotnet_in_their_own_words() {
        let directory = std::env::temp_dir().join(format!("albacore-search-words-{}", std::process::id()));
        let files = RuntimeFiles::write(&directory).unwrap();
        let with_client = Clients {
            java: Some(directory.join("client")),
            dotnet: Some(directory.join("dotnet-client")),
        };
        std::fs::create_dir_all(directory.join("client/lib")).unwrap();
        for name in ["b.jar", "a.jar", "other"] {
            std::fs::write(directory.join("client/lib").join(name), "").unwrap();
        }
        let found = |language, clients: &Clients, answer: &str| {
            let program = PathBuf::from("/opt/dotnet/dotnet");
            parse(&files, clients, &Candidate { language, program }, answer)
        };
        let java =
            "Property settings:\n    java.home = /opt/jdk\n    java.vendor.version = x\n    java.version = 21.0.4\n";
        let [java] = &found(Language::Java, &with_client, java)[..] else {
            panic!("one Java");
        };
        let ea = found(
            Language::Java,
            &Clients::default(),
            "java.version = 25-ea\njava.home = /opt/ea",
        );
        let old = found(
            Language::Java,
            &with_client,
            "java.version = 11.0.2\njava.home = /opt/old",
        );
        let dotnet = found(
            Language::Dotnet,
            &with_client,
            "Microsoft.AspNetCore.App 8.0.11 [/x]\nMicrosoft.NETCore.App 5.0.1 [/x]\n\
             Microsoft.NETCore.App 8.0.11 [/x]\nMicrosoft.NETCore.App 10.0.0 [/x]\n",
        );
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!((java.series, java.version.as_str()), (21, "21.0.4"));
        assert_eq!(java.program, Path::new("/opt/jdk/bin/java"));
        assert_eq!(java.runtime_folder(), directory.join("client"));
        assert_eq!(
            java.packages,
            ["a.jar", "b.jar"].map(|name| directory.join("client/lib").join(name))
        );
        assert_eq!((ea[0].series, ea[0].packages.len()), (25, 0));
        assert_eq!(old, []);
        let versions: Vec<_> = dotnet.iter().map(|it| (it.series, it.version.as_str())).collect();
        assert_eq!(versions, [(8, "8.0.11"), (10, "10.0.0")]);
        assert_eq!(dotnet[0].bootstrap, directory.join("dotnet-client").join(DOTNET_CLIENT));
    }
}
