//! An environment that does not see the host: which of the host's folders are in it, and under which names.
//!
//! The names are Lambda's, but for an interpreter outside of the system's folders, which stays where it is: its own
//! folders are known to it by their paths. Source: Lambda 3.1.

use crate::code::ReadyCode;
use crate::interpreters::Interpreter;
use crate::network::Surroundings;
use sandbox::{Completion, Enclosure, Interior, Mount, Opening, Reach, Scratch, SpawnError, Spawner};
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

pub(super) const TASK: &str = "/var/task";
const OPT: &str = "/opt";
const RUNTIME: &str = "/var/runtime";
/// Where an interpreter is that would lie beneath something else.
const LANG: &str = "/var/lang";

/// The inside of one environment.
#[derive(Debug)]
pub(crate) struct Inside {
    enclosure: Option<Enclosure>,
    names: Names,
}

/// What is there, and how a path of the host reads there.
#[derive(Debug, Default)]
struct Names {
    mounts: Vec<Mount>,
    /// Of the host, and there.
    aliases: Vec<(PathBuf, PathBuf)>,
}

impl Inside {
    /// Begins to make it: what is started in it at once waits until it is there.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing.
    pub(crate) async fn begin(
        spawner: &Spawner,
        code: &ReadyCode,
        layers: Option<&Path>,
        interpreter: Option<&Interpreter>,
        scratch: Scratch,
        memory_bytes: u64,
        network: &Surroundings,
    ) -> Result<(Self, Opening), SpawnError> {
        let mut names = Names::of(code, layers, interpreter);
        names.mounts.extend(network.settings.iter().cloned());
        let interior = Interior {
            mounts: names.mounts.clone(),
            scratch,
            memory_bytes: Some(memory_bytes),
            reach: network.reach,
        };
        let opening = spawner.opening(&interior).await?;
        let enclosure = Some(opening.enclosure());
        Ok((Self { enclosure, names }, opening))
    }

    /// Makes one that has an interpreter, and no code yet.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing.
    pub(crate) async fn park(
        spawner: &Spawner,
        interpreter: &Interpreter,
        scratch: Scratch,
    ) -> Result<Self, SpawnError> {
        let mut names = Names::default();
        names.add_interpreter(interpreter, None);
        let interior = Interior {
            mounts: names.mounts.clone(),
            scratch,
            memory_bytes: None,
            reach: Reach::Nothing,
        };
        let enclosure = Some(spawner.incomplete_enclosure(&interior).await?);
        Ok(Self { enclosure, names })
    }

    /// What one of [`Inside::park`] is going to be with this code.
    pub(crate) fn planned(&self, code: &ReadyCode) -> Self {
        let mut names = Names::of(code, None, None);
        names.aliases.extend(self.names.aliases.iter().cloned());
        Self {
            enclosure: self.enclosure.clone(),
            names,
        }
    }

    /// Adds the code to one that was planned.
    ///
    /// # Cancel safety
    ///
    /// It is of no use any more when the future is dropped.
    pub(crate) async fn complete(&self, memory_bytes: u64, reach: Reach) -> Result<(), SpawnError> {
        let Some(enclosure) = &self.enclosure else {
            return Ok(());
        };
        let completion = Completion {
            mounts: self.names.mounts.clone(),
            memory_bytes: Some(memory_bytes),
            reach,
        };
        enclosure.complete(&completion).await
    }

    pub(crate) fn enclosure(&self) -> Option<Enclosure> {
        self.enclosure.clone()
    }

    /// An interpreter as it is seen there.
    pub(crate) fn interpreter(&self, interpreter: &Interpreter) -> Interpreter {
        let mut seen = interpreter.clone();
        seen.program = self.seen(&interpreter.inside_program);
        seen.bootstrap = self.seen(&interpreter.bootstrap);
        seen.packages.iter_mut().for_each(|folder| *folder = self.seen(folder));
        seen
    }

    /// Where the Runtime API is expected in there. Only once.
    pub(crate) fn listener(&self) -> io::Result<TcpListener> {
        let listener = self.enclosure.as_ref().and_then(Enclosure::take_listener);
        listener.ok_or_else(|| io::Error::other("the environment's network has no listener"))
    }

    /// The listener for calls to the platform. Only once.
    pub(crate) fn door(&self) -> Option<TcpListener> {
        self.enclosure.as_ref().and_then(Enclosure::take_door)
    }

    /// What a path of the host is there.
    pub(super) fn seen(&self, path: &Path) -> PathBuf {
        self.names.seen(path)
    }
}

impl Names {
    fn of(code: &ReadyCode, layers: Option<&Path>, interpreter: Option<&Interpreter>) -> Self {
        let mut names = Self::default();
        match code {
            ReadyCode::Folder(folder) => names.mount(folder, TASK),
            ReadyCode::Executable(program) => {
                names.mount(program, format!("{TASK}/bootstrap"));
                let folder = program.parent().unwrap_or(Path::new("/"));
                names.aliases.push((folder.to_owned(), TASK.into()));
            }
        }
        if let Some(layers) = layers {
            names.mount(layers, OPT);
        }
        if let Some(interpreter) = interpreter {
            names.add_interpreter(interpreter, layers);
        }
        names
    }

    fn add_interpreter(&mut self, interpreter: &Interpreter, layers: Option<&Path>) {
        if let Some(folder) = interpreter.bootstrap.parent() {
            self.mount(folder, RUNTIME);
        }
        for piece in &interpreter.pieces {
            let covered = ["/tmp", "/proc", "/dev", TASK, RUNTIME]
                .into_iter()
                .chain(layers.map(|_| OPT))
                .any(|other| piece.starts_with(other));
            let target = match covered {
                true => Path::new(LANG).join(piece.strip_prefix("/").unwrap_or(piece)),
                false => piece.clone(),
            };
            self.mount(piece, target);
        }
    }

    fn mount(&mut self, source: &Path, target: impl Into<PathBuf>) {
        let target = target.into();
        self.aliases.push((source.to_owned(), target.clone()));
        self.mounts.push(Mount {
            source: source.to_owned(),
            target,
        });
    }

    fn seen(&self, path: &Path) -> PathBuf {
        let above = self.aliases.iter().filter(|(host, _)| path.starts_with(host));
        match above.max_by_key(|(host, _)| host.components().count()) {
            // Joined with an empty path it would get a slash at its end.
            Some((host, inside)) if host == path => inside.clone(),
            Some((host, inside)) => inside.join(path.strip_prefix(host).unwrap_or(path)),
            None => path.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpreters::Language;

    fn interpreter(pieces: &[&str]) -> Interpreter {
        Interpreter {
            language: Language::Python,
            series: 11,
            version: String::new(),
            program: "/home/u/py/bin/python3.11".into(),
            packages: Vec::new(),
            bootstrap: "/data/runtimes/1/python/bootstrap.py".into(),
            inside_program: "/home/u/py/bin/python3.11".into(),
            pieces: pieces.iter().map(PathBuf::from).collect(),
        }
    }

    #[track_caller]
    fn check(names: &Names, pairs: &[(&str, &str)]) {
        for (host, inside) in pairs {
            assert_eq!(names.seen(Path::new(host)), Path::new(inside), "{host}");
        }
    }

    #[test]
    fn paths_of_the_host_have_lambdas_names() {
        let code = ReadyCode::Folder("/srv/app".into());
        let python = interpreter(&["/home/u/py/bin", "/opt/more/lib", "/tmp/venv/bin"]);
        let names = Names::of(&code, Some(Path::new("/srv/app/layers")), Some(&python));
        check(
            &names,
            &[
                ("/srv/app", "/var/task"),
                ("/srv/app/bootstrap", "/var/task/bootstrap"),
                ("/srv/app/layers/bin", "/opt/bin"),
                ("/srv/application", "/srv/application"),
                ("/data/runtimes/1/python/bootstrap.py", "/var/runtime/bootstrap.py"),
                ("/home/u/py/bin/python3.11", "/home/u/py/bin/python3.11"),
                ("/opt/more/lib/x", "/var/lang/opt/more/lib/x"),
                ("/tmp/venv/bin/python", "/var/lang/tmp/venv/bin/python"),
                ("/usr/bin/python3", "/usr/bin/python3"),
            ],
        );
        assert_eq!(names.mounts.len(), 6);
        let alone = Names::of(&code, None, Some(&interpreter(&["/opt/more/lib"])));
        check(&alone, &[("/opt/more/lib/x", "/opt/more/lib/x")]);
    }

    #[test]
    fn an_executable_is_the_bootstrap() {
        let names = Names::of(&ReadyCode::Executable("/srv/bin/app".into()), None, None);
        check(
            &names,
            &[("/srv/bin/app", "/var/task/bootstrap"), ("/srv/bin", "/var/task")],
        );
        assert_eq!(names.mounts.len(), 1, "what lies beside it is not shown");
    }
}
