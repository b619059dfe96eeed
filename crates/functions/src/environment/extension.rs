//! What an environment does with its extensions: it registers them, tells them of events, and waits for them.
//!
//! All of it costs an environment without extensions one look at an `Option`. Source: Lambda 2.7, 4.1, 4.5.

use super::{Environment, Offer, RuntimeState, unix_ms};
use crate::extensions::{
    Asked, ExtensionRefusal, GivesUp, InvokeEvent, Progress, ShutdownReason, check_identifier, invoke_event,
    shutdown_event,
};
use crate::failure::Failure;
use crate::log::{ExtensionState, Output, Subscribed};
use crate::request_id::RequestId;
use crate::runtime_api::{Connection, is_listener_of, write_extension_event};
use crate::telemetry::{Api, Subscription, TelemetryRefusal};
use sandbox::{Enclosure, ExitStatus};
use std::io;
use std::net::Ipv4Addr;
use std::rc::Rc;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

impl Environment {
    /// `POST /extension/register`. Returns its identifier.
    pub(crate) fn register_extension(&self, name: &str, events: &[String]) -> Result<RequestId, ExtensionRefusal> {
        let core = &self.scheduler.core;
        let identifier = core.request_ids.fresh();
        let identifier = identifier.map_err(|error| ExtensionRefusal::Format(error.to_string()))?;
        let mut state = self.state.borrow_mut();
        let is_open = state.runtime == RuntimeState::Started;
        match &mut state.extensions {
            Some(extensions) => extensions.register(name, events, identifier)?,
            None => {
                let mut extensions = Box::<super::state::Extensions>::default();
                if !is_open {
                    extensions.close_registration();
                }
                extensions.register(name, events, identifier)?;
                state.extensions = Some(extensions);
            }
        }
        drop(state);
        self.extension_wake.notify_one();
        Ok(identifier)
    }

    /// `GET /extension/event/next`. The event is written to the connection now or later.
    pub(crate) fn extension_asks(
        self: &Rc<Self>,
        identifier: &[u8],
        connection: &Rc<Connection>,
        asked: Instant,
    ) -> Result<(), ExtensionRefusal> {
        let found = {
            let mut state = self.state.borrow_mut();
            let extensions = known(state.extensions.as_deref_mut(), identifier)?;
            extensions.identified(identifier)?.asks(Rc::clone(connection))?
        };
        match found {
            Asked::Event(connection, event) => self.send_event(&connection, &event),
            Asked::Waits(Some(earlier)) if !Rc::ptr_eq(&earlier, connection) => earlier.close(),
            Asked::Waits(_) => {}
        }
        self.extensions_advanced(asked);
        Ok(())
    }

    /// `POST /extension/init/error` and `/extension/exit/error`.
    pub(crate) fn extension_gives_up(
        &self,
        identifier: &[u8],
        how: GivesUp,
        error_type: &str,
    ) -> Result<(), ExtensionRefusal> {
        let mut state = self.state.borrow_mut();
        known(state.extensions.as_deref_mut(), identifier)?.gives_up(identifier, how, error_type)
    }

    /// `PUT /telemetry` and `/logs`. The outer error is about the extension, the inner one about its subscription.
    pub(crate) fn subscribe(
        self: &Rc<Self>,
        identifier: &[u8],
        api: Api,
        body: &[u8],
    ) -> Result<Result<(), TelemetryRefusal>, ExtensionRefusal> {
        let (name, subscription) = {
            let mut state = self.state.borrow_mut();
            let is_open = state.runtime == RuntimeState::Started;
            let extension = known(state.extensions.as_deref_mut(), identifier)?.identified(identifier)?;
            if !is_open {
                return Ok(Err(TelemetryRefusal::Closed));
            }
            if extension.subscribed.is_some_and(|other| other != api) {
                return Ok(Err(TelemetryRefusal::OtherApi));
            }
            let subscription = match Subscription::read(api, body) {
                Ok(subscription) => subscription,
                Err(refusal) => return Ok(Err(refusal)),
            };
            extension.subscribed = Some(api);
            (extension.name.clone(), subscription)
        };
        let environment = Rc::downgrade(self);
        let connect = move |port, is_known| {
            let environment = environment.upgrade();
            let network = environment.as_ref().and_then(|it| it.enclosure.borrow().clone());
            let inits = environment.map(|it| it.memory.inits()).unwrap_or_default();
            async move {
                match network {
                    Some(network) => connect_within(&network, port).await,
                    None => connect_beside(inits, port, is_known).await,
                }
            }
        };
        let subscribed = Subscribed {
            name: &name,
            api: api.name(),
            types: subscription.types().collect(),
        };
        self.journal.subscribed(&subscribed, |telemetry| {
            telemetry.subscribe(&name, subscription.clone(), connect);
        });
        Ok(Ok(()))
    }

    /// An extension, or the runtime, is one step further: is what they are all busy with over?
    fn extensions_advanced(self: &Rc<Self>, now: Instant) {
        let mut state = self.state.borrow_mut();
        let Some(extensions) = &state.extensions else { return };
        match state.runtime {
            RuntimeState::InitDone if extensions.all_ready() => {
                state.runtime = RuntimeState::Ready;
                let connection = state.waiting.take();
                drop(state);
                self.begin(connection, now);
            }
            RuntimeState::Done if extensions.invocation_done() => {
                state.runtime = RuntimeState::Ready;
                drop(state);
                self.finish_invocation(now);
                if self.scheduler.offer(self) == Offer::End {
                    self.end();
                }
            }
            _ => {}
        }
    }

    /// Tells those that want to know of invocations.
    pub(super) fn tell_extensions_of_invocation(&self) {
        let told = {
            let state = &mut *self.state.borrow_mut();
            let (Some(extensions), Some(running)) = (&mut state.extensions, &state.invocation) else {
                return;
            };
            let event = invoke_event(&InvokeEvent {
                deadline_ms: running.deadline_ms,
                id: &running.id,
                function_arn: running.function.as_str(),
                trace_id: running.trace_id.as_deref(),
            });
            extensions.tell(|extension| extension.events.invoke, || event.clone())
        };
        for (connection, event) in told {
            self.send_event(&connection, &event);
        }
    }

    pub(super) fn tell_extensions_of_shutdown(&self, reason: ShutdownReason, deadline: Instant) {
        let deadline_ms = unix_ms(deadline.saturating_duration_since(Instant::now()));
        let told = match &mut self.state.borrow_mut().extensions {
            Some(extensions) => extensions.tell(
                |extension| extension.events.shutdown,
                || shutdown_event(reason, deadline_ms),
            ),
            None => return,
        };
        for (connection, event) in told {
            self.send_event(&connection, &event);
        }
    }

    fn send_event(&self, connection: &Connection, event: &[u8]) {
        match self.scheduler.core.request_ids.fresh() {
            Ok(id) => connection.send(|out| write_extension_event(out, &id, event)),
            // The system has no random numbers any more; the extension hears that its question has failed.
            Err(_) => connection.close(),
        }
    }

    /// An external extension has a process, or could not get one.
    pub(super) fn extension_launched(&self, name: &str, progress: Progress) {
        let mut state = self.state.borrow_mut();
        state.extensions.get_or_insert_default().launched(name, progress);
    }

    /// What it writes is read from here.
    pub(super) fn extension_writes(&self, name: &str, output: Output) {
        let mut state = self.state.borrow_mut();
        state.extension_outputs.push((name.to_owned(), Rc::new(output)));
    }

    pub(super) fn extension_exited(&self, name: &str, progress: Progress) {
        let mut state = self.state.borrow_mut();
        state.extension_outputs.retain(|(other, _)| other != name);
        if let Some(extensions) = &mut state.extensions {
            extensions.exited(name, progress);
        }
    }

    pub(super) fn extensions_registered(&self) -> bool {
        let state = self.state.borrow();
        state
            .extensions
            .as_ref()
            .is_none_or(|extensions| extensions.all_registered())
    }

    pub(super) fn extension_wants_shutdown(&self, name: &str) -> bool {
        let state = self.state.borrow();
        let extensions = state.extensions.as_ref();
        extensions.is_some_and(|it| it.all().iter().any(|it| it.name == name && it.events.shutdown))
    }

    /// A process of the environment has ended with this: has an extension said why?
    pub(super) fn extension_failure(&self, status: ExitStatus) -> Failure {
        let message = match status {
            ExitStatus::Code(0) => "exit code 0".to_owned(),
            other => other.to_string(),
        };
        self.said_failure(&message).unwrap_or(Failure::Extension {
            error_type: "Extension.Crash".to_owned(),
            message,
        })
    }

    /// What an extension has said before the runtime ended, which counts more.
    pub(super) fn runtime_failure(&self, status: ExitStatus) -> Failure {
        self.said_failure(&status.to_string())
            .unwrap_or(Failure::Exited(status))
    }

    fn said_failure(&self, message: &str) -> Option<Failure> {
        let state = self.state.borrow();
        state
            .extensions
            .as_ref()
            .and_then(|extensions| extensions.failure(message))
    }

    /// Says in the log how far each is.
    pub(super) fn log_extensions(&self) {
        let state = self.state.borrow();
        for extension in state.extensions.iter().flat_map(|extensions| extensions.all()) {
            self.journal.extension(&ExtensionState {
                name: &extension.name,
                state: extension.progress.name(),
                invoke: extension.events.invoke,
                shutdown: extension.events.shutdown,
                error_type: extension.error_type.as_deref(),
            });
        }
    }
}

/// Connects to a listener in the network of an environment, which nobody else is in.
async fn connect_within(network: &Enclosure, port: u16) -> io::Result<TcpStream> {
    let socket = network.socket().await.map_err(io::Error::other)?;
    TcpSocket::from_std_stream(socket)
        .connect((Ipv4Addr::LOCALHOST, port).into())
        .await
}

/// Connects to one among those of the host, where somebody else may listen: looks whether a process below one of these
/// inits does, unless that is known. Looking takes milliseconds where there are many connections.
async fn connect_beside(inits: Vec<u32>, port: u16, is_known: bool) -> io::Result<TcpStream> {
    if !is_known && !is_listener_of(inits, port).await {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await
}

/// The extensions, or what somebody hears who says to be one where there are none.
fn known<'a>(
    extensions: Option<&'a mut super::state::Extensions>,
    identifier: &[u8],
) -> Result<&'a mut super::state::Extensions, ExtensionRefusal> {
    match extensions {
        Some(extensions) => Ok(extensions),
        None => Err(ExtensionRefusal::UnknownIdentifier(
            check_identifier(identifier)?.to_owned(),
        )),
    }
}
