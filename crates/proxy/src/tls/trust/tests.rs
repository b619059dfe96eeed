use super::*;
use crate::tls::authority::{Authority, Client, as_is, key, serial_number, trust_store, valid};
use FailureCode as F;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyPair,
    KeyUsagePurpose, NameConstraints, SubjectPublicKeyInfo,
};

fn at() -> UnixTime {
    UnixTime::now()
}

fn judged(trust: &CompiledTrust, client: &Client) -> Result<(), FailureCode> {
    trust.verify(&client.chain[0], &client.chain[1..], at(), false)
}

fn compiled(authorities: &[&Authority], lists: &[Vec<u8>]) -> CompiledTrust {
    CompiledTrust::compile(&trust_store(authorities, lists)).unwrap()
}

/// What becomes of a client, by a trust store with these authorities.
#[track_caller]
fn check(authorities: &[&Authority], client: &Client, expected: Result<(), FailureCode>) {
    assert_eq!(judged(&compiled(authorities, &[]), client), expected);
}

fn unconstrained(params: &mut CertificateParams) {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
}

#[test]
fn whom_a_trust_store_vouches_for() {
    let (root, other) = (Authority::root("Root"), Authority::root("Other"));
    let middle = root.under("Middle", as_is);
    let leaf = middle.under("Leaf", as_is);
    check(&[&root], &root.client("a", as_is), Ok(()));
    check(&[&other, &root], &root.client("a", as_is), Ok(()));
    check(&[&root], &leaf.client("a", as_is).with(&[&leaf, &middle]), Ok(()));
    check(&[&root], &leaf.client("a", as_is).with(&[&middle, &leaf]), Ok(()));
    check(
        &[&root],
        &leaf.client("a", as_is).with(&[&leaf, &middle, &root]),
        Ok(()),
    );
    check(&[&root], &root.client("a", as_is).with(&[&other]), Ok(()));
    // An authority in the middle may be trusted by itself.
    check(&[&middle], &leaf.client("a", as_is).with(&[&leaf]), Ok(()));
    check(&[&middle], &middle.client("a", as_is), Ok(()));

    check(&[&other], &root.client("a", as_is), Err(F::ClientCertUntrusted));
    check(&[&root], &leaf.client("a", as_is), Err(F::ClientCertUntrusted));
    check(
        &[&root],
        &leaf.client("a", as_is).with(&[&leaf]),
        Err(F::ClientCertUntrusted),
    );
    check(&[&middle], &root.client("a", as_is), Err(F::ClientCertUntrusted));
    let namesake = Authority::root("Root");
    check(&[&namesake], &root.client("a", as_is), Err(F::ClientCertUntrusted));
    check(&[&namesake, &root], &root.client("a", as_is), Ok(()));
    let alone = Authority::root_with("alone", key(), |params| params.is_ca = IsCa::NoCa).shown();
    check(&[&root], &alone, Err(F::ClientCertUntrusted));
}

#[test]
fn authorities_must_be_some() {
    let root = Authority::root("Root");
    let no_authority = root.under("No Authority", |params| params.is_ca = IsCa::NoCa);
    let explicit = root.under("No Authority", |params| params.is_ca = IsCa::ExplicitNoCa);
    for fake in [no_authority, explicit] {
        check(
            &[&root],
            &fake.client("a", as_is).with(&[&fake]),
            Err(F::ClientCertUntrusted),
        );
    }
    let last = root.under("Last", |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    });
    check(&[&root], &last.client("a", as_is).with(&[&last]), Ok(()));
    let beyond = last.under("Beyond", as_is);
    check(
        &[&root],
        &beyond.client("a", as_is).with(&[&beyond, &last]),
        Err(F::ClientCertUntrusted),
    );
    let for_example = root.under("For Example", |params| {
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName("example.com".to_owned())],
            excluded_subtrees: Vec::new(),
        });
    });
    let named = |name: &str| {
        let name = rcgen::SanType::DnsName(name.try_into().unwrap());
        for_example
            .client("a", |params| params.subject_alt_names.push(name))
            .with(&[&for_example])
    };
    check(&[&root], &named("a.example.com"), Ok(()));
    check(&[&root], &named("a.example.org"), Err(F::ClientCertUntrusted));
}

#[test]
fn too_many_certificates() {
    let root = Authority::root("Root");
    let one = root.under("One", as_is);
    let two = one.under("Two", as_is);
    let three = two.under("Three", as_is);
    let four = three.under("Four", as_is);
    check(&[&root], &three.client("a", as_is).with(&[&three, &two, &one]), Ok(()));
    let deep = F::ClientCertMaxChainDepthExceeded;
    check(
        &[&root],
        &four.client("a", as_is).with(&[&four, &three, &two, &one]),
        Err(deep),
    );
    check(
        &[&root],
        &root.client("a", as_is).with(&[&one, &two, &three, &four]),
        Err(deep),
    );
}

#[test]
fn times() {
    let root = Authority::root("Root");
    let (early, expired) = (Err(F::ClientCertNotYetValid), Err(F::ClientCertExpired));
    check(&[&root], &root.client("a", valid(-2, 2)), Ok(()));
    check(&[&root], &root.client("a", valid(1, 2)), early);
    check(&[&root], &root.client("a", valid(-2, -1)), expired);
    let old = root.under("Old", valid(-4, -3));
    check(&[&root], &old.client("a", as_is).with(&[&old]), expired);
    let old_root = Authority::root_with("Old Root", key(), valid(-4, -3));
    check(&[&old_root], &old_root.client("a", as_is), expired);
    let young_root = Authority::root_with("Young Root", key(), valid(3, 4));
    check(&[&young_root], &young_root.client("a", as_is), early);
    // Renewed with the same key and name: one of the two is good.
    let renewed_key = key();
    let again = KeyPair::try_from(&rustls_pki_types::PrivateKeyDer::try_from(renewed_key.serialize_der()).unwrap());
    let before = Authority::root_with("Renewed", again.unwrap(), valid(-4, -3));
    let after = Authority::root_with("Renewed", renewed_key, valid(-1, 100));
    for order in [[&before, &after], [&after, &before]] {
        check(&order, &after.client("a", as_is), Ok(()));
    }
}

#[test]
fn expiry_may_be_ignored_for_the_clients_own_certificate() {
    let root = Authority::root("Root");
    let (valid_middle, old_middle) = (root.under("Valid", valid(-90, 90)), root.under("Old", valid(-90, -60)));
    let verify = |client: &Client| {
        let trust = compiled(&[&root], &[root.revokes(&[666])]);
        trust.verify(&client.chain[0], &client.chain[1..], at(), true)
    };
    assert_eq!(verify(&root.client("a", valid(-30, -1))), Ok(()));
    assert_eq!(
        verify(&valid_middle.client("a", valid(-30, -1)).with(&[&valid_middle])),
        Ok(())
    );
    assert_eq!(verify(&root.client("a", valid(1, 2))), Err(F::ClientCertNotYetValid));
    let out_of_date = old_middle.client("a", valid(-30, 30)).with(&[&old_middle]);
    assert_eq!(
        verify(&out_of_date),
        Err(F::ClientCertExpired),
        "the authority's is not the client's own"
    );
    // It was still good when the client's certificate ended.
    assert_eq!(
        verify(&old_middle.client("a", valid(-80, -70)).with(&[&old_middle])),
        Ok(())
    );
    let revoked = root.client("a", |params| {
        serial_number(666)(params);
        valid(-30, -1)(params);
    });
    assert_eq!(verify(&revoked), Err(F::ClientCertCrlHit));
    let foreign = Authority::root("Other").client("a", valid(-30, -1));
    assert_eq!(verify(&foreign), Err(F::ClientCertUntrusted));
}

#[test]
fn purposes() {
    use ExtendedKeyUsagePurpose as E;
    use KeyUsagePurpose as K;
    let root = Authority::root("Root");
    let wrong = Err(F::ClientCertPurposeInvalid);
    for (extended, usages, expected) in [
        (&[][..], &[][..], Ok(())),
        (&[E::ClientAuth], &[K::DigitalSignature], Ok(())),
        (&[E::ServerAuth, E::ClientAuth], &[K::KeyAgreement], Ok(())),
        (&[E::ServerAuth], &[], wrong),
        (&[E::EmailProtection, E::CodeSigning], &[], wrong),
        (&[E::Any], &[], wrong),
        (&[E::ClientAuth], &[K::KeyEncipherment], wrong),
        (&[], &[K::KeyCertSign, K::CrlSign], wrong),
    ] {
        let client = root.client("a", |params| {
            params.extended_key_usages = extended.to_vec();
            params.key_usages = usages.to_vec();
        });
        assert_eq!(
            judged(&compiled(&[&root], &[]), &client),
            expected,
            "{extended:?} {usages:?}"
        );
    }
    let servers = root.under("Servers", |params| params.extended_key_usages = vec![E::ServerAuth]);
    check(&[&root], &servers.client("a", as_is).with(&[&servers]), wrong);
}

#[test]
fn kinds_of_keys() {
    let root = Authority::root("Root");
    let of = |key: &KeyPair| root.client_with("a", key, as_is);
    for algorithm in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ECDSA_P521_SHA512,
        &rcgen::PKCS_RSA_SHA256,
    ] {
        check(&[&root], &of(&KeyPair::generate_for(algorithm).unwrap()), Ok(()));
    }
    let edwards = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let unsupported = Err(F::ClientCertTypeUnsupported);
    check(&[&root], &of(&edwards), unsupported);
    for (arguments, expected) in [
        (&["genrsa", "1024"][..], unsupported),
        (&["genrsa", "2047"], unsupported),
        (&["genrsa", "2049"], Ok(())),
    ] {
        let key = SubjectPublicKeyInfo::from_pem(&public_key(arguments)).unwrap();
        let client = Client {
            chain: vec![root.certificate_for("a", &key, as_is)],
            key: of(&edwards).key,
        };
        check(&[&root], &client, expected);
    }
    // Signed with what is not accepted, by an authority that has slipped in.
    let slipped = root.under_with("Edwards", edwards, as_is);
    check(&[&root], &slipped.client("a", as_is).with(&[&slipped]), unsupported);
    // Every hash, and RSA as authority.
    for algorithm in [
        &rcgen::PKCS_RSA_SHA256,
        &rcgen::PKCS_RSA_SHA384,
        &rcgen::PKCS_RSA_SHA512,
    ] {
        let rsa = Authority::root_with("RSA", KeyPair::generate_for(algorithm).unwrap(), as_is);
        check(&[&rsa], &rsa.client("a", as_is), Ok(()));
    }
}

/// A key that openssl makes of these arguments, its public half in PEM.
fn public_key(arguments: &[&str]) -> String {
    let openssl = |arguments: &[&str], input: &[u8]| {
        use std::io::Write;
        use std::process::{Command, Stdio};
        let mut command = Command::new("openssl");
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "openssl {arguments:?}");
        output.stdout
    };
    let private = openssl(arguments, b"");
    String::from_utf8(openssl(&["pkey", "-pubout"], &private)).unwrap()
}

#[test]
fn revocations() {
    let (root, other) = (Authority::root("Root"), Authority::root("Other"));
    let middle = root.under("Middle", serial_number(77));
    let hit = Err(F::ClientCertCrlHit);
    let client = |number| root.client("a", serial_number(number));
    let judge = |lists: &[Vec<u8>], client: &Client| judged(&compiled(&[&root, &other], lists), client);
    assert_eq!(judge(&[root.revokes(&[4, 5, 6])], &client(5)), hit);
    assert_eq!(judge(&[root.revokes(&[4, 6])], &client(5)), Ok(()));
    assert_eq!(judge(&[root.revokes(&[])], &client(5)), Ok(()));
    assert_eq!(
        judge(&[other.revokes(&[5])], &client(5)),
        Ok(()),
        "another authority's list"
    );
    // Whatever their order, all lists of an authority count.
    let several = [
        root.revokes(&[1]),
        other.revokes(&[2]),
        root.revokes(&[3]),
        root.revokes(&[]),
    ];
    for (number, expected) in [(1, hit), (2, Ok(())), (3, hit), (4, Ok(()))] {
        assert_eq!(judge(&several, &client(number)), expected, "{number}");
    }
    // Numbers are compared as numbers: 128 needs a zero in front to be positive.
    assert_eq!(judge(&[root.revokes(&[128])], &client(128)), hit);
    assert_eq!(judge(&[root.revokes(&[u64::MAX])], &client(u64::MAX)), hit);
    // The authorities in the middle too.
    let below = middle.client("a", serial_number(5)).with(&[&middle]);
    assert_eq!(judge(&[root.revokes(&[77])], &below), hit);
    assert_eq!(judge(&[middle.revokes(&[5])], &below), hit);
    assert_eq!(
        judge(&[root.revokes(&[5])], &below),
        Ok(()),
        "the number is Middle's, not Root's"
    );
    assert_eq!(judge(&[middle.revokes(&[77])], &below), Ok(()));
}

#[test]
fn a_list_that_its_authority_did_not_sign() {
    let root = Authority::root("Root");
    let impostor = Authority::root("Root");
    let foreign = |authorities: &[&Authority]| {
        CompiledTrust::compile(&trust_store(authorities, &[root.revokes(&[1]), impostor.revokes(&[2])])).map(drop)
    };
    assert_eq!(foreign(&[&root]), Err(TrustStoreError::ForeignRevocationList { id: 2 }));
    assert_eq!(
        foreign(&[&impostor]),
        Err(TrustStoreError::ForeignRevocationList { id: 1 })
    );
    assert_eq!(foreign(&[&impostor, &root]), Ok(()), "an authority may have two keys");
    let both = compiled(&[&impostor, &root], &[root.revokes(&[1]), impostor.revokes(&[2])]);
    for (authority, number, expected) in [
        (&root, 1, Err(F::ClientCertCrlHit)),
        (&root, 2, Ok(())),
        (&impostor, 1, Ok(())),
        (&impostor, 2, Err(F::ClientCertCrlHit)),
    ] {
        assert_eq!(judged(&both, &authority.client("a", serial_number(number))), expected);
    }
    // One of an authority in the middle is judged when such a client comes, and then nobody passes.
    let middle = root.under("Middle", as_is);
    let fake = Authority::root("Middle").revokes(&[1]);
    let client = middle.client("a", serial_number(5)).with(&[&middle]);
    assert_eq!(
        judged(&compiled(&[&root], std::slice::from_ref(&fake)), &client),
        Err(F::ClientCertCrlProcessingError)
    );
    assert_eq!(
        judged(&compiled(&[&root], &[fake, middle.revokes(&[6])]), &client),
        Ok(())
    );
}

#[test]
fn a_certificate_may_stand_in_the_trust_store_itself() {
    let own = |change: fn(&mut CertificateParams)| Authority::root_with("Own", key(), change);
    let good = own(as_is);
    check(&[&good], &good.shown(), Ok(()));
    check(&[&own(as_is)], &good.shown(), Err(F::ClientCertInvalid));
    let signs = own(|params| params.key_usages = vec![KeyUsagePurpose::KeyCertSign]);
    check(&[&signs], &signs.shown(), Err(F::ClientCertPurposeInvalid));
    let old = own(|params| valid(-3, -2)(params));
    check(&[&old], &old.shown(), Err(F::ClientCertExpired));
    assert_eq!(
        compiled(&[&old], &[]).verify(&old.shown().chain[0], &[], at(), true),
        Ok(())
    );
    let below = good.client("a", unconstrained);
    check(&[&good], &below, Err(F::ClientCertInvalid));
}

#[test]
fn damaged_certificates() {
    let root = Authority::root("Root");
    let trust = compiled(&[&root], &[root.revokes(&[1])]);
    let good = root.client("a", as_is).chain.remove(0).to_vec();
    for at_byte in 0..good.len() {
        let cut = CertificateDer::from(&good[..at_byte]);
        assert_eq!(
            trust.verify(&cut, &[], at(), false),
            Err(F::ClientCertInvalid),
            "{at_byte} bytes"
        );
        for bit in [1, 0x80] {
            let mut damaged = good.clone();
            damaged[at_byte] ^= bit;
            let damaged = CertificateDer::from(damaged);
            assert!(trust.verify(&damaged, &[], at(), false).is_err(), "byte {at_byte}");
            // As one of the others it may do no more harm than not to help.
            let good = CertificateDer::from(&good[..]);
            assert_eq!(trust.verify(&good, &[damaged], at(), false), Ok(()), "byte {at_byte}");
        }
    }
    let long = CertificateDer::from([&good[..], b"\0"].concat());
    assert_eq!(trust.verify(&long, &[], at(), false), Err(F::ClientCertInvalid));
    let critical = root.client("a", |params| {
        let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 9999], vec![5, 0]);
        extension.set_criticality(true);
        params.custom_extensions.push(extension);
    });
    check(&[&root], &critical, Err(F::ClientCertInvalid));
}

#[test]
fn trust_stores_that_cannot_be_used() {
    let root = Authority::root("Root");
    let refused = |change: &dyn Fn(&mut TrustStore)| {
        let mut store = trust_store(&[&root], &[root.revokes(&[1])]);
        change(&mut store);
        CompiledTrust::compile(&store).map(drop).unwrap_err()
    };
    assert_eq!(refused(&|store| store.bundle_pem = "".into()), TrustStoreError::Empty);
    let damaged = refused(&|store| store.bundle_pem = store.bundle_pem.replacen("MII", "!!!", 1).into());
    assert_eq!(damaged, TrustStoreError::Certificate { position: 1 });
    let damaged = refused(&|store| store.revocations[0].crl = (*b"0\0").into());
    assert_eq!(damaged, TrustStoreError::RevocationList { id: 1 });
    let long: Vec<_> = (0..25)
        .map(|number| Authority::root(&format!("{number:0400}")))
        .collect();
    let long = compiled(&long.iter().collect::<Vec<_>>(), &[]);
    let refused = long.advertised().unwrap_err();
    assert!(
        matches!(refused, TrustStoreError::SubjectsTooLarge { max: 10_000, .. }),
        "{refused}"
    );
    let twice = compiled(&[&root, &Authority::root("Root"), &Authority::root("Other")], &[]);
    assert_eq!(twice.advertised().unwrap().len(), 2);
}

#[test]
fn a_trust_store_is_compiled_once() {
    let root = Authority::root("Root");
    let stores = TrustStores::default();
    let store = Arc::new(trust_store(&[&root], &[]));
    let first = stores.compiled(&store).unwrap();
    assert!(Arc::ptr_eq(&first, &stores.compiled(&store).unwrap()));
    let same = Arc::new(TrustStore::clone(&store));
    assert!(Arc::ptr_eq(&first, &stores.compiled(&same).unwrap()));
    let changed = Arc::new(trust_store(&[&root], &[root.revokes(&[1])]));
    let second = stores.compiled(&changed).unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    drop((first, second));
    let _third = stores
        .compiled(&Arc::new(trust_store(&[&Authority::root("Other")], &[])))
        .unwrap();
    assert_eq!(stores.0.lock().unwrap().len(), 1, "what no table uses is forgotten");
}

#[test]
fn large_lists_are_searched_not_read() {
    let root = Authority::root("Root");
    let numbers: Vec<u64> = (0..20_000).map(|number| number * 3).collect();
    let trust = compiled(&[&root], &[root.revokes(&numbers)]);
    for (number, expected) in [(0, false), (3, true), (4, false), (59_997, true), (59_998, false)] {
        let client = root.client("a", serial_number(number.max(1)));
        assert_eq!(judged(&trust, &client).is_err(), expected, "{number}");
    }
}
