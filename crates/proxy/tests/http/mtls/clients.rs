//! Stock clients with certificates: openssl and Python.

use super::*;
use std::io::Write;
use std::process::{Command, Stdio};

/// Files of a client, with its certificate, those of the authorities between, and its key.
fn files(client: &crate::authority::Client) -> Scratch {
    let scratch = Scratch::new();
    let pem = |label: &str, der: &[u8]| {
        let mut command = Command::new("openssl");
        command
            .args(["base64", "-e"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(der).unwrap();
        let text = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        format!("-----BEGIN {label}-----\n{text}-----END {label}-----\n")
    };
    let chain: String = client.chain.iter().map(|one| pem("CERTIFICATE", one)).collect();
    std::fs::write(scratch.0.join("chain.pem"), chain).unwrap();
    std::fs::write(scratch.0.join("key.pem"), pem("PRIVATE KEY", client.key.secret_der())).unwrap();
    scratch
}

#[test]
fn python_shows_a_certificate() {
    const SCRIPT: &str = r#"
import http.client, json, ssl, sys
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
context.maximum_version = ssl.TLSVersion[sys.argv[2]]
context.load_cert_chain("chain.pem", "key.pem")
for _ in range(2):
    connection = http.client.HTTPSConnection("127.0.0.1", int(sys.argv[1]), context=context)
    for _ in range(2):
        connection.request("GET", "/")
        headers = json.load(connection.getresponse())["headers"]
        print(headers["x-amzn-mtls-clientcert-subject"], headers["x-amzn-mtls-clientcert-issuer"])
"#;
    let root = Authority::root("Root");
    let middle = root.under("Middle", as_is);
    let server = verifying(Setup::lambda(false, echo()), &root).start();
    for key in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_RSA_SHA256,
    ] {
        let key = rcgen::KeyPair::generate_for(key).unwrap();
        let scratch = files(&middle.client_with("python", &key, as_is).with(&[&middle]));
        for version in ["TLSv1_2", "TLSv1_3"] {
            let output = Command::new("python3")
                .args(["-c", SCRIPT, &server.address.port().to_string(), version])
                .current_dir(&scratch.0)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert_eq!(
                said,
                "CN=python CN=Middle\n".repeat(4),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
}

/// What `openssl s_client` prints; its input ends when it has read all.
fn openssl(server: &Server, scratch: &Scratch, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new("openssl")
        .args([
            "s_client",
            "-connect",
            &server.address.to_string(),
            "-servername",
            "shop.example",
        ])
        .args(arguments)
        .current_dir(&scratch.0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let _ = stdin.write_all(input.as_bytes()); // it may have ended
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

const ASK: &str = "GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n";

#[test]
fn openssl_shows_a_certificate() {
    let root = Authority::root("Root");
    let server = verifying(Setup::default(), &root).start();
    let scratch = files(&root.client("openssl", as_is));
    for version in ["-tls1_2", "-tls1_3"] {
        let shown = ["-quiet", version, "-cert", "chain.pem", "-key", "key.pem"];
        assert!(openssl(&server, &scratch, &shown, ASK).contains("HTTP/1.1 200 OK"));
        let without = openssl(&server, &scratch, &["-quiet", version], ASK);
        assert!(!without.contains("HTTP/1.1") && without.contains("alert"), "{without}");
    }
}

// A client that begins a second handshake on its connection could change who it is on the way.
#[test]
fn nobody_negotiates_again() {
    let root = Authority::root("Root");
    let scratch = files(&root.client("openssl", as_is));
    for setup in [verifying(Setup::default(), &root), Setup::default().with_tls()] {
        // openssl waits until the server has had enough of it.
        let server = setup.attribute("idle_timeout.timeout_seconds", "1").start();
        let arguments = ["-tls1_2", "-cert", "chain.pem", "-key", "key.pem"];
        let said = openssl(&server, &scratch, &arguments, "R\n");
        assert!(
            said.contains("RENEGOTIATING") && said.contains("no renegotiation"),
            "{said}"
        );
        let mut client = server.secure(Offer::default().showing(root.client("client", as_is)));
        assert_eq!(client.get().status, 200);
        drop(client);
        assert_eq!(server.log().len(), 1);
    }
}
