//! The local certificate authority, opened when the first certificate is asked for and not before: a manifest without
//! HTTPS leaves no authority behind, and starts sooner.

use crate::plan::chain;
use manifest::{Issued, Issuer, NotIssued};
use pki::Authority;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// Issues certificates by the authority in a folder.
#[derive(Debug)]
pub(crate) struct LazyAuthority {
    folder: PathBuf,
    opened: Mutex<Option<Authority>>,
}

impl LazyAuthority {
    /// The folder is made when it is needed, private to the user.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            opened: Mutex::new(None),
        }
    }

    /// What has to be trusted, if anything was issued.
    pub(crate) fn certificate_path(&self) -> Option<PathBuf> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.as_ref().map(Authority::certificate_path)
    }
}

impl Issuer for LazyAuthority {
    fn issue(&self, names: &[&str], now: SystemTime) -> Result<Issued, NotIssued> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let authority = match &mut *opened {
            Some(authority) => authority,
            none => none.insert(open(&self.folder, now)?),
        };
        Issuer::issue(authority, names, now)
    }
}

fn open(folder: &Path, now: SystemTime) -> Result<Authority, NotIssued> {
    Authority::open_or_create(folder, now).map_err(|error| NotIssued {
        name: None,
        message: chain(&error),
    })
}
