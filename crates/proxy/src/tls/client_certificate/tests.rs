use super::*;
use crate::tls::authority::{Authority, as_is};
use rcgen::SerialNumber;
use rustls_pki_types::pem::PemObject;

// ALB-X-010: the validity header reads `NotBefore=…Z;NotAfter=…Z`
#[test]
fn facts_in_the_words_of_headers() {
    let root = Authority::root("Root");
    let client = root.client("client", |params| {
        params.serial_number = Some(SerialNumber::from(vec![0x03, 0xa5, 0xb1]));
        params.not_before = rcgen::date_time_ymd(2024, 7, 28) + time::Duration::seconds(15 * 3600 + 2 * 60 + 45);
        params.not_after = rcgen::date_time_ymd(2051, 8, 27); // from 2050 on another kind of time is written
    });
    let facts = ClientCertificate::read(&client.chain[0]).unwrap();
    assert_eq!(
        facts,
        ClientCertificate {
            serial_number: "03A5B1".to_owned(),
            issuer: "CN=Root".to_owned(),
            subject: "CN=client".to_owned(),
            validity: "NotBefore=2024-07-28T15:02:45Z;NotAfter=2051-08-27T00:00:00Z".to_owned(),
        }
    );
    assert_eq!(ClientCertificate::read(b""), None);
    let long = [&client.chain[0], &b"\0"[..]].concat();
    assert_eq!(ClientCertificate::read(&long), None);
}

#[test]
fn serial_numbers() {
    for (bytes, expected) in [
        (&[0x03, 0xa5][..], "03A5"),
        (&[0x00, 0xff], "FF"),
        (&[0x00], "00"),
        (&[0x0a], "0A"),
    ] {
        assert_eq!(hexadecimal(bytes), expected, "{bytes:?}");
    }
}

#[test]
fn pem_in_a_header() {
    let root = Authority::root("Root");
    let middle = root.under("Middle", as_is);
    let client = middle.client("client", as_is).with(&[&middle, &root]);
    let escaped = escaped_pem(&client.chain);
    assert!(escaped.starts_with("-----BEGIN%20CERTIFICATE-----%0AMII"), "{escaped}");
    assert!(escaped.ends_with("%0A-----END%20CERTIFICATE-----%0A"), "{escaped}");
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-+/=%".contains(&byte);
    assert!(escaped.bytes().all(plain), "{escaped}");
    let pem = escaped.replace("%20", " ").replace("%0A", "\n");
    assert!(!pem.contains('%'));
    assert!(pem.lines().all(|line| line.len() <= 64));
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .map(Result::unwrap)
        .collect();
    assert_eq!(chain, client.chain, "the client's own certificate first");
    assert_eq!(escaped_pem([]), "");
}
