//! From a manifest to a state that could be served, with every mistake on the way.

use manifest::{Batch, Desired, Loaded, Mistake, Mistakes, Settings};
use model::{Context, Revision, State, Timestamp, decide};
use proxy::{LogDeliveryError, TableError};
use serde::Serialize;
use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// What a manifest asks for, compared with a state.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The manifest.
    pub(crate) loaded: Loaded,
    /// What has to be submitted; empty when the state is as the manifest says.
    pub(crate) batch: Batch,
    /// The time that the batch is decided at.
    pub(crate) context: Context,
    /// The state after it.
    pub(crate) state: State,
}

/// Something is wrong; each problem for itself.
#[derive(Debug)]
pub(crate) struct Problems {
    pub(crate) all: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
    /// Files whose change may mend it.
    pub(crate) watched: Vec<PathBuf>,
}

/// One mistake or warning. Prints as `file:line:column: message`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) column: Option<usize>,
    pub(crate) message: String,
}

impl Plan {
    /// Reads the manifest in `file` and decides on a copy of `state` what it asks for. Blocks on the disk.
    pub(crate) fn make(
        file: &Path,
        settings: &Settings,
        issuer: &dyn manifest::Issuer,
        state: &State,
        now: SystemTime,
    ) -> Result<Self, Problems> {
        let loaded = manifest::load(file, settings, issuer, now)?;
        let batch = loaded.desired.batch(state);
        let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let context = Context {
            now: Timestamp(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)),
            protects: None,
        };
        let mut after = state.clone();
        let mut refused = Vec::new();
        for (index, command) in batch.commands.iter().enumerate() {
            match decide(&after, command, &context) {
                Ok(commit) => commit.changes.iter().for_each(|change| after.apply(change)),
                Err(refusal) => refused.extend(loaded.desired.mistake(&batch, index, &refusal).map(Problem::from)),
            }
        }
        if refused.is_empty() {
            if !batch.commands.is_empty() {
                after.revision = Revision(state.revision.0 + 1);
            }
            Ok(Self {
                loaded,
                batch,
                context,
                state: after,
            })
        } else {
            Err(Problems::of(refused, loaded))
        }
    }

    /// Everything in the manifest that was noticed and is no mistake.
    pub(crate) fn warnings(&self) -> Vec<Problem> {
        self.loaded.warnings.iter().cloned().map(Problem::from).collect()
    }

    /// The manifest's place and words for what the proxy says about the planned state.
    pub(crate) fn problem(&self, error: &(dyn Error + 'static)) -> Problem {
        let desired = &self.loaded.desired;
        let place = match error.downcast_ref::<LogDeliveryError>() {
            Some(error) => desired.place_of(error.load_balancer().as_str()),
            None => error
                .downcast_ref()
                .and_then(|error| place_of(error, desired, &self.state)),
        };
        Problem::at(place, desired.in_its_words(&chain(error)))
    }
}

fn place_of<'a>(error: &TableError, desired: &'a Desired, state: &State) -> Option<&'a manifest::Place> {
    match error {
        TableError::Rule { listener, .. } | TableError::Tls { listener, .. } => desired.place_of(listener.as_str()),
        TableError::MixedPort { port, https, .. } => {
            let load_balancer = state.load_balancers().find(|it| it.name.as_str() == https)?;
            let listener = state.listeners_of(&load_balancer.arn).find(|it| it.port == *port)?;
            desired.place_of(listener.arn.as_str())
        }
    }
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl Problem {
    pub(crate) fn at(place: Option<&manifest::Place>, message: String) -> Self {
        Self {
            file: place.map(|place| place.file().to_owned()),
            line: place.map(manifest::Place::line),
            column: place.map(manifest::Place::column),
            message,
        }
    }
}

impl From<Mistake> for Problem {
    fn from(mistake: Mistake) -> Self {
        Self::at(Some(&mistake.place), mistake.message)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(file), Some(line), Some(column)) = (&self.file, self.line, self.column) {
            write!(formatter, "{}:{line}:{column}: ", file.display())?;
        }
        formatter.write_str(&self.message)
    }
}

impl Problems {
    /// Problems of a manifest that could be read.
    pub(crate) fn of(all: Vec<Problem>, loaded: Loaded) -> Self {
        Self {
            all,
            warnings: loaded.warnings.into_iter().map(Problem::from).collect(),
            watched: loaded.watched,
        }
    }
}

impl From<Mistakes> for Problems {
    fn from(mistakes: Mistakes) -> Self {
        Self {
            all: mistakes.all.into_iter().map(Problem::from).collect(),
            warnings: mistakes.warnings.into_iter().map(Problem::from).collect(),
            watched: mistakes.watched,
        }
    }
}
