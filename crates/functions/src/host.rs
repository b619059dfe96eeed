//! What all cores share, and nobody else sees.

use crate::account::Account;
use crate::code::Codes;
use crate::exchange::Exchange;
use crate::interpreters::Interpreters;
use crate::{LogSink, Options};
use model::FunctionArn;
use model::lambda::runtime::Runtime;
use model::observed::FunctionReport;
use sandbox::Spawner;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{OnceCell, Semaphore, watch};

/// The inside of [`Functions`](crate::Functions).
pub(crate) struct Host {
    pub(crate) spawner: Spawner,
    pub(crate) options: Options,
    pub(crate) log: Arc<dyn LogSink>,
    pub(crate) codes: Codes,
    /// Where the bootstraps of the managed runtimes lie.
    pub(crate) runtime_directory: PathBuf,
    /// Looked for when they are needed first.
    interpreters: OnceCell<Interpreters>,
    /// Environments that may still be started on this host.
    pub(crate) environments: Arc<Semaphore>,
    /// Invocations that wait for room on this host.
    starved: AtomicUsize,
    /// Counts the calls for room, so that no core misses one.
    pub(crate) calls_for_room: watch::Sender<u64>,
    pub(crate) exchange: Arc<Exchange>,
    /// Weak, so that a deleted function's account ends with its last environment.
    accounts: Mutex<HashMap<FunctionArn, Weak<Account>>>,
}

/// A waiting start in [`Host::is_starved`]. Ends when dropped.
pub(crate) struct Starved(Arc<Host>);

impl Drop for Starved {
    fn drop(&mut self) {
        self.0.starved.fetch_sub(1, Relaxed);
    }
}

impl Host {
    pub(crate) fn new(spawner: Spawner, options: Options, log: Arc<dyn LogSink>) -> Self {
        Self {
            spawner,
            codes: Codes::new(&options.data_dir),
            runtime_directory: options.data_dir.join("runtimes"),
            interpreters: OnceCell::new(),
            environments: Arc::new(Semaphore::new(options.environments_max.min(Semaphore::MAX_PERMITS))),
            options,
            log,
            starved: AtomicUsize::new(0),
            calls_for_room: watch::Sender::new(0),
            exchange: Arc::default(),
            accounts: Mutex::default(),
        }
    }

    /// Those that could run `runtime`. They are looked for when they are needed first.
    pub(crate) async fn interpreters(&self, runtime: Runtime) -> &Interpreters {
        if !runtime.is_managed() {
            return const { &Interpreters::NONE };
        }
        self.interpreters
            .get_or_init(|| Interpreters::find(&self.spawner, &self.runtime_directory))
            .await
    }

    pub(crate) fn starve(self: &Arc<Self>) -> Starved {
        self.starved.fetch_add(1, Relaxed);
        Starved(Arc::clone(self))
    }

    pub(crate) fn is_starved(&self) -> bool {
        self.starved.load(Relaxed) > 0
    }

    /// The account of a function that was invoked before.
    pub(crate) fn known_account(&self, function: &FunctionArn) -> Option<Arc<Account>> {
        let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.get(function).and_then(Weak::upgrade)
    }

    pub(crate) fn account(&self, function: &FunctionArn) -> Arc<Account> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = accounts.get(function).and_then(Weak::upgrade) {
            return account;
        }
        accounts.retain(|_, account| account.strong_count() > 0);
        let account = Arc::new(Account::new(function.clone()));
        accounts.insert(function.clone(), Arc::downgrade(&account));
        account
    }

    /// Of the functions that were invoked so far.
    pub(crate) fn reports(&self) -> Vec<FunctionReport> {
        let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts
            .values()
            .filter_map(Weak::upgrade)
            .map(|account| account.report())
            .collect()
    }
}
