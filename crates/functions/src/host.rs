//! What all cores share, and nobody else sees.

use crate::account::{Account, Concurrency};
use crate::class_data::ClassData;
use crate::code::Codes;
use crate::core::has_same_functions;
use crate::door::{Opening, OpeningError};
use crate::exchange::Exchange;
use crate::interpreters::{Interpreters, Language};
use crate::kept::Wanted;
use crate::limits::{self, Limits};
use crate::metrics::Metrics;
use crate::network::Networks;
use crate::parking::Parking;
use crate::{LogSink, Options};
use model::lambda::function::{AwsApi, Function, Network};
use model::lambda::runtime::Runtime;
use model::observed::FunctionReport;
use model::{FunctionArn, State};
use sandbox::{Spawner, Tier};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use tokio::sync::{OnceCell, Semaphore, watch};

/// The inside of [`Functions`](crate::Functions).
pub(crate) struct Host {
    pub(crate) spawner: Spawner,
    pub(crate) options: Options,
    pub(crate) log: Arc<dyn LogSink>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) codes: Codes,
    /// Where the bootstraps of the managed runtimes lie.
    pub(crate) runtime_directory: PathBuf,
    /// Of each language, looked for when one is needed first.
    interpreters: [OnceCell<Interpreters>; Language::COUNT],
    pub(crate) class_data: ClassData,
    pub(crate) parking: Parking,
    pub(crate) networks: Networks,
    /// What is to be ready before it is needed.
    pub(crate) kept: watch::Sender<Wanted>,
    /// Environments that may still be started on this host.
    pub(crate) environments: Arc<Semaphore>,
    /// Invocations that wait for room on this host.
    starved: AtomicUsize,
    /// Counts the calls for room, so that no core misses one.
    pub(crate) calls_for_room: watch::Sender<u64>,
    /// Nothing is made ahead meanwhile.
    pub(crate) busy: watch::Sender<bool>,
    pub(crate) exchange: Arc<Exchange>,
    /// Who answers calls to the platform, once there is somebody.
    pub(crate) doorkeeper: OnceLock<Arc<dyn invoke::Doorkeeper>>,
    /// Weak, so that a deleted function's account ends with its last environment.
    accounts: Mutex<HashMap<FunctionArn, Weak<Account>>>,
    /// What the accounts of a function's versions share, by the unqualified ARN; and what the functions of a region do, by
    /// its scope.
    concurrency: Mutex<HashMap<String, Weak<Concurrency>>>,
    /// Of the state that was noticed last.
    limits: Mutex<Option<(Arc<State>, Arc<Limits>)>>,
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
            networks: Networks::new(&spawner),
            spawner,
            codes: Codes::new(&options.data_dir),
            runtime_directory: options.data_dir.join("runtimes"),
            interpreters: Default::default(),
            class_data: ClassData::default(),
            parking: Parking::new(),
            kept: watch::Sender::default(),
            environments: Arc::new(Semaphore::new(options.environments_max.min(Semaphore::MAX_PERMITS))),
            options,
            log,
            metrics: Arc::default(),
            starved: AtomicUsize::new(0),
            calls_for_room: watch::Sender::new(0),
            busy: watch::Sender::new(false),
            exchange: Arc::default(),
            doorkeeper: OnceLock::new(),
            accounts: Mutex::default(),
            concurrency: Mutex::default(),
            limits: Mutex::default(),
        }
    }

    /// Whether functions see nothing of this machine, but for its network perhaps.
    pub(crate) fn isolates(&self) -> bool {
        self.spawner.tier() == Tier::Namespace
    }

    /// Whether a function has a network of its own, where nobody else is.
    pub(crate) fn has_own_network(&self, function: &Function) -> bool {
        self.isolates() && function.configuration.network != Some(Network::Host)
    }

    /// Those that could run `runtime`. They are looked for when they are needed first.
    pub(crate) async fn interpreters(&self, runtime: Runtime) -> &Interpreters {
        let Some(language) = Language::of(runtime) else {
            return const { &Interpreters::NONE };
        };
        let (directory, clients) = (&self.runtime_directory, &self.options.runtime_clients);
        self.interpreters[language.index()]
            .get_or_init(|| Interpreters::find(&self.spawner, directory, clients, language))
            .await
    }

    /// A door for one run of an environment, if there is a platform that it may call.
    pub(crate) fn open_door(&self, function: &Function) -> Result<Option<Opening>, OpeningError> {
        let is_open = function.configuration.aws_api != AwsApi::None;
        let keeper = self.doorkeeper.get().filter(|_| is_open);
        keeper
            .map(|keeper| Opening::new(&**keeper, function, self.has_own_network(function)))
            .transpose()
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
        let reserved = self.concurrency(function.unqualified().as_str());
        let unreserved = self.concurrency(limits::scope(function));
        let account = Arc::new(Account::new(function.clone(), reserved, unreserved));
        accounts.insert(function.clone(), Arc::downgrade(&account));
        account
    }

    /// What the state says about concurrency.
    pub(crate) fn limits(&self, state: &Arc<State>) -> Arc<Limits> {
        let mut known = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        let limits = match &*known {
            Some((of, limits)) if has_same_functions(of, state) => Arc::clone(limits),
            _ => Arc::new(Limits::of(state, self.options.account_concurrency)),
        };
        *known = Some((Arc::clone(state), Arc::clone(&limits)));
        limits
    }

    fn concurrency(&self, of: &str) -> Arc<Concurrency> {
        let mut all = self.concurrency.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = all.get(of).and_then(Weak::upgrade) {
            return shared;
        }
        all.retain(|_, shared| shared.strong_count() > 0);
        let shared = Arc::new(Concurrency::new());
        all.insert(of.to_owned(), Arc::downgrade(&shared));
        shared
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
