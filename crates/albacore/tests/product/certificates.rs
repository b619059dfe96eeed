//! A certificate that was made through the API serves TLS, and outlives the process with its key.

use crate::support::{Folder, Server, with_manifest};
use serde_json::{Value, json};
use std::process::Command;
use testkit::Connection;

fn signed(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature={}",
        "0".repeat(64)
    )
}

#[track_caller]
fn acm(server: &Server, operation: &str, input: &Value) -> Value {
    let (authorization, target) = (signed("acm"), format!("CertificateManager.{operation}"));
    let headers = [
        ("Authorization", authorization.as_str()),
        ("X-Amz-Date", "20260101T000000Z"),
        ("X-Amz-Target", &target),
        ("Content-Type", "application/x-amz-json-1.1"),
    ];
    let mut connection = Connection::open(server.endpoint()).unwrap();
    let answer = connection
        .ask("POST", "/", &headers, input.to_string().as_bytes())
        .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap_or_default()
}

#[track_caller]
fn elb(server: &Server, fields: &[(&str, &str)]) -> String {
    let authorization = signed("elasticloadbalancing");
    let headers = [
        ("Authorization", authorization.as_str()),
        ("X-Amz-Date", "20260101T000000Z"),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ];
    let mut body = "Version=2015-12-01".to_owned();
    for (name, value) in fields {
        let value: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
        body.push_str(&format!("&{name}={value}"));
    }
    let mut connection = Connection::open(server.endpoint()).unwrap();
    let answer = connection.ask("POST", "/", &headers, body.as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

fn element<'a>(xml: &'a str, name: &str) -> &'a str {
    let (_, rest) = xml.split_once(&format!("<{name}>")).unwrap();
    rest.split('<').next().unwrap()
}

/// What curl gets that trusts the local authority and nothing else.
#[track_caller]
fn curl(folder: &Folder, server: &Server) -> String {
    let socket = server.socket(8443);
    let authority = folder.path(".albacore/ca/ca.pem");
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "60", "--cacert"])
        .arg(authority)
        .args(["--connect-to", &format!("::{}:{}", socket.ip(), socket.port())])
        .arg("https://shop.acm.localhost:8443/")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_certificate_of_the_api_is_trusted_and_outlives_the_process() {
    let folder = with_manifest("a", "");
    let args = ["--publish", "8443:0"];
    let mut server = folder.up(&args);
    let wanted = json!({ "DomainName": "shop.acm.localhost", "ValidationMethod": "DNS" });
    let answer = acm(&server, "RequestCertificate", &wanted);
    let arn = answer["CertificateArn"].as_str().unwrap();
    let owned = elb(&server, &[("Action", "DescribeLoadBalancers")]);
    let subnets: Vec<_> = owned.split("<SubnetId>").skip(1).take(2).collect();
    let subnet = |at: usize| subnets[at].split('<').next().unwrap();
    let made = elb(
        &server,
        &[
            ("Action", "CreateLoadBalancer"),
            ("Name", "secure"),
            ("Subnets.member.1", subnet(0)),
            ("Subnets.member.2", subnet(1)),
        ],
    );
    elb(
        &server,
        &[
            ("Action", "CreateListener"),
            ("LoadBalancerArn", element(&made, "LoadBalancerArn")),
            ("Protocol", "HTTPS"),
            ("Port", "8443"),
            ("Certificates.member.1.CertificateArn", arn),
            ("DefaultActions.member.1.Type", "fixed-response"),
            ("DefaultActions.member.1.FixedResponseConfig.StatusCode", "200"),
            ("DefaultActions.member.1.FixedResponseConfig.ContentType", "text/plain"),
            ("DefaultActions.member.1.FixedResponseConfig.MessageBody", "secure"),
        ],
    );
    assert_eq!(curl(&folder, &server), "secure");
    let described = json!({ "CertificateArn": arn });
    let before = acm(&server, "DescribeCertificate", &described);
    server.signal(rustix::process::Signal::KILL);
    server.exit_code();
    let server = folder.up(&args);
    assert_eq!(curl(&folder, &server), "secure");
    let after = acm(&server, "DescribeCertificate", &described);
    assert_eq!(after, before);
    // The key is in the state, which nobody else may read, and in no answer.
    assert!(!before.to_string().contains("PRIVATE"));
}
