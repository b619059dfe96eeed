//! The way of a manifest into traffic, at the start and at every change: planned and checked without effect, then
//! submitted to the store, then applied to the proxy. One at a time.

use crate::cli::Up;
use crate::data_dir::DataDir;
use crate::issuer::LazyAuthority;
use crate::plan::{Plan, Problem, Problems, chain};
use crate::server::change::Turn;
use crate::server::difference::Difference;
use crate::server::facts::Progress;
use functions::{Functions, RuntimeNotice};
use manifest::{Buckets, Desired, OwnFiles, Place, Settings};
use model::lambda::function::{Function, FunctionName};
use model::{FunctionArn, State};
use proxy::{ApplyError, Proxy};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;
use store::Writer;
use tokio::sync::watch;
use tracing::warn;

/// Before traffic is started.
pub(super) struct Configuration<T = ()> {
    file: PathBuf,
    settings: Settings,
    issuer: Arc<LazyAuthority>,
    writer: Writer,
    state: watch::Receiver<Arc<State>>,
    turn: Turn,
    progress: Progress,
    traffic: T,
    /// What was wrong at the last attempt.
    broken: Vec<Problem>,
    /// What the manifest asked for when the state was last made so.
    followed: Option<Desired>,
    /// Functions whose runtimes were not looked at yet.
    unexamined: Option<Unexamined>,
    /// What was told about runtimes, so that it is told once.
    told: Vec<RuntimeNotice>,
}

/// Functions that are served, and where they stand in the manifest.
struct Unexamined {
    state: Arc<State>,
    places: BTreeMap<FunctionName, Place>,
}

/// Who serves what is configured.
pub(super) struct Traffic {
    pub(super) proxy: Proxy,
    pub(super) functions: Functions,
    /// Is another version of a language than a runtime names a mistake?
    pub(super) strict_runtimes: bool,
}

/// What a reload did.
pub(super) struct Applied {
    /// `None` when everything is as before.
    pub(super) change: Option<Difference>,
    /// The attempt before had failed.
    pub(super) mended: bool,
    /// Files whose change matters.
    pub(super) watched: Vec<PathBuf>,
    /// What was noticed besides.
    pub(super) warnings: Vec<Problem>,
}

/// A plan that is in the store, and not served yet.
pub(super) struct Stored {
    /// What was before it.
    old: Arc<State>,
    desired: Desired,
    watched: Vec<PathBuf>,
}

/// A reload that changed nothing because of mistakes.
pub(super) struct Broken {
    pub(super) problems: Problems,
    /// They are not the same as at the attempt before.
    pub(super) is_news: bool,
}

impl Configuration {
    pub(super) fn new(
        args: &Up,
        data_dir: &DataDir,
        issuer: Arc<LazyAuthority>,
        writer: Writer,
        state: watch::Receiver<Arc<State>>,
    ) -> Self {
        Self {
            file: args.file.clone(),
            settings: Settings {
                own_files: own_files(args, data_dir),
                buckets: match args.files.buckets() {
                    Some(_) => Buckets::Given,
                    None => Buckets::Missing,
                },
                ..args.resources.settings()
            },
            issuer,
            writer,
            turn: Turn::default(),
            progress: Progress::new(state.clone()),
            state,
            traffic: (),
            broken: Vec::new(),
            followed: None,
            unexamined: None,
            told: Vec::new(),
        }
    }

    pub(super) fn with_traffic(self, traffic: Traffic) -> Configuration<Traffic> {
        let Self {
            file,
            settings,
            issuer,
            writer,
            state,
            turn,
            progress,
            traffic: (),
            broken,
            followed,
            unexamined,
            told,
        } = self;
        Configuration {
            file,
            settings,
            issuer,
            writer,
            state,
            turn,
            progress,
            traffic,
            broken,
            followed,
            unexamined,
            told,
        }
    }
}

impl<T> Configuration<T> {
    /// Reads the manifest and decides what it would change. Nothing happens.
    pub(super) async fn plan(&self) -> Result<Plan, Problems> {
        let (file, settings, issuer) = (self.file.clone(), self.settings.clone(), self.issuer.clone());
        let state = self.state.borrow().clone();
        let make = move || Plan::make(&file, &settings, &*issuer, &state, SystemTime::now());
        self.off_thread(make).await?
    }

    /// What albacore writes itself, and what is no code therefore.
    pub(super) fn own_files(&self) -> OwnFiles {
        self.settings.own_files.clone()
    }

    /// Who else changes the state takes turns by this.
    pub(super) fn turn(&self) -> Turn {
        self.turn.clone()
    }

    /// How far traffic follows.
    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    async fn off_thread<W: Send + 'static>(&self, work: impl FnOnce() -> W + Send + 'static) -> Result<W, Problems> {
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| self.failed(&error, Vec::new()))
    }

    fn failed(&self, error: &dyn Error, mut watched: Vec<PathBuf>) -> Problems {
        watched.push(std::path::absolute(&self.file).unwrap_or_else(|_| self.file.clone()));
        Problems {
            all: vec![Problem::at(None, chain(error))],
            warnings: Vec::new(),
            watched,
        }
    }
}

impl Configuration<Traffic> {
    /// Finds out whether the planned state could be served, and, where runtimes are meant strictly, by their very
    /// interpreters. Nothing happens.
    pub(super) async fn check(&self, plan: Plan) -> Result<Plan, Problems> {
        let plan = self.check_traffic(plan).await?;
        match self.traffic.strict_runtimes {
            true => self.check_runtimes(plan).await,
            false => Ok(plan),
        }
    }

    async fn check_traffic(&self, plan: Plan) -> Result<Plan, Problems> {
        let proxy = self.traffic.proxy.clone();
        let is_reload = self.progress.serves();
        self.off_thread(move || match proxy.check(&plan.state) {
            Ok(()) => Ok(plan),
            Err(error) => {
                let mut problem = match &error {
                    ApplyError::Table(error) => plan.problem(error),
                    ApplyError::Bind(error) => plan.problem(error),
                    ApplyError::Logs(error) => plan.problem(error),
                };
                // Nobody tells us when a port becomes free, or a bucket writable.
                if is_reload && matches!(error, ApplyError::Bind(_) | ApplyError::Logs(_)) {
                    problem.message.push_str("; then save the file or send SIGHUP");
                }
                Err(Problems::of(vec![problem], plan.loaded))
            }
        })
        .await?
    }

    /// What there is to say about runtimes is a mistake. What else there is to say is told later, as without `--strict-runtimes`.
    async fn check_runtimes(&self, plan: Plan) -> Result<Plan, Problems> {
        let found = self.traffic.functions.runtime_notices(&plan.state).await;
        let problems: Vec<_> = found
            .iter()
            .filter(|notice| notice.of_runtime)
            .map(|notice| {
                let arn = FunctionArn::new(&self.settings.scope, notice.function.as_str());
                Problem::at(
                    plan.loaded.desired.place_of(arn.as_str()),
                    runtime_problem(notice, true),
                )
            })
            .collect();
        match problems.is_empty() {
            true => Ok(plan),
            false => Err(Problems::of(problems, plan.loaded)),
        }
    }

    /// Waits for what there is to say about the runtimes of the functions that are served, which is told once. Nobody
    /// waits for it to be served: looking for interpreters takes as long as they take to say their versions.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost; the next call looks again.
    pub(super) async fn runtime_news(&mut self) -> Vec<Problem> {
        let Some(Unexamined { state, places }) = &self.unexamined else {
            return std::future::pending().await;
        };
        let found = self.traffic.functions.runtime_notices(state).await;
        let news = found.iter().filter(|notice| !self.told.contains(notice));
        let problems = news
            .map(|notice| Problem::at(places.get(&notice.function), runtime_problem(notice, false)))
            .collect();
        self.unexamined = None;
        self.told = found;
        problems
    }

    /// What [`Self::runtime_news`] looks at from now on.
    fn examine_later(&mut self, desired: &Desired, state: Arc<State>) {
        let place = |function: &Arc<Function>| {
            let place = desired.place_of(function.arn.as_str())?;
            Some((function.name.clone(), place.clone()))
        };
        self.unexamined = Some(Unexamined {
            places: state.functions().filter_map(place).collect(),
            state,
        });
    }

    /// Makes a plan real. Says what changed; `None` when nothing did.
    pub(super) async fn commit(&mut self, plan: Plan) -> Result<Option<Difference>, Problems> {
        let stored = self.store(plan).await?;
        self.serve(stored).await
    }

    /// The first half of [`Self::commit`]: traffic does not see it yet.
    pub(super) async fn store(&mut self, plan: Plan) -> Result<Stored, Problems> {
        let old = self.state.borrow().clone();
        self.followed = None;
        if !plan.batch.commands.is_empty() {
            let submitted = self.writer.submit(plan.batch.commands, plan.context).await;
            submitted.map_err(|error| self.failed(&error, plan.loaded.watched.clone()))?;
        }
        Ok(Stored {
            old,
            desired: plan.loaded.desired,
            watched: plan.loaded.watched,
        })
    }

    /// The second half.
    pub(super) async fn serve(&mut self, stored: Stored) -> Result<Option<Difference>, Problems> {
        let new = self.state.borrow().clone();
        // Also when the store had it already and traffic could not follow the last time.
        if self.progress.is_current() {
            self.followed = Some(stored.desired);
            return Ok(None);
        }
        let (proxy, state) = (self.traffic.proxy.clone(), new.clone());
        let applied = self.off_thread(move || proxy.apply(&state)).await?;
        applied.map_err(|error| self.failed(&error, stored.watched))?;
        self.progress.serve(new.revision);
        self.examine_later(&stored.desired, new.clone());
        self.followed = Some(stored.desired);
        Ok(Some(Difference::between(&stored.old, &new)))
    }

    /// Tries again to serve the listeners whose ports could not be had. Whether the ones that are open are others than before.
    pub(super) async fn open_more(&self) -> bool {
        let proxy = self.traffic.proxy.clone();
        let turn = self.turn.clone();
        let _turn = turn.wait().await;
        if !self.progress.is_current() {
            return false;
        }
        let state = self.state.borrow().clone();
        let opened = self.off_thread(move || match proxy.can_open_more() {
            true => proxy.apply(&state).map(|()| true),
            false => Ok(false),
        });
        match opened.await {
            Ok(Ok(is_tried)) => is_tried,
            Ok(Err(error)) => {
                warn!(error = chain(&error), "closed listeners could not be tried again");
                false
            }
            Err(_) => false,
        }
    }

    /// Reads the manifest again and follows it, or changes nothing.
    ///
    /// When nobody `asked_for` it and the manifest asks for the same as before, the state is not made so again: what the API
    /// may change meanwhile (`--manifest-unlocked`) holds, however often a watched file is looked at.
    pub(super) async fn reload(&mut self, asked_for: bool) -> Result<Applied, Broken> {
        match self.follow(asked_for).await {
            Ok(mut applied) => {
                applied.mended = !std::mem::take(&mut self.broken).is_empty();
                Ok(applied)
            }
            Err(problems) => {
                let is_news = self.broken != problems.all;
                self.broken.clone_from(&problems.all);
                Err(Broken { problems, is_news })
            }
        }
    }

    /// The next reload makes the state what the manifest says, whether it changed or not.
    pub(super) fn follow_again(&mut self) {
        self.followed = None;
    }

    async fn follow(&mut self, asked_for: bool) -> Result<Applied, Problems> {
        let turn = self.turn.clone();
        // What is planned is what the state is.
        let _turn = turn.wait().await;
        let plan = self.plan().await?;
        let (watched, warnings) = (plan.loaded.watched.clone(), plan.warnings());
        let is_followed = self.progress.is_current() && self.followed.as_ref() == Some(&plan.loaded.desired);
        let change = match is_followed && !asked_for {
            true => None,
            false => {
                let plan = self.check(plan).await?;
                self.commit(plan).await?
            }
        };
        Ok(Applied {
            change,
            mended: false,
            watched,
            warnings,
        })
    }
}

/// The data folder, what is in it (it may itself be a folder of code), the logs, and where our output goes.
fn own_files(args: &Up, data_dir: &DataDir) -> OwnFiles {
    let output = ["/proc/self/fd/1", "/proc/self/fd/2"];
    // Pipes and the like have names that are no paths.
    let output = output
        .iter()
        .filter_map(|it| fs::read_link(it).ok())
        .filter(|it| it.is_absolute());
    let logs = args.files.access_log.iter().chain(&args.files.log_buckets).cloned();
    OwnFiles::new(data_dir.own_files().chain(logs).chain(output))
}

/// What is told about the runtime of a function, with what can be done.
fn runtime_problem(notice: &RuntimeNotice, strict: bool) -> String {
    let RuntimeNotice { function, message, .. } = notice;
    let rest = match strict {
        true => "; or change `runtime`, or start without --strict-runtimes",
        false => "",
    };
    format!("function {function}: {message}{rest}")
}
