//! The interpreters of managed runtimes on this host, and which one serves which runtime identifier.

mod clients;
mod path;
mod pieces;
mod search;

pub(crate) use clients::JAVA_LIBRARY;

use crate::runtime_files::RuntimeFiles;
use clients::{Clients, JAVA_COORDINATES, Places};
use model::lambda::function::FunctionName;
use model::lambda::runtime::Runtime;
use sandbox::Spawner;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What the person who runs albacore should know about how a function runs here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeNotice {
    /// The function.
    pub function: FunctionName,
    /// One sentence. About a runtime it names that, what was found, and what follows.
    pub message: String,
    /// It is about the runtime, and not about another setting that has less effect here.
    pub of_runtime: bool,
    /// Every invocation fails, because there is no interpreter at all or only another version than `--strict-runtimes`
    /// accepts. Otherwise the nearest version serves.
    pub missing: bool,
}

/// What was found on this host of one language.
#[derive(Debug, Default)]
pub(crate) struct Interpreters {
    /// In the order of `PATH`.
    found: Vec<Interpreter>,
    /// Why the bootstraps could not be written; then nothing managed can run.
    broken: Option<String>,
    /// Where runtime clients belong that are not ours.
    clients: PathBuf,
}

/// The language of a managed runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Python,
    Nodejs,
    Java,
    Ruby,
    Dotnet,
}

impl Language {
    pub(crate) const COUNT: usize = 5;

    /// That of a managed runtime.
    pub(crate) fn of(runtime: Runtime) -> Option<Self> {
        wanted(runtime).map(|(language, _)| language)
    }

    /// A number below [`Language::COUNT`].
    pub(crate) fn index(self) -> usize {
        match self {
            Self::Python => 0,
            Self::Nodejs => 1,
            Self::Java => 2,
            Self::Ruby => 3,
            Self::Dotnet => 4,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Python => "Python",
            Self::Nodejs => "Node.js",
            Self::Java => "Java",
            Self::Ruby => "Ruby",
            Self::Dotnet => ".NET",
        }
    }

    /// How far the version is that a runtime identifier names: `3.12` or `22`.
    fn series(self, series: u8) -> String {
        match self {
            Self::Python => format!("3.{series}"),
            Self::Nodejs | Self::Java | Self::Dotnet => series.to_string(),
            Self::Ruby => format!("{}.{}", series / 10, series % 10),
        }
    }

    /// What a person has to install, as far as its name is the same everywhere.
    fn remedy(self) -> &'static str {
        match self {
            Self::Python => "one",
            Self::Nodejs => "one",
            Self::Java => "a Java 17 or newer (`java` in PATH, JAVA_HOME or /usr/lib/jvm)",
            Self::Ruby => "a Ruby 3.0 or newer (`ruby`)",
            Self::Dotnet => "a .NET runtime 8 or newer (`dotnet`)",
        }
    }
}

/// One interpreter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interpreter {
    pub(crate) language: Language,
    /// The part of the version that a runtime identifier has: 12 of Python's `3.12.1`, 22 of `22.3.0`, 34 of Ruby's `3.4.1`.
    pub(crate) series: u8,
    /// The whole version.
    pub(crate) version: String,
    /// The program itself, not a shim or a link to one.
    pub(crate) program: PathBuf,
    /// Where its own packages lie, of Python and Ruby; of Java the jars of the runtime interface client, if this host has it.
    pub(crate) packages: Vec<PathBuf>,
    /// What it runs, and what lies beside it is the folder of the runtime. Of Java the folder of the client's jars.
    pub(crate) bootstrap: PathBuf,
    /// The program where the host is not seen: the same, or what it is a link to.
    pub(crate) inside_program: PathBuf,
    /// Files and folders that it consists of, but for those of the system.
    pub(crate) pieces: Vec<PathBuf>,
}

impl Interpreter {
    /// Can it be started before its function is known?
    pub(crate) fn can_wait(&self) -> bool {
        matches!(self.language, Language::Python | Language::Nodejs)
    }

    /// The folder that is `/var/runtime` on Lambda.
    pub(crate) fn runtime_folder(&self) -> &Path {
        self.bootstrap.parent().unwrap_or(Path::new("/"))
    }
}

impl fmt::Display for Interpreter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            language,
            version,
            program,
            ..
        } = self;
        write!(formatter, "{} {version} ({})", language.name(), program.display())
    }
}

/// Why no invocation of a function can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// This host has nothing that runs the runtime, in the words for whoever runs albacore.
    NoInterpreter(String),
    /// The platform's fault: its own part of the runtime is not there.
    Broken(String),
}

impl Obstacle {
    /// One sentence or two.
    pub(crate) fn message(&self) -> &str {
        match self {
            Self::NoInterpreter(message) | Self::Broken(message) => message,
        }
    }
}

/// Which interpreter serves a runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice<'a> {
    /// The runtime brings its own program.
    NotNeeded,
    Exact(&'a Interpreter),
    /// Another version of the language.
    Nearest(&'a Interpreter),
    Missing,
}

impl<'a> Choice<'a> {
    /// The one that was chosen.
    pub(crate) fn interpreter(self) -> Option<&'a Interpreter> {
        match self {
            Self::Exact(interpreter) | Self::Nearest(interpreter) => Some(interpreter),
            Self::NotNeeded | Self::Missing => None,
        }
    }
}

impl Interpreters {
    /// Enough for runtimes that bring their own program.
    pub(crate) const NONE: Self = Self {
        found: Vec::new(),
        broken: None,
        clients: PathBuf::new(),
    };

    /// Writes the bootstraps below `directory`, and the clients that lie in `clients`; looks for interpreters of a language, and
    /// asks each for its version. One language at a time: nobody who runs Python waits for a Java to start.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves no process.
    pub(crate) async fn find(spawner: &Spawner, directory: &Path, clients: &Path, language: Language) -> Self {
        let folder = directory.to_owned();
        let places = Places::of_user(clients);
        let write = move || -> io::Result<(RuntimeFiles, Clients)> {
            let files = RuntimeFiles::write(&folder)?;
            Ok((files, Clients::find(language, &places, &folder)?))
        };
        let written = tokio::task::spawn_blocking(write).await;
        let failure = match written {
            Ok(Ok((files, found))) => {
                return Self {
                    found: search::search(spawner, &files, &found, language).await,
                    broken: None,
                    clients: clients.to_owned(),
                };
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::error!(directory = %directory.display(), error = failure, "cannot write the managed runtimes");
        Self {
            found: Vec::new(),
            broken: Some(format!(
                "the managed runtimes cannot be written to {}: {failure}",
                directory.display()
            )),
            clients: clients.to_owned(),
        }
    }

    /// What there is to say about a function's runtime, if it is not served by its very version.
    pub(crate) fn notice(&self, function: &FunctionName, runtime: Runtime, strict: bool) -> Option<RuntimeNotice> {
        let obstacle = self.obstacle(runtime, strict);
        let missing = obstacle.is_some();
        let message = match obstacle {
            Some(obstacle) => obstacle.message().to_owned(),
            None => {
                let nearest = match self.choose(runtime) {
                    Choice::Nearest(interpreter) => Some(format!(
                        "{runtime} is served by {interpreter}, the nearest version on this host; --strict-runtimes refuses \
                         that"
                    )),
                    Choice::NotNeeded | Choice::Exact(_) | Choice::Missing => None,
                };
                let sentences = [nearest, self.lacks_client(runtime)];
                let sentences: Vec<_> = sentences.into_iter().flatten().collect();
                (!sentences.is_empty()).then(|| sentences.join(". "))?
            }
        };
        Some(RuntimeNotice {
            function: function.clone(),
            message,
            of_runtime: true,
            missing,
        })
    }

    /// Why no invocation of a function with this runtime can run; `None` if one can.
    pub(crate) fn obstacle(&self, runtime: Runtime, strict: bool) -> Option<Obstacle> {
        let (language, series) = wanted(runtime)?;
        if let Some(broken) = &self.broken {
            let message = format!("{runtime}: {broken}. Every invocation fails");
            return Some(Obstacle::Broken(message));
        }
        let name = language.name();
        let message = match self.choose(runtime) {
            Choice::Nearest(nearest) if strict => format!(
                "{runtime}: --strict-runtimes wants {name} {}, and the nearest version in PATH is {nearest}. Every \
                 invocation fails until the right one is installed and albacore is started again",
                language.series(series)
            ),
            Choice::Missing => format!(
                "{runtime}: no {name} that albacore can use was found in PATH; found: {}. Every invocation fails until \
                 {} is installed and albacore is started again",
                self.listed(),
                language.remedy()
            ),
            Choice::NotNeeded | Choice::Exact(_) | Choice::Nearest(_) => return None,
        };
        Some(Obstacle::NoInterpreter(message))
    }

    /// What to install, if this host has not got the client that speaks for the runtime: then a function has to bring it.
    pub(crate) fn lacks_client(&self, runtime: Runtime) -> Option<String> {
        let interpreter = self.choose(runtime).interpreter()?;
        match interpreter.language {
            Language::Java if interpreter.packages.is_empty() => Some(format!(
                "{runtime}: this host has not got Java's runtime interface client, so that only functions run that bring \
                 it as a library. `mvn dependency:get -Dartifact={JAVA_COORDINATES}` installs it where it is found \
                 (~/.m2/repository of the user that runs albacore), or its jars belong into {}; then start albacore again",
                self.clients.join("java").display()
            )),
            Language::Dotnet if interpreter.packages.is_empty() => Some(format!(
                "{runtime}: this host has not got .NET's Amazon.Lambda.RuntimeSupport as a program, so that only executable \
                 assemblies run (a handler without `::`). Build its project with `-p:ExecutableOutputType=true`, put what \
                 comes of it into {}, and start albacore again",
                self.clients.join("dotnet").display()
            )),
            Language::Python | Language::Nodejs | Language::Java | Language::Ruby | Language::Dotnet => None,
        }
    }

    /// The version that the runtime names, otherwise the one with the smallest distance to it, of two the newer. Of one
    /// version the first in `PATH`.
    pub(crate) fn choose(&self, runtime: Runtime) -> Choice<'_> {
        let Some((language, wanted)) = wanted(runtime) else {
            return Choice::NotNeeded;
        };
        let nearest = self
            .found
            .iter()
            .filter(|it| it.language == language)
            .min_by_key(|it| (it.series.abs_diff(wanted), it.series < wanted));
        match nearest {
            Some(it) if it.series == wanted => Choice::Exact(it),
            Some(it) => Choice::Nearest(it),
            None => Choice::Missing,
        }
    }

    fn listed(&self) -> String {
        if self.found.is_empty() {
            return "nothing".to_owned();
        }
        let listed: Vec<_> = self.found.iter().map(ToString::to_string).collect();
        listed.join(", ")
    }
}

/// The language and the version that a managed runtime names.
fn wanted(runtime: Runtime) -> Option<(Language, u8)> {
    match runtime {
        Runtime::ProvidedAl2023 | Runtime::ProvidedAl2 => None,
        Runtime::Python(version) => Some((Language::Python, version.minor())),
        Runtime::Nodejs(version) => Some((Language::Nodejs, version.major())),
        Runtime::Java(version) => Some((Language::Java, version.feature())),
        Runtime::Ruby(version) => Some((Language::Ruby, 10 * version.major() + version.minor())),
        Runtime::Dotnet(version) => Some((Language::Dotnet, version.major())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interpreter(language: Language, version: &str) -> Interpreter {
        let mut parts = version.split('.').map(|part| part.parse::<u8>().unwrap());
        let (first, second) = (parts.next().unwrap(), parts.next().unwrap());
        Interpreter {
            language,
            series: match language {
                Language::Python => second,
                Language::Ruby => 10 * first + second,
                Language::Nodejs | Language::Java | Language::Dotnet => first,
            },
            version: version.to_owned(),
            program: format!("/usr/bin/{}-{version}", language.name().to_lowercase()).into(),
            packages: Vec::new(),
            bootstrap: "/data/bootstrap".into(),
            inside_program: PathBuf::new(),
            pieces: Vec::new(),
        }
    }

    fn host(pythons: &[&str], nodes: &[&str]) -> Interpreters {
        let pythons = pythons.iter().map(|version| interpreter(Language::Python, version));
        let nodes = nodes.iter().map(|version| interpreter(Language::Nodejs, version));
        Interpreters {
            found: pythons.chain(nodes).collect(),
            broken: None,
            clients: "/data/runtime-clients".into(),
        }
    }

    #[track_caller]
    fn check(pythons: &[&str], runtime: &str, expected: &str) {
        let host = host(pythons, &["20.20.2"]);
        let chosen = match host.choose(Runtime::try_from(runtime).unwrap()) {
            Choice::NotNeeded => "not needed".to_owned(),
            Choice::Exact(it) => format!("exactly {}", it.version),
            Choice::Nearest(it) => format!("nearly {}", it.version),
            Choice::Missing => "missing".to_owned(),
        };
        assert_eq!(chosen, expected, "{runtime} with {pythons:?}");
    }

    #[test]
    fn the_exact_version_comes_first_and_then_the_nearest() {
        check(&["3.11.7", "3.12.1"], "python3.12", "exactly 3.12.1");
        check(&["3.12.1", "3.12.9"], "python3.12", "exactly 3.12.1");
        check(&["3.8.18", "3.11.7"], "python3.12", "nearly 3.11.7");
        check(&["3.11.7", "3.13.0"], "python3.12", "nearly 3.13.0");
        check(&["3.13.0", "3.11.7"], "python3.12", "nearly 3.13.0");
        check(&["3.8.18"], "python3.14", "nearly 3.8.18");
        check(&[], "python3.12", "missing");
        check(&[], "nodejs20.x", "exactly 20.20.2");
        check(&[], "nodejs24.x", "nearly 20.20.2");
        check(&[], "provided.al2023", "not needed");
    }

    #[track_caller]
    fn check_notice(host: &Interpreters, runtime: &str, strict: bool, expected: Option<(bool, &str)>) {
        let function = FunctionName::try_from("orders").unwrap();
        let runtime = Runtime::try_from(runtime).unwrap();
        let notice = host.notice(&function, runtime, strict);
        assert_eq!(
            notice.as_ref().map(|it| (it.missing, it.message.as_str())),
            expected,
            "{runtime}, strict: {strict}"
        );
        assert_eq!(
            host.obstacle(runtime, strict).map(|it| it.message().to_owned()),
            notice.filter(|it| it.missing).map(|it| it.message)
        );
    }

    #[test]
    fn notices_name_the_runtime_what_was_found_and_the_remedy() {
        let pythons = host(&["3.11.7"], &[]);
        check_notice(&pythons, "python3.11", true, None);
        check_notice(&pythons, "provided.al2", true, None);
        check_notice(
            &pythons,
            "python3.12",
            false,
            Some((
                false,
                "python3.12 is served by Python 3.11.7 (/usr/bin/python-3.11.7), the nearest version on this host; \
                 --strict-runtimes refuses that",
            )),
        );
        check_notice(
            &pythons,
            "python3.12",
            true,
            Some((
                true,
                "python3.12: --strict-runtimes wants Python 3.12, and the nearest version in PATH is Python 3.11.7 \
                 (/usr/bin/python-3.11.7). Every invocation fails until the right one is installed and albacore is \
                 started again",
            )),
        );
        check_notice(
            &pythons,
            "nodejs22.x",
            false,
            Some((
                true,
                "nodejs22.x: no Node.js that albacore can use was found in PATH; found: Python 3.11.7 \
                 (/usr/bin/python-3.11.7). Every invocation fails until one is installed and albacore is started again",
            )),
        );
        check_notice(
            &host(&[], &[]),
            "python3.12",
            false,
            Some((
                true,
                "python3.12: no Python that albacore can use was found in PATH; found: nothing. Every invocation fails \
                 until one is installed and albacore is started again",
            )),
        );
    }

    #[test]
    fn runtimes_that_cannot_be_written_say_so() {
        let host = Interpreters {
            found: Vec::new(),
            broken: Some("the managed runtimes cannot be written to /data: no space".to_owned()),
            clients: PathBuf::new(),
        };
        check_notice(
            &host,
            "python3.12",
            false,
            Some((
                true,
                "python3.12: the managed runtimes cannot be written to /data: no space. Every invocation fails",
            )),
        );
        check_notice(&host, "provided.al2023", false, None);
        let python = Runtime::try_from("python3.12").unwrap();
        assert!(matches!(host.obstacle(python, false), Some(Obstacle::Broken(_))));
        let none = Interpreters::NONE.obstacle(python, false);
        assert!(matches!(none, Some(Obstacle::NoInterpreter(_))));
    }
}
