//! The local certificate authority, opened when the first certificate is asked for and not before: a manifest without
//! HTTPS leaves no authority behind, and starts sooner.

use crate::plan::chain;
use manifest::{Issued, Issuer, NotIssued};
use pki::{Authority, IssuedCertificate, KeyAlgorithm};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Issues certificates by the authority in a folder.
#[derive(Debug)]
pub(crate) struct LazyAuthority {
    folder: PathBuf,
    opened: Mutex<Option<Arc<Authority>>>,
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
        opened.as_ref().map(|authority| authority.certificate_path())
    }
}

impl LazyAuthority {
    /// Issues a certificate with a key of its own. Blocks: an RSA key takes its time.
    ///
    /// # Errors
    /// Why not, for people.
    pub(crate) fn issue_fresh(
        &self,
        names: &[&str],
        key: KeyAlgorithm,
        now: SystemTime,
    ) -> Result<IssuedCertificate, String> {
        let issued = self.with(now, |authority| {
            authority.issue_fresh(names, key, now).map_err(|error| NotIssued {
                name: None,
                message: chain(&error),
            })
        });
        issued.map_err(|error| error.message)
    }

    fn with<T>(&self, now: SystemTime, work: impl FnOnce(&Authority) -> Result<T, NotIssued>) -> Result<T, NotIssued> {
        let authority = {
            let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut *opened {
                Some(authority) => authority.clone(),
                none => none.insert(Arc::new(open(&self.folder, now)?)).clone(),
            }
        };
        // Making a key does not keep others waiting.
        work(&authority)
    }
}

impl Issuer for LazyAuthority {
    fn issue(&self, names: &[&str], now: SystemTime) -> Result<Issued, NotIssued> {
        self.with(now, |authority| Issuer::issue(authority, names, now))
    }
}

fn open(folder: &Path, now: SystemTime) -> Result<Authority, NotIssued> {
    Authority::open_or_create(folder, now).map_err(|error| NotIssued {
        name: None,
        message: chain(&error),
    })
}
