//! How a .NET function is started. Source: Lambda 3.3.

use crate::interpreters::Interpreter;
use std::ffi::OsString;
use std::path::Path;

/// A program of its own, which has its client in it.
pub(crate) fn is_executable_assembly(handler: &str) -> bool {
    !handler.contains("::")
}

/// What `dotnet` is started with: `Assembly` is a program of its own, `Assembly::Class::Method` is run by the client.
///
/// Where another major version serves than the assembly was built for, .NET has to be told that it may.
pub(super) fn arguments(interpreter: &Interpreter, folder: &Path, handler: &str, is_exact: bool) -> Vec<OsString> {
    let (assembly, method) = match handler.split_once("::") {
        Some((assembly, _)) => (assembly, Some(handler)),
        None => (handler, None),
    };
    let of_assembly = |ending: &str| folder.join(format!("{assembly}{ending}")).into_os_string();
    let mut all: Vec<OsString> = vec!["exec".into()];
    if !is_exact {
        all.extend(["--roll-forward", "Major"].map(OsString::from));
    }
    all.extend(["--depsfile".into(), of_assembly(".deps.json")]);
    all.extend(["--runtimeconfig".into(), of_assembly(".runtimeconfig.json")]);
    match method {
        Some(method) => all.extend([interpreter.bootstrap.clone().into_os_string(), method.into()]),
        None => all.push(of_assembly(".dll")),
    }
    all
}
