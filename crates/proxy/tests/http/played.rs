//! Functions that remember what they were asked, that wait to be let go, or that answer with what they were sent.

use crate::support::*;
use invoke::{Invocation, InvokeOutcome};
use serde_json::Value;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// What a function was asked.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<Invocation>>>);

impl Seen {
    /// A function that remembers, and answers every event with one document.
    pub(crate) fn answering(&self, document: &'static str) -> Function {
        self.around(answering(document))
    }

    /// A function that remembers before it does what `inner` does.
    pub(crate) fn around(&self, inner: Function) -> Function {
        let seen = self.0.clone();
        Arc::new(move |invocation| {
            seen.lock().unwrap().push(invocation.clone());
            inner(invocation)
        })
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub(crate) fn invocations(&self) -> Vec<Invocation> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn events(&self) -> Vec<Value> {
        let invocations = self.invocations();
        let events = invocations.iter().map(|seen| serde_json::from_slice(&seen.payload));
        events.collect::<Result<_, _>>().unwrap()
    }

    /// How often each function was asked.
    pub(crate) fn count_of(&self, function: &str) -> usize {
        let suffix = format!(":function:{function}");
        let invocations = self.0.lock().unwrap();
        invocations
            .iter()
            .filter(|seen| seen.function.to_string().ends_with(&suffix))
            .count()
    }
}

/// Holds invocations until a test lets them go.
pub(crate) struct Gate {
    began: mpsc::Receiver<()>,
    ended: mpsc::Receiver<()>,
    open: Arc<Semaphore>,
}

impl Gate {
    /// A function that answers with `document` once it is let go. As in every invoker, an invocation that nobody waits for
    /// goes on.
    pub(crate) fn before(document: &'static str) -> (Self, Function) {
        let (begin, began) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        let open = Arc::new(Semaphore::new(0));
        let gate = open.clone();
        let function: Function = Arc::new(move |_| {
            let (gate, begin, end) = (gate.clone(), begin.clone(), end.clone());
            let run = tokio::task::spawn_local(async move {
                begin.send(()).unwrap();
                gate.acquire().await.unwrap().forget();
                let _ = end.send(()); // the test may be over
                InvokeOutcome::Buffered(document.as_bytes().into())
            });
            Box::pin(async move { run.await.unwrap() })
        });
        (Self { began, ended, open }, function)
    }

    /// Waits until an invocation has begun.
    pub(crate) fn wait(&self) {
        self.began.recv_timeout(PATIENCE).unwrap();
    }

    /// Lets one invocation go.
    pub(crate) fn release(&self) {
        self.open.add_permits(1);
    }

    /// Waits until an invocation has ended.
    pub(crate) fn wait_for_end(&self) {
        self.ended.recv_timeout(PATIENCE).unwrap();
    }
}

/// A function whose response document is the body of the request.
pub(crate) fn parrot() -> Function {
    Arc::new(|invocation| {
        Box::pin(async move {
            let event: Value = serde_json::from_slice(&invocation.payload).unwrap();
            InvokeOutcome::Buffered(event["body"].as_str().unwrap().to_owned().into())
        })
    })
}

/// A function that always ends in one way.
pub(crate) fn ending(outcome: InvokeOutcome) -> Function {
    Arc::new(move |_| {
        let outcome = outcome.clone();
        Box::pin(async move { outcome })
    })
}

/// Waits until something that nobody announces has happened.
pub(crate) fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "never happened: {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// A POST of plain text.
pub(crate) fn post(body: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
