use super::*;
use crate::health::TargetEntry;
use crate::health::tests::played::target;
use model::elb::health_check::HealthCheckPath;

// ALB-L-064: the event has the header user-agent alone
#[test]
fn the_event_byte_for_byte() {
    let mut entry: TargetEntry = target("g");
    entry.health_check.path = HealthCheckPath::try_from("/up?x=1").unwrap();
    let arn = entry.group.clone();
    assert_eq!(
        event(&entry),
        format!(
            r#"{{"requestContext":{{"elb":{{"targetGroupArn":"{arn}"}}}},"httpMethod":"GET","path":"/up?x=1","queryStringParameters":{{}},"headers":{{"user-agent":"ELB-HealthChecker/2.0"}},"body":"","isBase64Encoded":false}}"#
        )
    );
    entry.multi_value = true;
    assert_eq!(
        event(&entry),
        format!(
            r#"{{"requestContext":{{"elb":{{"targetGroupArn":"{arn}"}}}},"httpMethod":"GET","path":"/up?x=1","multiValueQueryStringParameters":{{}},"multiValueHeaders":{{"user-agent":["ELB-HealthChecker/2.0"]}},"body":"","isBase64Encoded":false}}"#
        )
    );
}

// ALB-L-065: the matcher judges the statusCode
#[test]
fn outcomes() {
    const PASS: Ended = Ended::Passed(200);
    let document = |text: &str| InvokeOutcome::Buffered(text.to_owned().into());
    let error = InvokeOutcome::FunctionError {
        error_type: "Runtime.ExitError".to_owned(),
        payload: "{}".into(),
    };
    let large = format!(r#"{{"statusCode":200,"body":"{}"}}"#, "x".repeat(LIMIT_BYTES));
    for (outcome, matcher, ended) in [
        (document(r#"{"statusCode":200}"#), "200", PASS),
        (document(r#"{"statusCode":301}"#), "200", Ended::WrongCode(301)),
        (document(r#"{"statusCode":205}"#), "200,204-206", Ended::Passed(205)),
        (document(r#"{"statusCode":207}"#), "200,204-206", Ended::WrongCode(207)),
        (document(r#"{"statusCode":"200"}"#), "200", Ended::Failed),
        (document(&large), "200", Ended::Failed),
        (error, "200", Ended::Failed),
        (InvokeOutcome::Refused(InvokeRefusal::Throttled), "200", Ended::Failed),
        (InvokeOutcome::Refused(InvokeRefusal::NotFound), "200", Ended::Failed),
        (
            InvokeOutcome::Refused(InvokeRefusal::ServiceFailure),
            "200",
            Ended::Internal,
        ),
    ] {
        let matcher = HttpMatcher::try_from(matcher).unwrap();
        assert_eq!(judge(outcome, false, &matcher).0, ended);
    }
    let multi = document(r#"{"statusCode":200,"multiValueHeaders":null}"#);
    let matcher = HttpMatcher::try_from("200").unwrap();
    assert_eq!(judge(multi.clone(), true, &matcher).0, Ended::Failed);
    assert_eq!(judge(multi, false, &matcher).0, PASS);
}
