//! Where Ruby looks for libraries. Source: Lambda 3.2.

use super::joined;
use crate::interpreters::Interpreter;
use model::lambda::runtime::RubyVersion;
use std::ffi::{OsStr, OsString};

/// What a function may override. The packages of a function lie in a folder that is named by the version of the runtime;
/// where another version serves, in one that is named by that, too.
pub(super) fn variables(
    version: RubyVersion,
    interpreter: &Interpreter,
    root: &OsStr,
    opt: &OsStr,
) -> Vec<(&'static str, OsString)> {
    let runtime = interpreter.runtime_folder().as_os_str();
    let named = format!("{}.{}.0", version.major(), version.minor());
    let serving = format!("{}.{}.0", interpreter.series / 10, interpreter.series % 10);
    let mut versions = vec![named];
    if versions[0] != serving {
        versions.push(serving);
    }
    let mut path = OsString::new();
    for version in &versions {
        let (bundle, gems) = (
            format!("/vendor/bundle/ruby/{version}:"),
            format!("/ruby/gems/{version}:"),
        );
        path.push(joined(&[root, bundle.as_ref(), opt, gems.as_ref()]));
    }
    path.push(runtime);
    // What Ruby itself is installed with, which on Lambda is in the folder of the runtime.
    for folder in &interpreter.packages {
        path.push(":");
        path.push(folder);
    }
    let library = joined(&[root, ":".as_ref(), runtime, "/lib:".as_ref(), opt, "/ruby/lib".as_ref()]);
    vec![
        ("GEM_HOME", runtime.to_owned()),
        ("GEM_PATH", path),
        ("RUBYLIB", library),
    ]
}
