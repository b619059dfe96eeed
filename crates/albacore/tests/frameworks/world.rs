//! A server with one application as a function, behind a target group of each header mode.

use std::fs;
use std::path::Path;
use std::process::Command;
use testkit::{Connection, Folder, Server, repository, run, venv_python};

/// How headers and query strings come in events and go in answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Single,
    Multi,
}

impl Mode {
    fn port(self) -> u16 {
        match self {
            Self::Single => 8080,
            Self::Multi => 8081,
        }
    }
}

pub(crate) struct World {
    // Dropped first: the folder is the server's.
    server: Server,
    _folder: Folder,
}

impl World {
    /// An application of `tests/frameworks/python`, with the packages beside it, as in an archive for Lambda.
    #[track_caller]
    pub(crate) fn python(application: &str) -> Self {
        let script = "import sys, sysconfig; print('%d.%d' % sys.version_info[:2], sysconfig.get_path('purelib'))";
        let found = run(Command::new(venv_python()).args(["-c", script]));
        let (version, packages) = found.out.trim().split_once(' ').unwrap();
        let folder = new_folder();
        let code = folder.path("code");
        copy(packages.as_ref(), &code);
        for entry in fs::read_dir(repository("tests/frameworks/python")).unwrap() {
            let file = entry.unwrap().path();
            if file.extension().is_some_and(|it| it == "py") {
                fs::copy(&file, code.join(file.file_name().unwrap())).unwrap();
            }
        }
        let function = format!("runtime: python{version}, code: ./code");
        let handler = format!("{application}.handler");
        Self::start(folder, &function, &handler, &handler)
    }

    /// An application of `tests/frameworks/node`, with the packages beside it, as in an archive for Lambda.
    #[track_caller]
    pub(crate) fn node(application: &str) -> Self {
        Self::node_with(application, "handler")
    }

    /// One that has another handler for the mode with many values.
    #[track_caller]
    pub(crate) fn node_with(application: &str, multi: &str) -> Self {
        let version = run(Command::new("node").arg("--version")).out;
        let major = version.trim_start_matches('v').split('.').next().unwrap();
        let folder = new_folder();
        let code = folder.path("code");
        fs::create_dir(&code).unwrap();
        for entry in fs::read_dir(repository("tests/frameworks/node")).unwrap() {
            let file = entry.unwrap().path();
            if file.extension().is_some_and(|it| it == "cjs" || it == "mjs") {
                fs::copy(&file, code.join(file.file_name().unwrap())).unwrap();
            }
        }
        let packages = repository("target/frameworks/node/node_modules");
        assert!(
            Path::new(&packages).exists(),
            "{packages} is not there; run `make setup`"
        );
        copy(packages.as_ref(), &code.join("node_modules"));
        let function = format!("runtime: nodejs{major}.x, code: ./code");
        Self::start(
            folder,
            &function,
            &format!("{application}.handler"),
            &format!("{application}.{multi}"),
        )
    }

    #[track_caller]
    fn start(folder: Folder, function: &str, single: &str, multi: &str) -> Self {
        let [single_port, multi_port] = [Mode::Single, Mode::Multi].map(Mode::port);
        let manifest = format!(
            "functions:\n  \
             single: {{ handler: {single}, timeout: 30s, {function} }}\n  \
             multi: {{ handler: {multi}, timeout: 30s, {function} }}\n\
             target_groups:\n  \
             single: {{ function: single }}\n  \
             multi: {{ function: multi, multi_value_headers: true }}\n\
             load_balancers:\n  frameworks:\n    listeners:\n      \
             - {{ port: {single_port}, protocol: http, default: {{ forward: single }} }}\n      \
             - {{ port: {multi_port}, protocol: http, default: {{ forward: multi }} }}\n"
        );
        folder.write("albacore.yaml", &manifest);
        let server = folder.up(&["--publish", "8081:0"]);
        Self {
            server,
            _folder: folder,
        }
    }

    #[track_caller]
    pub(crate) fn connect(&self, mode: Mode) -> Connection {
        Connection::open(self.server.socket(mode.port())).unwrap()
    }

    /// Why the newest request has failed, if it has.
    pub(crate) fn verdict(&self) -> String {
        let (_, recorded) = self.server.own_api("requests");
        let requests = recorded["requests"].as_array().unwrap();
        let newest = requests.iter().max_by_key(|request| request["time"].as_str());
        newest.map(|it| it["verdict"].to_string()).unwrap_or_default()
    }
}

/// A link would lead nowhere where functions do not see the host. Further names of the same files are made in no time,
/// where that is possible.
#[track_caller]
fn copy(from: &Path, to: &Path) {
    let copied = |how: &str| run(Command::new("cp").arg(how).args([from, to]));
    if copied("-al").code != Some(0) {
        let _ = fs::remove_dir_all(to);
        copied("-a").expect_success();
    }
}

fn new_folder() -> Folder {
    Folder::new(env!("CARGO_BIN_EXE_albacore"))
}
