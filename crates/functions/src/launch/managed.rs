//! What is special about a managed runtime: an interpreter, its arguments, and perhaps a wrapper around both.

use super::{joined, node, ruby};
use crate::interpreters::{Interpreter, Language};
use model::lambda::runtime::Runtime;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The variable that names a program to start the runtime with. Source: Lambda 3.3.
pub(super) const EXEC_WRAPPER: &str = "AWS_LAMBDA_EXEC_WRAPPER";

/// What the interpreter is started with; `heap` is Node.js's.
pub(super) fn arguments(interpreter: &Interpreter, layers: Option<&Path>, heap: &[OsString]) -> Vec<OsString> {
    let flags: &[&str] = match interpreter.language {
        // `site` may read hundreds of files of packages that the function must not see; the bootstrap does what is needed
        // of it. The code is read-only on Lambda, so nothing is compiled into it. And text is UTF-8, even where the host
        // lacks the locale that `LANG` names.
        Language::Python => &["-S", "-B", "-X", "utf8"],
        Language::Nodejs => node::FLAGS,
        Language::Java | Language::Ruby | Language::Dotnet => &[],
    };
    // Ruby finds its own through `GEM_PATH`.
    let packages = interpreter
        .packages
        .iter()
        .filter(|_| interpreter.language == Language::Python);
    let packages = packages.map(|folder| folder.as_os_str());
    let flags = flags.iter().map(OsStr::new);
    let heap = heap.iter().map(OsString::as_os_str);
    let all = flags.chain(heap).chain([interpreter.bootstrap.as_os_str()]);
    // Node finds what layers bring through `NODE_PATH`; what Python's client adds to the search path stands in no variable.
    let layers = layers.filter(|_| interpreter.language == Language::Python);
    let layers = layers.map(|layers| joined(&["--opt=".as_ref(), layers.as_os_str()]));
    let all = all.map(OsStr::to_owned).chain(layers);
    all.chain(packages.map(OsStr::to_owned)).collect()
}

/// A wrapper is executed with the interpreter and its arguments as its own. The shell says 127 when it is missing and 126
/// when it cannot be executed, as on Lambda.
pub(super) fn wrapped(
    interpreter: PathBuf,
    arguments: Vec<OsString>,
    wrapper: Option<&OsString>,
    folders: &[(&str, &Path)],
) -> (PathBuf, Vec<OsString>) {
    let Some(wrapper) = wrapper.filter(|wrapper| !wrapper.is_empty()) else {
        return (interpreter, arguments);
    };
    // It is written with the folders that Lambda has; each stands beside the one that it is here.
    let here = folders.iter().find_map(|(on_lambda, here)| {
        let within = Path::new(wrapper).strip_prefix(on_lambda).ok()?;
        Some(here.join(within).into_os_string())
    });
    let wrapper = here.unwrap_or_else(|| wrapper.clone());
    let command = [
        "-c".into(),
        "exec \"$0\" \"$@\"".into(),
        wrapper,
        interpreter.into_os_string(),
    ];
    (PathBuf::from("/bin/sh"), command.into_iter().chain(arguments).collect())
}

/// What a function may override of a managed runtime.
pub(super) fn variables(interpreter: &Interpreter, root: &OsStr, opt: &OsStr) -> Vec<(&'static str, OsString)> {
    let home = interpreter.program.parent().unwrap_or(Path::new("/"));
    let path = joined(&[
        home.as_ref(),
        ":/usr/local/bin:/usr/bin/:/bin:".as_ref(),
        opt,
        "/bin".as_ref(),
    ]);
    let runtime = runtime_folder(interpreter).as_os_str();
    let modules = match interpreter.language {
        Language::Java | Language::Ruby | Language::Dotnet => None,
        Language::Python => Some(("PYTHONPATH", runtime.to_owned())),
        Language::Nodejs => {
            let of_series = format!("/nodejs/node{}/node_modules:", interpreter.series);
            let layers = joined(&[opt, of_series.as_ref(), opt, "/nodejs/node_modules:".as_ref()]);
            let own = "/node_modules:";
            Some((
                "NODE_PATH",
                joined(&[&layers, runtime, own.as_ref(), runtime, ":".as_ref(), root]),
            ))
        }
    };
    std::iter::once(("PATH", path)).chain(modules).collect()
}

/// The same of what depends on the runtime that the function names, and not only on the interpreter that serves it.
pub(super) fn of_runtime(
    runtime: Runtime,
    interpreter: &Interpreter,
    root: &OsStr,
    opt: &OsStr,
) -> Vec<(&'static str, OsString)> {
    match runtime {
        Runtime::Ruby(version) => ruby::variables(version, interpreter, root, opt),
        Runtime::Dotnet(_) => {
            let home = interpreter.program.parent().unwrap_or(Path::new("/"));
            vec![
                ("DOTNET_ROOT", home.as_os_str().to_owned()),
                ("LAMBDA_RUNTIME_NAME", runtime.as_str().into()),
            ]
        }
        Runtime::Python(_) | Runtime::Nodejs(_) | Runtime::Java(_) | Runtime::ProvidedAl2023 | Runtime::ProvidedAl2 => {
            Vec::new()
        }
    }
}

pub(super) fn runtime_folder(interpreter: &Interpreter) -> &Path {
    interpreter.runtime_folder()
}
