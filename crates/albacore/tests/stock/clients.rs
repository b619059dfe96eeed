//! One test for each language.

use crate::json::Json;
use crate::world::{MULTI, SINGLE, World};
use rustix::process::Signal;
use serde_json::Value;
use std::thread;
use testkit::Connection;

/// What differs between the languages.
struct Client {
    /// The folder in `target/stock`.
    language: &'static str,
    handler: &'static str,
    /// The type of the error that `/fail` ends in, as this client names it.
    error_type: &'static str,
    /// The members of the error's document, in the order in which this client writes them.
    error_members: &'static [&'static str],
    /// What the verdict on a request says when the function cannot start.
    init_failure: &'static str,
}

// LAM-R-031: awslambdaric. LAM-I-018: its error, as it was posted
#[test]
fn python_awslambdaric() {
    check(&Client {
        language: "python",
        handler: "function.handler",
        error_type: "ValueError",
        error_members: &["errorMessage", "errorType", "requestId", "stackTrace"],
        init_failure: "told to fail at init",
    });
}

// LAM-R-031: aws-lambda-ric. LAM-I-018: its error, as it was posted
#[test]
fn node_aws_lambda_ric() {
    check(&Client {
        language: "node",
        handler: "function.handler",
        error_type: "RangeError",
        error_members: &["errorType", "errorMessage", "trace"],
        init_failure: "told to fail at init",
    });
}

// LAM-R-031: aws-lambda-go. LAM-I-018: its error, as it was posted
#[test]
fn go_aws_lambda_go() {
    check(&Client {
        language: "go",
        handler: "bootstrap",
        error_type: "errorString",
        error_members: &["errorMessage", "errorType"],
        init_failure: "exit status 2",
    });
}

// LAM-R-031: aws-lambda-java-runtime-interface-client. LAM-I-018: its error, as it was posted
#[test]
fn java_runtime_interface_client() {
    check(&Client {
        language: "java",
        handler: "stock.Function::handle",
        error_type: "java.lang.IllegalArgumentException",
        error_members: &["errorMessage", "errorType", "stackTrace"],
        init_failure: "told to fail at init",
    });
}

// LAM-R-031: lambda_runtime. LAM-I-018: its error, as it was posted
#[test]
fn rust_lambda_runtime() {
    check(&Client {
        language: "rust",
        handler: "bootstrap",
        error_type: "alloc::boxed::Box<dyn core::error::Error",
        error_members: &["errorType", "errorMessage"],
        init_failure: "exit status 1",
    });
}

fn check(client: &Client) {
    let mut world = World::start(client.language, client.handler);
    for port in [SINGLE, MULTI] {
        greets(&world, &mut world.connect(port), client);
        shows_the_event(&mut world.connect(port), port);
        fails_and_goes_on(&world, client, port);
        answers_one_after_the_other(&mut world.connect(port));
        answers_many_at_once(&world, port);
    }
    its_error_arrives(&world, client);
    cannot_start(&world, client);
    greets(&world, &mut world.connect(SINGLE), client);
    world.server.signal(Signal::TERM);
    assert_eq!(world.server.exit_code(), Some(0));
}

fn greets(world: &World, connection: &mut Connection, client: &Client) {
    let answer = connection.get("/hello").unwrap();
    let expected = format!("Hello from {} stock", client.language);
    assert_eq!(answer.status, 200, "{:?}", world.last_failure());
    assert_eq!(answer.body, expected);
    assert_eq!(answer.values("content-type"), ["text/plain"]);
}

/// The bytes of the event are those that ALB sends: nothing more, nothing less, in its order.
fn shows_the_event(connection: &mut Connection, port: u16) {
    let body = "{\"name\": \"Zo\u{eb} \\ \u{1f980}\"}\n\ttab";
    let headers = [
        ("User-Agent", "probe/1"),
        ("X-Tag", "one"),
        ("X-Tag", "two, three"),
        ("Content-Type", "application/json"),
    ];
    let target = "/echo/a%20b//c?tag=1&q=%22x+y%22&tag=2&flag";
    let answer = connection.ask("POST", target, &headers, body.as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);

    let seen: Value = serde_json::from_str(&answer.body).unwrap();
    let group = seen["requestContext"]["elb"]["targetGroupArn"].as_str().unwrap();
    assert!(group.starts_with("arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/"));
    let (query_key, headers_key) = if port == MULTI {
        ("multiValueQueryStringParameters", "multiValueHeaders")
    } else {
        ("queryStringParameters", "headers")
    };
    let trace = match &seen[headers_key]["x-amzn-trace-id"] {
        Value::Array(values) => values[0].as_str().unwrap(),
        value => value.as_str().unwrap(),
    };
    let query = [("tag", vec!["1", "2"]), ("q", vec!["%22x+y%22"]), ("flag", vec![""])];
    let length = body.len().to_string();
    let (port_text, host) = (port.to_string(), format!("localhost:{port}"));
    let headers = [
        ("content-length", vec![length.as_str()]),
        ("content-type", vec!["application/json"]),
        ("host", vec![host.as_str()]),
        ("user-agent", vec!["probe/1"]),
        ("x-amzn-trace-id", vec![trace]),
        ("x-forwarded-for", vec!["127.0.0.1"]),
        ("x-forwarded-port", vec![port_text.as_str()]),
        ("x-forwarded-proto", vec!["http"]),
        ("x-tag", vec!["one", "two, three"]),
    ];
    let expected = format!(
        "{{\"requestContext\":{{\"elb\":{{\"targetGroupArn\":\"{group}\"}}}},\"httpMethod\":\"POST\",\
         \"path\":\"/echo/a%20b//c\",\"{query_key}\":{},\"{headers_key}\":{},\"body\":{},\"isBase64Encoded\":false}}",
        members(&query, port),
        members(&headers, port),
        serde_json::to_string(body).unwrap(),
    );
    assert_eq!(answer.body, expected);
}

/// The members of an object as the mode of this port wants them: arrays, or the last value.
fn members(all: &[(&str, Vec<&str>)], port: u16) -> String {
    let value = |values: &Vec<&str>| match port {
        MULTI => serde_json::to_string(values).unwrap(),
        _ => serde_json::to_string(values.last().unwrap()).unwrap(),
    };
    let members = all.iter().map(|(name, values)| format!("\"{name}\":{}", value(values)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

/// What a client reports as a failed invocation is a 502, and the next request is served.
fn fails_and_goes_on(world: &World, client: &Client, port: u16) {
    let mut connection = world.connect(port);
    assert_eq!(connection.get("/fail").unwrap().status, 502);
    let (reason, verdict) = world.last_failure();
    assert_eq!(reason, "LambdaUnhandled");
    assert!(
        verdict.contains("told to fail") && verdict.contains(client.error_type),
        "{verdict}"
    );
    greets(world, &mut connection, client);
}

/// Whoever invokes the function gets the document that the client has posted, member by member.
fn its_error_arrives(world: &World, client: &Client) {
    let event = r#"{"requestContext":{"elb":{"targetGroupArn":"arn"}},"httpMethod":"GET","path":"/fail"}"#;
    let invoked = world.folder.run(&["invoke", "stock", "--payload", event]);
    assert_eq!(invoked.code, Some(1), "{invoked:?}");
    let document = Json::parse(&invoked.out);
    let members: Vec<_> = document.members().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(members, client.error_members);
    let text = |name| document.member(name).unwrap().texts().concat();
    assert_eq!(text("errorMessage"), "told to fail");
    assert!(text("errorType").contains(client.error_type), "{}", invoked.out);
}

fn answers_one_after_the_other(connection: &mut Connection) {
    for number in 0..100 {
        answers_this(connection, &format!("/sequential/{number}"));
    }
}

/// More than there may be environments.
fn answers_many_at_once(world: &World, port: u16) {
    let connections: Vec<_> = (0..20).map(|_| world.connect(port)).collect();
    thread::scope(|scope| {
        for (number, mut connection) in connections.into_iter().enumerate() {
            scope.spawn(move || {
                for round in 0..5 {
                    answers_this(&mut connection, &format!("/concurrent/{number}/{round}"));
                }
            });
        }
    });
}

/// The answer is the one to this request and to no other.
fn answers_this(connection: &mut Connection, path: &str) {
    let answer = connection.get(path).unwrap();
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    let seen: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(seen["path"], path);
}

/// Every request tries again, and every one fails.
fn cannot_start(world: &World, client: &Client) {
    let mut connection = world.connect(SINGLE);
    for _ in 0..2 {
        assert_eq!(connection.get("/broken").unwrap().status, 502);
        let (reason, verdict) = world.last_failure();
        assert_eq!(reason, "LambdaUnhandled");
        assert!(verdict.contains(client.init_failure), "{verdict}");
    }
}
