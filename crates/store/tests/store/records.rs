//! What holds of every record, and what is no record.

use crate::draw::Draw;
use model::Change;
use proptest::prelude::*;
use store::record::{Kind, decode, encode, subject};

proptest! {
    /// What was written is read as it was, of every kind and with everything in it.
    #[test]
    fn records_are_read_as_they_were_written(numbers in proptest::collection::vec(any::<u32>(), 0..80)) {
        let change = Draw::listed(numbers).change();
        let record = encode(&change);
        let read = decode(&record);
        prop_assert!(read.is_ok(), "{}: {:?}", String::from_utf8_lossy(&record), read);
        prop_assert_eq!(read.unwrap(), change);
    }

    /// Bytes that nobody wrote are refused or read, and never a reason to panic.
    #[test]
    fn changed_bytes_do_no_harm(
        numbers in proptest::collection::vec(any::<u32>(), 0..80),
        at in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut record = encode(&Draw::listed(numbers).change());
        let at = at.index(record.len());
        record[at] = byte;
        if let Ok(change) = decode(&record) {
            prop_assert_eq!(decode(&encode(&change)).unwrap(), change);
        }
    }
}

#[test]
fn the_drawn_changes_are_of_every_kind() {
    let mut draw = Draw::seeded(7);
    let changes: Vec<Change> = (0..6000).map(|_| draw.change()).collect();
    for kind in Kind::ALL {
        let of_kind = changes.iter().filter(|change| subject(change).0 == kind);
        let (put, deleted): (Vec<_>, Vec<_>) =
            of_kind.partition(|it| String::from_utf8_lossy(&encode(it)).contains("\"put\":"));
        assert!(!put.is_empty(), "{kind}");
        // Tags are taken away by putting none; what is kept about a function goes with it, and numbers of layers stay.
        let is_never_deleted = matches!(kind, Kind::Tags | Kind::FunctionRecord | Kind::Layer);
        assert_eq!(deleted.is_empty(), is_never_deleted, "{kind}");
    }
}

/// A bucket stands where a function's ARN stands, so that records without one are as they always were.
#[test]
fn failures_may_go_into_a_bucket() {
    let of = |on_success: &str, on_failure: &str| {
        format!(
            r#"{{"kind":"event_invoke_config","version":1,"put":{{"function":"arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST","maximum_retry_attempts":0,"maximum_event_age_secs":null,"on_success":{on_success},"on_failure":{on_failure},"last_modified_millis":1,"owner":"api"}}}}"#
        )
    };
    let bucket = r#""arn:aws:s3:::dead-letters""#;
    let record = of("null", bucket);
    let change = decode(record.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(encode(&change)).unwrap(), record);
    assert!(format!("{change:?}").contains("on_failure: Some(arn:aws:s3:::dead-letters)"));
    for (on_success, on_failure) in [
        (bucket, "null"),
        ("null", r#""arn:aws:s3:::../etc""#),
        ("null", r#""arn:aws:sqs:us-east-1:000000000000:dead""#),
    ] {
        assert!(decode(of(on_success, on_failure).as_bytes()).is_err(), "{on_failure}");
    }
}

/// Records of before an action had an order of its own say nothing of it, and the usual order is still written so.
#[test]
fn an_order_of_actions_is_kept() {
    let of = |order: &str| {
        let listener =
            "arn:aws:elasticloadbalancing:us-east-1:000000000000:listener/app/a/0000000000000001/0000000000000002";
        let rule = "arn:aws:elasticloadbalancing:us-east-1:000000000000:listener-rule/app/a/0000000000000001/0000000000000002/0000000000000003";
        let response = r#"{"fixed_response":{"status":200,"content_type":"text/plain","body":""}}"#;
        format!(
            r#"{{"kind":"rule","version":1,"put":{{"arn":"{rule}","listener":"{listener}","priority":7,"conditions":[{{"source_ip":["10.0.0.0/8"]}}],"transforms":{{"host":null,"url":null}},"actions":{{"answer":{response}{order}}},"owner":"api"}}}}"#
        )
    };
    for (order, number) in [("", 1), (r#","order":5"#, 5), (r#","order":50000"#, 50_000)] {
        let record = of(order);
        let change = decode(record.as_bytes()).unwrap_or_else(|error| panic!("{record}: {error:?}"));
        let model::Change::PutRule(rule) = &change else {
            panic!("{change:?}")
        };
        assert_eq!(rule.actions.order.number(), number);
        assert_eq!(String::from_utf8(encode(&change)).unwrap(), record);
    }
    for order in ["0", "50001"] {
        refused(
            &of(&format!(r#","order":{order}"#)),
            &format!("it is a rule that cannot be: action order {order} is not between 1 and 50000"),
        );
    }
}

#[track_caller]
fn refused(record: &str, sentence: &str) {
    let error = decode(record.as_bytes()).unwrap_err();
    let mut said = error.to_string();
    if let Some(cause) = std::error::Error::source(&error) {
        said = format!("{said}: {cause}");
    }
    assert!(said.starts_with(sentence), "{said}");
}

#[test]
fn what_is_not_understood_in_full_is_refused() {
    let arn = "arn:aws:lambda:eu-west-1:111122223333:function:orders";
    let tags = format!(r#"{{"resource":"{arn}","tags":{{}}}}"#);
    assert!(decode(format!(r#"{{"kind":"tags","version":1,"put":{tags}}}"#).as_bytes()).is_ok());
    refused("", "it is no record: EOF");
    refused("[]", "it is no record: ");
    refused(
        r#"{"kind":"tags","version":1}"#,
        "it is a tags that is neither put nor deleted, or both",
    );
    refused(
        &format!(r#"{{"kind":"tags","version":1,"put":{tags},"delete":"{arn}"}}"#),
        "it is a tags that is neither put nor deleted, or both",
    );
    refused(
        &format!(r#"{{"kind":"tags","version":1,"put":{tags},"until":7}}"#),
        "it is no record: unknown field `until`",
    );
    refused(
        &format!(r#"{{"kind":"gateway","version":1,"put":{tags}}}"#),
        "it is of the kind \"gateway\", which this albacore does not know",
    );
    for version in [0, 2] {
        refused(
            &format!(r#"{{"kind":"tags","version":{version},"put":{tags}}}"#),
            &format!("it is a tags of version {version}, and this albacore knows versions up to 1"),
        );
    }
    refused(
        &format!(r#"{{"kind":"tags","version":1,"put":{{"resource":"{arn}","tags":{{}},"colour":"red"}}}}"#),
        "it is no tags of version 1: unknown field `colour`",
    );
    refused(
        r#"{"kind":"tags","version":1,"put":{"tags":{}}}"#,
        "it is no tags of version 1: missing field `resource`",
    );
    refused(
        r#"{"kind":"tags","version":1,"put":{"resource":"arn:x","tags":{}}}"#,
        "it is no tags of version 1: \"arn:x\" is not the ARN of a resource that has tags",
    );
    refused(
        &format!(r#"{{"kind":"tags","version":1,"put":{{"resource":"{arn}","tags":{{"aws:a":""}}}}}}"#),
        "it is a tags that cannot be: tag key \"aws:a\"",
    );
    refused(
        &format!(r#"{{"kind":"listener","version":1,"delete":"{arn}"}}"#),
        &format!("it is a listener that cannot be: \"{arn}\" is not the ARN of a listener"),
    );
    refused(
        r#"{"kind":"load_balancer","version":1,"put":{"arn":"arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/a/0000000000000001","name":"a","scheme":"sideways"}}"#,
        "it is no load_balancer of version 1: invalid value: string \"sideways\", expected one of \"internet-facing\" \"internal\"",
    );
}
