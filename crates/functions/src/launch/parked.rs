//! What a parked interpreter is started with, and which functions it is right for.

use super::{Inside, OPT, managed, node, ordered, overridable};
use crate::interpreters::Interpreter;
use model::lambda::function::FunctionMemory;
use sandbox::{ASSIGNMENT_DESCRIPTOR, LOG_DESCRIPTOR, Limits, Spec};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Tells the bootstraps to wait.
const ASSIGNMENT: &str = "_ALBACORE_ASSIGNMENT_FD";

/// Variables that are read by the dynamic linker, the C library or an interpreter before any code of a function runs, or
/// once and for all while it starts. Whoever sets one to something else needs an interpreter of his own.
const EARLY: [&str; 15] = [
    "GCONV_PATH",
    "GETCONF_DIR",
    "GLIBC_TUNABLES",
    // Where Node.js looks for modules.
    "HOME",
    "HOSTALIASES",
    "ICU_DATA",
    "LANG",
    "LANGUAGE",
    "LOCALDOMAIN",
    "LOCPATH",
    "NLSPATH",
    "RES_OPTIONS",
    "TZ",
    "TZDIR",
    "_LAMBDA_TELEMETRY_LOG_FD",
];
/// The same of whole families.
const EARLY_FAMILIES: [&str; 9] = [
    "LC_",
    "LD_",
    "MALLOC_",
    "NODE_",
    "OPENSSL_",
    "PYTHON",
    "SSL_CERT_",
    "UV_",
    "_PYTHON",
];
/// Belongs to a family, and is read by nobody but functions.
const LATE: [&str; 1] = ["NODE_ENV"];

fn acts_early(name: &OsStr) -> bool {
    let is_of = |family: &&str| name.as_bytes().starts_with(family.as_bytes());
    EARLY.iter().any(|early| name == *early)
        || EARLY_FAMILIES.iter().any(is_of) && !LATE.iter().any(|late| name == *late)
}

/// The description of an interpreter that waits in `inside`, as every function would have it that changes nothing; `memory`
/// is what [`super::memory_at_start`] says.
pub(crate) fn parked_spec(interpreter: &Interpreter, memory: Option<FunctionMemory>, inside: &Inside) -> Spec {
    let seen = inside.interpreter(interpreter);
    let mut environment = overridable(Some(&seen), OsStr::new(super::inside::TASK), OsStr::new(OPT));
    environment.insert("_LAMBDA_TELEMETRY_LOG_FD".into(), LOG_DESCRIPTOR.to_string().into());
    environment.insert(ASSIGNMENT.into(), ASSIGNMENT_DESCRIPTOR.to_string().into());
    let heap = memory.map_or_else(Vec::new, |memory| node::heap(memory, OsStr::new("")));
    Spec {
        args: managed::arguments(&seen, None, &heap),
        program: seen.program,
        environment: ordered(environment),
        // Until it has one.
        working_directory: "/".into(),
        temporary_directory: Some("/tmp".into()),
        temporary_mount: false,
        layers_directory: None,
        log_pipe: true,
        assignment_pipe: true,
        limits: Limits::default(),
        enclosure: inside.enclosure(),
    }
}

/// Would a function that wants to be started like `wanted` notice no difference if it had what was started like `start`?
pub(crate) fn fits(start: &Spec, wanted: &Spec) -> bool {
    let early = |spec: &Spec| -> HashMap<OsString, OsString> {
        let variables = spec.environment.iter().filter(|(name, _)| acts_early(name));
        variables.cloned().collect()
    };
    // A wrapper is another program, and layers are arguments or variables.
    start.program == wanted.program
        && start.args == wanted.args
        && start.limits == wanted.limits
        && start.log_pipe == wanted.log_pipe
        && wanted.layers_directory.is_none()
        && wanted.working_directory.starts_with(Path::new(super::inside::TASK))
        && early(start) == early(wanted)
}

/// What the bootstraps are told: a count, the working directory, and the variables. Each ends with a zero byte, which none
/// of them holds.
pub(crate) fn assignment(wanted: &Spec) -> Vec<u8> {
    let mut bytes = format!("{}\0", wanted.environment.len() + 1).into_bytes();
    bytes.extend(wanted.working_directory.as_os_str().as_bytes());
    bytes.push(0);
    for (name, value) in &wanted.environment {
        bytes.extend(name.as_bytes());
        bytes.push(b'=');
        bytes.extend(value.as_bytes());
        bytes.push(0);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(variables: &[(&str, &str)]) -> Spec {
        Spec {
            program: "/usr/bin/python3".into(),
            args: vec!["bootstrap.py".into()],
            environment: variables
                .iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            working_directory: "/var/task".into(),
            temporary_directory: Some("/tmp".into()),
            temporary_mount: false,
            layers_directory: None,
            log_pipe: true,
            assignment_pipe: false,
            limits: Limits::default(),
            enclosure: None,
        }
    }

    #[test]
    fn what_acts_early_must_be_the_same() {
        let start = spec(&[
            ("TZ", ":UTC"),
            ("PYTHONPATH", "/var/runtime"),
            ("_ALBACORE_ASSIGNMENT_FD", "63"),
        ]);
        for (more, expected) in [
            (&[][..], true),
            (
                &[
                    ("STAGE", "dev"),
                    ("PATH", "/mine"),
                    ("NODE_ENV", "production"),
                    ("AWS_REGION", "x"),
                ],
                true,
            ),
            (&[("PYTHONHASHSEED", "0")], false),
            (&[("NODE_OPTIONS", "--no-warnings")], false),
            (&[("LD_PRELOAD", "/var/task/x.so")], false),
            (&[("LC_ALL", "C")], false),
            (&[("HOME", "/tmp")], false),
            (&[("MALLOC_ARENA_MAX", "2")], false),
        ] {
            let same = [("TZ", ":UTC"), ("PYTHONPATH", "/var/runtime")];
            assert_eq!(fits(&start, &spec(&[&same, more].concat())), expected, "{more:?}");
        }
        for other in [
            &[("TZ", "Europe/Paris"), ("PYTHONPATH", "/var/runtime")][..],
            &[("TZ", ":UTC"), ("PYTHONPATH", "/var/task/lib")],
            &[("TZ", ":UTC")],
        ] {
            assert!(!fits(&start, &spec(other)), "{other:?}");
        }
    }

    #[test]
    fn another_program_or_other_arguments_need_another_interpreter() {
        let start = spec(&[]);
        let others = [
            Spec {
                program: "/bin/sh".into(),
                ..spec(&[])
            },
            Spec {
                args: vec!["bootstrap.py".into(), "--opt=/opt".into()],
                ..spec(&[])
            },
            Spec {
                log_pipe: false,
                ..spec(&[])
            },
        ];
        assert!(fits(&start, &spec(&[])));
        for other in others {
            assert!(!fits(&start, &other), "{other:?}");
        }
    }

    #[test]
    fn an_assignment_is_a_count_a_folder_and_variables() {
        let bytes = assignment(&spec(&[("A", "1=2"), ("B", "")]));
        assert_eq!(bytes, b"3\0/var/task\0A=1=2\0B=\0");
    }
}
