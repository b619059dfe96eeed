//! A checked [`Spec`] in the form in which it travels to the init process that carries it out.
//!
//! It travels as a file in memory, because a message is limited by the socket's buffer.

mod inside;

pub(crate) use inside::{Inside, PLAN_BYTES, Plan};

use crate::message::Id;
use crate::spec::{InvalidSpec, Limits, REQUEST_BYTES_MAX, Spec};
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Where the temporary directory is in namespaces of its own.
pub(crate) const OWN_TMP: &CStr = c"/tmp";

/// What says "no limit" in the place of a limit.
const UNLIMITED: u64 = u64::MAX;

/// What `execve` and the steps before it need: every string without a NUL inside and with one at its end.
#[derive(Debug, PartialEq)]
pub(crate) struct Launch {
    pub(crate) program: CString,
    /// Argument 0 included.
    pub(crate) arguments: Vec<CString>,
    /// `NAME=value`
    pub(crate) environment: Vec<CString>,
    pub(crate) working_directory: CString,
    pub(crate) temporary_directory: Option<CString>,
    pub(crate) temporary_mount: bool,
    pub(crate) log_pipe: bool,
    pub(crate) assignment_pipe: bool,
    pub(crate) limits: Limits,
    /// `None`: among the processes of the host.
    pub(crate) enclosure: Option<Id>,
}

/// The whole file, from its beginning.
fn bytes_of(file: &File) -> io::Result<Vec<u8>> {
    let length = usize::try_from(file.metadata()?.len())
        .ok()
        .filter(|&length| length <= REQUEST_BYTES_MAX);
    let mut bytes = vec![0; length.ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

impl TryFrom<&Spec> for Launch {
    type Error = InvalidSpec;

    fn try_from(spec: &Spec) -> Result<Self, InvalidSpec> {
        let program = absolute(&spec.program)?;
        let mut arguments = vec![program.clone()];
        for argument in &spec.args {
            arguments.push(string(argument.as_bytes())?);
        }
        let environment = spec
            .environment
            .iter()
            .map(|(name, value)| variable(name, value))
            .collect::<Result<_, _>>()?;
        let enclosure = spec.enclosure.as_ref().map(|enclosure| enclosure.id());
        let directory = spec.temporary_directory.as_deref();
        if enclosure.is_some() && (spec.temporary_mount || directory.is_none_or(|it| it != Path::new("/tmp"))) {
            return Err(InvalidSpec::TemporaryDirectory);
        }
        let launch = Self {
            program,
            arguments,
            environment,
            working_directory: absolute(&spec.working_directory)?,
            temporary_directory: spec.temporary_directory.as_deref().map(absolute).transpose()?,
            temporary_mount: spec.temporary_mount,
            log_pipe: spec.log_pipe,
            assignment_pipe: spec.assignment_pipe,
            limits: spec.limits,
            enclosure,
        };
        match launch.encoded_bytes() {
            bytes if bytes > REQUEST_BYTES_MAX => Err(InvalidSpec::TooLarge { bytes }),
            _ => Ok(launch),
        }
    }
}

impl Launch {
    /// For a child that executes nothing.
    pub(crate) fn rehearsal() -> Self {
        Self {
            program: c"/".to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            working_directory: c"/".to_owned(),
            temporary_directory: Some(OWN_TMP.to_owned()),
            temporary_mount: false,
            log_pipe: false,
            assignment_pipe: false,
            limits: Limits::default(),
            enclosure: None,
        }
    }
}

fn string(bytes: &[u8]) -> Result<CString, InvalidSpec> {
    CString::new(bytes).map_err(|_| InvalidSpec::NulByte(OsStr::from_bytes(bytes).to_owned()))
}

fn absolute(path: &Path) -> Result<CString, InvalidSpec> {
    if !path.is_absolute() {
        return Err(InvalidSpec::RelativePath(path.to_owned()));
    }
    string(path.as_os_str().as_bytes())
}

fn variable(name: &OsStr, value: &OsStr) -> Result<CString, InvalidSpec> {
    if name.is_empty() || name.as_bytes().contains(&b'=') {
        return Err(InvalidSpec::VariableName(name.to_owned()));
    }
    // The error names the variable and not its value, which may be a secret.
    CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).map_err(|_| InvalidSpec::NulByte(name.to_owned()))
}

impl Launch {
    /// Two limits, an id, four truth values and two counts before the strings.
    const FIXED_BYTES: usize = 3 * 8 + 6 * 4;
    /// Nothing has this id.
    const NO_ENCLOSURE: Id = 0;

    fn strings(&self) -> impl Iterator<Item = &CString> {
        [&self.program, &self.working_directory]
            .into_iter()
            .chain(&self.temporary_directory)
            .chain(&self.arguments)
            .chain(&self.environment)
    }

    fn encoded_bytes(&self) -> usize {
        Self::FIXED_BYTES + self.strings().map(|string| 4 + string.as_bytes().len()).sum::<usize>()
    }

    /// Lengths and counts are at most [`REQUEST_BYTES_MAX`], so they fit in four bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.encoded_bytes());
        bytes.extend(self.limits.open_files.to_le_bytes());
        bytes.extend(self.limits.file_bytes.unwrap_or(UNLIMITED).to_le_bytes());
        bytes.extend(self.enclosure.unwrap_or(Self::NO_ENCLOSURE).to_le_bytes());
        for count in [
            usize::from(self.temporary_directory.is_some()),
            usize::from(self.temporary_mount),
            usize::from(self.log_pipe),
            usize::from(self.assignment_pipe),
            self.arguments.len(),
            self.environment.len(),
        ] {
            bytes.extend((count as u32).to_le_bytes());
        }
        for string in self.strings() {
            bytes.extend((string.as_bytes().len() as u32).to_le_bytes());
            bytes.extend(string.as_bytes());
        }
        bytes
    }

    /// `None` for anything [`Launch::encode`] cannot have written.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let open_files = u64::from_le_bytes(take(&mut rest)?);
        let file_bytes = Some(u64::from_le_bytes(take(&mut rest)?)).filter(|&bytes| bytes != UNLIMITED);
        let enclosure = Some(u64::from_le_bytes(take(&mut rest)?)).filter(|&id| id != Self::NO_ENCLOSURE);
        let has_temporary_directory = take_bool(&mut rest)?;
        let temporary_mount = take_bool(&mut rest)?;
        let log_pipe = take_bool(&mut rest)?;
        let assignment_pipe = take_bool(&mut rest)?;
        let argument_count = u32::from_le_bytes(take(&mut rest)?);
        let variable_count = u32::from_le_bytes(take(&mut rest)?);
        let launch = Self {
            program: take_string(&mut rest)?,
            working_directory: take_string(&mut rest)?,
            temporary_directory: if has_temporary_directory {
                Some(take_string(&mut rest)?)
            } else {
                None
            },
            arguments: take_strings(&mut rest, argument_count)?,
            environment: take_strings(&mut rest, variable_count)?,
            temporary_mount,
            log_pipe,
            assignment_pipe,
            limits: Limits { open_files, file_bytes },
            enclosure,
        };
        rest.is_empty().then_some(launch)
    }

    /// Reads it from the file it came in.
    pub(crate) fn read(file: &File) -> io::Result<Self> {
        Self::decode(&bytes_of(file)?).ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*taken)
}

fn take_bool(rest: &mut &[u8]) -> Option<bool> {
    match u32::from_le_bytes(take(rest)?) {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn take_string(rest: &mut &[u8]) -> Option<CString> {
    let length = usize::try_from(u32::from_le_bytes(take(rest)?)).ok()?;
    let (string, after) = rest.split_at_checked(length)?;
    *rest = after;
    CString::new(string).ok()
}

/// The list grows as strings are found, so a wrong count cannot ask for much memory.
fn take_strings(rest: &mut &[u8], count: u32) -> Option<Vec<CString>> {
    let mut strings = Vec::new();
    for _ in 0..count {
        strings.push(take_string(rest)?);
    }
    Some(strings)
}

#[cfg(test)]
mod tests {
    use super::Launch;
    use crate::spec::{InvalidSpec, Limits, REQUEST_BYTES_MAX, Spec};
    use std::ffi::OsString;

    fn spec() -> Spec {
        Spec {
            program: "/bin/echo".into(),
            args: vec!["".into(), "two words".into()],
            environment: vec![("A".into(), "1=2".into()), ("B".into(), "".into())],
            working_directory: "/".into(),
            temporary_directory: Some("/tmp".into()),
            temporary_mount: true,
            layers_directory: None,
            log_pipe: false,
            assignment_pipe: false,
            limits: Limits {
                open_files: 64,
                file_bytes: Some(1 << 40),
            },
            enclosure: None,
        }
    }

    #[test]
    fn a_launch_survives_the_file() {
        let without = Spec {
            temporary_directory: None,
            temporary_mount: false,
            log_pipe: true,
            assignment_pipe: true,
            limits: Limits::default(),
            environment: vec![],
            ..spec()
        };
        for spec in [spec(), without] {
            let launch = Launch::try_from(&spec).unwrap();
            assert_eq!(launch.encode().len(), launch.encoded_bytes());
            assert_eq!(Launch::decode(&launch.encode()), Some(launch));
        }
    }

    #[test]
    fn a_cut_or_longer_file_is_refused() {
        let mut bytes = Launch::try_from(&spec()).unwrap().encode();
        for length in 0..bytes.len() {
            assert_eq!(Launch::decode(&bytes[..length]), None, "{length}");
        }
        bytes.push(0);
        assert_eq!(Launch::decode(&bytes), None);
        assert_eq!(Launch::decode(&[0xff; 64]), None);
    }

    #[test]
    fn a_bad_spec_is_refused_by_name() {
        let nul = || OsString::from("a\0b");
        let relative = InvalidSpec::RelativePath("bin/echo".into());
        for (spec, expected) in [
            (
                Spec {
                    program: "bin/echo".into(),
                    ..spec()
                },
                relative.clone(),
            ),
            (
                Spec {
                    working_directory: "bin/echo".into(),
                    ..spec()
                },
                relative.clone(),
            ),
            (
                Spec {
                    temporary_directory: Some("bin/echo".into()),
                    ..spec()
                },
                relative,
            ),
            (
                Spec {
                    program: "/a\0b".into(),
                    ..spec()
                },
                InvalidSpec::NulByte("/a\0b".into()),
            ),
            (
                Spec {
                    args: vec![nul()],
                    ..spec()
                },
                InvalidSpec::NulByte(nul()),
            ),
            (
                Spec {
                    environment: vec![("A".into(), nul())],
                    ..spec()
                },
                InvalidSpec::NulByte("A".into()),
            ),
            (
                Spec {
                    environment: vec![("".into(), "1".into())],
                    ..spec()
                },
                InvalidSpec::VariableName("".into()),
            ),
            (
                Spec {
                    environment: vec![("A=".into(), "1".into())],
                    ..spec()
                },
                InvalidSpec::VariableName("A=".into()),
            ),
        ] {
            assert_eq!(Launch::try_from(&spec), Err(expected));
        }
    }

    #[test]
    fn the_largest_request_fits_and_one_byte_more_does_not() {
        let bytes_without = Launch::try_from(&spec()).unwrap().encoded_bytes();
        let with = |length: usize| Spec {
            args: [spec().args, vec!["x".repeat(length).into()]].concat(),
            ..spec()
        };
        let length = REQUEST_BYTES_MAX - bytes_without - 4;
        assert_eq!(
            Launch::try_from(&with(length)).unwrap().encode().len(),
            REQUEST_BYTES_MAX
        );
        let refused = Err(InvalidSpec::TooLarge {
            bytes: REQUEST_BYTES_MAX + 1,
        });
        assert_eq!(Launch::try_from(&with(length + 1)), refused);
    }
}
