//! Extensions inside of the runtime's process.

use super::{WARNED, json, patient};
use crate::world::{World, processes_of, text, until};

/// What a runtime with extensions begins with.
const PRELUDE: &str = "
def extension_call(line, method, path, body=None, headers={}):
    line.request(method, '/2020-01-01/extension' + path, body, headers)
    answer = line.getresponse()
    return answer.status, json.loads(answer.read()), dict(answer.getheaders())
def register(name, *events):
    headers = {'Lambda-Extension-Name': name}
    return extension_call(connection, 'POST', '/register', json.dumps({'events': events}), headers)
def event_next(identifier):
    headers = {} if identifier is None else {'Lambda-Extension-Identifier': identifier}
    return extension_call(http.client.HTTPConnection(API), 'GET', '/event/next', None, headers)
";

// LAM-X-007: Register after init returns 403 Extension.RegistrationClosed
// LAM-X-008: the 11th extension returns 403 Extension.TooManyExtensions
// LAM-X-009: an internal extension that subscribes to SHUTDOWN
// LAM-X-010: event/next without, with a malformed and with an unknown identifier
pub(super) async fn internal_extensions(world: World) {
    let program = "
import threading
said = []
def note(answer):
    status, body, _ = answer
    said.append([status, body['errorType'], body['errorMessage']])
note(register('', 'INVOKE'))
note(extension_call(connection, 'POST', '/register', 'no json', {'Lambda-Extension-Name': 'a'}))
note(register('a', 'SHUTDOWN'))
note(register('a', 'INVOKE', 'invoke'))
for identifier in [None, '7', '01234567-89ab-4def-8123-456789abcdef']:
    note(event_next(identifier))
identifiers = []
for number in range(10):
    status, body, headers = register('inside-%d' % number)
    assert status == 200, body
    identifiers.append(headers['Lambda-Extension-Identifier'])
note(register('inside-0'))
note(register('inside-10'))
note(extension_call(connection, 'POST', '/init/error', '{}', {'Lambda-Extension-Identifier': identifiers[0]}))
for identifier in identifiers:
    threading.Thread(target=event_next, args=[identifier], daemon=True).start()
while True:
    id, event, _ = next_event()
    note(register('late'))
    respond(id, json.dumps(said))
";
    world.put(world.function(&format!("{PRELUDE}{program}")));
    let said = json(&text(world.invoke("1").await));
    let said: Vec<(u64, &str)> = said
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it[0].as_u64().unwrap(), it[1].as_str().unwrap()))
        .collect();
    let expected = [
        "Extension.InvalidExtensionName",
        "InvalidRequestFormat",
        "Extension.InvalidEventType",
        "Extension.InvalidEventType",
        "Extension.MissingExtensionIdentifier",
        "Extension.InvalidExtensionIdentifier",
        "Extension.UnknownExtensionIdentifier",
        "Extension.InvalidExtensionState",
        "Extension.TooManyExtensions",
        "Extension.MissingHeader",
        "Extension.RegistrationClosed",
    ];
    assert_eq!(said, expected.map(|error_type| (403, error_type)));
    // None was told of the invocation, so the runtime alone ends it.
    until(|| world.log.count("REPORT") == 1).await;
}

// LAM-R-030: also those inside
pub(super) async fn they_hear_of_invocations(world: World) {
    let program = "
import threading
_, _, headers = register('inside', 'INVOKE')
def listen():
    while True:
        status, event, _ = event_next(headers['Lambda-Extension-Identifier'])
        tell(event['eventType'] + ' ' + event['requestId'])
threading.Thread(target=listen, daemon=True).start()
while True:
    id, event, _ = next_event()
    respond(id, id)
";
    world.put(world.function(&format!("{PRELUDE}{program}")));
    let (id, told) = tokio::join!(world.answer("1"), world.told());
    assert_eq!(told.text, format!("INVOKE {id}"));
    assert_eq!(world.log.count("REPORT"), 0);
    told.go_on().await;
    until(|| world.log.count("REPORT") == 1).await;
}

/// Source: Lambda 4.3, the trick for a graceful end.
pub(super) async fn they_give_the_runtime_time(world: World) {
    let world = patient(world);
    let program = format!(
        "
import threading
_, _, headers = register('inside')
threading.Thread(target=event_next, args=[headers['Lambda-Extension-Identifier']], daemon=True).start()
{WARNED}"
    );
    world.put(world.function(&format!("{PRELUDE}{program}")));
    assert_eq!(world.answer("1").await, "1");
    let warned = async {
        let told = world.told().await;
        assert_eq!(told.text, "TERM");
        told.go_on().await;
    };
    tokio::join!(warned, world.core.shutdown());
    assert_eq!(processes_of(&world.directory), [""; 0]);
}
