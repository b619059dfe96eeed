//! What an environment may know of where it runs: the id of its zone. Source: Lambda 3.7.

use super::answer::Document;
use model::FunctionArn;

pub(super) const PATH: &[u8] = b"/2026-01-15/metadata/execution-environment";

/// What answers a request with this method and this `Authorization`.
pub(super) fn document(method: &[u8], authorization: &[u8], token: &str, function: &FunctionArn) -> Document {
    if method != b"GET" {
        return Document::error(405, "MethodNotAllowed", "Method not allowed");
    }
    if !is_bearer_of(authorization, token) {
        return Document::error(401, "Unauthorized", "Missing or invalid token");
    }
    // `arn:{partition}:lambda:{region}:...`
    let region = function.as_str().split(':').nth(3).unwrap_or_default();
    Document {
        is_immutable: true,
        ..Document::json(200, &serde_json::json!({ "AvailabilityZoneID": zone_id(region) }))
    }
}

fn is_bearer_of(authorization: &[u8], token: &str) -> bool {
    let parts = authorization.split_first_chunk::<7>();
    parts.is_some_and(|(scheme, rest)| scheme.eq_ignore_ascii_case(b"Bearer ") && rest.trim_ascii() == token.as_bytes())
}

/// The first zone of a region: a process is in one zone, and how an account's letters map to ids is AWS's secret. The id is
/// the region's name in short: `us-east-1` is `use1`, `ap-southeast-2` is `apse2`.
fn zone_id(region: &str) -> String {
    let mut parts = region.split('-');
    let mut short = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        short.push_str(match part {
            "northeast" => "ne",
            "northwest" => "nw",
            "southeast" => "se",
            "southwest" => "sw",
            number if number.starts_with(|first: char| first.is_ascii_digit()) => number,
            word => word.get(..1).unwrap_or_default(),
        });
    }
    short + "-az1"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_have_their_region_in_short() {
        for (region, expected) in [
            ("us-east-1", "use1-az1"),
            ("eu-central-1", "euc1-az1"),
            ("ap-southeast-2", "apse2-az1"),
            ("ap-northeast-1", "apne1-az1"),
            ("us-gov-west-1", "usgw1-az1"),
            ("", "-az1"),
        ] {
            assert_eq!(zone_id(region), expected);
        }
    }

    #[test]
    fn only_who_has_the_token_is_told() {
        let function = FunctionArn::try_from("arn:aws:lambda:eu-west-3:000000000000:function:f").unwrap();
        for (method, authorization, expected) in [
            ("GET", "Bearer abc", 200),
            ("GET", "bearer  abc", 200),
            ("GET", "Bearer abcd", 401),
            ("GET", "abc", 401),
            ("GET", "", 401),
            ("POST", "Bearer abc", 405),
        ] {
            let document = document(method.as_bytes(), authorization.as_bytes(), "abc", &function);
            assert_eq!(document.status, expected, "{method} {authorization:?}");
            assert_eq!(document.is_immutable, expected == 200);
            if expected == 200 {
                assert_eq!(document.body, b"{\"AvailabilityZoneID\":\"euw3-az1\"}\n");
            }
        }
    }
}
