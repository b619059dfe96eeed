//! Tags that are given while something is made ask for the action that gives tags, too.

use super::*;

/// Calls that make something, with tags and without; their action, and the one that gives tags, with what it is about.
#[allow(clippy::type_complexity, reason = "a table")]
const CALLS: [(&str, &str, &[(&str, &str)], &str, &str, &str, &str, &str); 5] = [
    (
        "lambda",
        "POST /2015-03-31/functions",
        &[],
        r#"{"FunctionName":"f","Tags":{"team":"a"}}"#,
        r#"{"FunctionName":"f","Tags":{}}"#,
        "lambda:CreateFunction",
        "lambda:TagResource",
        F,
    ),
    (
        "acm",
        "POST /",
        &[("x-amz-target", "CertificateManager.RequestCertificate")],
        r#"{"DomainName":"a.test","Tags":[{"Key":"team","Value":"a"}]}"#,
        r#"{"DomainName":"a.test"}"#,
        "acm:RequestCertificate",
        "acm:AddTagsToCertificate",
        "arn:aws:acm:eu-west-1:111122223333:certificate/*",
    ),
    (
        "acm",
        "POST /",
        &[("x-amz-target", "CertificateManager.ImportCertificate")],
        r#"{"Certificate":"x","Tags":[{"Key":"team","Value":"a"}]}"#,
        r#"{"Certificate":"x","Tags":[]}"#,
        "acm:ImportCertificate",
        "acm:AddTagsToCertificate",
        "arn:aws:acm:eu-west-1:111122223333:certificate/*",
    ),
    (
        "logs",
        "POST /",
        &[("x-amz-target", "Logs_20140328.CreateLogGroup")],
        r#"{"logGroupName":"g","tags":{"team":"a"}}"#,
        r#"{"logGroupName":"g"}"#,
        "logs:CreateLogGroup",
        "logs:TagResource",
        "arn:aws:logs:eu-west-1:111122223333:log-group:g",
    ),
    (
        "logs",
        "POST /",
        &[("x-amz-target", "Logs_20140328.CreateLogGroup")],
        r#"{"logGroupName":"g","tags":{"team":"a"}}"#,
        r#"{"logGroupName":"g","tags":{}}"#,
        "logs:CreateLogGroup",
        "logs:TagLogGroup",
        "arn:aws:logs:eu-west-1:111122223333:log-group:g",
    ),
];

#[test]
fn tags_of_what_is_made_ask_for_their_own_action() {
    for (service, target, headers, tagged, plain, makes, tags, resource) in CALLS {
        let may = |statements: &str, body: &str| may_call(service, statements, target, headers, body);
        let make = lambda(makes, "*");
        assert!(may(&make, plain), "{makes}");
        assert!(!may(&make, tagged), "{makes}");
        let tag = lambda(tags, resource);
        assert!(may(&format!("{make},{tag}"), tagged), "{makes}: {tag}");
        let other = lambda(tags, "arn:aws:s3:::other");
        assert!(!may(&format!("{make},{other}"), tagged), "{makes}");
        let all = lambda(&format!("{service}:*"), "*");
        let deny = tag.replace("Allow", "Deny");
        assert!(may(&format!("{all},{deny}"), plain), "{makes}");
        assert!(!may(&format!("{all},{deny}"), tagged), "{makes}");
        // Which tags it is about can be asked.
        for (value, expected) in [("a", true), ("b", false)] {
            let condition = format!(r#""Condition":{{"StringEquals":{{"aws:RequestTag/team":"{value}"}}}}"#);
            let tag = format!(r#"{{"Effect":"Allow","Action":"{tags}","Resource":"*",{condition}}}"#);
            assert_eq!(may(&format!("{make},{tag}"), tagged), expected, "{tag}");
        }
    }
}

/// What is not understood could be a tag.
#[test]
fn tags_that_cannot_be_read_are_tags() {
    let make = lambda("lambda:CreateFunction", "*");
    let body = r#"{"FunctionName":"f","Tags":[1]}"#;
    assert!(!may_call("lambda", &make, "POST /2015-03-31/functions", &[], body));
    let make = lambda("logs:CreateLogGroup", "*");
    let headers = [("x-amz-target", "Logs_20140328.CreateLogGroup")];
    assert!(!may_call(
        "logs",
        &make,
        "POST /",
        &headers,
        r#"{"logGroupName":"g","tags":1}"#
    ));
}
