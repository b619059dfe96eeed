use super::*;
use crate::tls::authority::Authority;
use rustls_pki_types::CertificateDer;

#[test]
fn a_signature_is_verified_once_for_each_key() {
    let (root, other) = (Authority::root("Root"), Authority::root("Root"));
    let list = RevocationIndex::read(root.revokes(&[1]).into()).unwrap();
    let key = |authority: &Authority| der::public_key(authority.certificate.der()).unwrap().to_vec();
    let algorithms = crate::tls::trust::ALGORITHMS;
    for _ in 0..3 {
        assert!(list.is_signed_by(&key(&root), algorithms));
        assert!(!list.is_signed_by(&key(&other), algorithms));
        assert_eq!(list.tried.load().len(), 2);
    }
    // Remembered: now it would say otherwise.
    assert!(list.is_signed_by(&key(&root), &[]));
    for _ in 0..KEYS_MAX {
        assert!(!list.is_signed_by(&key(&Authority::root("x")), algorithms));
    }
    assert_eq!(list.tried.load().len(), KEYS_MAX, "no more keys than an authority has");
}

#[test]
fn what_stands_in_a_list() {
    let root = Authority::root("Root");
    let list = RevocationIndex::read(root.revokes(&[300, 7, 128]).into()).unwrap();
    for (number, expected) in [
        (&[7][..], true),
        (&[0, 7], true),
        (&[0, 0x80], true),
        (&[0x80], true),
        (&[1, 0x2c], true),
        (&[8], false),
        (&[], false),
        (&[0], false),
    ] {
        assert_eq!(list.revokes(number), expected, "{number:?}");
    }
    let subject =
        |certificate: &CertificateDer<'_>| webpki::anchor_from_trusted_cert(certificate).unwrap().subject.to_vec();
    assert!(list.is_of(&subject(root.certificate.der())));
    assert!(!list.is_of(&subject(Authority::root("Other").certificate.der())));
    assert!(!list.is_of(b""));
}

#[test]
fn damaged_lists_never_panic() {
    let root = Authority::root("Root");
    let good = root.revokes(&[300, 7, 128]);
    let key = der::public_key(root.certificate.der()).unwrap();
    for at in 0..good.len() {
        assert!(RevocationIndex::read(good[..at].into()).is_err(), "{at} bytes");
        for bit in [1, 0x80] {
            let mut damaged = good.clone();
            damaged[at] ^= bit;
            if let Ok(list) = RevocationIndex::read(damaged.into()) {
                assert!(!list.is_signed_by(key, crate::tls::trust::ALGORITHMS), "byte {at}");
            }
        }
    }
}
