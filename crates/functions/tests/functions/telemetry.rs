//! The Telemetry API and the Logs API: extensions with listeners of their own.

use crate::Case;
use crate::extensions::with_extensions;
use crate::world::{World, until};
use model::lambda::function::{Function, Network};
use model::lambda::logging::{ApplicationLogLevel, LogFormat, SystemLogLevel};
use serde_json::Value;

pub(crate) const CASES: &[Case] = &[
    ("telemetry_of_an_invocation", |world| {
        Box::pin(telemetry_of_an_invocation(world))
    }),
    ("telemetry_in_the_hosts_network", |world| {
        Box::pin(telemetry_in_the_hosts_network(world))
    }),
    ("telemetry_of_a_json_log", |world| {
        Box::pin(telemetry_of_a_json_log(world))
    }),
    ("telemetry_of_a_repeated_init", |world| {
        Box::pin(telemetry_of_a_repeated_init(world))
    }),
    ("telemetry_is_sent_again", |world| Box::pin(it_is_sent_again(world))),
    ("telemetry_through_the_logs_api", |world| {
        Box::pin(through_the_logs_api(world))
    }),
    ("telemetry_subscriptions", |world| Box::pin(subscriptions(world))),
];

/// What an extension with a listener begins with: it hands on every record to the case, one connection for each batch.
const LISTENER: &str = r#"
import socketserver, threading, http.server
done = {}
def runtime_done(id):
    return done.setdefault(id, threading.Event())
def hand_on(records):
    for record in records:
        if record['type'] == 'platform.runtimeDone':
            runtime_done(record['record']['requestId']).set()
    line = socket.socket(socket.AF_UNIX)
    line.connect(os.environ['CASE_SOCKET'])
    line.sendall(json.dumps(records).encode() + b'\n')
class Posts(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    refusals = 0
    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        refused = Posts.refusals > 0
        Posts.refusals -= 1
        if not refused:
            assert self.headers['Content-Type'] == 'application/json'
            hand_on(json.loads(body))
        self.send_response(500 if refused else 200)
        self.send_header('Content-Length', '0')
        self.end_headers()
    def log_message(self, *_):
        pass
class Lines(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            hand_on([json.loads(line)])
def serve(handler):
    server = socketserver.ThreadingTCPServer(('127.0.0.1', 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]
def subscribe(path, document):
    connection.request('PUT', path, json.dumps(document), {**ME, 'Content-Type': 'application/json'})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())
def telemetry(port, **changes):
    return subscribe('/2022-07-01/telemetry', {
        'schemaVersion': '2022-12-13', 'types': ['platform', 'function', 'extension'],
        'buffering': {'timeoutMs': 25, 'maxBytes': 262144, 'maxItems': 1000},
        'destination': {'protocol': 'HTTP', 'URI': 'http://sandbox.localdomain:%d/here' % port}, **changes})
def listen():
    while True:
        event, _ = next_event()
        if event['eventType'] == 'SHUTDOWN':
            return
        # As extensions do that send on what they hear: first the platform has to say that the runtime is done.
        assert runtime_done(event['requestId']).wait(20), 'the runtime was never done'
"#;

const PRINTS: &str = "
while True:
    id, event, _ = next_event()
    print(json.loads(event))
    sys.stdout.flush()
    respond(id, id)
";

fn with_listener(world: &World, function: Function, program: &str) -> Function {
    with_extensions(world, function, &[("listener", &format!("{LISTENER}{program}"))])
}

/// Takes records until one of this type has come for this request, and gives all.
async fn records(world: &World, last: &str, id: &str) -> Vec<Value> {
    let mut all = Vec::new();
    while !all
        .iter()
        .any(|it: &Value| it["type"] == last && it["record"]["requestId"] == id)
    {
        let told = world.told().await;
        let batch: Vec<Value> = serde_json::from_str(&told.text).unwrap();
        all.extend(batch);
    }
    all
}

/// The types in their order, those of lines with the line.
fn types(records: &[Value]) -> Vec<String> {
    let shown = |record: &Value| {
        let name = record["type"].as_str().unwrap();
        assert!(record["time"].as_str().unwrap().ends_with('Z'), "{record}");
        match name.strip_prefix("platform.") {
            Some(name) => name.to_owned(),
            None => format!("{name} {}", record["record"]),
        }
    };
    records.iter().map(shown).collect()
}

fn of_type<'a>(records: &'a [Value], name: &str) -> &'a Value {
    let found = records.iter().find(|it| it["type"] == name);
    &found.unwrap_or_else(|| panic!("no {name}: {records:#?}"))["record"]
}

// LAM-X-017: subscribing returns 200 "OK" during init and 403 afterwards
// LAM-X-019: batches are arrays of {time, type, record}, posted to sandbox.localdomain
// LAM-X-020: start, runtimeDone and report have the same request id
// LAM-X-022: lines of a text log are strings
async fn telemetry_of_an_invocation(world: World) {
    of_an_invocation(world, None).await;
}

async fn telemetry_in_the_hosts_network(world: World) {
    of_an_invocation(world, Some(Network::Host)).await;
}

async fn of_an_invocation(world: World, network: Option<Network>) {
    let program = "
register('INVOKE', 'SHUTDOWN')
port = serve(Posts)
answer = telemetry(port)
assert answer == (200, 'OK'), answer
print('an extension speaks')
sys.stdout.flush()
event, _ = next_event()
answer = telemetry(port)
expected = {'errorMessage': 'Telemetry API subscription is closed', 'errorType': 'Telemetry.SubscriptionClosed'}
assert answer == (403, expected), answer
assert runtime_done(event['requestId']).wait(20), 'the runtime was never done'
listen()
";
    let mut function = with_listener(&world, world.function(PRINTS), program);
    function.configuration.network = network;
    world.put(function);
    let id = world.answer("\"a line\"").await;
    let records = records(&world, "platform.report", &id).await;
    let mut types = types(&records);
    // Its line may come before or after what the init says.
    let said = "extension \"an extension speaks\"";
    assert_eq!(types.iter().filter(|it| *it == said).count(), 1, "{types:?}");
    types.retain(|it| it != said);
    assert_eq!(
        types,
        [
            "initStart",
            "telemetrySubscription",
            "initRuntimeDone",
            "extension",
            "initReport",
            "start",
            "function \"a line\"",
            "runtimeDone",
            "report",
        ]
    );
    let start = of_type(&records, "platform.initStart");
    assert_eq!(start["phase"], "init");
    assert_eq!(start["functionName"], "f");
    assert_eq!(
        *of_type(&records, "platform.telemetrySubscription"),
        serde_json::json!({
            "name": "listener",
            "state": "Subscribed",
            "types": ["platform", "function", "extension"],
        })
    );
    for name in ["platform.start", "platform.runtimeDone", "platform.report"] {
        assert_eq!(of_type(&records, name)["requestId"], id.as_str(), "{name}");
        let tracing = serde_json::json!({"type": "X-Amzn-Trace-Id", "value": "Root=1-5-7"});
        assert_eq!(of_type(&records, name)["tracing"], tracing, "{name}");
    }
    assert_eq!(of_type(&records, "platform.runtimeDone")["status"], "success");
    assert!(of_type(&records, "platform.report")["metrics"]["initDurationMs"].is_number());
    // In the log of the function it is a line of text.
    let subscribed = "TELEMETRY\tName: listener\tState: Subscribed\tTypes: [Platform, Function, Extension]";
    assert_eq!(world.log.count(subscribed), 1);
}

// LAM-X-022: lines of a JSON log are objects
async fn telemetry_of_a_json_log(world: World) {
    let program = "
register('INVOKE', 'SHUTDOWN')
answer = telemetry(serve(Posts), types=['function', 'platform'])
assert answer == (200, 'OK'), answer
listen()
";
    let prints = PRINTS.replace("print(json.loads(event))", "print(event); print('text')");
    let mut function = with_listener(&world, world.function(&prints), program);
    function.configuration.logging.format = LogFormat::Json {
        application_level: ApplicationLogLevel::Info,
        system_level: SystemLogLevel::Warn,
    };
    world.put(function);
    let id = world.answer("{\"level\":\"INFO\",\"message\":\"a \\\"b\\\"\"}").await;
    let records = records(&world, "platform.report", &id).await;
    let lines: Vec<_> = records
        .iter()
        .filter(|it| it["type"] == "function")
        .map(|it| &it["record"])
        .collect();
    assert_eq!(
        (&lines[0]["message"], lines[1]),
        (&"a \"b\"".into(), &Value::from("text"))
    );
    assert!(lines[0]["timestamp"].is_string());
    // What the log leaves out by its level is told all the same.
    assert_eq!(of_type(&records, "platform.runtimeDone")["status"], "success");
    assert_eq!(world.log.count("{\"time\""), 0);
}

// LAM-X-021: initStart with phase invoke is delivered for suppressed inits
async fn telemetry_of_a_repeated_init(world: World) {
    let program = "
register('INVOKE', 'SHUTDOWN')
answer = telemetry(serve(Posts), types=['platform'])
assert answer == (200, 'OK'), answer
listen()
";
    let function = world.function(&format!(
        "
import tempfile
first = tempfile.gettempdir() + '/first'
if not os.path.exists(first):
    open(first, 'w').close()
    os._exit(7)
{PRINTS}"
    ));
    world.put(with_listener(&world, function, program));
    let answering = world.answer("1");
    let (id, records) = {
        let mut all: Vec<Value> = Vec::new();
        tokio::pin!(answering);
        let id = loop {
            tokio::select! {
                id = &mut answering => break id,
                told = world.told() => all.extend(serde_json::from_str::<Vec<Value>>(&told.text).unwrap()),
            }
        };
        let is_last = |it: &Value| it["type"] == "platform.report";
        while !all.iter().any(is_last) {
            let told = world.told().await;
            all.extend(serde_json::from_str::<Vec<Value>>(&told.text).unwrap());
        }
        (id, all)
    };
    let phases: Vec<_> = records
        .iter()
        .filter(|it| it["type"] == "platform.initStart")
        .map(|it| it["record"]["phase"].as_str().unwrap())
        .collect();
    assert_eq!(phases, ["init", "invoke"]);
    let ends: Vec<_> = records
        .iter()
        .filter(|it| it["type"] == "platform.initRuntimeDone")
        .map(|it| {
            (
                it["record"]["status"].as_str().unwrap(),
                it["record"]["errorType"].as_str(),
            )
        })
        .collect();
    assert_eq!(ends, [("error", Some("Runtime.ExitError")), ("success", None)]);
    assert_eq!(of_type(&records, "platform.start")["requestId"], id.as_str());
}

async fn it_is_sent_again(world: World) {
    let program = "
register('INVOKE', 'SHUTDOWN')
Posts.refusals = 3
answer = telemetry(serve(Posts), types=['function', 'platform'])
assert answer == (200, 'OK'), answer
listen()
";
    world.put(with_listener(&world, world.function(PRINTS), program));
    let id = world.answer("\"not lost\"").await;
    let records = records(&world, "platform.report", &id).await;
    assert_eq!(types(&records)[..2], ["initStart", "telemetrySubscription"]);
    assert_eq!(*of_type(&records, "function"), "not lost");
}

/// Source: Lambda 4.6, where the Logs API differs.
async fn through_the_logs_api(world: World) {
    let program = "
register('INVOKE', 'SHUTDOWN')
port = serve(Lines)
answer = subscribe('/2020-08-15/logs', {'types': ['platform', 'function'], 'buffering': {'timeoutMs': 25},
    'destination': {'protocol': 'TCP', 'port': port}})
assert answer == (200, 'OK'), answer
answer = telemetry(port)
assert answer[0] == 400, answer
listen()
";
    world.put(with_listener(&world, world.function(PRINTS), program));
    let id = world.answer("\"a line\"").await;
    let mut records = records(&world, "platform.report", &id).await;
    assert_eq!(
        *of_type(&records, "platform.end"),
        serde_json::json!({ "requestId": id })
    );
    records.retain(|it| it["type"] != "platform.end");
    assert_eq!(
        types(&records),
        [
            "logsSubscription",
            "extension",
            "start",
            "function \"a line\"",
            "runtimeDone",
            "report",
        ]
    );
    until(|| {
        world
            .log
            .count("LOGS\tName: listener\tState: Subscribed\tTypes: [Platform, Function]")
            == 1
    })
    .await;
}

// LAM-X-018: invalid subscriptions return 400 ValidationError
// LAM-X-023: and so does buffering out of its ranges
async fn subscriptions(world: World) {
    let program = "
register()
LAST = ME['Lambda-Extension-Identifier']
said = [telemetry(1, types=[]), telemetry(1, buffering={'maxItems': 1}), telemetry(1, schemaVersion='1')]
said.append(subscribe('/2020-08-15/logs', {}))
ME = {}
said.append(telemetry(1))
open(SHARED + '/said', 'w').write(json.dumps(said))
ME = {'Lambda-Extension-Identifier': LAST}
next_event()
";
    let function = world.function(
        "
import tempfile
while True:
    id, event, _ = next_event()
    respond(id, open(tempfile.gettempdir() + '/said').read())
",
    );
    world.put(with_listener(&world, function, program));
    let said: Vec<(u64, Value)> = serde_json::from_str(&world.answer("1").await).unwrap();
    let said: Vec<_> = said
        .iter()
        .map(|(status, body)| (*status, body["errorType"].as_str().unwrap()))
        .collect();
    assert_eq!(
        said,
        [
            (400, "ValidationError"),
            (400, "ValidationError"),
            (400, "ValidationError"),
            (400, "Logs.ValidationError"),
            (403, "Extension.MissingExtensionIdentifier"),
        ]
    );
}
