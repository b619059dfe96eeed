//! What a successor gets besides sockets, and what it may hold on to for a moment although it failed.

use anyhow::Result;
use functions::Events;
use std::time::{Duration, Instant};
use store::queue::{QueueOpenError, QueueReopenError};
use store::{OpenError, ReopenError, Writer};

/// How often it is looked whether a successor has let go.
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// The files that are closed in this process.
#[derive(Debug, Default)]
pub(crate) struct Lent {
    state: bool,
    events: bool,
}

impl Lent {
    /// As they are after a handover that failed.
    pub(crate) fn all() -> Self {
        Self {
            state: true,
            events: true,
        }
    }

    /// Whether something is not back yet.
    pub(crate) fn is_any(&self) -> bool {
        self.state || self.events
    }

    /// Opens them again, as soon as the successor has let go of them with its last breath, which is waited for.
    ///
    /// # Cancel safety
    ///
    /// What was opened by then may count as lent still; opening that again fails.
    pub(crate) async fn take_back(&mut self, writer: &Writer, events: &Events, within: Duration) -> Result<Back> {
        if !self.is_any() {
            return Ok(Back::Before);
        }
        let begun = Instant::now();
        loop {
            match self.try_take_back(writer, events).await {
                Err(Failure::InUse(_)) if begun.elapsed() < within => tokio::time::sleep(BETWEEN_TRIES).await,
                Err(Failure::InUse(error) | Failure::Other(error)) => return Err(error),
                Ok(()) => return Ok(Back::Now),
            }
        }
    }

    async fn try_take_back(&mut self, writer: &Writer, events: &Events) -> Result<(), Failure> {
        if self.events {
            events.resume().await.map_err(|error| match error {
                QueueReopenError::File(QueueOpenError::InUse { .. }) => Failure::InUse(error.into()),
                _ => Failure::Other(error.into()),
            })?;
            self.events = false;
        }
        if self.state {
            writer.open_log().await.map_err(|error| match error {
                ReopenError::Log(OpenError::InUse { .. }) => Failure::InUse(error.into()),
                _ => Failure::Other(error.into()),
            })?;
            self.state = false;
        }
        Ok(())
    }
}

/// Since when everything is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Back {
    Before,
    Now,
}

enum Failure {
    InUse(anyhow::Error),
    Other(anyhow::Error),
}
