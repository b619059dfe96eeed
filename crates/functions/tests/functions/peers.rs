//! Who may speak to the Runtime API of an environment.

use crate::Case;
use crate::world::World;
use sandbox::Tier;

pub(crate) const CASES: &[Case] = &[
    ("another_function_is_turned_away", |world| {
        Box::pin(another_function_is_turned_away(world))
    }),
    ("every_process_of_the_function_may_speak", |world| {
        Box::pin(every_process_may_speak(world))
    }),
];

/// Answers with the address of its Runtime API and its process id.
const VICTIM: &str = "
while True:
    id, event, _ = next_event()
    respond(id, API + ' ' + str(ME))
";

/// Speaks to the Runtime API that the event names, and answers with what it heard.
const INTRUDER: &str = "
def say(request):
    line = socket.create_connection((host, int(port)))
    try:
        line.sendall(request)
        return line.recv(1000)
    except OSError as error:
        return str(error).encode()
while True:
    id, event, _ = next_event()
    host, port = event.split(':')
    heard = [
        say(b'GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'),
        say(b'POST /2018-06-01/runtime/init/error HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 2\\r\\n\\r\\n{}'),
    ]
    # Says something and does not wait for an answer.
    line = socket.create_connection((host, int(port)))
    line.sendall(b'POST /2018-06-01/runtime/init/error HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 2\\r\\n\\r\\n{}')
    line.close()
    respond(id, 'heard something' if any(it.startswith(b'HTTP') for it in heard) else 'heard nothing')
";

async fn another_function_is_turned_away(world: World) {
    world.put(world.function_named("victim", VICTIM));
    world.put(world.function_named("intruder", INTRUDER));
    let victim = async || crate::world::text(world.invoke_named("victim", "1").await);
    let before = victim().await;
    let (address, _) = before.split_once(' ').unwrap();
    for _ in 0..3 {
        let heard = crate::world::text(world.invoke_named("intruder", address).await);
        match world.spawner.tier() {
            Tier::Process => assert_eq!(heard, "heard nothing"),
            // Each has its own at that address, and can reach no other.
            Tier::Namespace => assert_eq!((address, heard.as_str()), ("127.0.0.1:9001", "heard something")),
        }
        // The same process as before, which still waits for its events.
        assert_eq!(victim().await, before);
    }
}

/// The main process only starts others: a child, a grandchild, and a daemon in a session of its own.
async fn every_process_may_speak(world: World) {
    for ancestors in [
        "",
        "if os.fork(): signal.pause()",
        "os.setsid()\nif os.fork(): os._exit(0)",
    ] {
        world.put(world.function(&format!(
            "
if os.fork(): signal.pause()
{ancestors}
connection = http.client.HTTPConnection(API)
while True:
    id, event, _ = next_event()
    respond(id, event)
"
        )));
        for event in ["1", "2"] {
            assert_eq!(world.answer(event).await, event, "{ancestors}");
        }
    }
}
