//! The thread of a watcher: makes one change of many events, and tells it when there is quiet.

use super::brake::Brake;
use super::{Changed, Means, POLL, QUIET, QUIET_WRITING, Restless, Signal, UNQUIET_MAX};
use crate::code::fingerprint;
use crate::own::OwnFiles;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;
use tokio::sync::mpsc;

/// What the thread knows.
pub(super) struct Debounce {
    changed: mpsc::Sender<Changed>,
    paths: Vec<PathBuf>,
    polled: bool,
    /// What the paths looked like when we last told or were told about them, where we have to ask.
    last: Option<[u8; 32]>,
    own: OwnFiles,
    brake: Brake,
    restless: Restless,
}

impl Debounce {
    pub(super) fn new(changed: mpsc::Sender<Changed>, own: OwnFiles, restless: Restless) -> Self {
        Self {
            own,
            brake: Brake::default(),
            restless,
            changed,
            paths: Vec::new(),
            polled: false,
            last: None,
        }
    }

    pub(super) fn run(mut self, signals: &Receiver<Signal>) {
        loop {
            let received = if self.polled {
                signals.recv_timeout(POLL)
            } else {
                signals.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            match received {
                Ok(signal) => self.handle(signal, signals),
                Err(RecvTimeoutError::Timeout) => {
                    if Some(fingerprint(&self.paths, &self.own)) != self.last {
                        self.tell();
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn handle(&mut self, signal: Signal, signals: &Receiver<Signal>) {
        match signal {
            Signal::Watch { paths, by } => self.watch(paths, by),
            Signal::Happened { path, writing } => {
                self.brake.noticed(path);
                self.settle(writing, signals);
            }
            Signal::Lost => {
                self.polled = true;
                self.settle(false, signals);
            }
        }
    }

    /// Something happened: waits until nothing more does, and tells.
    fn settle(&mut self, mut writing: bool, signals: &Receiver<Signal>) {
        let end = Instant::now() + UNQUIET_MAX;
        loop {
            let quiet = if writing { QUIET_WRITING } else { QUIET };
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            match signals.recv_timeout(quiet.min(left)) {
                Ok(signal) => writing = self.take(signal).unwrap_or(writing),
                Err(_) => break,
            }
        }
        self.slow_down(signals);
        self.tell();
        self.brake.told(Instant::now());
    }

    /// Takes what comes while a change is to be told anyway. Says whether a file is being written, if it is about one.
    fn take(&mut self, signal: Signal) -> Option<bool> {
        match signal {
            Signal::Happened { path, writing } => {
                self.brake.noticed(path);
                return Some(writing);
            }
            Signal::Lost => self.polled = true,
            Signal::Watch { paths, by } => self.watch(paths, by),
        }
        None
    }

    /// Waits where a file changes again and again.
    fn slow_down(&mut self, signals: &Receiver<Signal>) {
        let (pause, warning) = self.brake.pause(Instant::now());
        if warning.is_some() {
            *self.restless.lock().unwrap_or_else(PoisonError::into_inner) = warning;
        }
        let end = Instant::now() + pause;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            match signals.recv_timeout(left) {
                Ok(signal) => {
                    self.take(signal);
                }
                Err(_) => return,
            }
        }
    }

    fn watch(&mut self, paths: Vec<PathBuf>, by: Means) {
        let known: BTreeSet<&PathBuf> = self.paths.iter().collect();
        let new = paths.iter().any(|path| !known.contains(path));
        let unseen = match by {
            Means::Standing => false,
            // Whatever their predecessors had heard last may have gone with them.
            Means::New => true,
            Means::Asking => self.last != Some(fingerprint(&paths, &self.own)),
        };
        self.polled = by == Means::Asking;
        self.paths = paths;
        if new || unseen {
            self.tell();
        }
    }

    fn tell(&mut self) {
        // Before telling: what happens while the manifest is loaded then differs from this. A large folder takes its time,
        // which is not taken where the system tells what happens.
        self.last = self.polled.then(|| fingerprint(&self.paths, &self.own));
        // Full means that a change waits to be heard, which tells the same.
        let _ = self.changed.try_send(Changed);
    }
}
