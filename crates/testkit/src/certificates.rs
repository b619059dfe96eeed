//! Certificates made by the `openssl` command: another implementation than the one that albacore issues and reads with.

use crate::folder::Folder;
use crate::program::run;
use std::fs;
use std::process::Command;

/// A certificate and its key, as PEM texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pem {
    /// The certificate.
    pub certificate: String,
    /// The private key of it.
    pub private_key: String,
}

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// From now on for 30 days.
    Now,
    /// It ended yesterday.
    Expired,
}

/// A certificate authority with an RSA key.
#[derive(Clone, Debug)]
pub struct Authority {
    /// Its certificate, for clients to trust, as a PEM text.
    pub certificate: String,
    private_key: String,
}

impl Authority {
    /// A new one. Its files are made in `folder`, which keeps none of them.
    ///
    /// # Panics
    ///
    /// When `openssl` is missing or refuses.
    pub fn new(folder: &Folder) -> Self {
        let made = request(
            folder,
            "/CN=Test authority",
            &["-x509", "-days", "30", "-addext", "basicConstraints=critical,CA:TRUE"],
        );
        Self {
            certificate: made.certificate,
            private_key: made.private_key,
        }
    }

    /// A certificate with an RSA key of 2048 bits for these names, of which the first is its subject.
    ///
    /// # Panics
    ///
    /// When `openssl` is missing or refuses.
    pub fn issue(&self, folder: &Folder, names: &[&str]) -> Pem {
        let asked = request(folder, &format!("/CN={}", names[0]), &[]);
        folder.write(".request", &asked.certificate);
        folder.write(".ca", &self.certificate);
        folder.write(".ca-key", &self.private_key);
        folder.write(
            ".extensions",
            &format!("{}\nbasicConstraints=CA:FALSE\n", names_extension(names)),
        );
        let arguments = "x509 -req -in .request -CA .ca -CAkey .ca-key -CAcreateserial -days 30 -extfile .extensions";
        let issued = openssl(folder, &arguments.split(' ').collect::<Vec<_>>());
        for used in [".request", ".ca", ".ca-key", ".extensions", ".ca.srl", ".srl"] {
            let _ = fs::remove_file(folder.path(used));
        }
        Pem {
            certificate: issued,
            private_key: asked.private_key,
        }
    }
}

/// A certificate that is its own authority.
///
/// # Panics
///
/// When `openssl` is missing or refuses.
pub fn self_signed(folder: &Folder, names: &[&str], validity: Validity) -> Pem {
    // `req -days` takes no negative number; `x509` does, and signs the certificate again.
    let made = request(
        folder,
        &format!("/CN={}", names[0]),
        &["-x509", "-days", "30", "-addext", &names_extension(names)],
    );
    if validity == Validity::Now {
        return made;
    }
    folder.write(".certificate", &made.certificate);
    folder.write(".key", &made.private_key);
    let arguments = "x509 -in .certificate -signkey .key -days -1";
    let expired = openssl(folder, &arguments.split(' ').collect::<Vec<_>>());
    for used in [".certificate", ".key"] {
        let _ = fs::remove_file(folder.path(used));
    }
    Pem {
        certificate: expired,
        private_key: made.private_key,
    }
}

fn names_extension(names: &[&str]) -> String {
    let kind = |name: &&str| {
        if name.parse::<std::net::IpAddr>().is_ok() {
            format!("IP:{name}")
        } else {
            format!("DNS:{name}")
        }
    };
    format!(
        "subjectAltName={}",
        names.iter().map(kind).collect::<Vec<_>>().join(",")
    )
}

/// A new key, and a certificate or a request for one.
fn request(folder: &Folder, subject: &str, more: &[&str]) -> Pem {
    let usual = [
        "req", "-newkey", "rsa:2048", "-nodes", "-sha256", "-keyout", ".new-key", "-subj", subject,
    ];
    let certificate = openssl(folder, &[&usual, more].concat());
    let private_key = fs::read_to_string(folder.path(".new-key")).unwrap();
    fs::remove_file(folder.path(".new-key")).unwrap();
    Pem {
        certificate,
        private_key,
    }
}

fn openssl(folder: &Folder, args: &[&str]) -> String {
    let finished = run(Command::new("openssl").args(args).current_dir(folder.path("")));
    finished.expect_success();
    finished.out
}
