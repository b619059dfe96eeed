//! Headers that only the load balancer may write, written by clients.

use super::*;
use model::Command;
use model::command::listener::CreateListener;
use model::elb::listener::ListenerAttributes;
use model::elb::listener::ListenerProtocol;
use model::{ListenerArn, Owner, ResourceId, RuleArn};

/// Every header that a target could take for ours, in every spelling.
const FORGED: [(&str, &str); 11] = [
    ("X-Amzn-Mtls-Clientcert", "forged"),
    ("X-Amzn-Mtls-Clientcert-Serial-Number", "forged"),
    ("x-amzn-mtls-clientcert-issuer", "forged"),
    ("X-AMZN-MTLS-CLIENTCERT-SUBJECT", "forged"),
    ("X-Amzn-Mtls-Clientcert-Subject", "forged again"),
    ("X-Amzn-Mtls-Clientcert-Validity", "forged"),
    ("X-Amzn-Mtls-Clientcert-Leaf", "forged"),
    ("X_Amzn_Mtls_Clientcert_Subject", "forged"),
    ("X-Amzn_Mtls-Clientcert.Subject", "forged"),
    ("X-Who", "forged"),
    ("x_who", "forged"),
];

fn request() -> String {
    let forged: String = FORGED
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    format!("GET / HTTP/1.1\r\nHost: shop.example\r\n{forged}X-Mine: 1\r\n\r\n")
}

/// The values of all headers, as the event has them.
#[track_caller]
fn check(response: &Response, subject: Option<&str>) {
    let event = response.json();
    let headers = event["multiValueHeaders"].as_object().unwrap();
    assert!(!event.to_string().contains("forged"), "{headers:?}");
    assert_eq!(headers["x-mine"], serde_json::json!(["1"]));
    let expected = subject.map(|subject| serde_json::json!([subject]));
    assert_eq!(headers.get("x-who").cloned(), expected, "{headers:?}");
}

/// Renames on its HTTPS listener, on port 8080, and has a listener for clear text beside it, on port 81.
fn with_both(mut setup: Setup) -> Setup {
    let key = "routing.http.request.x_amzn_mtls_clientcert_subject.header_name";
    setup.listener_attributes.set(key, "X-Who", true).unwrap();
    setup
}

fn clear_text(setup: &Setup) -> Command {
    let arn = ListenerArn::new(&load_balancer_arn(), ResourceId(81));
    Command::CreateListener(CreateListener {
        default_rule: RuleArn::new(&arn, ResourceId(0)),
        arn,
        load_balancer: load_balancer_arn(),
        port: 81,
        protocol: ListenerProtocol::Http,
        default_actions: setup.default.clone(),
        attributes: ListenerAttributes::default(),
        owner: Owner::Manifest,
    })
}

#[test]
fn a_client_cannot_write_them_itself() {
    let root = Authority::root("Root");
    let setup = with_both(verifying(Setup::lambda(true, echo()), &root));
    let server = setup.start();
    let mut client = server.secure(Offer::default().showing(root.client("client", as_is)));
    client.send(request().as_bytes());
    check(&client.response(), Some("CN=client"));
}

#[test]
fn nor_on_a_listener_that_does_not_ask() {
    // Without a certificate, and with none asked for, there is nothing to be put in their place.
    for setup in [
        passing(Setup::lambda(true, echo())),
        Setup::lambda(true, echo()).with_tls(),
    ] {
        let server = with_both(setup).start();
        let mut client = server.secure(Offer::default());
        client.send(request().as_bytes());
        check(&client.response(), None);
    }
}

#[test]
fn nor_in_clear_text_beside_it() {
    let root = Authority::root("Root");
    let setup = with_both(verifying(Setup::lambda(true, echo()), &root));
    let mut commands = setup.commands();
    commands.push(clear_text(&setup));
    let server = Server::start(setup, &commands);
    let open = server.proxy.listeners();
    let clear = open
        .iter()
        .find(|listener| listener.protocol == "http")
        .expect("both listeners are open");
    let stream = std::net::TcpStream::connect(clear.socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut client = Client::new(stream);
    client.send(request().as_bytes());
    check(&client.response(), None);
}

#[test]
fn nor_where_nobody_asks_for_certificates() {
    let server = Setup::lambda(true, echo()).start();
    let response = server.ask(&request().replace("X-Who", "X-Other").replace("x_who", "x_other"));
    let event = response.json();
    let headers = event["multiValueHeaders"].as_object().unwrap();
    assert!(headers.keys().all(|name| !name.starts_with(MTLS)), "{headers:?}");
    assert_eq!(
        headers["x-other"],
        serde_json::json!(["forged"]),
        "what nobody renamed to is the client's"
    );
}

#[test]
fn nor_over_http_2() {
    let root = Authority::root("Root");
    let setup = with_both(verifying(Setup::lambda(true, echo()), &root));
    let server = setup.start();
    let offer = Offer::alpn(&["h2"]).showing(root.client("client", as_is));
    let client = server.handshake(&offer.config(), "shop.example").unwrap();
    let mut raw = crate::frames::Raw::begin(client);
    let mut head = crate::frames::GET.to_vec();
    for (name, value) in FORGED.iter().chain(&[("x-mine", "1")]) {
        // A literal field without indexing and without Huffman coding: RFC 7541, 6.2.2.
        head.extend([0, name.len() as u8]);
        head.extend(name.to_lowercase().bytes());
        head.push(value.len() as u8);
        head.extend(value.bytes());
    }
    raw.send(crate::frames::HEADERS, crate::frames::WHOLE, 1, &head);
    let mut body = Vec::new();
    while let Some(frame) = raw.next() {
        if frame.kind == crate::frames::DATA {
            body.extend_from_slice(&frame.payload);
        }
        if frame.ends_stream() {
            break;
        }
    }
    check(
        &Response {
            status: 200,
            head: String::new(),
            body,
        },
        Some("CN=client"),
    );
}

// ALB-H-017: x-amzn-tls-* come from the load balancer alone where it sends them
#[test]
fn tls_headers_cannot_be_forged_either() {
    let attribute = "routing.http.x_amzn_tls_version_and_cipher_suite.enabled";
    let forged = "GET / HTTP/1.1\r\nHost: a\r\nX-Amzn-Tls-Version: forged\r\nx_amzn_tls_cipher_suite: forged\r\n\r\n";
    let clear = Setup::lambda(false, echo()).attribute(attribute, "true").start();
    assert!(!clear.ask(forged).text().contains("forged"));
    let secure = Setup::lambda(false, echo())
        .with_tls()
        .attribute(attribute, "true")
        .start();
    let mut client = secure.secure(Offer::default());
    client.send(forged.as_bytes());
    let response = client.response();
    assert!(!response.text().contains("forged"));
    assert_eq!(response.json()["headers"]["x-amzn-tls-version"], "TLSv1.3");
}
