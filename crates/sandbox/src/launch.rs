//! A checked [`Spec`] in the form in which it travels to the init process that carries it out.
//!
//! It travels as a file in memory, because a message is limited by the socket's buffer; and it is used where it lies in that
//! file, because who uses it may have memory in common with an init, which keeps what it has ever used.

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

/// Most launches are not larger.
const USUAL_BYTES: usize = 4096;

/// Nothing has this id.
const NO_ENCLOSURE: Id = 0;
/// The two limits before the enclosure's id.
const LIMITS_BYTES: u64 = 16;

/// What `execve` and the steps before it need.
#[derive(Debug, PartialEq)]
pub(crate) struct Launch<'a> {
    pub(crate) program: &'a CStr,
    pub(crate) working_directory: &'a CStr,
    pub(crate) temporary_directory: Option<&'a CStr>,
    /// Argument 0 included.
    pub(crate) arguments: Strings<'a>,
    /// `NAME=value`
    pub(crate) environment: Strings<'a>,
    pub(crate) temporary_mount: bool,
    pub(crate) log_pipe: bool,
    pub(crate) assignment_pipe: bool,
    pub(crate) limits: Limits,
    /// `None`: among the processes of the host.
    pub(crate) enclosure: Option<Id>,
}

/// Strings in a file, of which all are known to be right.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Strings<'a> {
    count: u32,
    bytes: &'a [u8],
}

/// Where a file is read to.
pub(crate) struct Room {
    usual: [u8; USUAL_BYTES],
    large: Vec<u8>,
}

/// The whole file, from its beginning.
fn bytes_of(file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length_of(file)?];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

fn length_of(file: &File) -> io::Result<usize> {
    usize::try_from(file.metadata()?.len())
        .ok()
        .filter(|&length| length <= REQUEST_BYTES_MAX)
        .ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))
}

/// The bytes of a file that [`Launch::read`] takes.
///
/// # Errors
///
/// What of it no program can be started with.
pub(crate) fn encode(spec: &Spec) -> Result<Vec<u8>, InvalidSpec> {
    let program = absolute(&spec.program)?;
    let working_directory = absolute(&spec.working_directory)?;
    let temporary_directory = spec.temporary_directory.as_deref().map(absolute).transpose()?;
    let is_own_tmp = temporary_directory.as_deref() == Some(OWN_TMP);
    if spec.enclosure.is_some() && (spec.temporary_mount || !is_own_tmp) {
        return Err(InvalidSpec::TemporaryDirectory);
    }
    let mut strings = vec![program.clone(), working_directory];
    strings.extend(temporary_directory);
    strings.push(program);
    for argument in &spec.args {
        strings.push(string(argument.as_bytes())?);
    }
    for (name, value) in &spec.environment {
        strings.push(variable(name, value)?);
    }
    let mut bytes = Vec::new();
    bytes.extend(spec.limits.open_files.to_le_bytes());
    bytes.extend(spec.limits.file_bytes.unwrap_or(UNLIMITED).to_le_bytes());
    let enclosure = spec.enclosure.as_ref().map(|enclosure| enclosure.id());
    bytes.extend(enclosure.unwrap_or(NO_ENCLOSURE).to_le_bytes());
    // What does not fit in four bytes makes the whole too large.
    for number in [
        usize::from(spec.temporary_directory.is_some()),
        usize::from(spec.temporary_mount),
        usize::from(spec.log_pipe),
        usize::from(spec.assignment_pipe),
        1 + spec.args.len(),
        spec.environment.len(),
    ] {
        bytes.extend((number as u32).to_le_bytes());
    }
    for string in &strings {
        bytes.extend((string.as_bytes_with_nul().len() as u32).to_le_bytes());
        bytes.extend(string.as_bytes_with_nul());
    }
    match bytes.len() {
        bytes if bytes > REQUEST_BYTES_MAX => Err(InvalidSpec::TooLarge { bytes }),
        _ => Ok(bytes),
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

impl Room {
    pub(crate) fn new() -> Self {
        Self {
            usual: [0; USUAL_BYTES],
            large: Vec::new(),
        }
    }

    /// The whole file, from its beginning.
    fn read(&mut self, file: &File) -> io::Result<&[u8]> {
        let bytes = match self.usual.get_mut(..length_of(file)?) {
            Some(bytes) => {
                file.read_exact_at(bytes, 0)?;
                &*bytes
            }
            None => {
                self.large = bytes_of(file)?;
                &self.large
            }
        };
        Ok(bytes)
    }
}

impl<'a> Launch<'a> {
    /// For a child that executes nothing.
    pub(crate) fn rehearsal() -> Self {
        let none = Strings { count: 0, bytes: &[] };
        Self {
            program: c"/",
            working_directory: c"/",
            temporary_directory: Some(OWN_TMP),
            arguments: none.clone(),
            environment: none,
            temporary_mount: false,
            log_pipe: false,
            assignment_pipe: false,
            limits: Limits::default(),
            enclosure: None,
        }
    }

    /// Reads it from the file it came in.
    pub(crate) fn read(file: &File, room: &'a mut Room) -> io::Result<Self> {
        Self::of(room.read(file)?).ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))
    }

    /// The enclosure alone.
    pub(crate) fn read_enclosure(file: &File) -> io::Result<Option<Id>> {
        let mut id = [0; size_of::<Id>()];
        file.read_exact_at(&mut id, LIMITS_BYTES)?;
        Ok(Some(Id::from_le_bytes(id)).filter(|&id| id != NO_ENCLOSURE))
    }

    /// `None` for anything [`encode`] cannot have written.
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes;
        let open_files = u64::from_le_bytes(take(&mut rest)?);
        let file_bytes = Some(u64::from_le_bytes(take(&mut rest)?)).filter(|&bytes| bytes != UNLIMITED);
        let enclosure = Some(Id::from_le_bytes(take(&mut rest)?)).filter(|&id| id != NO_ENCLOSURE);
        let has_temporary_directory = take_bool(&mut rest)?;
        let temporary_mount = take_bool(&mut rest)?;
        let log_pipe = take_bool(&mut rest)?;
        let assignment_pipe = take_bool(&mut rest)?;
        let argument_count = u32::from_le_bytes(take(&mut rest)?);
        let variable_count = u32::from_le_bytes(take(&mut rest)?);
        let launch = Self {
            program: take_string(&mut rest)?,
            working_directory: take_string(&mut rest)?,
            temporary_directory: match has_temporary_directory {
                true => Some(take_string(&mut rest)?),
                false => None,
            },
            arguments: Strings::take(&mut rest, argument_count)?,
            environment: Strings::take(&mut rest, variable_count)?,
            temporary_mount,
            log_pipe,
            assignment_pipe,
            limits: Limits { open_files, file_bytes },
            enclosure,
        };
        rest.is_empty().then_some(launch)
    }
}

impl<'a> Strings<'a> {
    fn take(rest: &mut &'a [u8], count: u32) -> Option<Self> {
        let bytes = *rest;
        for _ in 0..count {
            take_string(rest)?;
        }
        Some(Self { count, bytes })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a CStr> {
        let mut rest = self.bytes;
        (0..self.count).map_while(move |_| take_string(&mut rest))
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

/// With the NUL at its end.
fn take_string<'a>(rest: &mut &'a [u8]) -> Option<&'a CStr> {
    let length = usize::try_from(u32::from_le_bytes(take(rest)?)).ok()?;
    let (string, after) = rest.split_at_checked(length)?;
    *rest = after;
    CStr::from_bytes_with_nul(string).ok()
}

#[cfg(test)]
mod tests {
    use super::{Launch, Room, USUAL_BYTES, encode};
    use crate::spec::{InvalidSpec, Limits, REQUEST_BYTES_MAX, Spec};
    use crate::sys::fd;
    use std::ffi::{CStr, OsString};
    use std::io::Write;

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

    fn texts<'a>(strings: impl Iterator<Item = &'a CStr>) -> Vec<&'a str> {
        strings.map(|it| it.to_str().unwrap()).collect()
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
        let large = Spec {
            args: vec!["x".repeat(USUAL_BYTES).into()],
            ..spec()
        };
        for spec in [spec(), without, large] {
            let mut file = fd::memory_file().unwrap();
            file.write_all(&encode(&spec).unwrap()).unwrap();
            let mut room = Room::new();
            let launch = Launch::read(&file, &mut room).unwrap();
            let text = |path: &CStr| path.to_str().unwrap().to_owned();
            assert_eq!(text(launch.program), spec.program.to_str().unwrap());
            assert_eq!(text(launch.working_directory), spec.working_directory.to_str().unwrap());
            let directory = spec
                .temporary_directory
                .as_deref()
                .map(|it| it.to_str().unwrap().to_owned());
            assert_eq!(launch.temporary_directory.map(text), directory);
            let arguments = [
                vec!["/bin/echo"],
                spec.args.iter().map(|it| it.to_str().unwrap()).collect(),
            ]
            .concat();
            assert_eq!(texts(launch.arguments.iter()), arguments);
            let variables: &[&str] = if spec.environment.is_empty() {
                &[]
            } else {
                &["A=1=2", "B="]
            };
            assert_eq!(texts(launch.environment.iter()), variables);
            assert_eq!(launch.temporary_mount, spec.temporary_mount);
            assert_eq!(
                (launch.log_pipe, launch.assignment_pipe),
                (spec.log_pipe, spec.assignment_pipe)
            );
            assert_eq!(launch.limits, spec.limits);
            assert_eq!((launch.enclosure, Launch::read_enclosure(&file).unwrap()), (None, None));
        }
    }

    #[test]
    fn the_enclosure_is_found_where_it_is_written() {
        let mut bytes = encode(&spec()).unwrap();
        bytes[16..24].copy_from_slice(&7_u64.to_le_bytes());
        assert_eq!(Launch::of(&bytes).unwrap().enclosure, Some(7));
        let mut file = fd::memory_file().unwrap();
        file.write_all(&bytes).unwrap();
        assert_eq!(Launch::read_enclosure(&file).unwrap(), Some(7));
    }

    #[test]
    fn a_cut_or_longer_file_is_refused() {
        let mut bytes = encode(&spec()).unwrap();
        for length in 0..bytes.len() {
            assert_eq!(Launch::of(&bytes[..length]), None, "{length}");
        }
        bytes.push(0);
        assert_eq!(Launch::of(&bytes), None);
        assert_eq!(Launch::of(&[0xff; 64]), None);
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
            assert_eq!(encode(&spec), Err(expected));
        }
    }

    #[test]
    fn the_largest_request_fits_and_one_byte_more_does_not() {
        let bytes_without = encode(&spec()).unwrap().len();
        let with = |length: usize| Spec {
            args: [spec().args, vec!["x".repeat(length).into()]].concat(),
            ..spec()
        };
        // Its length, and the NUL at its end.
        let length = REQUEST_BYTES_MAX - bytes_without - 5;
        assert_eq!(encode(&with(length)).unwrap().len(), REQUEST_BYTES_MAX);
        let refused = Err(InvalidSpec::TooLarge {
            bytes: REQUEST_BYTES_MAX + 1,
        });
        assert_eq!(encode(&with(length + 1)), refused);
    }
}
