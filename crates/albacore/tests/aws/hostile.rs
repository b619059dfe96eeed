//! Calls that nobody well-meaning makes: each is refused in AWS's words, costs little, and leaves nothing behind.
//!
//! There is no parser of XML anywhere in the server: what it speaks is written, never read.

use crate::raw::{DATE, FORM, SIGNED, element};
use crate::world::World;
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use testkit::{Connection, Response, anonymous_kilobytes, until};

const LOGS: &str = "Logs_20140328";
const JSON: (&str, &str) = ("Content-Type", "application/x-amz-json-1.1");

/// The signature header for another service.
fn signed(service: &str) -> String {
    SIGNED.1.replace("elasticloadbalancing", service)
}

#[track_caller]
fn ask(world: &World, target: (&str, &str), headers: &[(&str, &str)], body: &[u8]) -> Response {
    let mut connection = Connection::open(world.server.endpoint()).unwrap();
    connection.ask(target.0, target.1, headers, body).unwrap()
}

/// A call of Elastic Load Balancing.
#[track_caller]
fn elb(world: &World, form: &str) -> Response {
    let form = format!("Version=2015-12-01&{form}");
    ask(world, ("POST", "/"), &[SIGNED, DATE, FORM], form.as_bytes())
}

#[track_caller]
fn logs(world: &World, operation: &str, body: &[u8]) -> Response {
    let (signed, target) = (signed("logs"), format!("{LOGS}.{operation}"));
    let headers = [
        ("Authorization", signed.as_str()),
        DATE,
        ("X-Amz-Target", &target),
        JSON,
    ];
    ask(world, ("POST", "/"), &headers, body)
}

#[track_caller]
fn lambda(world: &World, method: &str, path: &str, body: &[u8]) -> Response {
    let signed = signed("lambda");
    let headers = [
        ("Authorization", signed.as_str()),
        DATE,
        ("Content-Type", "application/json"),
    ];
    ask(world, (method, path), &headers, body)
}

/// It goes on as if nothing had been.
#[track_caller]
fn is_well(world: &World) {
    assert_eq!(elb(world, "Action=DescribeLoadBalancers").status, 200);
}

/// A gigabyte is announced, and sent for as long as it is taken: how much of it was.
fn send_a_gigabyte(world: &World, path: &str, service: &str, framing: &str) -> (usize, Option<u16>) {
    let mut connection = Connection::open(world.server.endpoint()).unwrap();
    let signed = signed(service);
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {signed}\r\nX-Amz-Date: 20260101T000000Z\r\n{framing}\r\n\r\n"
    );
    connection.send(head.as_bytes()).unwrap();
    // As a chunk, and as 65,540 bytes of any body.
    let piece = [b"10000\r\n".as_slice(), &[b'a'; 65_536], b"\r\n"].concat();
    let mut sent = 0;
    while sent < 1 << 30 {
        match connection.send(&piece) {
            Ok(()) => sent += piece.len(),
            Err(error) => {
                assert!(
                    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
                    "{error}"
                );
                break;
            }
        }
    }
    // The answer may be lost to the reset that ends the sending.
    (sent, connection.response().ok().map(|answer| answer.status))
}

#[test]
fn a_gigabyte_is_refused_before_it_is_sent() {
    let world = World::start(&[]);
    is_well(&world);
    let before = anonymous_kilobytes(world.server.pid());
    let length = format!("Content-Length: {}", 1 << 30);
    for framing in [length.as_str(), "Transfer-Encoding: chunked"] {
        for (path, service, bytes_max) in [
            ("/", "elasticloadbalancing", 16 << 20),
            ("/", "logs", 16 << 20),
            ("/2015-03-31/functions/hello/invocations", "lambda", 32 << 20),
            ("/2015-03-31/functions", "lambda", 192 << 20),
        ] {
            let (sent, status) = send_a_gigabyte(&world, path, service, framing);
            assert!(sent < bytes_max, "{service} {path} {framing}: {sent} bytes were taken");
            assert!(
                matches!(status, None | Some(413)),
                "{service} {path} {framing}: {status:?}"
            );
        }
    }
    is_well(&world);
    until("memory is given back", || {
        (anonymous_kilobytes(world.server.pid()) < before + (64 << 10)).then_some(())
    });
}

#[test]
fn documents_that_are_deep_or_many_are_refused_before_they_are_built() {
    let world = World::start(&[]);
    let before = anonymous_kilobytes(world.server.pid());
    let (open, close) = ("[".repeat(1_000_000), "]".repeat(1_000_000));
    let objects = "{\"a\":".repeat(400_000);
    let many = format!("{{\"a\":[{}0]}}", "0,".repeat(1_900_000));
    for document in [format!("{{\"a\":{open}{close}}}"), open.clone(), objects, many] {
        let answer = logs(&world, "DescribeLogGroups", document.as_bytes());
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert!(answer.body.contains("SerializationException"), "{}", answer.body);
        for (method, path) in [
            ("POST", "/2015-03-31/functions"),
            ("PUT", "/2015-03-31/functions/hello/code"),
            ("POST", "/2015-03-31/functions/hello/aliases"),
        ] {
            let answer = lambda(&world, method, path, document.as_bytes());
            assert_eq!(answer.status, 400, "{path}: {}", answer.body);
            assert!(
                answer.body.contains("Could not parse request body into json"),
                "{}",
                answer.body
            );
        }
    }
    // CBOR: a list in a list in a list, and one that says it has 2^63 items.
    for document in [vec![0x81; 100_000], [vec![0x9b], vec![0xff; 8]].concat()] {
        let signed = signed("monitoring");
        let headers = [
            ("Authorization", signed.as_str()),
            DATE,
            ("Content-Type", "application/cbor"),
            ("smithy-protocol", "rpc-v2-cbor"),
        ];
        let path = "/service/GraniteServiceVersion20100801/operation/ListMetrics";
        assert_eq!(ask(&world, ("POST", path), &headers, &document).status, 400);
    }
    // A policy, which is a document in a parameter.
    let form = format!(
        "Action=CreatePolicy&Version=2010-05-08&PolicyName=p&PolicyDocument={}",
        "[".repeat(100_000)
    );
    let signed_iam = signed("iam");
    let headers = [("Authorization", signed_iam.as_str()), DATE, FORM];
    let answer = ask(&world, ("POST", "/"), &headers, form.as_bytes());
    assert_eq!(answer.status, 400, "{}", answer.body);
    is_well(&world);
    until("memory is given back", || {
        (anonymous_kilobytes(world.server.pid()) < before + (64 << 10)).then_some(())
    });
}

#[test]
fn xml_is_not_read() {
    let world = World::start(&[]);
    let bomb = "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">\
                <!ENTITY f SYSTEM \"file:///etc/passwd\">]><x>&b;&f;</x>";
    for service in [
        "elasticloadbalancing",
        "ec2",
        "iam",
        "sts",
        "logs",
        "acm",
        "monitoring",
        "lambda",
        "s3",
    ] {
        let signed = signed(service);
        for content_type in ["text/xml", "application/xml", FORM.1] {
            let headers = [("Authorization", signed.as_str()), DATE, ("Content-Type", content_type)];
            let answer = ask(&world, ("POST", "/"), &headers, bomb.as_bytes());
            assert!(answer.status >= 400, "{service}: {}", answer.status);
            assert!(
                !answer.body.contains("root:") && !answer.body.contains("aaaaaaaaaa"),
                "{}",
                answer.body
            );
        }
    }
    // In a value it is text like any other, and is written so that no reader takes it for markup.
    let answer = elb(
        &world,
        "Action=DescribeLoadBalancers&Names.member.1=%3C%21DOCTYPE%20x%3E%26a%3B",
    );
    assert_eq!(element(&answer.body, "Code"), "LoadBalancerNotFound");
    assert!(answer.body.contains("&lt;!DOCTYPE x&gt;&amp;a;"), "{}", answer.body);
}

#[test]
fn a_hundred_thousand_parameters_are_refused() {
    let world = World::start(&[]);
    let many: String = (0..100_000).map(|number| format!("&a{number}=b")).collect();
    let nested: String = format!("&{}=x", "a.".repeat(100_000));
    let indexes = "&Names.member.4294967297=a&Names.member.99999999999999999999999=b&Names.member.0=c";
    for more in [many.as_str(), &nested, indexes] {
        let answer = elb(&world, &format!("Action=DescribeLoadBalancers{more}"));
        assert!((400..=414).contains(&answer.status), "{}", answer.status);
    }
    is_well(&world);
}

#[test]
fn huge_numbers_are_refused_in_words() {
    let world = World::start(&[]);
    for number in [
        "99999999999999999999999999",
        "-1",
        "0",
        "1e9",
        "0x10",
        "4294967297",
        "NaN",
        "",
    ] {
        let answer = elb(&world, &format!("Action=DescribeAccountLimits&PageSize={number}"));
        assert_eq!(answer.status, 400, "{number}: {}", answer.body);
        let code = element(&answer.body, "Code");
        assert!(
            ["ValidationError", "MalformedInput"].contains(&code),
            "{number}: {}",
            answer.body
        );
        let answer = lambda(&world, "GET", &format!("/2015-03-31/functions?MaxItems={number}"), b"");
        assert_eq!(answer.status, 400, "{number}: {}", answer.body);
    }
    for number in ["1e999", "99999999999999999999999999", "-1", "1.5", "\"1\"", "-0.0"] {
        let body = format!("{{\"limit\":{number}}}");
        let answer = logs(&world, "DescribeLogGroups", body.as_bytes());
        assert_eq!(answer.status, 400, "{number}: {}", answer.body);
        let path = "/2017-10-31/functions/hello/concurrency";
        let body = format!("{{\"ReservedConcurrentExecutions\":{number}}}");
        assert_eq!(lambda(&world, "PUT", path, body.as_bytes()).status, 400, "{number}");
    }
}

#[test]
fn what_is_no_utf_8_is_refused() {
    let world = World::start(&[]);
    let answer = logs(&world, "DescribeLogGroups", b"{\"logGroupNamePrefix\":\"\xff\xfe\"}");
    assert_eq!(answer.status, 400, "{}", answer.body);
    let answer = logs(&world, "DescribeLogGroups", b"{\"logGroupNamePrefix\":\"\\ud800\"}");
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert_eq!(
        elb(&world, "Action=DescribeLoadBalancers&Names.member.1=%c3%28").status,
        400
    );
    assert_eq!(lambda(&world, "GET", "/2015-03-31/functions/%ff%fe", b"").status, 400);
    // In a header, which may have any bytes.
    let mut connection = Connection::open(world.server.endpoint()).unwrap();
    let head = b"POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: AWS4-HMAC-SHA256 Credential=\xff/\xfe\r\nX-Amz-Target: \xff\r\n\
                 Content-Length: 2\r\n\r\n{}";
    connection.send(head).unwrap();
    assert!((400..=403).contains(&connection.response().unwrap().status));
    is_well(&world);
}

#[test]
fn a_bomb_of_gzip_is_not_unpacked() {
    use std::io::Write as _;
    let world = World::start(&[]);
    is_well(&world);
    let before = anonymous_kilobytes(world.server.pid());
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    (0..1024).for_each(|_| packed.write_all(&[b' '; 1 << 20]).unwrap());
    let packed = packed.finish().unwrap();
    assert!(packed.len() < 4 << 20);
    for (service, target) in [
        ("monitoring", "GraniteServiceVersion20100801.PutMetricData"),
        ("logs", "Logs_20140328.PutLogEvents"),
        ("acm", "CertificateManager.ListCertificates"),
    ] {
        let signed = signed(service);
        let headers = [
            ("Authorization", signed.as_str()),
            DATE,
            ("X-Amz-Target", target),
            ("Content-Type", "application/x-amz-json-1.0"),
            ("Content-Encoding", "gzip"),
        ];
        let answer = ask(&world, ("POST", "/"), &headers, &packed);
        assert!(
            (400..=415).contains(&answer.status),
            "{service}: {} {}",
            answer.status,
            answer.body
        );
        let headers = [
            ("Authorization", signed.as_str()),
            DATE,
            FORM,
            ("Content-Encoding", "gzip"),
        ];
        let answer = ask(&world, ("POST", "/"), &headers, &packed);
        assert!(
            (400..=415).contains(&answer.status),
            "{service}: {} {}",
            answer.status,
            answer.body
        );
        assert!(
            anonymous_kilobytes(world.server.pid()) < before + (128 << 10),
            "{service}"
        );
    }
    is_well(&world);
}

#[test]
fn resources_of_others_are_not_there() {
    let world = World::start(&[]);
    let described = elb(&world, "Action=DescribeLoadBalancers");
    let arn = element(&described.body, "LoadBalancerArn").to_owned();
    for foreign in [
        arn.replace(":000000000000:", ":111122223333:"),
        arn.replace(":us-east-1:", ":eu-west-1:"),
        arn.replace("arn:aws:", "arn:aws-cn:"),
    ] {
        assert_ne!(foreign, arn);
        for action in ["DescribeListeners", "DescribeLoadBalancerAttributes"] {
            let answer = elb(&world, &format!("Action={action}&LoadBalancerArn={foreign}"));
            // An ARN of another partition is none of ours.
            let expected = match foreign.contains("aws-cn") {
                true => "ValidationError",
                false => "LoadBalancerNotFound",
            };
            assert_eq!(element(&answer.body, "Code"), expected, "{foreign}: {}", answer.body);
        }
        let answer = elb(&world, &format!("Action=DescribeTags&ResourceArns.member.1={foreign}"));
        assert_eq!(answer.status, 400, "{}", answer.body);
        // What is not there is deleted already, and what is there stays.
        elb(&world, &format!("Action=DeleteLoadBalancer&LoadBalancerArn={foreign}"));
    }
    // A caller of another region sees nothing of this one.
    let elsewhere = SIGNED.1.replace("us-east-1", "eu-west-1");
    let headers = [("Authorization", elsewhere.as_str()), DATE, FORM];
    let form = b"Action=DescribeLoadBalancers&Version=2015-12-01";
    let answer = ask(&world, ("POST", "/"), &headers, form);
    assert!(
        answer.status == 200 && !answer.body.contains("LoadBalancerArn"),
        "{}",
        answer.body
    );
    let form = format!("Action=DescribeListeners&Version=2015-12-01&LoadBalancerArn={arn}");
    let answer = ask(&world, ("POST", "/"), &headers, form.as_bytes());
    assert_eq!(element(&answer.body, "Code"), "LoadBalancerNotFound", "{}", answer.body);
    for function in [
        "arn:aws:lambda:us-east-1:111122223333:function:hello",
        "111122223333:function:hello",
        "arn:aws:lambda:eu-west-1:000000000000:function:hello",
    ] {
        let path = format!("/2015-03-31/functions/{}", function.replace(':', "%3A"));
        let answer = lambda(&world, "GET", &path, b"");
        assert!(
            (400..=404).contains(&answer.status),
            "{function}: {} {}",
            answer.status,
            answer.body
        );
    }
    assert_eq!(
        elb(&world, "Action=DescribeLoadBalancers")
            .body
            .matches("<LoadBalancerArn>")
            .count(),
        1
    );
}

/// Every file below a folder.
fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() && !path.is_symlink() {
            true => found.extend(files(&path)),
            false => _ = found.insert(path),
        }
    }
    found
}

#[test]
fn names_lead_nowhere() {
    let world = World::start(&[]);
    let (_, status) = world.server.own_api("status");
    let data = PathBuf::from(status["data_dir"].as_str().unwrap());
    let around = data.parent().unwrap().to_owned();
    let outside = || -> BTreeSet<PathBuf> { files(&around).into_iter().filter(|it| !it.starts_with(&data)).collect() };
    let before = outside();
    // Log groups may have dots and slashes in their names, and are on the disk.
    let long = "../".repeat(60) + "x";
    for (at, group) in [
        "..",
        ".",
        "../../evil",
        "/../../../tmp/evil",
        "a/../../b",
        "/",
        "//",
        &long,
    ]
    .into_iter()
    .enumerate()
    {
        let name = serde_json::json!({ "logGroupName": group }).to_string();
        let answer = logs(&world, "CreateLogGroup", name.as_bytes());
        assert_eq!(answer.status, 200, "{group}: {}", answer.body);
        let stream = serde_json::json!({ "logGroupName": group, "logStreamName": "../../stream" }).to_string();
        assert_eq!(
            logs(&world, "CreateLogStream", stream.as_bytes()).status,
            200,
            "{group}"
        );
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_millis() as u64;
        let message = format!("event {at}");
        let put = serde_json::json!({ "logGroupName": group, "logStreamName": "../../stream",
            "logEvents": [{ "timestamp": now, "message": message }] });
        let answer = logs(&world, "PutLogEvents", put.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{group}: {}", answer.body);
        let answer = logs(&world, "GetLogEvents", stream.as_bytes());
        assert!(answer.body.contains(&message), "{group}: {}", answer.body);
        assert_eq!(logs(&world, "DeleteLogGroup", name.as_bytes()).status, 200, "{group}");
    }
    for name in [
        "..%2F..%2Fetc%2Fpasswd",
        "%2e%2e%2f%2e%2e",
        "..",
        ".",
        "hello%00",
        "a%2Fb",
        "hello%2F..%2Fhello",
    ] {
        for path in [
            format!("/2015-03-31/functions/{name}"),
            format!("/2018-10-31/layers/{name}/versions"),
            format!("/2015-03-31/functions/hello/aliases/{name}"),
            format!("/_albacore/packages/{name}.zip"),
            format!("/_albacore/packages/{name}"),
        ] {
            let answer = lambda(&world, "GET", &path, b"");
            assert!(
                (400..=404).contains(&answer.status),
                "{path}: {} {}",
                answer.status,
                answer.body
            );
        }
        let create = format!(
            "{{\"FunctionName\":\"{}\",\"Role\":\"r\",\"Code\":{{\"ZipFile\":\"UEsFBg==\"}}}}",
            name.replace("%2F", "/")
        );
        assert_eq!(
            lambda(&world, "POST", "/2015-03-31/functions", create.as_bytes()).status,
            400,
            "{name}"
        );
    }
    for name in ["../x", "..", "a/b", "a%00b", "%2Fx"] {
        let answer = elb(
            &world,
            &format!("Action=CreateTargetGroup&TargetType=lambda&Name={name}"),
        );
        assert_eq!(
            element(&answer.body, "Code"),
            "ValidationError",
            "{name}: {}",
            answer.body
        );
    }
    assert_eq!(outside(), before, "nothing is written outside of the data folder");
}

#[test]
fn tags_and_texts_make_no_headers() {
    let world = World::start(&[]);
    let made = elb(&world, "Action=CreateTargetGroup&Name=tagged&TargetType=lambda");
    let arn = element(&made.body, "TargetGroupArn").to_owned();
    let is_clean = |answer: &Response| {
        let is_clean = answer.values("x-evil").is_empty() && !answer.head.to_lowercase().contains("\nset-cookie");
        assert!(is_clean, "{}", answer.head);
    };
    for evil in [
        "a%0D%0AX-Evil:%201",
        "a%0D%0A%0D%0A%3Cscript%3E",
        "a%0AX-Evil:%201",
        "a%00b",
        "%0D%0ASet-Cookie:%20a",
    ] {
        for (key, value) in [("k", evil), (evil, "v")] {
            let tags = format!("ResourceArns.member.1={arn}&Tags.member.1.Key={key}&Tags.member.1.Value={value}");
            let answer = elb(&world, &format!("Action=AddTags&{tags}"));
            is_clean(&answer);
            assert_eq!(answer.status, 400, "{evil}: {}", answer.body);
        }
        let answer = elb(&world, &format!("Action={evil}"));
        is_clean(&answer);
        assert_eq!(answer.status, 400);
        is_clean(&lambda(&world, "GET", &format!("/2015-03-31/functions/{evil}"), b""));
        is_clean(&lambda(
            &world,
            "DELETE",
            &format!("/2017-03-31/tags/{evil}?tagKeys={evil}"),
            b"",
        ));
        // Answers of the load balancer itself, which have the text in a header.
        let described = elb(&world, "Action=DescribeLoadBalancers");
        let load_balancer = element(&described.body, "LoadBalancerArn");
        let listener = elb(
            &world,
            &format!(
                "Action=CreateListener&LoadBalancerArn={load_balancer}&Protocol=HTTP&Port=9001&DefaultActions.member.1.Type=redirect\
             &DefaultActions.member.1.RedirectConfig.StatusCode=HTTP_301&DefaultActions.member.1.RedirectConfig.Path=/{evil}"
            ),
        );
        is_clean(&listener);
        assert_eq!(listener.status, 400, "{evil}: {}", listener.body);
    }
    let answer = elb(&world, &format!("Action=DescribeTags&ResourceArns.member.1={arn}"));
    assert!(!answer.body.contains("Evil"), "{}", answer.body);
}

/// Others are served while a hundred clients send a byte now and then; what they hold is let go after a bound that is a matter
/// of `control`'s own tests.
#[test]
fn slow_senders_are_in_nobodys_way() {
    let world = World::start(&[]);
    let signed = signed("lambda");
    let mut slow: Vec<Connection> = (0..100)
        .map(|number| {
            let mut connection = Connection::open(world.server.endpoint()).unwrap();
            let (path, head) = match number % 3 {
                0 => (
                    "/",
                    "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nAction=",
                ),
                1 => (
                    "/2015-03-31/functions/hello/invocations",
                    "Transfer-Encoding: chunked\r\n\r\nff\r\n{\"a",
                ),
                _ => ("/", "X-Half-A-Head"),
            };
            let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {signed}\r\n{head}");
            connection.send(head.as_bytes()).unwrap();
            connection
        })
        .collect();
    for _ in 0..20 {
        slow.iter_mut().for_each(|connection| connection.send(b"a").unwrap());
        is_well(&world);
    }
}
