//! Everything that can be wrong outside of rules.

use super::*;

/// A manifest with one load balancer, one listener and `rest` in the listener, from line 7 on.
pub(super) fn listener(rest: &str) -> String {
    let head = "functions: { f: { code: run } }\ntarget_groups: { orders: { function: f }, users: { function: f } }\n\
                load_balancers:\n  shop:\n    listeners:\n      - port: 80\n";
    let indented: String = rest.lines().map(|line| format!("        {line}\n")).collect();
    format!("{head}{indented}")
}

#[test]
fn keys_and_types() {
    check("[]", &["1:1: found a list; expected the manifest as a mapping"]);
    check(
        "functions:\n",
        &["1:10: found nothing; expected `functions` as a mapping"],
    );
    check("{}", &[]);
    check(
        "function: {}\ntargets: {}\n",
        &[
            "1:1: found the unknown key `function`; did you mean `functions`?",
            "2:1: found the unknown key `targets`; expected `functions`, `instances`, `target_groups`, `trust_stores` or `load_balancers`",
        ],
    );
    check(
        "functions:\n  f: { code: run, tiemout: 3s }\n",
        &["2:19: found the unknown key `tiemout`; did you mean `timeout`?"],
    );
    check(
        "functions:\n  f: { code: run, code: fn }\n",
        &["2:19: found the key `code` twice; expected it once (it stands at 2:8 already)"],
    );
}

#[test]
fn functions() {
    let cases = [
        (
            "{}",
            "2:6: the key `code` is missing; expected a folder, a zip file or an executable file",
        ),
        (
            "{ code: 5 }",
            "2:14: found the number `5`; expected a folder, a zip file or an executable file (as text, in quotes: \"5\")",
        ),
        (
            "{ code: '' }",
            "2:14: found the text ``; expected a folder, a zip file or an executable file",
        ),
        (
            "{ code: gone }",
            "2:14: `gone` does not exist; expected a folder, a zip file or an executable file",
        ),
        (
            "{ code: text }",
            "2:14: `text` is not executable; expected an executable file (chmod +x)",
        ),
        (
            "{ code: odd }",
            "2:14: `odd` has no format that Linux runs; expected an ELF program or a script that begins with `#!`",
        ),
        (
            "{ code: python.zip }",
            "2:6: the key `runtime` is missing; expected a runtime, because `python.zip` holds no executable `bootstrap`",
        ),
        (
            "{ code: python.zip, runtime: provided.al2 }",
            "2:14: `python.zip` holds no `bootstrap`; expected an executable file of that name for provided.al2",
        ),
        (
            "{ code: plain.zip }",
            "2:14: `bootstrap` in `plain.zip` is not executable; expected an executable file (chmod 755, and zip it again)",
        ),
        (
            "{ code: half.zip }",
            "2:14: `half.zip` cannot be unzipped: invalid Zip archive: Could not find EOCD; expected a zip file",
        ),
        (
            "{ code: python }",
            "2:6: the key `runtime` is missing; expected a runtime, because `python` holds no executable `bootstrap`",
        ),
        (
            "{ code: plain }",
            "2:14: `bootstrap` in `plain` is not executable; expected an executable file (chmod +x)",
        ),
        (
            "{ code: python, runtime: provided.al2023 }",
            "2:14: `python` holds no `bootstrap`; expected an executable file of that name for provided.al2023",
        ),
        (
            "{ code: python, runtime: custom }",
            &format!("2:31: runtime \"custom\" is not built yet; expected {RUNTIMES}"),
        ),
        (
            "{ code: run, runtime: cobol }",
            &format!("2:28: runtime \"cobol\" does not exist; expected {RUNTIMES}"),
        ),
        (
            "{ code: run, layers: python }",
            "2:27: found the text `python`; expected a list of folders and zip files",
        ),
        (
            "{ code: run, layers: [python, run] }",
            "2:36: `run` is a single file; expected a folder or a zip file",
        ),
        (
            "{ code: run, layers: [missing] }",
            "2:28: `missing` does not exist; expected a folder or a zip file",
        ),
        (
            "{ code: run, layers: [half.zip] }",
            "2:28: `half.zip` cannot be unzipped: invalid Zip archive: Could not find EOCD; expected a zip file",
        ),
        // LAM-L-003: six layers are one too many
        (
            "{ code: run, layers: [fn, fn, fn, fn, fn, fn] }",
            "2:27: a function has at most 5 layers, and here are 6",
        ),
        (
            "{ code: run, timeout: 10 }",
            "2:28: found the number `10`; expected a duration such as `10s`, `1m30s`, `500ms` or `1h`",
        ),
        (
            "{ code: run, timeout: 500ms }",
            "2:28: a function's timeout of 500ms is not whole seconds between 1 and 900",
        ),
        (
            "{ code: run, memory: 64MB }",
            "2:27: a function's memory of 64 MB is not between 128 and 10240",
        ),
        (
            "{ code: run, memory: 1TB }",
            "2:27: found the text `1TB`; expected a size such as `256MB` or `1GB`",
        ),
        (
            "{ code: run, handler: 'a b' }",
            "2:28: found the text `a b`; expected a handler of 1 to 128 characters without blanks",
        ),
        (
            "{ code: run, concurrency: -1 }",
            "2:32: found the number `-1`; expected a whole number of invocations, 0 or more",
        ),
        (
            "{ code: run, concurrency: 2, provisioned_concurrency: 3 }",
            "2:60: found the number `3`; expected a whole number of environments, 0 to 900, and not more than `concurrency`",
        ),
        (
            "{ code: run, provisioned_concurrency: 901 }",
            "2:44: found the number `901`; expected a whole number of environments, 0 to 900, and not more than `concurrency`",
        ),
        (
            "{ code: run, ephemeral_storage: 256MB }",
            "2:38: an ephemeral storage of 256 MB is not between 512 and 10240",
        ),
        (
            "{ code: run, environment: { AWS_REGION: x } }",
            "2:34: environment variable \"AWS_REGION\" is reserved: Lambda sets it itself",
        ),
        (
            "{ code: run, environment: { A: [1] } }",
            "2:37: found a list; expected text, a number, `true` or `false`",
        ),
    ];
    for (function, expected) in cases {
        check(&format!("functions:\n  f: {function}\n"), &[expected]);
    }
    check(
        "functions:\n  a b: { code: run }\n",
        &["2:3: function name \"a b\" must be 1 to 64 letters, digits, hyphens and underscores"],
    );
}

const RUNTIMES: &str = "provided.al2023, provided.al2, python3.8, python3.9, python3.10, python3.11, python3.12, \
                        python3.13, python3.14, python3.15, nodejs16.x, nodejs18.x, nodejs20.x, nodejs22.x, \
                        nodejs24.x, nodejs26.x, java8.al2, java8.al2023, java11, java11.al2023, java17, \
                        java17.al2023, java21, java25, ruby3.2, ruby3.3, ruby3.4, ruby4.0, dotnet6, dotnet8, dotnet10";

#[test]
fn managed_runtimes() {
    let cases = [
        (
            "{ code: python, runtime: python3.12 }",
            "2:6: the key `handler` is missing; expected a handler such as `app.handler` for python3.12",
        ),
        (
            "{ code: python, runtime: nodejs22.x }",
            "2:6: the key `handler` is missing; expected a handler such as `index.handler` for nodejs22.x",
        ),
        (
            "{ code: python, runtime: nodejs22.x, handler: '' }",
            "2:52: found the text ``; expected a handler of 1 to 128 characters without blanks",
        ),
        (
            "{ code: ./python/app.py, runtime: python3.12, handler: app.main }",
            "2:14: `./python/app.py` is one file, and python3.12 runs a handler in a folder or a zip file; \
             expected `code: ./python` with `handler: app.handler`",
        ),
        (
            "{ code: ./index.mjs, runtime: nodejs20.x, handler: index.handler }",
            "2:14: `./index.mjs` is one file, and nodejs20.x runs a handler in a folder or a zip file; \
             expected `code: .` with `handler: index.handler`",
        ),
        (
            "{ code: run, runtime: nodejs20.x, handler: index.handler }",
            "2:14: `run` is one file, and nodejs20.x runs a handler in a folder or a zip file; \
             expected `code: .` with a `handler`",
        ),
        (
            "{ code: gone, runtime: python3.12, handler: app.handler }",
            "2:14: `gone` does not exist; expected a folder or a zip file",
        ),
        (
            "{ code: large.zip, runtime: python3.12, handler: app.handler }",
            "2:14: `large.zip` has 52428801 bytes; expected a zip file of at most 52428800 bytes",
        ),
    ];
    for (function, expected) in cases {
        check(&format!("functions:\n  f: {function}\n"), &[expected]);
    }
    // Each at its own place, all at once.
    check(
        "functions:\n  f: { code: run, runtime: python3.12, timeout: 1 }\n",
        &[
            "2:6: the key `handler` is missing; expected a handler such as `app.handler` for python3.12",
            "2:14: `run` is one file, and python3.12 runs a handler in a folder or a zip file; expected `code: .` with \
             a `handler`",
            "2:49: found the number `1`; expected a duration such as `10s`, `1m30s`, `500ms` or `1h`",
        ],
    );
}

#[test]
fn logging() {
    let cases = [
        ("[]", "2:28: found a list; expected the logging as a mapping"),
        (
            "{ level: INFO }",
            "2:30: found the unknown key `level`; expected `format`, `application_level`, `system_level` or `group`",
        ),
        (
            "{ format: xml }",
            "2:38: found the text `xml`; expected `text` or `json`",
        ),
        (
            "{ application_level: INFO }",
            "2:30: found `application_level` without `format: json`; expected it with the format json only",
        ),
        (
            "{ format: text, system_level: warn }",
            "2:44: found `system_level` without `format: json`; expected it with the format json only",
        ),
        (
            "{ format: json, system_level: error }",
            "2:58: found the text `error`; expected `DEBUG`, `INFO` or `WARN`",
        ),
        (
            "{ format: json, application_level: loud }",
            "2:63: found the text `loud`; expected `TRACE`, `DEBUG`, `INFO`, `WARN`, `ERROR` or `FATAL`",
        ),
        (
            "{ group: a b }",
            "2:37: log group name \"a b\" must be 1 to 512 letters, digits and the characters .-_/#",
        ),
    ];
    for (logging, expected) in cases {
        check(
            &format!("functions:\n  f: {{ code: run, logging: {logging} }}\n"),
            &[expected],
        );
    }
}

#[test]
fn secrets_stay_out_of_mistakes() {
    let text = "functions:\n  f:\n    code: run\n    environment:\n      A-B: hunter2\n      AWS_REGION: hunter2\n      C: \"hunter2\\0\"\n";
    let found = mistakes(text);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(!found.concat().contains("hunter2"), "{found:?}");
}

#[test]
fn target_groups() {
    let cases = [
        (
            "{ function: order }",
            "3:18: found the unknown function `order`; did you mean `orders`?",
        ),
        (
            "{ function: orders, multi_value_headers: yes }",
            "3:47: found the text `yes`; expected `true` or `false`",
        ),
        (
            "{ function: orders, target_control_port: 1 }",
            "3:26: found `target_control_port`: the target optimizer is not built: AWS has not published the protocol that its agents speak",
        ),
        (
            "{ function: orders, multi_value_header: true }",
            "3:26: found the unknown key `multi_value_header`; did you mean `multi_value_headers`?",
        ),
        ("", "3:4: found nothing; expected a target group as a mapping"),
    ];
    for (group, expected) in cases {
        let text = format!("functions: {{ orders: {{ code: run }} }}\ntarget_groups:\n  g: {group}\n");
        check(&text, &[expected]);
    }
    check(
        "target_groups:\n  a--b: {}\n  c: { function: x }\n",
        &[
            "2:3: name \"a--b\" must not contain two hyphens in a row",
            "3:18: found the unknown function `x`; there is none",
        ],
    );
}

#[test]
fn load_balancers() {
    let cases = [
        (
            "{}",
            "2:6: the key `listeners` is missing; expected a list with at least one listener",
        ),
        (
            "{ listeners: [] }",
            "2:19: found a list; expected a list with at least one listener",
        ),
        (
            "{ listeners: {} }",
            "2:19: found a mapping; expected a list of listeners",
        ),
    ];
    for (load_balancer, expected) in cases {
        check(&format!("load_balancers:\n  s: {load_balancer}\n"), &[expected]);
    }
    let listeners = "listeners: [{ port: 80, default: { fixed_response: 404 } }]";
    let cases = [
        (
            "scheme: public",
            "2:16: found the text `public`; expected `internet-facing` or `internal`",
        ),
        (
            "attributes: { idle_timeout.timeout_second: 5 }",
            "2:22: attribute \"idle_timeout.timeout_second\" is not recognized; did you mean \"idle_timeout.timeout_seconds\"?",
        ),
        (
            "attributes: { idle_timeout.timeout_seconds: 0 }",
            "2:52: attribute \"idle_timeout.timeout_seconds\" has the value \"0\"; expected a whole number from 1 to 4000",
        ),
        (
            "subnets: [a, b]",
            "2:8: found `subnets`: albacore has no VPC; listeners bind where --bind and --publish say",
        ),
    ];
    for (key, expected) in cases {
        check(
            &format!("load_balancers:\n  s: {{ {key}, {listeners} }}\n"),
            &[expected],
        );
    }
    check(
        &format!("load_balancers:\n  internal-a: {{ {listeners} }}\n"),
        &["2:3: load balancer name \"internal-a\" must not begin with `internal-`"],
    );
}

// ALB-R-031: two listeners on one port of a load balancer
// ALB-R-032: an HTTPS listener without a certificate
#[test]
fn listeners() {
    let answer = "default: { fixed_response: 404 }";
    let cases = [
        (
            "",
            "6:9: the key `default` is missing; expected an action for requests that no rule matches",
        ),
        (
            "default: {}",
            "7:18: the default has no action; expected exactly one of `forward`, `redirect` or `fixed_response`",
        ),
        (
            "protocol: https\ndefault: { fixed_response: 404 }",
            "6:9: the key `certificates` is missing; expected at least one certificate, because the protocol is https",
        ),
        (
            "protocol: https\ncertificates: []\ndefault: { fixed_response: 404 }",
            "8:23: found a list; expected a list with at least one certificate",
        ),
        (
            "protocol: tcp\ndefault: { fixed_response: 404 }",
            "7:19: found the text `tcp`; expected `http` or `https`",
        ),
        (
            "ssl_policy: x\ndefault: { fixed_response: 404 }",
            "7:9: found `ssl_policy` on an HTTP listener; expected it with `protocol: https` only",
        ),
        (
            "certificates: [{ domain: a.localhost }]\ndefault: { fixed_response: 404 }",
            "7:9: found `certificates` on an HTTP listener; expected it with `protocol: https` only",
        ),
        (
            "protocol: https\ncertificates: [{ domain: a.localhost }]\nssl_policy: ELBSecurityPolicy-2016-80\ndefault: { fixed_response: 404 }",
            "9:21: found the unknown security policy `ELBSecurityPolicy-2016-80`; did you mean `ELBSecurityPolicy-2016-08`?",
        ),
        (
            "attributes: { routing.http.response.server.enable: false }\ndefault: { fixed_response: 404 }",
            "7:23: attribute \"routing.http.response.server.enable\" is not recognized; did you mean \"routing.http.response.server.enabled\"?",
        ),
        (
            "attributes: { routing.http.request.x_amzn_tls_version.header_name: X }\ndefault: { fixed_response: 404 }",
            "7:76: attribute \"routing.http.request.x_amzn_tls_version.header_name\" has the value \"X\"; expected an HTTPS listener for this attribute",
        ),
        (
            "mutual_authentication: passthrough\ndefault: { fixed_response: 404 }",
            "7:9: found `mutual_authentication` on an HTTP listener; expected it with `protocol: https` only",
        ),
    ];
    for (rest, expected) in cases {
        check(&listener(rest), &[expected]);
    }
    for port in ["0", "65536", "http", "-1", "80.5"] {
        let text = listener(answer).replace("port: 80", &format!("port: {port}"));
        let found = mistakes(&text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("6:15: found ") && found[0].ends_with("; expected a port from 1 to 65535"),
            "{found:?}"
        );
    }
    let text = listener(answer)
        + "      - { port: 81, default: { fixed_response: 404 } }\n      - { port: 80, default: { fixed_response: 404 } }\n";
    check(
        &text,
        &["9:17: found port 80 twice; expected each port once in a load balancer (it stands at 6:15 already)"],
    );
}

#[test]
fn what_only_decide_sees_is_reported_too() {
    let text = "\
functions: { f: { code: run } }
target_groups: { g: { function: f } }
load_balancers:
  a:
    listeners:
      - { port: 80, default: { forward: g } }
  b:
    listeners:
      - port: 81
        default: { forward: g }
        rules: [{ priority: 1, path: /a, fixed_response: 302 }, { priority: 2, path: /b, forward: g }]
      - port: 82
        protocol: https
        certificates: [{ domain: a.localhost }]
        default: { redirect: { protocol: HTTP } }
        rules:
          - { priority: 1, path: /a, redirect: { protocol: http } }
          - { priority: 2, path: /b, redirect: { host: a.b, protocol: http, port: 8080 } }
";
    check(
        text,
        &[
            "10:29: target group `g` is used by load balancer `a`; a target group belongs to one load balancer, so give this one a target group of its own",
            "11:58: status 302 of a fixed response must be 2xx, 4xx or 5xx",
            "11:99: target group `g` is used by load balancer `a`; a target group belongs to one load balancer, so give this one a target group of its own",
            "15:42: an HTTPS listener cannot redirect to HTTP",
            "17:60: an HTTPS listener cannot redirect to HTTP",
            "18:71: an HTTPS listener cannot redirect to HTTP",
        ],
    );
}

/// The same mistake is met twice, and what would follow from it is not made up the second time.
#[test]
fn a_mistake_behind_an_alias_is_said_once() {
    let text = "\
load_balancers:
  a:
    listeners:
      - { port: 80, default: { redirect: &r { port: 0 } } }
      - { port: 81, default: { redirect: *r } }
";
    check(text, &["4:53: redirect port \"0\" must be 1 to 65535 or #{port}"]);
}

#[test]
fn a_huge_broken_manifest_is_answered_with_bounded_work() {
    let names: String = (0..3001).map(|at| format!("  a{at}: {{}}\n")).collect();
    let groups: String = (0..3001)
        .map(|at| format!("  b{at}: {{ function: x{at}, y{at}: 1 }}\n"))
        .collect();
    let found = mistakes(&format!("functions:\n{names}target_groups:\n{groups}"));
    assert_eq!(found.len(), crate::MISTAKES_MAX);
    assert!(found.contains(&"3002:3: found 3001 `functions`; expected at most 3000".to_owned()));
}

#[test]
fn a_broken_manifest_says_what_to_watch() {
    let folder = folder();
    let broken = folder
        .load("functions: { f: { code: gone }, g: { code: fn } }")
        .unwrap_err();
    assert_eq!(
        broken.watched,
        ["albacore.yaml", "fn", "gone"].map(|name| folder.path(name))
    );
    let file = folder.path("albacore.yaml");
    let expected = format!(
        "{}:1:25: `gone` does not exist; expected a folder, a zip file or an executable file",
        file.display()
    );
    assert_eq!(broken.to_string(), expected);
    let place = &broken.all[0].place;
    assert_eq!((place.file(), place.line(), place.column()), (file.as_path(), 1, 25));
}
