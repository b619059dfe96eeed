//! `examples/servers`.

use crate::started::Started;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use testkit::{Folder, repository, until};

const PORTS: &[u16] = &[8080, 8443];
const PAGE: &str = "https://web.localhost:8443/page";

/// One of the servers. It ends with this value.
struct Program {
    child: Child,
    address: SocketAddr,
}

impl Program {
    /// Starts it as the manifest's first lines say, but on a free port.
    fn start(name: &str) -> Self {
        let mut command = Command::new("python3");
        command.args([&repository("examples/servers/server.py"), name, "0"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut said).unwrap();
        let port = said.trim().strip_prefix(&format!("{name} listens on port "));
        let port: u16 = port.unwrap_or_else(|| panic!("{said:?}")).parse().unwrap();
        Self {
            child,
            address: ([127, 0, 0, 1], port).into(),
        }
    }

    fn stop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The example with both servers.
struct World {
    albacore: Started,
    blue: Program,
    green: Program,
}

impl World {
    fn new() -> Self {
        let (blue, green) = (Program::start("blue"), Program::start("green"));
        // The ports of the manifest may be taken here.
        let folder = Folder::new(env!("CARGO_BIN_EXE_albacore"));
        let file = |name: &str| std::fs::read_to_string(repository(&format!("examples/servers/{name}"))).unwrap();
        let manifest = file("albacore.yaml")
            .replace("127.0.0.1:9001", &blue.address.to_string())
            .replace("127.0.0.1:9002", &green.address.to_string());
        folder.write("albacore.yaml", &manifest);
        std::fs::create_dir(folder.path("beta")).unwrap();
        folder.write("beta/app.py", &file("beta/app.py"));
        let albacore = Started::with(folder, "albacore.yaml".to_owned(), PORTS);
        Self { albacore, blue, green }
    }

    /// Waits until a server's target is in this state, and returns what is told about it.
    #[track_caller]
    fn target_is(&self, server: &Program, state: &str) -> Value {
        until(state, || {
            let told = self.albacore.own_api("targets");
            let targets = told["targets"].as_array().unwrap();
            let target = targets.iter().find(|it| it["target"] == server.address.to_string())?;
            (target["state"] == state).then(|| target.clone())
        })
    }

    /// Who answers so many requests, of clients without cookies.
    #[track_caller]
    fn answers(&self, number: usize) -> Vec<String> {
        let bodies = self.albacore.curl_all(&format!("{PAGE}-[1-{number}]"));
        let answers: Vec<String> = bodies.lines().map(who).collect();
        assert_eq!(answers.len(), number, "{bodies}");
        answers
    }
}

/// The first word of a body.
fn who(body: &str) -> String {
    body.split(' ').next().unwrap_or_default().to_owned()
}

fn count(answers: &[String], name: &str) -> usize {
    answers.iter().filter(|it| *it == name).count()
}

#[test]
fn servers_and_a_function_share_the_requests() {
    const ASKED: usize = 300;
    let world = World::new();
    world.target_is(&world.blue, "healthy");
    world.target_is(&world.green, "healthy");
    let answers = world.answers(ASKED);
    let (blue, green, beta) = (
        count(&answers, "blue"),
        count(&answers, "green"),
        count(&answers, "beta"),
    );
    assert_eq!(blue + green + beta, ASKED, "{answers:?}");
    // 30 of 300 are expected; outside of this are fewer than one in a billion runs.
    assert!((3..=75).contains(&beta), "{beta} went to the function with weight 10");
    // Targets with as many requests in progress take turns.
    assert!(blue.min(green) > ASKED / 3, "{blue} went to blue, {green} to green");

    let beta = world.albacore.curl(&["https://web.localhost:8443/beta/a"]);
    assert_eq!((beta.status, beta.text()), (200, "beta answers /beta/a\n"));
    let redirect = world.albacore.curl(&["http://web.localhost:8080/page"]);
    assert_eq!((redirect.status, redirect.headers("location")), (302, vec![PAGE]));
}

#[test]
fn a_client_comes_back_to_its_server_also_after_a_takeover() {
    let mut world = World::new();
    // Before that, those that have passed their check get the requests of the others.
    let both_healthy = |world: &World| {
        world.target_is(&world.blue, "healthy");
        world.target_is(&world.green, "healthy");
    };
    both_healthy(&world);
    let ask = |world: &World, jar: &str| who(world.albacore.curl(&["-c", jar, "-b", jar, PAGE]).text());
    // One that does not come to the function first, which is alone in its target group.
    let clients = (0..20).map(|client| world.albacore.folder().path(&format!("jar-{client}")));
    let mut begun = clients.map(|jar| (ask(&world, jar.to_str().unwrap()), jar));
    let (first, jar) = begun.find(|(first, _)| first != "beta").expect("a client of a server");
    drop(begun);
    let again = |world: &World| (0..20).for_each(|_| assert_eq!(ask(world, jar.to_str().unwrap()), first));
    again(&world);
    world.albacore.take_over();
    both_healthy(&world);
    again(&world);
}

#[test]
fn a_server_that_stops_is_found_out() {
    let mut world = World::new();
    world.target_is(&world.blue, "healthy");
    world.target_is(&world.green, "healthy");
    world.blue.stop();
    let target = world.target_is(&world.blue, "unhealthy");
    assert_eq!(target["reason"], "Target.FailedHealthChecks");
    let answers = world.answers(60);
    assert!(
        count(&answers, "green") > 0 && count(&answers, "blue") == 0,
        "{answers:?}"
    );
}

#[test]
fn a_server_that_is_taken_out_drains() {
    let world = World::new();
    world.target_is(&world.green, "healthy");
    let folder = world.albacore.folder();
    let manifest = std::fs::read_to_string(folder.path("albacore.yaml")).unwrap();
    folder.write(
        "albacore.yaml",
        &manifest.replace(&format!("\"{}\", ", world.blue.address), ""),
    );
    let target = world.target_is(&world.blue, "draining");
    assert_eq!(target["reason"], "Target.DeregistrationInProgress");
    let answers = world.answers(60);
    assert!(
        count(&answers, "green") > 0 && count(&answers, "blue") == 0,
        "{answers:?}"
    );
}
