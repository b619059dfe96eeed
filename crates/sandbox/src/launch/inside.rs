//! A checked [`Interior`] in the form in which it travels.

use super::{UNLIMITED, absolute, bytes_of, take, take_bool, take_string};
use crate::message::Id;
use crate::spec::{Completion, Interior, InvalidSpec, MOUNTS_MAX, Mount, REQUEST_BYTES_MAX, Reach};
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Component;

/// A checked [`Interior`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Inside {
    pub(crate) scratch: Id,
    pub(crate) scratch_bytes: u64,
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) mounts: Vec<Place>,
    /// More comes before anything that is not ours runs in it.
    pub(crate) is_incomplete: bool,
    pub(crate) reach: Reach,
}

/// A checked [`Mount`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) source: CString,
    pub(crate) target: CString,
}

impl TryFrom<&Interior> for Inside {
    type Error = InvalidSpec;

    fn try_from(interior: &Interior) -> Result<Self, InvalidSpec> {
        Self {
            scratch: interior.scratch.id(),
            scratch_bytes: interior.scratch.bytes(),
            memory_bytes: interior.memory_bytes,
            mounts: places(&interior.mounts)?,
            is_incomplete: false,
            reach: interior.reach,
        }
        .checked()
    }
}

impl TryFrom<&Completion> for Inside {
    type Error = InvalidSpec;

    fn try_from(completion: &Completion) -> Result<Self, InvalidSpec> {
        Self {
            scratch: 0,
            scratch_bytes: 0,
            memory_bytes: completion.memory_bytes,
            mounts: places(&completion.mounts)?,
            is_incomplete: false,
            reach: completion.reach,
        }
        .checked()
    }
}

fn places(mounts: &[Mount]) -> Result<Vec<Place>, InvalidSpec> {
    if mounts.len() > MOUNTS_MAX {
        return Err(InvalidSpec::TooManyMounts(mounts.len()));
    }
    let place = |mount: &Mount| {
        let is_plain = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
        if !mount.target.components().all(is_plain) || mount.target.parent().is_none() {
            return Err(InvalidSpec::MountTarget(mount.target.clone()));
        }
        Ok(Place {
            source: absolute(&mount.source)?,
            target: absolute(&mount.target)?,
        })
    };
    mounts.iter().map(place).collect()
}

impl Inside {
    fn checked(self) -> Result<Self, InvalidSpec> {
        match self.encode().len() {
            bytes if bytes > REQUEST_BYTES_MAX => Err(InvalidSpec::TooLarge { bytes }),
            _ => Ok(self),
        }
    }

    /// Lengths fit in four bytes, or the whole is too large.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(self.scratch.to_le_bytes());
        bytes.extend(self.scratch_bytes.to_le_bytes());
        bytes.extend(self.memory_bytes.unwrap_or(UNLIMITED).to_le_bytes());
        bytes.extend(u32::from(self.is_incomplete).to_le_bytes());
        bytes.extend((self.reach as u32).to_le_bytes());
        bytes.extend((self.mounts.len() as u32).to_le_bytes());
        for string in self.mounts.iter().flat_map(|place| [&place.source, &place.target]) {
            bytes.extend((string.as_bytes_with_nul().len() as u32).to_le_bytes());
            bytes.extend(string.as_bytes_with_nul());
        }
        bytes
    }

    /// `None` for anything [`Inside::encode`] cannot have written.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let scratch = u64::from_le_bytes(take(&mut rest)?);
        let scratch_bytes = u64::from_le_bytes(take(&mut rest)?);
        let memory_bytes = Some(u64::from_le_bytes(take(&mut rest)?)).filter(|&bytes| bytes != UNLIMITED);
        let is_incomplete = take_bool(&mut rest)?;
        let reach = match u32::from_le_bytes(take(&mut rest)?) {
            0 => Reach::Nothing,
            1 => Reach::Public,
            2 => Reach::PublicAndPrivate,
            3 => Reach::Host,
            _ => return None,
        };
        let count = u32::from_le_bytes(take(&mut rest)?);
        let mut mounts = Vec::new();
        for _ in 0..count {
            mounts.push(Place {
                source: take_string(&mut rest)?.to_owned(),
                target: take_string(&mut rest)?.to_owned(),
            });
        }
        rest.is_empty().then_some(Self {
            scratch,
            scratch_bytes,
            memory_bytes,
            mounts,
            is_incomplete,
            reach,
        })
    }

    /// Reads it from the file it came in.
    pub(crate) fn read(file: &File) -> io::Result<Self> {
        Self::decode(&bytes_of(file)?).ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))
    }
}

/// Most files are not larger.
pub(crate) const PLAN_BYTES: usize = 1024;

/// What an init has to know of it, where it lies in the file: an init keeps what memory it has ever used, so it uses little.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) is_incomplete: bool,
    pub(crate) count: usize,
    strings: &'a [u8],
}

impl<'a> Plan<'a> {
    /// Reads it into `usual`, or if it is larger into `large`.
    pub(crate) fn read(file: &File, usual: &'a mut [u8; PLAN_BYTES], large: &'a mut Vec<u8>) -> io::Result<Self> {
        let invalid = || io::Error::from_raw_os_error(libc::EINVAL);
        let length = usize::try_from(file.metadata()?.len()).map_err(|_| invalid())?;
        let bytes = match usual.get_mut(..length) {
            Some(bytes) => {
                file.read_exact_at(bytes, 0)?;
                &*bytes
            }
            None => {
                *large = bytes_of(file)?;
                &large[..]
            }
        };
        Self::of(bytes).ok_or_else(invalid)
    }

    fn of(bytes: &'a [u8]) -> Option<Self> {
        // The scratch, its size, and the memory.
        let (_, mut rest) = bytes.split_first_chunk::<24>()?;
        let is_incomplete = take_bool(&mut rest)?;
        let _reach: [u8; 4] = take(&mut rest)?;
        let count = usize::try_from(u32::from_le_bytes(take(&mut rest)?)).ok()?;
        Some(Self {
            is_incomplete,
            count,
            strings: rest,
        })
    }

    /// Where its mounts go.
    pub(crate) fn targets(&self) -> impl Iterator<Item = io::Result<&'a CStr>> {
        let mut rest = self.strings;
        let mut next = move || {
            take_string(&mut rest)?;
            take_string(&mut rest)
        };
        (0..self.count).map(move |_| next().ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Inside, Place, Plan};
    use crate::spec::Reach;

    #[test]
    fn it_survives_the_file_and_a_cut_one_is_refused() {
        let place = |source: &std::ffi::CStr, target: &std::ffi::CStr| Place {
            source: source.to_owned(),
            target: target.to_owned(),
        };
        for memory_bytes in [None, Some(1 << 30)] {
            let inside = Inside {
                scratch: 7,
                scratch_bytes: 1 << 29,
                memory_bytes,
                mounts: vec![place(c"/srv/app", c"/var/task"), place(c"/", c"/opt")],
                is_incomplete: memory_bytes.is_none(),
                reach: match memory_bytes {
                    None => Reach::Public,
                    Some(_) => Reach::PublicAndPrivate,
                },
            };
            let bytes = inside.encode();
            let plan = Plan::of(&bytes).unwrap();
            let targets: Vec<_> = plan.targets().map(Result::unwrap).collect();
            assert_eq!(
                (plan.is_incomplete, plan.count, &targets[..]),
                (inside.is_incomplete, 2, &[c"/var/task", c"/opt"][..])
            );
            let cut = Plan::of(&bytes[..bytes.len() - 1]).unwrap();
            assert!(cut.targets().any(|target| target.is_err()));
            assert_eq!(Inside::decode(&bytes), Some(inside));
            for length in 0..bytes.len() {
                assert_eq!(Inside::decode(&bytes[..length]), None, "{length}");
            }
            assert_eq!(Inside::decode(&[&bytes[..], &[0]].concat()), None);
        }
    }
}
