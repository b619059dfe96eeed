//! For tests only: folders that go away, an issuer without an authority, and a loader with fixed settings.

use crate::{Buckets, Issued, Issuer, Loaded, Mistakes, NotIssued, OwnFiles, Settings, load};
use model::{AccountId, Command, Context, Region, Scope, State, decide};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, KeyIdMethod, KeyPair,
    KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// 2026-02-01T00:00:00Z
pub(crate) const NOW: Duration = Duration::from_secs(1_769_904_000);

pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + NOW
}

pub(crate) fn settings() -> Settings {
    Settings {
        scope: Scope {
            region: Region::try_from("us-east-1").unwrap(),
            account: AccountId::try_from("000000000000").unwrap(),
        },
        dns_suffix: "elb.localhost".to_owned(),
        availability_zone: "us-east-1a".to_owned(),
        own_files: OwnFiles::default(),
        has_way_to: |_| true,
        buckets: Buckets::Unknown,
    }
}

/// A folder with a manifest and what it names.
pub(crate) struct TestFolder {
    path: PathBuf,
    temporary: bool,
}

impl TestFolder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // Without links, as the paths of events are.
        let temporary = std::fs::canonicalize(std::env::temp_dir()).unwrap();
        let path = temporary.join(format!("albacore-manifest-{}-{number}", process::id()));
        std::fs::create_dir(&path).unwrap();
        Self { path, temporary: true }
    }

    /// A folder that exists and stays.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path, temporary: false }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file, with the folders above it.
    pub(crate) fn put(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, contents).unwrap();
        path
    }

    /// Writes a script that may be executed.
    pub(crate) fn put_executable(&self, name: &str) {
        let path = self.put(name, "#!/bin/sh\n");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Writes a zip file with empty files of these names and modes.
    pub(crate) fn put_zip(&self, name: &str, files: &[(&str, u32)]) {
        let mut writer = ZipWriter::new(std::fs::File::create(self.path(name)).unwrap());
        for (name, mode) in files {
            let options = SimpleFileOptions::default().unix_permissions(*mode);
            writer.start_file(*name, options).unwrap();
        }
        writer.finish().unwrap();
    }

    /// Writes `{name}.pem`, an authority that holds until `year`, and `{name}.crl.pem`, its list with one entry.
    pub(crate) fn put_authority(&self, name: &str, year: i32) {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = date_time_ymd(2025, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        self.put(&format!("{name}.pem"), params.self_signed(&key).unwrap().pem());
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(2030, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![RevokedCertParams {
                serial_number: SerialNumber::from(7),
                revocation_time: date_time_ymd(2026, 1, 1),
                reason_code: None,
                invalidity_date: None,
            }],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&rcgen::Issuer::new(params, key)).unwrap();
        self.put(&format!("{name}.crl.pem"), list.pem().unwrap());
    }

    /// Loads `text` as the manifest of this folder, under the name `albacore.yaml`.
    pub(crate) fn load(&self, text: &str) -> Result<Loaded, Mistakes> {
        self.load_with(text, &settings())
    }

    /// The same with other settings.
    pub(crate) fn load_with(&self, text: &str, settings: &Settings) -> Result<Loaded, Mistakes> {
        let path = self.put("albacore.yaml", text);
        load(&path, settings, &TestIssuer, now())
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        if self.temporary {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// A real authority that lives as long as the test process; it keeps no key but its own and what it issued.
fn authority() -> &'static pki::Authority {
    static AUTHORITY: OnceLock<pki::Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/manifest-tests");
        std::fs::create_dir_all(&folder).unwrap();
        pki::Authority::open_or_create(&folder.join("authority"), now()).unwrap()
    })
}

pub(crate) struct TestIssuer;

impl Issuer for TestIssuer {
    fn issue(&self, names: &[&str], now: SystemTime) -> Result<Issued, NotIssued> {
        Issuer::issue(authority(), names, now)
    }
}

/// Applies commands as a writer does: all of them, each decided on what the ones before made.
pub(crate) fn apply(state: &State, commands: &[Command]) -> State {
    let mut state = state.clone();
    for command in commands {
        let commit = decide(&state, command, &Context::default()).expect("the batch is accepted");
        commit.changes.iter().for_each(|change| state.apply(change));
    }
    state
}
