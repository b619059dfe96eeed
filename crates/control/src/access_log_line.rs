//! Access-log lines taken apart again, with AWS's names for the fields. Source: ALB 8.1.2.

use serde_json::{Map, Value};

/// The names of all fields, in order. Source: ALB 8.1.2.
const FIELDS: [&str; 33] = [
    "type",
    "time",
    "elb",
    "client:port",
    "target:port",
    "request_processing_time",
    "target_processing_time",
    "response_processing_time",
    "elb_status_code",
    "target_status_code",
    "received_bytes",
    "sent_bytes",
    "request",
    "user_agent",
    "ssl_cipher",
    "ssl_protocol",
    "target_group_arn",
    "trace_id",
    "domain_name",
    "chosen_cert_arn",
    "matched_rule_priority",
    "request_creation_time",
    "actions_executed",
    "redirect_url",
    "error_reason",
    "target:port_list",
    "target_status_code_list",
    "classification",
    "classification_reason",
    "conn_trace_id",
    "transformed_host",
    "transformed_uri",
    "request_transform_status",
];

/// The fields of a line by name, as text, without quotes. What stands after the last known field is left out, as AWS
/// asks of readers.
pub(crate) fn by_name(line: &str) -> Map<String, Value> {
    let fields = split(line).map(|field| Value::String(field.to_owned()));
    FIELDS.iter().map(|name| (*name).to_owned()).zip(fields).collect()
}

/// Cuts at single spaces outside of double quotes. A quote inside a quoted field is written `\x22`, so none is met.
fn split(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(line.trim_end_matches(['\r', '\n']));
    std::iter::from_fn(move || {
        let text = rest?;
        let (field, left) = match text.strip_prefix('"') {
            Some(quoted) => {
                let (field, left) = quoted.split_once('"').unwrap_or((quoted, ""));
                (field, left.strip_prefix(' '))
            }
            None => match text.split_once(' ') {
                Some((field, left)) => (field, Some(left)),
                None => (text, None),
            },
        };
        rest = left;
        Some(field)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_with_spaces_are_one_field() {
        let cases: [(&str, &[&str]); 6] = [
            ("a b", &["a", "b"]),
            ("a \"b c\" d\n", &["a", "b c", "d"]),
            ("\"-\"", &["-"]),
            ("\"\" x", &["", "x"]),
            ("a \"b\\x22 c\" \"d\"", &["a", "b\\x22 c", "d"]),
            ("\"never closed", &["never closed"]),
        ];
        for (line, expected) in cases {
            assert_eq!(split(line).collect::<Vec<_>>(), expected, "{line}");
        }
    }

    #[test]
    fn a_whole_line_has_all_fields_under_awss_names() {
        let line = concat!(
            "https 2026-02-03T09:15:27.104211Z app/shop/0123456789abcdef 192.0.2.10:51822 - 0.002 0.037 0.000 200 200 ",
            "311 742 \"GET https://shop.example.net:443/orders/7?q=a%20b HTTP/1.1\" \"probe/1 (x; y)\" ",
            "ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/o/01 ",
            "\"Root=1-65f0c0de-0123456789abcdef01234567\" \"shop.example.net\" \"arn:aws:acm:x\" 10 ",
            "2026-02-03T09:15:27.065000Z \"waf,forward\" \"-\" \"-\" \"-\" \"-\" \"-\" \"-\" ",
            "TID_0123456789abcdef0123456789abcdef \"-\" \"-\" \"TransformSuccess\" further \"fields\""
        );
        let fields = by_name(line);
        assert_eq!(fields.len(), 33);
        for (name, expected) in [
            ("type", "https"),
            ("target:port", "-"),
            ("request", "GET https://shop.example.net:443/orders/7?q=a%20b HTTP/1.1"),
            ("user_agent", "probe/1 (x; y)"),
            ("matched_rule_priority", "10"),
            ("actions_executed", "waf,forward"),
            ("conn_trace_id", "TID_0123456789abcdef0123456789abcdef"),
            ("request_transform_status", "TransformSuccess"),
        ] {
            assert_eq!(fields[name], expected, "{name}");
        }
    }
}
