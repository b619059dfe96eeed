//! Everything that can be wrong with rules and default actions.

use super::broken::listener;
use super::*;

/// A manifest with `rule` as the only rule, in line 8.
fn rule(rule: &str) -> String {
    listener(&format!("rules:\n  - {rule}\ndefault: {{ fixed_response: 404 }}"))
}

// ALB-A-001: a rule without a routing action, or with two
// ALB-A-007: group stickiness without a duration
// ALB-A-020: a fixed response with the content type image/png
// ALB-A-023: authentication and token checks, which are not built, are refused
#[test]
fn actions() {
    let cases = [
        (
            "{ priority: 1, path: /a }",
            "8:13: the rule has no action; expected exactly one of `forward`, `redirect` or `fixed_response`",
        ),
        (
            "{ priority: 1, path: /a, forward: orders, fixed_response: 404 }",
            "8:55: found the action `fixed_response` beside `forward`; expected exactly one action",
        ),
        (
            "{ priority: 1, path: /a, forward: ordres }",
            "8:47: found the unknown target group `ordres`; did you mean `orders`?",
        ),
        (
            "{ priority: 1, path: /a, forward: { orders: 1, zzz: 2 } }",
            "8:60: found the unknown target group `zzz`; expected `orders` or `users`",
        ),
        (
            "{ priority: 1, path: /a, forward: { orders: 1000 } }",
            "8:57: found the number `1000`; expected a weight from 0 to 999",
        ),
        (
            "{ priority: 1, path: /a, forward: {} }",
            "8:47: a forward action has 0 target groups; it takes 1 to 5",
        ),
        (
            "{ priority: 1, path: /a, forward: { target_groups: { orders: 1 }, stickiness: true } }",
            "8:91: found the truth value `true`; expected a duration such as `10s`, `1m30s`, `500ms` or `1h`",
        ),
        (
            "{ priority: 1, path: /a, forward: { target_groups: { orders: 1 }, stickiness: } }",
            "8:89: found nothing; expected a duration such as `10s`, `1m30s`, `500ms` or `1h`",
        ),
        (
            "{ priority: 1, path: /a, forward: { target_groups: { orders: 1 }, stickiness: 200h } }",
            "8:91: target group stickiness of 720000 seconds is not between 1 and 604800",
        ),
        (
            "{ priority: 1, path: /a, forward: { orders: 1, stickiness: 1h } }",
            "8:60: found `stickiness` among target groups; expected it beside them: `{ target_groups: { .. }, stickiness: 1h }`",
        ),
        (
            "{ priority: 1, path: /a, redirect: {} }",
            "8:48: the redirect leads back to the same URL (a loop): change protocol, host, port or path",
        ),
        (
            "{ priority: 1, path: /a, redirect: { host: b, status: 307 } }",
            "8:67: redirect status \"307\" must be 301 or 302",
        ),
        (
            "{ priority: 1, path: /a, fixed_response: 302 }",
            "8:54: status 302 of a fixed response must be 2xx, 4xx or 5xx",
        ),
        (
            "{ priority: 1, path: /a, fixed_response: '404' }",
            "8:54: found the text `404`; expected a fixed response as a mapping",
        ),
        (
            "{ priority: 1, path: /a, fixed_response: { status: 200, content_type: image/png } }",
            "8:83: content type \"image/png\" of a fixed response must be text/html, application/json, application/javascript, text/css or text/plain",
        ),
        (
            "{ priority: 1, path: /a, fixed_response: { body: x } }",
            "8:54: the key `status` is missing; expected a status of 2xx, 4xx or 5xx",
        ),
        (
            "{ priority: 1, path: /a, forward: orders, authenticate_oidc: {} }",
            "8:55: found `authenticate_oidc`: signing users in is not built yet",
        ),
        (
            "{ priority: 1, path: /a, forward: orders, jwt_validation: {} }",
            "8:55: found `jwt_validation`: checking JSON web tokens is not built yet",
        ),
    ];
    for (text, expected) in cases {
        check(&rule(text), &[expected]);
    }
    check(
        &rule("{ priority: 1, path: /a, redirect: { protocol: ftp, port: 0, path: a, host: '', query: '?b' } }"),
        &[
            "8:60: redirect protocol \"ftp\" must be HTTP, HTTPS or #{protocol}",
            "8:71: redirect port \"0\" must be 1 to 65535 or #{port}",
            "8:80: redirect path \"a\" must begin with /",
            "8:89: redirect host \"\" must have 1 to 128 characters",
            "8:100: redirect query \"?b\" must not begin with ?; it is added",
        ],
    );
}

// ALB-C-023: a query condition without a value
// ALB-C-028: regular expressions are rejected for method, query and source ip
#[test]
fn conditions() {
    let cases = [
        ("path: []", "8:34: found an empty list; expected at least one path"),
        (
            "path: 5",
            "8:34: found the number `5`; expected a path (as text, in quotes: \"5\")",
        ),
        (
            "path: /a b",
            "8:34: \"/a b\" contains ' '; allowed are letters, digits, _ - . $ / ~ \" ' @ : + & and the wildcards * and ?",
        ),
        (
            "host: localhost",
            "8:34: \"localhost\" must contain a dot with only letters (or wildcards) after the last one, like *.example.com",
        ),
        (
            "method: get",
            "8:36: \"get\" contains 'g'; allowed are A-Z, hyphen and underscore",
        ),
        (
            "source_ip: 10.0.0.1",
            "8:39: \"10.0.0.1\" is not an IPv4 or IPv6 CIDR block like 192.0.2.0/24",
        ),
        (
            "header: { Host: a }",
            "8:38: the header Host is matched by a host-header condition, not by http-header",
        ),
        ("header: {}", "8:36: found a mapping; expected at least one header"),
        (
            "query: { page: 1 }",
            "8:43: found the number `1`; expected a query value (as text, in quotes: \"1\")",
        ),
        (
            "query: [{ key: a }]",
            "8:36: the key `value` is missing; expected the value to compare with",
        ),
        (
            "path_regex: '(?=x)'",
            "8:40: the regular expression \"(?=x)\" is not accepted: look-around, including look-ahead and look-behind, is not supported",
        ),
        (
            "method_regex: x",
            "8:28: found the unknown key `method_regex`; did you mean `path_regex`?",
        ),
        (
            "host: a.b, host_regex: c",
            "8:39: the host-header condition may stand only once in a rule; give it several values instead",
        ),
        (
            "path: [/1, /2, /3, /4, /5, /6]",
            "8:13: the rule has 6 condition values; the limit is 5",
        ),
        (
            "conditions: []",
            "8:13: a rule needs at least one condition; what always holds is the listener's default action",
        ),
        (
            "conditions: [{}]",
            "8:41: found a condition without a kind; expected one of `host_header`, `path_pattern`, `http_header`, `http_request_method`, `query_string`, `source_ip`",
        ),
        (
            "conditions: [{ host_header: a.b, path_pattern: /a }]",
            "8:61: found `path_pattern` beside `host_header`; expected one condition an entry",
        ),
        (
            "conditions: [{ http_request_method: { regex_values: [GET] } }]",
            "8:66: found `regex_values`: only host_header, path_pattern and http_header take regular expressions; expected `values`",
        ),
        (
            "conditions: [{ source_ip: { regex_values: [GET] } }]",
            "8:56: found `regex_values`: only host_header, path_pattern and http_header take regular expressions; expected `values`",
        ),
        (
            "conditions: [{ query_string: { regex_values: [a] } }]",
            "8:59: found `regex_values`: only host_header, path_pattern and http_header take regular expressions; expected `values`",
        ),
        (
            "conditions: [{ path_pattern: { values: [/a], regex_values: [b] } }]",
            "8:73: found `regex_values` beside `values`; expected one of them",
        ),
        (
            "conditions: [{ path_pattern: {} }]",
            "8:57: found a condition without values; expected `values` or `regex_values`",
        ),
        (
            "conditions: [{ http_header: { values: [b] } }]",
            "8:56: the key `name` is missing; expected the name of a header",
        ),
    ];
    for (condition, expected) in cases {
        check(
            &rule(&format!("{{ priority: 1, {condition}, forward: orders }}")),
            &[expected],
        );
    }
    check(
        &rule("{ priority: 1, forward: orders }"),
        &["8:13: a rule needs at least one condition; what always holds is the listener's default action"],
    );
    check(
        &rule("{ priority: 1, path: [/a b, /c, /d e], method: get, forward: orders }"),
        &[
            "8:35: \"/a b\" contains ' '; allowed are letters, digits, _ - . $ / ~ \" ' @ : + & and the wildcards * and ?",
            "8:45: \"/d e\" contains ' '; allowed are letters, digits, _ - . $ / ~ \" ' @ : + & and the wildcards * and ?",
            "8:60: \"get\" contains 'g'; allowed are A-Z, hyphen and underscore",
        ],
    );
}

// ALB-A-024: a transform on the default rule
// ALB-A-025: a second url-rewrite in one rule
#[test]
fn transforms_and_the_default_rule() {
    check(
        &listener("default: { fixed_response: 404, rewrite_url: { regex: a, replace: b }, path: /a }"),
        &[
            "7:41: found `rewrite_url`: a transform cannot stand in the default action; expected it in a rule",
            "7:80: found `path`: the default action holds when no rule does and has no conditions; expected them in a rule",
        ],
    );
    let twice = "{ priority: 1, path: /a, forward: orders, rewrite_url: { regex: a, replace: b }, rewrite_url: { regex: c, replace: d } }";
    check(
        &rule(twice),
        &["8:94: found the key `rewrite_url` twice; expected it once (it stands at 8:55 already)"],
    );
    check(
        &rule(
            "{ priority: 1, path: /a, forward: orders, rewrite_url: { regex: '(' }, rewrite_host: { regex: a, replace: 5 } }",
        ),
        &[
            "8:68: the key `replace` is missing; expected the text to put in its place",
            "8:77: the regular expression \"(\" is not accepted: unclosed group",
            "8:119: found the number `5`; expected the text to put in its place (as text, in quotes: \"5\")",
        ],
    );
}

#[test]
fn priorities() {
    let cases = [
        (
            "{ path: /a, forward: orders }",
            "8:13: the key `priority` is missing; expected a priority from 1 to 50000",
        ),
        (
            "{ priority: 0, path: /a, forward: orders }",
            "8:25: priority 0 is not between 1 and 50000",
        ),
        (
            "{ priority: '1', path: /a, forward: orders }",
            "8:25: found the text `1`; expected a priority from 1 to 50000",
        ),
        (
            "{ priority: 1, path: /a, forward: orders }\n  - { priority: 1, path: /b, forward: orders }",
            "9:25: found priority 1 twice; expected each priority once in a listener (it stands at 8:25 already)",
        ),
    ];
    for (text, expected) in cases {
        check(&rule(text), &[expected]);
    }
}

#[test]
fn a_wrong_condition_does_not_hide_the_limits_over_the_others() {
    let cases: [(&str, &[&str]); 5] = [
        (
            "path: ['/*/*/*/*', '/a b'], header: { A: '***' }",
            &[
                "8:13: the rule has 7 wildcards; the limit is 6",
                "8:47: \"/a b\" contains ' '; allowed are letters, digits, _ - . $ / ~ \" ' @ : + & and the wildcards * and ?",
            ],
        ),
        (
            "path: [/1, /2, /3, /4, /5, /6], query: { page: 1 }",
            &[
                "8:13: the rule has 6 condition values; the limit is 5",
                "8:75: found the number `1`; expected a query value (as text, in quotes: \"1\")",
            ],
        ),
        (
            "path: [/1, /2, /3, /4, /5, /6], path_regex: x, host: a.b, host_regex: c",
            &[
                "8:13: the rule has 7 condition values; the limit is 5",
                "8:60: the path-pattern condition may stand only once in a rule; give it several values instead",
                "8:86: the host-header condition may stand only once in a rule; give it several values instead",
            ],
        ),
        (
            "query: [a, { key: b, valeu: c }]",
            &[
                "8:39: the key `value` is missing; expected the value to compare with",
                "8:49: found the unknown key `valeu`; did you mean `value`?",
            ],
        ),
        (
            "path: 5",
            &["8:34: found the number `5`; expected a path (as text, in quotes: \"5\")"],
        ),
    ];
    for (conditions, expected) in cases {
        check(
            &rule(&format!("{{ priority: 1, {conditions}, forward: orders }}")),
            expected,
        );
    }
}

#[test]
fn expressions_that_are_too_large_are_found_where_they_stand() {
    let large = "(a{1000}){1000}";
    let message = format!(
        "the regular expression {large:?} compiles to more than 1048576 bytes; repeat less in it, or write several"
    );
    let at = |places: &[&str]| -> Vec<String> { places.iter().map(|place| format!("{place}: {message}")).collect() };
    let cases: [(String, &[&str]); 3] = [
        (
            format!("host_regex: '{large}', path_regex: [x, '{large}'], header_regex: {{ A: '{large}' }}"),
            &["8:40", "8:75", "8:114"],
        ),
        (
            format!("conditions: [{{ path_pattern: {{ regex_values: ['{large}'] }} }}]"),
            &["8:74"],
        ),
        (
            format!(
                "path: /a, rewrite_url: {{ regex: '{large}', replace: b }}, rewrite_host: {{ regex: '{large}', replace: b }}"
            ),
            &["8:60", "8:116"],
        ),
    ];
    for (text, places) in cases {
        let found = mistakes(&rule(&format!("{{ priority: 1, {text}, forward: orders }}")));
        assert_eq!(found, at(places), "{text}");
    }
}
