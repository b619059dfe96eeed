//! Calls as bytes: what no SDK sends.

use crate::world::World;
use testkit::{Connection, Response};

pub(crate) const SIGNED: (&str, &str) = (
    "Authorization",
    "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/elasticloadbalancing/aws4_request, SignedHeaders=host, \
     Signature=0000000000000000000000000000000000000000000000000000000000000000",
);
pub(crate) const DATE: (&str, &str) = ("X-Amz-Date", "20260101T000000Z");
pub(crate) const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");

#[track_caller]
fn call(world: &World, headers: &[(&str, &str)], body: &str) -> Response {
    let mut connection = Connection::open(world.server.endpoint()).unwrap();
    connection.ask("POST", "/", headers, body.as_bytes()).unwrap()
}

pub(crate) fn element<'a>(body: &'a str, name: &str) -> &'a str {
    let (_, rest) = body
        .split_once(&format!("<{name}>"))
        .unwrap_or_else(|| panic!("{body}"));
    rest.split_once(&format!("</{name}>")).unwrap().0
}

// ALB-P-002: the envelope of answers. ALB-P-004: the header has the same request id
#[test]
fn answers_have_an_envelope() {
    let world = World::start(&[]);
    let headers = [SIGNED, DATE, FORM];
    let answer = call(&world, &headers, "Action=DescribeAccountLimits&Version=2015-12-01");
    assert_eq!((answer.status, answer.values("content-type")), (200, vec!["text/xml"]));
    let begin = "<DescribeAccountLimitsResponse xmlns=\"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/\">\
                 <DescribeAccountLimitsResult><Limits><member>";
    assert!(answer.body.starts_with(begin), "{}", answer.body);
    let end = "</ResponseMetadata></DescribeAccountLimitsResponse>\n";
    assert!(answer.body.ends_with(end), "{}", answer.body);
    assert_eq!(answer.values("x-amzn-requestid"), [element(&answer.body, "RequestId")]);
    // The same as a GET.
    let mut connection = Connection::open(world.server.endpoint()).unwrap();
    let target = "/?Action=DescribeAccountLimits&Version=2015-12-01";
    assert_eq!(connection.ask("GET", target, &headers, b"").unwrap().status, 200);
    // An operation without output has an empty result.
    let gone =
        "arn%3Aaws%3Aelasticloadbalancing%3Aus-east-1%3A000000000000%3Aloadbalancer%2Fapp%2Fx%2F0000000000000001";
    let body = format!("Action=DeleteLoadBalancer&Version=2015-12-01&LoadBalancerArn={gone}");
    let answer = call(&world, &headers, &body);
    assert!(answer.body.contains("<DeleteLoadBalancerResult/>"), "{}", answer.body);
}

// ALB-P-001: the classic API is another one. ALB-P-003: errors
#[test]
fn what_cannot_be_answered_is_an_error_of_aws() {
    let world = World::start(&[]);
    let headers = [SIGNED, DATE, FORM];
    for (body, status, code) in [
        ("Action=DescribeLoadBalancers&Version=2012-06-01", 400, "InvalidAction"),
        ("Action=Dance&Version=2015-12-01", 400, "InvalidAction"),
        ("Action=Dance%3Cscript%3E&Version=2015-12-01", 400, "InvalidAction"),
        ("Version=2015-12-01", 400, "MissingAction"),
        ("", 400, "MissingAction"),
        ("Action=a&Action=b&Version=2015-12-01", 400, "MalformedQueryString"),
        ("Action=%ff&Version=2015-12-01", 400, "MalformedQueryString"),
        (
            "Action=DescribeTags&Version=2015-12-01&ResourceArns=x",
            400,
            "MalformedQueryString",
        ),
        (
            "Action=DescribeAccountLimits&Version=2015-12-01&Colour=red",
            501,
            "NotImplemented",
        ),
        (
            "Action=CreateTargetGroup&Version=2015-12-01&TargetType=lambda&Name=a&Name.b=c",
            501,
            "NotImplemented",
        ),
    ] {
        let answer = call(&world, &headers, body);
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
        let begin = "<ErrorResponse xmlns=\"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/\"><Error>\
                     <Type>Sender</Type><Code>";
        assert!(answer.body.starts_with(begin), "{}", answer.body);
        assert_eq!(element(&answer.body, "Code"), code, "{body}: {}", answer.body);
        assert!(!answer.body.contains("<script>"), "{}", answer.body);
        assert_eq!(answer.values("x-amzn-requestid"), [element(&answer.body, "RequestId")]);
    }
}

#[test]
fn large_bodies_are_refused() {
    let world = World::start(&[]);
    let headers = [SIGNED, DATE, FORM];
    let body = format!("Action=AddTags&Version=2015-12-01&x={}", "a".repeat(5 << 20));
    let answer = call(&world, &headers, &body);
    assert_eq!(
        (answer.status, element(&answer.body, "Code")),
        (413, "RequestEntityTooLarge")
    );
    let many: String = (0..20_000)
        .map(|number| format!("&Tags.member.{number}.Key=a"))
        .collect();
    let answer = call(&world, &headers, &format!("Action=AddTags&Version=2015-12-01{many}"));
    assert_eq!(
        (answer.status, element(&answer.body, "Code")),
        (400, "MalformedQueryString")
    );
}

/// No page of the web can set the header, and nobody's browser may be made to call.
#[test]
fn calls_are_signed_and_come_from_no_web_page() {
    let world = World::start(&[]);
    let body = "Action=DescribeAccountLimits&Version=2015-12-01";
    let answer = call(&world, &[FORM], body);
    assert_eq!(
        (answer.status, element(&answer.body, "Code")),
        (403, "MissingAuthenticationToken")
    );
    let answer = call(&world, &[SIGNED, FORM], body);
    assert_eq!(
        (answer.status, element(&answer.body, "Code")),
        (400, "IncompleteSignature")
    );
    for foreign in [
        ("Origin", "https://attacker.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
    ] {
        assert_eq!(
            call(&world, &[SIGNED, DATE, FORM, foreign], body).status,
            403,
            "{foreign:?}"
        );
    }
    let mut connection = Connection::open(world.server.endpoint()).unwrap();
    let presigned = "/?Action=DescribeAccountLimits&Version=2015-12-01&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=\
                     AKID%2F20260101%2Fus-east-1%2Felasticloadbalancing%2Faws4_request&X-Amz-Date=20260101T000000Z\
                     &X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=";
    let target = format!("{presigned}{}", "0".repeat(64));
    let answer = connection.ask("GET", &target, &[], b"").unwrap();
    assert_eq!((answer.status, element(&answer.body, "Code")), (403, "AccessDenied"));
}

#[test]
fn other_services_are_named() {
    let world = World::start(&[]);
    let signed = SIGNED.1.replace("elasticloadbalancing", "sns");
    let answer = call(&world, &[("Authorization", &signed), DATE, FORM], "Action=ListTopics");
    assert_eq!((answer.status, element(&answer.body, "Code")), (501, "NotImplemented"));
    assert!(answer.body.contains("(sns, operation ListTopics)"), "{}", answer.body);
    let signed = SIGNED.1.replace("elasticloadbalancing", "dynamodb");
    let target = ("X-Amz-Target", "DynamoDB_20120810.ListTables");
    let answer = call(&world, &[("Authorization", &signed), DATE, target], "{}");
    assert_eq!(answer.status, 501);
    assert!(answer.body.contains("NotImplementedException"), "{}", answer.body);
    assert!(
        answer
            .body
            .contains("(dynamodb, operation DynamoDB_20120810.ListTables)"),
        "{}",
        answer.body
    );
}
