//! Who issues certificates for the names in the manifest: in the product the local authority of `pki`.

use model::Secret;
use std::error::Error;
use std::time::SystemTime;

/// Issues certificates for names.
pub trait Issuer {
    /// A certificate for all of `names`: DNS names, wildcards or IP addresses. The same names give the same certificate
    /// again while it holds long enough.
    fn issue(&self, names: &[&str], now: SystemTime) -> Result<Issued, NotIssued>;
}

/// A certificate with its key.
#[derive(Clone, Debug)]
pub struct Issued {
    /// Leaf first, PEM.
    pub chain_pem: String,
    /// PEM.
    pub private_key_pem: Secret<String>,
}

/// Why no certificate was issued.
#[derive(Clone, Debug)]
pub struct NotIssued {
    /// The name it fails for, if it is one name's fault.
    pub name: Option<String>,
    /// The reason, in a sentence.
    pub message: String,
}

impl Issuer for pki::Authority {
    fn issue(&self, names: &[&str], now: SystemTime) -> Result<Issued, NotIssued> {
        match pki::Authority::issue(self, names, now) {
            Ok(issued) => Ok(Issued {
                private_key_pem: Secret::new(issued.private_key_pem.expose().to_owned()),
                chain_pem: issued.chain_pem,
            }),
            Err(error) => {
                let mut message = error.to_string();
                let mut cause = error.source();
                while let Some(error) = cause {
                    message = format!("{message}: {error}");
                    cause = error.source();
                }
                let name = match error {
                    pki::IssueError::InvalidName { name, .. } => Some(name),
                    _ => None,
                };
                Err(NotIssued { name, message })
            }
        }
    }
}
