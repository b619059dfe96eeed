//! What goes wrong in Node.js: errors of handlers, of modules that do not load, and those that nobody caught.

use super::{NODE, row};
use crate::stage::{check, outcomes};
use crate::world::World;
use serde_json::Value;

/// Type, message and the beginning of the trace of an error.
#[track_caller]
pub(super) fn check_error(outcome: &str, recorded: &str, error_type: &str, message: &str, trace: &[&str]) {
    let (found_type, payload) = outcome.split_once(' ').unwrap_or((outcome, "null"));
    let payload: Value = serde_json::from_str(payload).unwrap_or_else(|_| panic!("not an error: {outcome}"));
    assert_eq!(found_type, recorded, "{outcome}");
    assert_eq!(
        (&payload["errorType"], &payload["errorMessage"]),
        (&error_type.into(), &message.into())
    );
    for (index, line) in trace.iter().enumerate() {
        assert_eq!(payload["trace"][index], *line, "{outcome}");
    }
    let keys: Vec<_> = payload.as_object().unwrap().keys().collect();
    assert_eq!(keys.len(), 3, "{outcome}");
    assert!(outcome.contains(r#"{"errorType":"#), "the order of the keys: {outcome}");
}

// LAM-I-018: a Node.js error payload arrives as its client posted it
pub(super) async fn errors(world: World) {
    let code = "
class Mine extends Error { constructor(message) { super(message); this.name = 'MineError' } }
const unsettled = new Promise(() => {})
exports.handler = async (event) => {
  switch (event) {
    case 'error': throw new TypeError('bäd')
    case 'own': throw new Mine('own')
    case 'number': throw 5
    case 'object': throw { name: 'Alike', message: 'like an error', stack: 'Alike: like an error\\n    at nowhere' }
    case 'undefined': throw undefined
    case 'bigint': return { big: 1n }
    case 'circle': { const circle = {}; circle.circle = circle; return circle }
    case 'unsettled': return unsettled
    default: return 'fine'
  }
}";
    let function = world.function(NODE, "index.handler", &[("index.js", code)]);
    let events = [
        "error",
        "own",
        "number",
        "object",
        "undefined",
        "bigint",
        "circle",
        "unsettled",
    ];
    let events = events.map(|event| format!("\"{event}\""));
    let mut with_good = Vec::new();
    for event in &events {
        with_good.extend([event.as_str(), "1"]);
    }
    let outcomes = outcomes(&world, function, &with_good).await;
    let unknown = "Runtime.Unknown";
    let frame = "    at exports.handler (/var/task/index.js:6:25)";
    check_error(&outcomes[0], unknown, "TypeError", "bäd", &["TypeError: bäd", frame]);
    check_error(&outcomes[2], unknown, "MineError", "own", &[]);
    check_error(&outcomes[4], unknown, "number", "5", &[]);
    check_error(
        &outcomes[6],
        unknown,
        "Alike",
        "like an error",
        &["Alike: like an error", "    at nowhere"],
    );
    check_error(
        &outcomes[8],
        unknown,
        "handled",
        "callback called with Error argument, but there was a problem while retrieving one or more of its message, name, \
         and stack",
        &[],
    );
    check_error(
        &outcomes[10],
        unknown,
        "Error",
        "Unable to stringify response body",
        &[],
    );
    check_error(
        &outcomes[12],
        unknown,
        "Error",
        "Unable to stringify response body",
        &[],
    );
    assert!(
        outcomes[14].starts_with(r#"Runtime.NodeJsExit {"errorType":"Runtime.NodeJsExit","#),
        "{}",
        outcomes[14]
    );
    for good in outcomes.iter().skip(1).step_by(2) {
        assert_eq!(good, r#""fine""#);
    }
}

pub(super) async fn init_errors(world: World) {
    type Error<'a> = (&'a str, &'a str, &'a [&'a str]);
    let cases: &[(&str, &str, &str, Error<'_>)] = &[
        (
            "index.handler",
            "other.js",
            "",
            (
                "Runtime.ImportModuleError",
                "Error: Cannot find module 'index'\nRequire stack:\n",
                &[],
            ),
        ),
        (
            "index.handler",
            "index.js",
            "require('nobody-has-this')",
            (
                "Runtime.ImportModuleError",
                "Error: Cannot find module 'nobody-has-this'\nRequire stack:\n- /var/task/index.js\n",
                &[],
            ),
        ),
        (
            "index.handler",
            "index.js",
            "exports.a = 1\nconst b\n",
            (
                "Runtime.UserCodeSyntaxError",
                "SyntaxError: Missing initializer in const declaration",
                &["/var/task/index.js:2", "const b"],
            ),
        ),
        (
            "index.handler",
            "index.mjs",
            "export const a = 1\nconst b\n",
            (
                "Runtime.UserCodeSyntaxError",
                "SyntaxError: Missing initializer in const declaration",
                &["/var/task/index.mjs:2", "const b"],
            ),
        ),
        (
            "index.handler",
            "index.js",
            "exports.other = 1",
            (
                "Runtime.HandlerNotFound",
                "index.handler is undefined or not exported",
                &["Runtime.HandlerNotFound: index.handler is undefined or not exported"],
            ),
        ),
        (
            "index.handler",
            "index.js",
            "exports.handler = 1",
            ("Runtime.HandlerNotFound", "index.handler is not a function", &[]),
        ),
        (
            "index",
            "index.js",
            "",
            ("Runtime.MalformedHandlerName", "Bad handler", &[]),
        ),
        (
            "../index.handler",
            "index.js",
            "",
            (
                "Runtime.MalformedHandlerName",
                "'../index.handler' is not a valid handler name. Use absolute paths when specifying root directories in \
                 handler names.",
                &[],
            ),
        ),
        (
            "index.handler",
            "index.js",
            "throw new RangeError('while loading')",
            (
                "RangeError",
                "while loading",
                &[
                    "RangeError: while loading",
                    "    at Object.<anonymous> (/var/task/index.js:1:7)",
                ],
            ),
        ),
        (
            "index.handler",
            "index.js",
            "Promise.reject(new Error('lost'))\nexports.handler = async () => 1",
            (
                "Runtime.UnhandledPromiseRejection",
                "Error: lost",
                &["Runtime.UnhandledPromiseRejection: Error: lost"],
            ),
        ),
    ];
    for &(handler, file, code, (error_type, message, trace)) in cases {
        let function = world.function(NODE, handler, &[(file, code)]);
        let outcomes = outcomes(&world, function, &["{}"]).await;
        let recorded = if error_type.starts_with("Runtime.") {
            error_type
        } else {
            "Runtime.Unknown"
        };
        // What follows names the place of the bootstrap.
        let outcome = match message.strip_suffix('\n').and_then(|_| outcomes[0].find("- ")) {
            Some(_) => {
                let mut payload: Value = serde_json::from_str(outcomes[0].split_once(' ').unwrap().1).unwrap();
                let found = payload["errorMessage"].as_str().unwrap();
                assert!(
                    found.starts_with(message) && found.ends_with("/bootstrap.cjs"),
                    "{found}"
                );
                payload["errorMessage"] = message.into();
                format!(
                    r#"{recorded} {{"errorType":"{error_type}","errorMessage":{},"trace":[]}}"#,
                    payload["errorMessage"]
                )
            }
            None => outcomes[0].clone(),
        };
        check_error(&outcome, recorded, error_type, message, trace);
    }
    let good = row!("corrected", "exports.handler = async () => 'fine'", "{}" => r#""fine""#);
    check(&world, NODE, &[good]).await;
}

/// The place of a syntax error is told, in whichever file of the function it is.
pub(super) async fn syntax_errors_of_other_files(world: World) {
    const BAD: &str = "// a comment\nexport const v=;\n";
    const GOOD: &str = "export const handler = async () => 'fine'\n";
    let module = ("package.json", r#"{"type":"module"}"#);
    let cases: &[(&[(&str, &str)], &str)] = &[
        (
            &[("index.mjs", "import { v } from './dep.mjs'\n"), ("dep.mjs", BAD)],
            "dep.mjs:2",
        ),
        (
            &[
                ("index.mjs", "import './sub/dep.mjs'\n"),
                ("sub/dep.mjs", "export {\n  v,\n} from '../sub/dep2.mjs'\n"),
                ("sub/dep2.mjs", BAD),
                ("beside.mjs", BAD),
            ],
            "sub/dep2.mjs:2",
        ),
        (
            &[
                module,
                ("index.js", "import fs from 'fs'; import * as it from \"./dep.js\"\n"),
                ("dep.js", BAD),
            ],
            "dep.js:2",
        ),
        (
            &[
                ("index.mjs", "await import('./late.mjs')\n"),
                ("late.mjs", BAD),
                ("node_modules/a/index.mjs", BAD),
            ],
            "late.mjs:2",
        ),
        (
            &[
                ("index.mjs", "import './good.mjs'\nimport './script.cjs'\n"),
                ("good.mjs", GOOD),
                ("script.cjs", "const b\n"),
            ],
            "script.cjs:1",
        ),
        // Named by no file that would be read: then no place is better than a wrong one.
        (
            &[
                ("index.mjs", "const name = 'dep'\nawait import(`./${name}.mjs`)\n"),
                ("dep.mjs", BAD),
                ("other.mjs", BAD),
            ],
            "SyntaxError: Unexpected token ';'",
        ),
    ];
    for (files, place) in cases {
        let function = world.function(NODE, "index.handler", files);
        let outcomes = outcomes(&world, function, &["{}"]).await;
        let (recorded, payload) = outcomes[0].split_once(' ').unwrap();
        assert_eq!(recorded, "Runtime.UserCodeSyntaxError");
        let payload: Value = serde_json::from_str(payload).unwrap();
        let first = payload["trace"][0].as_str().unwrap();
        let expected = if place.starts_with("SyntaxError") {
            (*place).to_owned()
        } else {
            format!("/var/task/{place}")
        };
        assert_eq!(first, expected, "{}", outcomes[0]);
    }
    let good = row!("corrected", "exports.handler = async () => 'fine'", "{}" => r#""fine""#);
    check(&world, NODE, &[good]).await;
}

pub(super) async fn errors_that_nobody_caught(world: World) {
    let code = "
const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const me = Math.random()
exports.handler = async (event) => {
  if (event === 'throw') setTimeout(() => { throw new Error('from a timer') }, 5)
  if (event === 'reject') Promise.reject(new Error('lost'))
  if (event === 'exit') process.exit(7)
  if (event) await later(10000)
  return me
}";
    let function = world.function(NODE, "index.handler", &[("index.js", code)]);
    let events = ["0", "\"throw\"", "0", "\"reject\"", "0", "\"exit\"", "0"];
    let outcomes = outcomes(&world, function, &events).await;
    check_error(
        &outcomes[1],
        "Runtime.Unknown",
        "Error",
        "from a timer",
        &["Error: from a timer"],
    );
    let rejection = "Runtime.UnhandledPromiseRejection";
    check_error(
        &outcomes[3],
        rejection,
        rejection,
        "Error: lost",
        &["Runtime.UnhandledPromiseRejection: Error: lost"],
    );
    assert_eq!(
        outcomes[5],
        r#"Runtime.ExitError {"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited with error: exit status 7"}"#
    );
    let mut processes: Vec<_> = [0, 2, 4, 6].map(|index: usize| outcomes[index].as_str()).to_vec();
    processes.dedup();
    assert_eq!(processes.len(), 4, "each of them has ended its process: {outcomes:?}");
}
