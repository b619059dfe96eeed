use super::*;
use crate::tls::authority::{Authority, as_is};
use crate::tls::client_certificate::parse;
use rcgen::string::{BmpString, Ia5String, PrintableString, TeletexString, UniversalString};
use rcgen::{DistinguishedName, DnType, DnValue};
use std::io::Write as _;
use std::process::{Command, Stdio};

fn subject(change: impl FnOnce(&mut DistinguishedName)) -> Vec<u8> {
    let root = Authority::root("Root");
    let client = root.client("x", |params| {
        params.distinguished_name = DistinguishedName::new();
        change(&mut params.distinguished_name);
    });
    client.chain[0].to_vec()
}

fn ours(der: &[u8]) -> String {
    rfc2253(parse(der).unwrap().subject())
}

fn openssls(der: &[u8]) -> String {
    let mut child = Command::new("openssl")
        .args(["x509", "-inform", "DER", "-noout", "-subject", "-nameopt", "RFC2253"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(der).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim_end_matches('\n').strip_prefix("subject=").unwrap().to_owned()
}

#[test]
fn names_are_written_as_openssl_writes_them() {
    let strings: [DnValue; 6] = [
        DnValue::Utf8String("Zoë, \"the\" <client>; #1 + \\ = größer".to_owned()),
        DnValue::PrintableString(PrintableString::try_from("plain words").unwrap()),
        DnValue::Ia5String(Ia5String::try_from("a@b.example").unwrap()),
        DnValue::TeletexString(TeletexString::try_from("teletex").unwrap()),
        DnValue::BmpString(BmpString::try_from("Ünïcode ✓").unwrap()),
        DnValue::UniversalString(UniversalString::try_from("𝄞 clef").unwrap()),
    ];
    for value in strings {
        let der = subject(|name| name.push(DnType::CommonName, value.clone()));
        assert_eq!(ours(&der), openssls(&der), "{value:?}");
    }
    for text in [
        " leading",
        "trailing ",
        " ",
        "  ",
        "#hash",
        "a#b",
        "",
        "\n\r\0\x7f",
        "\u{1}",
        "a,b=c",
    ] {
        let der = subject(|name| name.push(DnType::OrganizationName, text));
        assert_eq!(ours(&der), openssls(&der), "{text:?}");
    }
}

#[test]
fn the_last_comes_first_and_every_type_has_openssls_name() {
    let all = subject(|name| {
        for (oid, _) in SHORT_NAMES {
            let oid = x509_parser::der_parser::Oid::new((*oid).into());
            let numbers: Vec<u64> = oid.iter().unwrap().collect();
            name.push(DnType::CustomDnType(numbers), "value");
        }
        name.push(DnType::CustomDnType(vec![1, 3, 6, 1, 4, 1, 9999, 1]), "unknown");
    });
    assert_eq!(ours(&all), openssls(&all));
    let plain = subject(|name| {
        name.push(DnType::CountryName, "US");
        name.push(DnType::StateOrProvinceName, "Washington");
        name.push(DnType::LocalityName, "Seattle");
        name.push(DnType::OrganizationName, "mTLS");
        name.push(DnType::OrganizationalUnitName, "rootCA");
        name.push(DnType::CommonName, "rootcamtls.com");
    });
    assert_eq!(
        ours(&plain),
        "CN=rootcamtls.com,OU=rootCA,O=mTLS,L=Seattle,ST=Washington,C=US"
    );
    assert_eq!(ours(&subject(|_| {})), "");
}

#[test]
fn several_attributes_of_one_relative_name() {
    // SEQUENCE { SET { CN=a, UID=b }, SET { O=c } }, which rcgen does not make.
    let attribute = |oid: &[u8], value: &str| {
        let content = [&[6, oid.len() as u8], oid, &[12, value.len() as u8], value.as_bytes()].concat();
        [&[0x30, content.len() as u8], &content[..]].concat()
    };
    let set = |attributes: &[Vec<u8>]| {
        let content = attributes.concat();
        [&[0x31, content.len() as u8], &content[..]].concat()
    };
    let (cn, uid) = (attribute(SHORT_NAMES[0].0, "a"), attribute(SHORT_NAMES[20].0, "b"));
    let content = [set(&[cn, uid]), set(&[attribute(&[0x55, 4, 10], "c")])].concat();
    let der = [&[0x30, content.len() as u8], &content[..]].concat();
    let (_, name) = <X509Name<'_> as x509_parser::prelude::FromDer<'_, _>>::from_der(&der).unwrap();
    assert_eq!(rfc2253(&name), "O=c,UID=b+CN=a");
}

#[test]
fn a_name_is_printable_whatever_stands_in_it() {
    for byte in 0..=255u8 {
        let text = [byte, b'a', byte].map(char::from);
        let der = subject(|name| name.push(DnType::CommonName, text.iter().collect::<String>()));
        let name = ours(&der);
        assert!(name.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{name:?}");
    }
    let root = Authority::root("Root");
    assert_eq!(ours(&root.client("client", as_is).chain[0]), "CN=client");
}
