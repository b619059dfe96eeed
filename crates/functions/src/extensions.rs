//! The extensions of one run of an environment: who has registered, for which events, and how far each is.
//!
//! Plain state: nothing here starts a process or writes to a connection. A run without extensions has none of this.
//! Source: Lambda 4.5.

mod event;
mod refusal;
#[cfg(test)]
mod tests;

pub(crate) use event::{InvokeEvent, ShutdownReason, invoke_event, shutdown_event};
pub(crate) use refusal::ExtensionRefusal;

use crate::failure::Failure;
use crate::request_id::RequestId;
use crate::telemetry::Api;

/// Extensions of one environment, internal ones included.
pub(crate) const EXTENSIONS_MAX: usize = 10;

/// What an extension is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Events {
    pub(crate) invoke: bool,
    pub(crate) shutdown: bool,
}

/// Where an extension comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A program of its own.
    External,
    /// A part of the runtime's process.
    Internal,
}

/// How far an extension is. The names are those of Lambda's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Its process runs.
    Started,
    Registered,
    /// It has asked for an event.
    Ready,
    /// It has one.
    Running,
    /// It has said that its init failed.
    InitError,
    /// It has said that it will end.
    ExitError,
    /// Its program could not be executed.
    LaunchError,
    /// Its process has ended.
    Exited,
}

impl Progress {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Started => "Started",
            Self::Registered => "Registered",
            Self::Ready => "Ready",
            Self::Running => "Running",
            Self::InitError => "InitError",
            Self::ExitError => "ExitError",
            Self::LaunchError => "LaunchError",
            Self::Exited => "Exited",
        }
    }
}

/// The two ways in which an extension gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GivesUp {
    /// `/init/error`
    Init,
    /// `/exit/error`
    Exit,
}

/// One extension. `W` is who waits for its next event: a connection.
#[derive(Debug)]
pub(crate) struct Extension<W> {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) events: Events,
    pub(crate) progress: Progress,
    /// What it said when it gave up.
    pub(crate) error_type: Option<String>,
    /// The API that it has subscribed with.
    pub(crate) subscribed: Option<Api>,
    identifier: Option<RequestId>,
    waiting: Option<W>,
    /// An event that it has not asked for yet.
    due: Option<Vec<u8>>,
}

/// All extensions of one run.
#[derive(Debug)]
pub(crate) struct Extensions<W> {
    all: Vec<Extension<W>>,
    /// The runtime has asked for its first event.
    is_closed: bool,
    /// What the first of them has given up with.
    failure: Option<Failure>,
}

impl<W> Default for Extensions<W> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            is_closed: false,
            failure: None,
        }
    }
}

impl<W> Extensions<W> {
    /// The process of an external extension is there.
    pub(crate) fn launched(&mut self, name: &str, progress: Progress) {
        self.all.push(Extension::new(name, Kind::External, progress));
    }

    /// In the order in which they came.
    pub(crate) fn all(&self) -> &[Extension<W>] {
        &self.all
    }

    /// Has any registered?
    pub(crate) fn any_registered(&self) -> bool {
        self.all.iter().any(|it| it.identifier.is_some())
    }

    /// Have all that were launched registered?
    pub(crate) fn all_registered(&self) -> bool {
        self.all.iter().all(|it| it.progress != Progress::Started)
    }

    /// Takes a registration.
    ///
    /// # Errors
    ///
    /// In the order in which Lambda finds them.
    pub(crate) fn register(
        &mut self,
        name: &str,
        events: &[String],
        identifier: RequestId,
    ) -> Result<(), ExtensionRefusal> {
        if name.is_empty() {
            return Err(ExtensionRefusal::EmptyName);
        }
        let at = self.all.iter().position(|it| it.name == name);
        let kind = at.map_or(Kind::Internal, |at| self.all[at].kind);
        let events = subscribed(events, kind)?;
        let extension = match at {
            Some(at) if kind == Kind::External => &mut self.all[at],
            _ if self.is_closed => return Err(ExtensionRefusal::Closed),
            Some(_) => return Err(ExtensionRefusal::NameTaken),
            None if self.all.len() >= EXTENSIONS_MAX => return Err(ExtensionRefusal::TooMany),
            None => {
                self.all.push(Extension::new(name, kind, Progress::Started));
                self.all.last_mut().ok_or(ExtensionRefusal::TooMany)?
            }
        };
        if extension.progress != Progress::Started {
            return Err(extension.cannot_become("Registered"));
        }
        extension.progress = Progress::Registered;
        extension.events = events;
        extension.identifier = Some(identifier);
        Ok(())
    }

    /// Nobody registers any more.
    pub(crate) fn close_registration(&mut self) {
        self.is_closed = true;
    }

    /// Finds one by its identifier, as its header has it.
    ///
    /// # Errors
    ///
    /// When it is missing, no UUID, or nobody's.
    pub(crate) fn identified(&mut self, identifier: &[u8]) -> Result<&mut Extension<W>, ExtensionRefusal> {
        let text = check_identifier(identifier)?;
        self.all
            .iter_mut()
            .find(|it| {
                it.identifier
                    .is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(identifier))
            })
            .ok_or_else(|| ExtensionRefusal::UnknownIdentifier(text.to_owned()))
    }

    /// It gives up: its run fails with this once a process of the environment ends.
    pub(crate) fn gives_up(
        &mut self,
        identifier: &[u8],
        how: GivesUp,
        error_type: &str,
    ) -> Result<(), ExtensionRefusal> {
        let extension = self.identified(identifier)?;
        if error_type.is_empty() {
            return Err(ExtensionRefusal::MissingErrorType);
        }
        let (allowed, progress, default) = match how {
            GivesUp::Init => (
                matches!(extension.progress, Progress::Registered),
                Progress::InitError,
                "Extension.InitError",
            ),
            GivesUp::Exit => (
                matches!(
                    extension.progress,
                    Progress::Registered | Progress::Ready | Progress::Running
                ),
                Progress::ExitError,
                "Extension.ExitError",
            ),
        };
        if !allowed {
            return Err(extension.cannot_become(progress.name()));
        }
        extension.progress = progress;
        let recorded = recorded_error_type(error_type, default);
        extension.error_type = Some(recorded.clone());
        self.failure.get_or_insert(Failure::Extension {
            error_type: recorded,
            message: String::new(),
        });
        Ok(())
    }

    /// A process has ended in the meantime, as `message` says: what that fails with, unless `otherwise` says it.
    pub(crate) fn failure(&self, message: &str) -> Option<Failure> {
        match &self.failure {
            Some(Failure::Extension { error_type, .. }) => Some(Failure::Extension {
                error_type: error_type.clone(),
                message: message.to_owned(),
            }),
            _ => None,
        }
    }

    /// The process of an external one has ended, or there was none.
    pub(crate) fn exited(&mut self, name: &str, progress: Progress) {
        if let Some(extension) = self.all.iter_mut().find(|it| it.name == name) {
            extension.waiting = None;
            if !matches!(
                extension.progress,
                Progress::InitError | Progress::ExitError | Progress::LaunchError
            ) {
                extension.progress = progress;
            }
        }
    }

    /// Have all asked for their first event?
    pub(crate) fn all_ready(&self) -> bool {
        self.all.iter().all(|it| it.progress == Progress::Ready)
    }

    /// Have those that were told of the invocation asked for their next event?
    pub(crate) fn invocation_done(&self) -> bool {
        let mut told = self.all.iter().filter(|it| it.events.invoke);
        told.all(|it| it.progress == Progress::Ready && it.due.is_none())
    }

    /// Gives an event to all who want it. Returns who gets it now; the others get it when they ask.
    pub(crate) fn tell(
        &mut self,
        wants: impl Fn(&Extension<W>) -> bool,
        mut event: impl FnMut() -> Vec<u8>,
    ) -> Vec<(W, Vec<u8>)> {
        let mut now = Vec::new();
        for extension in self.all.iter_mut().filter(|it| it.identifier.is_some() && wants(it)) {
            match extension.waiting.take() {
                Some(waiting) => {
                    extension.progress = Progress::Running;
                    now.push((waiting, event()));
                }
                None => extension.due = Some(event()),
            }
        }
        now
    }

    /// The connections that wait for an event.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &W> {
        self.all.iter().filter_map(|it| it.waiting.as_ref())
    }

    /// Those for which `is_it` holds do not wait any more.
    pub(crate) fn forget(&mut self, is_it: impl Fn(&W) -> bool) {
        for extension in &mut self.all {
            extension.waiting.take_if(|waiting| is_it(waiting));
        }
    }
}

/// What becomes of a question for the next event.
#[derive(Debug)]
pub(crate) enum Asked<W> {
    /// It waits; who has waited before does not any more.
    Waits(Option<W>),
    /// There is one already.
    Event(W, Vec<u8>),
}

impl<W> Extension<W> {
    fn new(name: &str, kind: Kind, progress: Progress) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            events: Events::default(),
            progress,
            error_type: None,
            subscribed: None,
            identifier: None,
            waiting: None,
            due: None,
        }
    }

    /// `GET /event/next`
    pub(crate) fn asks(&mut self, waiting: W) -> Result<Asked<W>, ExtensionRefusal> {
        match self.progress {
            Progress::Registered | Progress::Ready | Progress::Running => {}
            _ => return Err(self.cannot_become("Ready")),
        }
        Ok(match self.due.take() {
            Some(event) => {
                self.progress = Progress::Running;
                Asked::Event(waiting, event)
            }
            None => {
                self.progress = Progress::Ready;
                Asked::Waits(self.waiting.replace(waiting))
            }
        })
    }

    fn cannot_become(&self, to: &'static str) -> ExtensionRefusal {
        ExtensionRefusal::Transition {
            name: self.name.clone(),
            from: self.progress.name(),
            to,
        }
    }
}

/// The identifier as text, if it can be one.
///
/// # Errors
///
/// When it is missing or no UUID.
pub(crate) fn check_identifier(identifier: &[u8]) -> Result<&str, ExtensionRefusal> {
    if identifier.is_empty() {
        return Err(ExtensionRefusal::MissingIdentifier);
    }
    let is_digit = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    match std::str::from_utf8(identifier) {
        Ok(text) if text.len() == 36 && identifier.iter().enumerate().all(is_digit) => Ok(text),
        _ => Err(ExtensionRefusal::InvalidIdentifier),
    }
}

fn subscribed(events: &[String], kind: Kind) -> Result<Events, ExtensionRefusal> {
    let mut subscribed = Events::default();
    for event in events {
        match (event.as_str(), kind) {
            ("INVOKE", _) => subscribed.invoke = true,
            ("SHUTDOWN", Kind::External) => subscribed.shutdown = true,
            _ => return Err(ExtensionRefusal::EventType(event.clone())),
        }
    }
    Ok(subscribed)
}

/// A type that does not say `Extension.<Reason>` is recorded as the general one.
fn recorded_error_type(error_type: &str, default: &str) -> String {
    let reason = error_type.strip_prefix("Extension.");
    let is_reason = reason.is_some_and(|it| {
        (1..=64).contains(&it.len())
            && it.starts_with(|first: char| first.is_ascii_uppercase())
            && it.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    if is_reason { error_type } else { default }.to_owned()
}
