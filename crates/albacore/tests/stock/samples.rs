//! Sample events that public packages bring along, against the events that our function gets for the same requests.
//!
//! They are read from the installed packages and are nowhere in our tree. What a sample has otherwise than ALB does today
//! is named with it, and with the line of the specification that says so.

use crate::json::Json;
use crate::world::{MULTI, SINGLE, World, installed, manifest};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use testkit::{Connection, repository, run};

/// What makes a sample different from what ALB sends.
#[derive(Clone, Copy, PartialEq)]
enum Known {
    /// `connection` and `x-imforwards` among the headers. Source: ALB 3.2, "2018/2019 captures contain `connection:
    /// keep-alive` and `x-imforwards: 20`; captures since 2021 do not".
    OldHeaders,
    /// `isBase64Encoded` before `body`. Source: ALB 3.2, "One documentation sample swaps the last two keys".
    BodyLast,
    /// The members of both header modes at once. Source: ALB 3.2, "Only the member of the active mode is present".
    BothModes,
    /// The members in alphabetical order. Source: ALB 3.2, "keys in exactly this order"; some tool has sorted them.
    Sorted,
    /// `isBase64Encoded` where the body is text. Source: ALB 3.2, the body encoding decision; the sample is a template
    /// whose body somebody fills in.
    Template,
    /// No `body`. Source: ALB 3.2, "`body` | string; `""` when there is no body"; somebody has taken it out.
    NoBody,
    /// A text as body without a `content-type`. Source: ALB 3.2, "Everything else, including a missing `content-type`" is
    /// base64; somebody has put it in.
    TypelessBody,
}

/// The members of an event in single mode. Source: ALB 3.2.
const ORDER: [&str; 7] = [
    "requestContext",
    "httpMethod",
    "path",
    "queryStringParameters",
    "headers",
    "body",
    "isBase64Encoded",
];

/// The members of the other mode.
const OF_MULTI: [&str; 2] = ["multiValueQueryStringParameters", "multiValueHeaders"];
const OF_SINGLE: [&str; 2] = ["queryStringParameters", "headers"];

// ALB-L-007: their order. ALB-L-008: one mode. ALB-L-024: none is added
#[test]
fn samples_of_aws_lambda_go() {
    let modules = PathBuf::from(installed("go")).join("../go-modules/github.com/aws");
    let module = only_folder(&modules, "aws-lambda-go@");
    let name = |which: &str| module.join(format!("events/testdata/alb-lambda-target-request-{which}.json"));
    compare_all(&[
        (name("headers-only"), SINGLE, &[Known::OldHeaders]),
        (name("multivalue-headers"), MULTI, &[Known::OldHeaders]),
    ]);
}

// ALB-L-007: their order. ALB-L-008: one mode. ALB-L-024: none is added
#[test]
fn samples_of_aws_lambda_events() {
    let package = rust_package("aws_lambda_events");
    let name = |which: &str| package.join(format!("src/fixtures/example-alb-lambda-target-request-{which}.json"));
    compare_all(&[
        (name("headers-only"), SINGLE, &[Known::OldHeaders, Known::NoBody]),
        (
            name("multivalue-headers"),
            MULTI,
            &[Known::OldHeaders, Known::TypelessBody],
        ),
    ]);
}

// ALB-L-012: two lines. ALB-L-016: values as sent. ALB-L-025: no length without one
#[test]
fn samples_of_lambda_http() {
    let package = rust_package("lambda_http");
    let name = |which: &str| package.join(format!("tests/data/alb_{which}.json"));
    let both = &[Known::BothModes, Known::BodyLast];
    compare_all(&[
        (name("request"), SINGLE, &[Known::BodyLast]),
        (name("request_encoded_query_parameters"), SINGLE, &[Known::BodyLast]),
        (name("multi_value_request"), SINGLE, both),
        (name("multi_value_request"), MULTI, both),
        (name("multi_value_request_encoded_query_parameters"), SINGLE, both),
        (name("multi_value_request_encoded_query_parameters"), MULTI, both),
    ]);
}

// ALB-L-007: their order. ALB-L-024: none is added
#[test]
fn samples_of_sam_cli() {
    let package = PathBuf::from(installed("samples"));
    let name = package.join("samcli/lib/generated_sample_events/events/alb/ALBRequest.json");
    compare_all(&[(name, SINGLE, &[Known::OldHeaders, Known::Template])]);
}

// ALB-L-064: the event of a health check has one header
#[test]
fn samples_of_health_checks() {
    let package = rust_package("lambda_http");
    for (name, path, known) in [
        ("health_check", "/", &[][..]),
        ("no_host", "/v1/health/", &[Known::Sorted]),
    ] {
        let text = fs::read_to_string(package.join(format!("tests/data/alb_{name}.json"))).unwrap();
        let sample = expected(&Json::parse(&text), SINGLE, known);
        let check =
            format!("single: {{ function: stock, health_check: {{ path: '{path}', interval: 5s, timeout: 4s }} }}");
        let manifest = manifest(&installed("go"), "bootstrap").replace("single: { function: stock }", &check);
        let mut world = World::start_with(&manifest);
        let line = world.server.log_line("ELB-HealthChecker");
        let ours = Json::parse(line["message"].as_str().unwrap());
        compare(&sample, &ours, name);
    }
}

fn compare_all(samples: &[(PathBuf, u16, &[Known])]) {
    let world = World::start("go", "bootstrap");
    for (file, port, known) in samples {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let sample = expected(&Json::parse(&filled_in(&text)), *port, known);
        let ours = capture(&mut world.connect(*port), &sample, *port);
        compare(&sample, &ours, &file.display().to_string());
    }
}

/// A template, with what it leaves open.
fn filled_in(template: &str) -> String {
    let text = template.replace("{{{method}}}", "GET").replace("{{{body}}}", "");
    let open = ["path", "account_id", "dns_suffix"];
    open.iter()
        .fold(text, |text, name| text.replace(&format!("{{{{{{{name}}}}}}}"), name))
}

/// The sample without what is known to be otherwise; that it is otherwise is checked, so that no entry outlives its cause.
#[track_caller]
fn expected(sample: &Json, port: u16, known: &[Known]) -> Json {
    let mut members = sample.members().to_vec();
    let other_mode = if port == MULTI { OF_SINGLE } else { OF_MULTI };
    let length = members.len();
    members.retain(|(key, _)| !other_mode.contains(&key.as_str()));
    assert_eq!(members.len() < length, known.contains(&Known::BothModes));

    let is_sorted = members.is_sorted_by_key(|(key, _)| key.clone());
    assert_eq!(is_sorted, known.contains(&Known::Sorted));
    if is_sorted {
        members.sort_by_key(|(key, _)| ORDER.iter().position(|it| it == key));
    }

    let last = members.len() - 1;
    let body = members.iter_mut().find(|(key, _)| key == "body");
    assert_eq!(body.is_none(), known.contains(&Known::NoBody));
    match body {
        None => members.insert(last, ("body".to_owned(), Json::Text(String::new()))),
        Some((_, body)) if known.contains(&Known::TypelessBody) => {
            assert_ne!(*body, Json::Text(String::new()));
            *body = Json::Text(String::new());
        }
        Some(_) => {}
    }

    let last = members.len() - 1;
    assert_eq!(members[last].0 == "body", known.contains(&Known::BodyLast));
    if known.contains(&Known::BodyLast) {
        members.swap(last - 1, last);
    }
    let (_, base64) = members.last_mut().unwrap();
    assert_eq!(*base64 == Json::Bool(true), known.contains(&Known::Template));
    *base64 = Json::Bool(false);

    for (key, value) in &mut members {
        if let ("headers" | "multiValueHeaders", Json::Object(headers)) = (key.as_str(), value) {
            let length = headers.len();
            headers.retain(|(name, _)| !["connection", "x-imforwards"].contains(&name.as_str()));
            assert_eq!(headers.len() + 2 == length, known.contains(&Known::OldHeaders));
        }
    }
    Json::Object(members)
}

/// Sends the request that the sample comes from, and returns the event that it has become.
#[track_caller]
fn capture(connection: &mut Connection, sample: &Json, port: u16) -> Json {
    let text = |name: &str| sample.member(name).unwrap().texts().concat();
    let [query_key, headers_key] = if port == MULTI { OF_MULTI } else { OF_SINGLE };
    let query = sample.member(query_key).unwrap().members().iter();
    let query = query.flat_map(|(name, values)| values.texts().into_iter().map(move |value| format!("{name}={value}")));
    let query = query.collect::<Vec<_>>().join("&");
    let mut request = format!(
        "{} {}?{query} HTTP/1.1\r\nConnection: keep-alive\r\n",
        text("httpMethod"),
        text("path")
    );
    for (name, values) in sample.member(headers_key).unwrap().members() {
        if is_added(name) {
            continue;
        }
        for value in values.texts() {
            request += &format!("{name}: {value}\r\n");
        }
    }
    let body = text("body");
    if !body.is_empty() {
        // Without a length: the samples have none.
        request += &format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n", body.len());
    }
    connection.send((request + "\r\n").as_bytes()).unwrap();
    let answer = connection.response().unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    Json::parse(&answer.body)
}

/// Headers that the load balancer writes.
fn is_added(name: &str) -> bool {
    name.starts_with("x-forwarded-") || name == "x-amzn-trace-id"
}

/// The same members in the same order, the same types, and the same values where the client gave them.
#[track_caller]
fn compare(sample: &Json, ours: &Json, place: &str) {
    match (sample, ours) {
        (Json::Object(theirs), Json::Object(ours)) => {
            let keys = |members: &[(String, Json)]| members.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
            assert_eq!(keys(theirs), keys(ours), "{place}");
            for ((key, theirs), (_, ours)) in theirs.iter().zip(ours) {
                compare(theirs, ours, &format!("{place} {key}"));
            }
        }
        (Json::List(theirs), Json::List(ours)) => {
            assert_eq!(theirs.len(), ours.len(), "{place}");
            for (theirs, ours) in theirs.iter().zip(ours) {
                compare(theirs, ours, place);
            }
        }
        (Json::Text(theirs), Json::Text(ours)) => compare_texts(theirs, ours, place),
        _ => assert_eq!(sample, ours, "{place}"),
    }
}

/// Where the values are other ones they look alike.
#[track_caller]
fn compare_texts(theirs: &str, ours: &str, place: &str) {
    let name = place.rsplit(' ').next().unwrap();
    let looks = |text: &str| {
        let digit = |it: char| if it.is_ascii_hexdigit() { '0' } else { it };
        text.chars().map(digit).collect::<String>()
    };
    match name {
        "x-amzn-trace-id" => assert_eq!(looks(theirs), looks(ours), "{place}"),
        "x-forwarded-for" => assert_eq!(ours, "127.0.0.1"),
        "x-forwarded-port" => assert!(theirs.parse::<u16>().is_ok() && ours.parse::<u16>().is_ok(), "{place}"),
        "x-forwarded-proto" => assert!(["http", "https"].contains(&theirs) && ours == "http", "{place}"),
        // Our listener's port is not the usual one.
        "host" => assert_eq!(theirs, ours.rsplit_once(':').unwrap().0, "{place}"),
        "targetGroupArn" => {
            let parts = |arn: &str| arn.split([':', '/']).map(str::to_owned).collect::<Vec<_>>();
            let (theirs, ours) = (parts(theirs), parts(ours));
            assert_eq!(
                (&theirs[..3], &theirs[5], theirs.len()),
                (&ours[..3], &ours[5], ours.len())
            );
        }
        _ => assert_eq!(theirs, ours, "{place}"),
    }
}

/// Where Cargo keeps the source of a package that the Rust function uses.
#[track_caller]
fn rust_package(name: &str) -> PathBuf {
    let arguments = "metadata --offline --locked --format-version 1 --manifest-path";
    let manifest = repository("tests/stock/rust/Cargo.toml");
    let metadata = run(Command::new(env!("CARGO")).args(arguments.split(' ')).arg(manifest)).json();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == name).unwrap();
    Path::new(package["manifest_path"].as_str().unwrap())
        .parent()
        .unwrap()
        .to_owned()
}

/// The one folder whose name begins so: the version follows.
#[track_caller]
fn only_folder(parent: &Path, prefix: &str) -> PathBuf {
    let all = fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().path());
    let mut found = all.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(prefix));
    let first = found.next().unwrap();
    assert_eq!(found.next(), None);
    first
}
