//! Settings that have no effect are told, with their places; settings that have one are not.

use super::broken::listener;
use super::*;

/// The warnings of a manifest without mistakes as `line:column: message`.
#[track_caller]
pub(super) fn warnings(text: &str) -> Vec<String> {
    let folder = folder();
    folder.put_authority("ca", 2030);
    let loaded = folder.load(text).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let said = |it: &crate::Mistake| format!("{}:{}: {}", it.place.line(), it.place.column(), it.message);
    loaded.warnings.iter().map(said).collect()
}

/// A manifest whose both target groups are used, with `rule` as the second rule, in line 9.
fn rule(rule: &str) -> String {
    let used = "{ priority: 2, path: /used, forward: { orders: 1, users: 0 } }";
    listener(&format!(
        "rules:\n  - {used}\n  - {{ priority: 1, path: /a, {rule} }}\ndefault: {{ fixed_response: 404 }}"
    ))
}

#[test]
fn rules() {
    let cases: &[(&str, &[&str])] = &[
        ("forward: orders, rewrite_url: { regex: a, replace: b }", &[]),
        (
            "fixed_response: 404, rewrite_url: { regex: a, replace: b }, rewrite_host: { regex: a, replace: b }",
            &[
                "9:59: `rewrite_url` has no effect: the rule does not forward",
                "9:98: `rewrite_host` has no effect: the rule does not forward",
            ],
        ),
        (
            "forward: { target_groups: { orders: 1 }, stickiness: 1h }",
            &["9:91: `stickiness` has no effect with one target group"],
        ),
        (
            "forward: { target_groups: { orders: 1, users: 1 }, stickiness: 1h }",
            &[],
        ),
        (
            "forward: { orders: 0 }",
            &["9:47: every weight is 0; requests are answered with 503"],
        ),
        (
            "forward: { target_groups: { orders: 0, users: 0 }, stickiness: 1h }",
            &["9:47: every weight is 0; requests are answered with 503"],
        ),
        (
            "fixed_response: { status: 204, body: gone }",
            &["9:75: `body` has no effect: a response with status 204 has none"],
        ),
        ("fixed_response: { status: 204 }", &[]),
        ("fixed_response: { status: 200, body: here }", &[]),
    ];
    for (text, expected) in cases {
        assert_eq!(warnings(&rule(text)), *expected, "{text}");
    }
}

#[test]
fn functions_and_target_groups() {
    let text = "functions:
  f: { code: run, memory: 256MB, handler: a.b }
  g: { code: run }
  of_events: { code: run, maximum_retry_attempts: 1, on_failure: told_of_failures }
  told_of_failures: { code: run }
target_groups:
  f: { function: f }
  lonely: { function: f }
";
    assert_eq!(
        warnings(text),
        [
            "3:3: function `g` is in no target group and has no `url`: only calls of the API invoke it",
            "7:3: target group `f` is used by no listener and no rule",
            "8:3: target group `lonely` is used by no listener and no rule",
        ]
    );
    // What is wrong may be just what would use them.
    let folder = folder();
    let mistakes = folder.load(&format!("{text}load_balancers: []\n")).unwrap_err();
    assert_eq!((mistakes.all.len(), mistakes.warnings.len()), (1, 0), "{mistakes:?}");
}

#[test]
fn servers() {
    let of = |group: &str, forward: &str| {
        format!(
            "instances: {{ i-0123abcd: 10.0.0.5 }}\ntarget_groups:\n  g: {{ targets: [10.0.0.1]{group} }}\n  \
             h: {{ targets: [i-0123abcd] }}\nload_balancers:\n  a:\n    listeners:\n      \
             - {{ port: 80, default: {{ forward: {forward} }} }}\n      - {{ port: 81, default: {{ forward: h }} }}\n"
        )
    };
    let clear_text =
        "health checks speak http to the port where https is spoken: write `health_check: { protocol: https }`";
    let sticky = "target group `g` has stickiness, and this forward action has none: clients change between its target \
                  groups and lose their targets; write `{ target_groups: { .. }, stickiness: 1h }`";
    let cases: &[(&str, &str, &[&str])] = &[
        ("", "g", &[]),
        (", protocol: https", "g", &[&format!("3:29: {clear_text}")]),
        (
            ", protocol: https, health_check: { path: / }",
            "g",
            &[&format!("3:46: {clear_text}")],
        ),
        (", protocol: https, health_check: { protocol: https }", "g", &[]),
        (", protocol: https, health_check: { port: 80 }", "g", &[]),
        (", stickiness: {}", "g", &[]),
        (", stickiness: {}", "{ g: 1, h: 1 }", &[&format!("8:41: {sticky}")]),
        (", stickiness: {}", "{ g: 1, h: 0 }", &[]),
        (", stickiness: { enabled: false }", "{ g: 1, h: 1 }", &[]),
        (
            ", stickiness: {}",
            "{ target_groups: { g: 1, h: 1 }, stickiness: 1h }",
            &[],
        ),
    ];
    for (group, forward, expected) in cases {
        assert_eq!(warnings(&of(group, forward)), *expected, "{group} {forward}");
    }
    assert_eq!(
        warnings("instances: { i-0123abcd: 10.0.0.5 }\ntarget_groups: { g: { targets: [] } }\n"),
        [
            "1:14: instance `i-0123abcd` is in no target group",
            "2:18: target group `g` has no `targets`; requests for it are answered with 503",
            "2:18: target group `g` is used by no listener and no rule",
        ]
    );
}

#[test]
fn handlers_that_a_managed_runtime_will_not_find() {
    let cases: &[(&str, Option<&str>)] = &[
        ("code: python, runtime: python3.12, handler: app.handler", None),
        (
            "code: python, runtime: python3.12, handler: ap.handler",
            Some(
                "2:52: the handler's module `ap` is not in the code, where `ap.py` was expected; invocations will fail",
            ),
        ),
        (
            "code: python, runtime: python3.12, handler: pkg.app.handler",
            Some(
                "2:52: the handler's module `pkg/app` is not in the code, where `pkg/app.py` was expected; invocations \
                 will fail",
            ),
        ),
        ("code: python, runtime: python3.12, handler: pkg.handler", None),
        ("code: python, runtime: python3.12, handler: pkg/sub.handler", None),
        ("code: python, runtime: python3.12, handler: native.handler", None),
        (
            "code: python, runtime: python3.12, handler: ../python/app.handler",
            None,
        ),
        ("code: python, runtime: python3.12, handler: /app.handler", None),
        (
            "code: python, runtime: python3.12, handler: my-dir.v1/app.handler",
            Some(
                "2:52: the handler's module is imported as `my-dir.v1.app`, which a folder with a dot in its name \
                 (`my-dir.v1`) cannot hold; invocations will fail",
            ),
        ),
        (
            "code: python, runtime: python3.12, handler: my-dir.v2/app.handler",
            None,
        ),
        ("code: python, runtime: python3.12, handler: pkg.sub/x.handler", None),
        (
            "code: python, runtime: python3.12, handler: app",
            Some("2:52: `app` names no function in a module; python3.12 expects a handler such as `app.handler`"),
        ),
        (
            "code: python, runtime: python3.12, handler: lib.handler, environment: { PYTHONPATH: /opt/lib }",
            None,
        ),
        ("code: node, runtime: nodejs22.x, handler: src/index.handler", None),
        (
            "code: node, runtime: nodejs22.x, handler: src/index.nested.handler",
            None,
        ),
        (
            "code: node, runtime: nodejs22.x, handler: index.handler",
            Some(
                "2:50: the handler's module `index` is not in the code, where `index.js` was expected; invocations will \
                 fail",
            ),
        ),
        (
            "code: node, runtime: nodejs22.x, handler: src/.handler",
            Some(
                "2:50: `src/.handler` names no function in a module; nodejs22.x expects a handler such as `index.handler`",
            ),
        ),
        ("code: code.zip, runtime: nodejs22.x, handler: index.handler", None),
        ("code: fn, runtime: provided.al2023, handler: whatever", None),
    ];
    for (keys, expected) in cases {
        let folder = folder();
        folder.put("python/pkg/__init__.py", "");
        folder.put("python/my-dir.v1/app.py", "");
        folder.put("python/pkg/sub.py", "");
        folder.put("python/native.cpython-312-x86_64-linux-gnu.so", "");
        let text = format!("functions:\n  f: {{ {keys} }}\n");
        let loaded = folder.load(&text).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let said: Vec<String> = loaded
            .warnings
            .iter()
            .map(|it| format!("{}:{}: {}", it.place.line(), it.place.column(), it.message))
            .filter(|it| !it.contains("is in no target group"))
            .collect();
        assert_eq!(said, Vec::from_iter(*expected), "{keys}");
    }
}

#[test]
fn the_example_has_none() {
    let examples = TestFolder::at(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/hello"));
    let loaded = crate::load(
        &examples.path("albacore.yaml"),
        &crate::testing::settings(),
        &crate::testing::TestIssuer,
        crate::testing::now(),
    );
    assert_eq!(loaded.unwrap().warnings, []);
}
