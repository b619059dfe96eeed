//! A running albacore.

use crate::http::get;
use crate::process::Process;
use crate::wait::BOUND;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};

/// A server that is killed with this value, if it has not ended before.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Locked, so that threads of a test may share the server.
    notices: Mutex<Receiver<String>>,
    log: Mutex<Receiver<String>>,
    endpoint: Option<SocketAddr>,
    listeners: Vec<String>,
}

impl Server {
    /// Starts an `albacore up --json`, and waits until it is ready.
    ///
    /// # Panics
    ///
    /// When it does not get ready.
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let notices = lines_of(child.stderr.take().unwrap());
        let log = lines_of(child.stdout.take().unwrap());
        let mut server = Self {
            child,
            notices: Mutex::new(notices),
            log: Mutex::new(log),
            endpoint: None,
            listeners: Vec::new(),
        };
        let ready = server.notice("ready");
        server.endpoint = ready["endpoint"].as_str().unwrap().parse().ok();
        server
    }

    /// The next notice of this kind; those before it pass.
    ///
    /// # Panics
    ///
    /// When none comes within [`BOUND`], or what comes is not JSON.
    #[track_caller]
    pub fn notice(&mut self, event: &str) -> Value {
        self.told(event, |notice| notice["event"] == event)
    }

    /// The next log line with this message; what is before it passes.
    ///
    /// # Panics
    ///
    /// When none comes within [`BOUND`], or what comes is not JSON.
    #[track_caller]
    pub fn logged(&mut self, message: &str) -> Value {
        self.told(message, |line| line["message"] == message)
    }

    /// Every line up to the next log line with this message, which is the last of them.
    ///
    /// # Panics
    ///
    /// When none comes within [`BOUND`], or what comes is not JSON.
    #[track_caller]
    pub fn logged_up_to(&mut self, message: &str) -> Vec<Value> {
        let mut lines = Vec::new();
        self.told(message, |line| {
            lines.push(line.clone());
            line["message"] == message
        });
        lines
    }

    #[track_caller]
    fn told(&mut self, what: &str, mut is_it: impl FnMut(&Value) -> bool) -> Value {
        let mut passed = Vec::new();
        loop {
            let Ok(line) = self.notices.get_mut().unwrap().recv_timeout(BOUND) else {
                panic!("{what:?} was never told, only {passed:#?}");
            };
            let told: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"));
            if told["event"] == "listener" {
                self.listeners.push(told["url"].as_str().unwrap().to_owned());
            }
            if is_it(&told) {
                return told;
            }
            passed.push(line);
        }
    }

    /// The next line of a function that contains `text`, as a JSON document.
    ///
    /// # Panics
    ///
    /// When none comes within [`BOUND`].
    #[track_caller]
    pub fn log_line(&mut self, text: &str) -> Value {
        loop {
            let line = self
                .log
                .get_mut()
                .unwrap()
                .recv_timeout(BOUND)
                .expect("a line of the function");
            if line.contains(text) {
                return serde_json::from_str(&line).unwrap();
            }
        }
    }

    /// The address of the own API and the AWS API.
    pub fn endpoint(&self) -> SocketAddr {
        self.endpoint.unwrap()
    }

    /// The URLs of the listeners that were told.
    pub fn listeners(&self) -> &[String] {
        &self.listeners
    }

    /// Asks a path of the own API: status, and the document or else the text.
    ///
    /// # Panics
    ///
    /// When it does not answer.
    #[track_caller]
    pub fn own_api(&self, name: &str) -> (u16, Value) {
        let answer = get(self.endpoint(), &format!("/_albacore/{name}"));
        (
            answer.0,
            serde_json::from_str(&answer.1).unwrap_or(Value::String(answer.1)),
        )
    }

    /// The value of a metric; `name` has its labels with it. `None` when there is no such metric.
    ///
    /// # Panics
    ///
    /// When the metrics are not as OpenMetrics wants them.
    #[track_caller]
    pub fn metric(&self, name: &str) -> Option<f64> {
        let (_, text) = self.own_api("metrics");
        let mut lines = text.as_str().unwrap().lines();
        lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(' ')?.parse().unwrap()))
    }

    /// The socket that is open for a listener, by the listener's port.
    ///
    /// # Panics
    ///
    /// When there is no such listener.
    #[track_caller]
    pub fn socket(&self, port: u16) -> SocketAddr {
        let (_, status) = self.own_api("status");
        let listeners = status["listeners"].as_array().unwrap();
        let listener = listeners.iter().find(|listener| listener["port"] == port);
        listener.unwrap_or_else(|| panic!("{status}"))["socket"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends it a signal.
    ///
    /// # Panics
    ///
    /// When it has been collected.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for the end, and says the exit status; `None` when it was killed.
    ///
    /// # Panics
    ///
    /// When it does not end.
    #[track_caller]
    pub fn exit_code(&mut self) -> Option<i32> {
        Process::of(self.pid()).ended();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of a pipe, in a channel, until it is closed.
fn lines_of(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (tell, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    lines
}
