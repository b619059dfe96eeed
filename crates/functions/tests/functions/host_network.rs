//! Functions in the host's network: nothing else of the host is theirs, and their Runtime APIs and doors, which are on its
//! loopback address then, are nobody else's.

use crate::Case;
use crate::world::{World, text};
use invoke::{Door, DoorCredentials, Doorkeeper, NoDoor};
use model::Secret;
use model::lambda::function::{Function, Network};
use sandbox::Tier;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(crate) const CASES: &[Case] = &[
    ("host_network_and_nothing_else_of_the_host", |world| {
        Box::pin(nothing_else(world))
    }),
    ("host_network_runtime_apis_are_their_own", |world| {
        Box::pin(runtime_apis(world))
    }),
    ("host_network_doors_are_their_own", |world| Box::pin(doors(world))),
];

fn on_host_network(mut function: Function) -> Function {
    function.configuration.network = Some(Network::Host);
    function
}

/// Answers with what it finds.
const LOOKS: &str = "
def attempt(act):
    try:
        return act()
    except OSError as error:
        return type(error).__name__
while True:
    id, event, _ = next_event()
    event = json.loads(event)
    respond(id, json.dumps({
        'user': [os.getuid(), os.getgid()],
        'folder': os.getcwd(),
        'api': API,
        'processes': len([name for name in os.listdir('/proc') if name.isdigit()]),
        'secret': attempt(lambda: open(event['secret']).read()),
        'shadow': attempt(lambda: open('/etc/shadow').read()),
        'written': attempt(lambda: open('/var/task/new', 'w').close()),
        'neighbour': attempt(lambda: socket.create_connection(('127.0.0.1', event['port'])).recv(10).decode()),
        'itself': socket.gethostbyname('sandbox.localdomain'),
        'hosts': open('/etc/hosts').read(),
        'servers': attempt(lambda: open('/etc/resolv.conf').read()),
    }))
";

async fn nothing_else(world: World) {
    if world.spawner.tier() == Tier::Process {
        return; // where everything is the host's
    }
    let secret = world.directory.join("secret");
    std::fs::write(&secret, "secret").unwrap();
    let neighbour = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = neighbour.local_addr().unwrap().port();
    let greets = std::thread::spawn(move || {
        let (mut stream, _) = neighbour.accept().unwrap();
        stream.write_all(b"hello").unwrap();
    });
    let event = serde_json::json!({ "secret": secret, "port": port }).to_string();
    world.put(world.function(LOOKS));
    let apart: Value = serde_json::from_str(&world.answer(&event).await).unwrap();
    assert_eq!(apart["neighbour"], "ConnectionRefusedError");
    world.put(on_host_network(world.function(LOOKS)));
    let found: Value = serde_json::from_str(&world.answer(&event).await).unwrap();
    greets.join().unwrap();
    assert_eq!(found["neighbour"], "hello");
    for name in ["user", "folder", "processes", "secret", "shadow", "written"] {
        assert_eq!(found[name], apart[name], "{name}");
    }
    assert_eq!(
        (&found["secret"], &found["folder"]),
        (&"FileNotFoundError".into(), &"/var/task".into())
    );
    assert_ne!(found["api"], "127.0.0.1:9001");
    assert_eq!(found["itself"], "127.0.0.1");
    // It knows the names that the host knows.
    let read = |path: &str| std::fs::read_to_string(path);
    let known = read("/etc/hosts").unwrap_or_default();
    assert!(found["hosts"].as_str().unwrap().starts_with(&known), "{found}");
    if let Ok(servers) = read("/etc/resolv.conf") {
        assert_eq!(found["servers"], servers);
    }
}

/// Answers with where it can be spoken to, and its mark.
const VICTIM: &str = "
while True:
    id, event, _ = next_event()
    respond(id, API + ' ' + os.environ.get('AWS_ENDPOINT_URL', 'http://-').removeprefix('http://') + ' ' + str(ME))
";

/// Speaks to the address that the event names, and answers with what it heard.
const INTRUDER: &str = "
def say(request):
    line = socket.create_connection((host, int(port)))
    try:
        line.sendall(request)
        return line.recv(1000)
    except OSError as error:
        return b''
while True:
    id, event, _ = next_event()
    host, port = event.split(':')
    heard = [
        say(b'GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'),
        say(b'POST /2018-06-01/runtime/init/error HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 2\\r\\n\\r\\n{}'),
        say(b'GET /2018-06-01/ping HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'),
    ]
    respond(id, 'heard %d bytes' % sum(map(len, heard)))
";

async fn runtime_apis(world: World) {
    world.put(on_host_network(world.function_named("victim", VICTIM)));
    world.put(on_host_network(world.function_named("intruder", INTRUDER)));
    let victim = async || text(world.invoke_named("victim", "1").await);
    let before = victim().await;
    let address = before.split(' ').next().unwrap().to_owned();
    for _ in 0..3 {
        // It reaches the port, as everybody on this host does.
        let heard = text(world.invoke_named("intruder", &address).await);
        assert_eq!(heard, "heard 0 bytes");
        assert_eq!(unheard(&address).await, "");
        // The same process as before, which still waits for its events.
        assert_eq!(victim().await, before);
    }
}

/// What a program of the host hears there.
async fn unheard(address: &str) -> String {
    let address = address.to_owned();
    let ask = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut heard = Vec::new();
        // Whoever is turned away is closed, with what was not read.
        let _ = stream
            .write_all(b"GET /2018-06-01/ping HTTP/1.1\r\nHost: x\r\n\r\n")
            .and_then(|()| stream.read_to_end(&mut heard));
        String::from_utf8(heard).unwrap()
    };
    tokio::task::spawn_blocking(ask).await.unwrap()
}

/// Doors that say whose they are.
struct Keeper;

struct Greeting {
    name: String,
    credentials: DoorCredentials,
    places: Arc<Semaphore>,
}

impl Doorkeeper for Keeper {
    fn open(&self, function: &Function) -> Result<Arc<dyn Door>, NoDoor> {
        Ok(Arc::new(Greeting {
            name: function.name.to_string(),
            credentials: DoorCredentials {
                access_key: "ASIAEXAMPLE".into(),
                secret_key: Secret::new("secret".into()),
                session_token: Secret::new("token".into()),
            },
            places: Arc::new(Semaphore::new(4)),
        }))
    }
}

impl Door for Greeting {
    fn credentials(&self) -> &DoorCredentials {
        &self.credentials
    }

    fn places(&self) -> &Arc<Semaphore> {
        &self.places
    }

    fn serve(&self, mut connection: TcpStream, _place: OwnedSemaphorePermit) {
        connection
            .write_all(format!("door of {}", self.name).as_bytes())
            .unwrap();
    }

    fn runs(&self, _trace_id: Option<&str>) {}

    fn close(&self) {}
}

/// Goes through its own door, or to the one that the event names.
const VISITOR: &str = "
while True:
    id, event, _ = next_event()
    address = os.environ['AWS_ENDPOINT_URL'].removeprefix('http://') if event == 'own' else event
    host, port = address.split(':')
    line = socket.create_connection((host, int(port)))
    try:
        heard = line.recv(100).decode()
    except OSError:
        heard = ''
    respond(id, address + ' ' + heard)
";

async fn doors(world: World) {
    world.functions.lead_out(Arc::new(Keeper));
    for name in ["one", "other"] {
        world.put(on_host_network(world.function_named(name, VISITOR)));
    }
    let visit = async |name: &str, event: &str| text(world.invoke_named(name, event).await);
    let own = visit("one", "own").await;
    let (address, heard) = own.split_once(' ').unwrap();
    assert_eq!(heard, "door of one");
    assert_eq!(visit("other", address).await, format!("{address} "), "turned away");
    assert_eq!(unheard(address).await, "");
    assert!(visit("other", "own").await.ends_with(" door of other"));
    assert_eq!(visit("one", "own").await, own);
}
