//! A server with one function of one language, behind a target group of each header mode, and one that cannot start.

use std::path::{Path, PathBuf};
use std::process::Command;
use testkit::{Connection, Folder, Server, repository, venv_python};

/// Ports of the listeners in the manifest.
pub(crate) const SINGLE: u16 = 8080;
pub(crate) const MULTI: u16 = 8081;

/// Environments of a function at once: more requests than that wait.
const CONCURRENCY: u32 = 4;

pub(crate) struct World {
    // Dropped first: the folder is the server's.
    pub(crate) server: Server,
    pub(crate) folder: Folder,
    _elsewhere: Option<Elsewhere>,
}

/// A copy of a function's code, for a clone of this repository that lies below `/tmp`: such code keeps an environment from
/// having a `/tmp` of its own, and Java's client unpacks a library there.
struct Elsewhere(PathBuf);

impl Elsewhere {
    #[track_caller]
    fn of(code: &str, language: &str) -> Self {
        let copy = PathBuf::from(format!("/var/tmp/albacore-stock-{}-{language}", std::process::id()));
        let copied = Command::new("cp").args(["-r", code]).arg(&copy).status().unwrap();
        assert!(copied.success(), "{code} cannot be copied to {}", copy.display());
        Self(copy)
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl World {
    /// `language` is the folder in `target/stock`.
    #[track_caller]
    pub(crate) fn start(language: &str, handler: &str) -> Self {
        let code = installed(language);
        let needs_tmp = language == "java" && Path::new(&code).starts_with("/tmp");
        let elsewhere = needs_tmp.then(|| Elsewhere::of(&code, language));
        let code = elsewhere.as_ref().map_or(code, |it| it.0.display().to_string());
        Self {
            _elsewhere: elsewhere,
            ..match language {
                // It is started by the Python of a virtual environment of the host.
                "python" => Self::start_in(
                    new_folder().with_variable("ALBACORE_SANDBOX", "process"),
                    &code,
                    handler,
                ),
                _ => Self::start_in(new_folder(), &code, handler),
            }
        }
    }

    #[track_caller]
    fn start_in(folder: Folder, code: &str, handler: &str) -> Self {
        Self::start_folder(folder, &manifest(code, handler))
    }

    /// With another manifest; it has a listener on port 8081, too.
    #[track_caller]
    pub(crate) fn start_with(manifest: &str) -> Self {
        Self::start_folder(new_folder(), manifest)
    }

    #[track_caller]
    fn start_folder(folder: Folder, manifest: &str) -> Self {
        folder.write("albacore.yaml", manifest);
        let server = folder.up(&["--publish", "8081:0"]);
        Self {
            server,
            folder,
            _elsewhere: None,
        }
    }

    /// A connection to the listener of this port.
    #[track_caller]
    pub(crate) fn connect(&self, port: u16) -> Connection {
        Connection::open(self.server.socket(port)).unwrap()
    }

    /// What the newest request record says: the reason of the failure, and the verdict.
    #[track_caller]
    pub(crate) fn last_failure(&self) -> (String, String) {
        let (_, recorded) = self.server.own_api("requests");
        let requests = recorded["requests"].as_array().unwrap();
        let newest = requests.iter().max_by_key(|request| request["time"].as_str()).unwrap();
        let text = |field: &str| newest[field].as_str().unwrap_or_default().to_owned();
        (text("error_reason"), text("verdict"))
    }
}

fn new_folder() -> Folder {
    Folder::new(env!("CARGO_BIN_EXE_albacore"))
}

/// The folder that `make setup` has filled.
#[track_caller]
pub(crate) fn installed(name: &str) -> String {
    let folder = repository(&format!("target/stock/{name}"));
    let stamp = Path::new(&folder).join(".made-from");
    assert!(stamp.exists(), "{folder} is not there; run `make setup`");
    folder
}

pub(crate) fn manifest(code: &str, handler: &str) -> String {
    let python = venv_python();
    let path = std::env::var("PATH").unwrap();
    let function = format!(
        "runtime: provided.al2023\n    code: {code}\n    handler: {handler}\n    timeout: 30s\n    \
         concurrency: {CONCURRENCY}"
    );
    let environment = format!("PATH: '{path}', PYTHON: '{python}'");
    format!(
        r#"
functions:
  stock:
    {function}
    environment: {{ {environment} }}
  broken:
    {function}
    environment: {{ {environment}, INIT: fail }}
target_groups:
  single: {{ function: stock }}
  multi: {{ function: stock, multi_value_headers: true }}
  broken: {{ function: broken }}
load_balancers:
  stock:
    listeners:
      - port: {SINGLE}
        protocol: http
        rules:
          - {{ priority: 10, path: "/broken", forward: broken }}
        default: {{ forward: single }}
      - {{ port: {MULTI}, protocol: http, default: {{ forward: multi }} }}
"#
    )
}
