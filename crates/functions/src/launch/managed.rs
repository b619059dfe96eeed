//! What is special about a managed runtime: an interpreter, its arguments, and perhaps a wrapper around both.

use super::joined;
use crate::interpreters::{Interpreter, Language};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The variable that names a program to start the runtime with. Source: Lambda 3.3.
pub(super) const EXEC_WRAPPER: &str = "AWS_LAMBDA_EXEC_WRAPPER";

/// What the interpreter is started with.
pub(super) fn arguments(interpreter: &Interpreter) -> Vec<OsString> {
    let flags: &[&str] = match interpreter.language {
        // `site` may read hundreds of files of packages that the function must not see; the bootstrap does what is needed
        // of it. The code is read-only on Lambda, so nothing is compiled into it. And text is UTF-8, even where the host
        // lacks the locale that `LANG` names.
        Language::Python => &["-S", "-B", "-X", "utf8"],
        // Lambda limits the heap by a flag; but any flag of V8 costs a start seven milliseconds more, and in this tier
        // there is no limit of memory that the heap would have to fit in.
        Language::Nodejs => &[],
    };
    let packages = interpreter.packages.iter().map(|folder| folder.as_os_str());
    let flags = flags.iter().map(OsStr::new);
    let all = flags.chain([interpreter.bootstrap.as_os_str()]).chain(packages);
    all.map(OsStr::to_owned).collect()
}

/// A wrapper is executed with the interpreter and its arguments as its own. The shell says 127 when it is missing and 126
/// when it cannot be executed, as on Lambda.
pub(super) fn wrapped(
    interpreter: PathBuf,
    arguments: Vec<OsString>,
    wrapper: Option<&OsString>,
    folder: &Path,
) -> (PathBuf, Vec<OsString>) {
    let Some(wrapper) = wrapper.filter(|wrapper| !wrapper.is_empty()) else {
        return (interpreter, arguments);
    };
    // Where the code is on Lambda, it is written like this.
    let wrapper = match Path::new(wrapper).strip_prefix("/var/task") {
        Ok(within) => folder.join(within).into_os_string(),
        Err(_) => wrapper.clone(),
    };
    let command = [
        "-c".into(),
        "exec \"$0\" \"$@\"".into(),
        wrapper,
        interpreter.into_os_string(),
    ];
    (PathBuf::from("/bin/sh"), command.into_iter().chain(arguments).collect())
}

/// What a function may override of a managed runtime.
pub(super) fn variables(interpreter: &Interpreter, root: &OsStr) -> [(&'static str, OsString); 2] {
    let home = interpreter.program.parent().unwrap_or(Path::new("/"));
    let path = joined(&[home.as_ref(), ":/usr/local/bin:/usr/bin/:/bin:/opt/bin".as_ref()]);
    let runtime = runtime_folder(interpreter).as_os_str();
    let modules = match interpreter.language {
        Language::Python => ("PYTHONPATH", runtime.to_owned()),
        Language::Nodejs => {
            let layers = format!(
                "/opt/nodejs/node{}/node_modules:/opt/nodejs/node_modules:",
                interpreter.series
            );
            let own = "/node_modules:";
            (
                "NODE_PATH",
                joined(&[layers.as_ref(), runtime, own.as_ref(), runtime, ":".as_ref(), root]),
            )
        }
    };
    [("PATH", path), modules]
}

pub(super) fn runtime_folder(interpreter: &Interpreter) -> &Path {
    interpreter.bootstrap.parent().unwrap_or(Path::new("/"))
}
