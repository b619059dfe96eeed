//! The way of a manifest into traffic, at the start and at every change: planned and checked without effect, then
//! submitted to the store, then applied to the proxy. One at a time.

use crate::cli::Up;
use crate::issuer::LazyAuthority;
use crate::plan::{Plan, Problem, Problems, chain};
use crate::server::difference::Difference;
use crate::server::facts::Progress;
use manifest::Settings;
use model::State;
use proxy::{ApplyError, Proxy};
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;
use store::Writer;
use tokio::sync::watch;

/// Before traffic is started.
pub(super) struct Configuration<P = ()> {
    file: PathBuf,
    settings: Settings,
    issuer: Arc<LazyAuthority>,
    writer: Writer,
    state: watch::Receiver<Arc<State>>,
    progress: Progress,
    proxy: P,
    /// What was wrong at the last attempt.
    broken: Vec<Problem>,
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

/// A reload that changed nothing because of mistakes.
pub(super) struct Broken {
    pub(super) problems: Problems,
    /// They are not the same as at the attempt before.
    pub(super) is_news: bool,
}

impl Configuration {
    pub(super) fn new(
        args: &Up,
        issuer: Arc<LazyAuthority>,
        writer: Writer,
        state: watch::Receiver<Arc<State>>,
    ) -> Self {
        Self {
            file: args.file.clone(),
            settings: args.resources.settings(),
            issuer,
            writer,
            progress: Progress::new(state.clone()),
            state,
            proxy: (),
            broken: Vec::new(),
        }
    }

    pub(super) fn with_proxy(self, proxy: Proxy) -> Configuration<Proxy> {
        let Self {
            file,
            settings,
            issuer,
            writer,
            state,
            progress,
            proxy: (),
            broken,
        } = self;
        Configuration {
            file,
            settings,
            issuer,
            writer,
            state,
            progress,
            proxy,
            broken,
        }
    }
}

impl<P> Configuration<P> {
    /// Reads the manifest and decides what it would change. Nothing happens.
    pub(super) async fn plan(&self) -> Result<Plan, Problems> {
        let (file, settings, issuer) = (self.file.clone(), self.settings.clone(), self.issuer.clone());
        let state = self.state.borrow().clone();
        let make = move || Plan::make(&file, &settings, &*issuer, &state, SystemTime::now());
        self.off_thread(make).await?
    }

    /// How far traffic follows.
    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    async fn off_thread<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problems> {
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

impl Configuration<Proxy> {
    /// Finds out whether the planned state could be served. Nothing happens.
    pub(super) async fn check(&self, plan: Plan) -> Result<Plan, Problems> {
        let proxy = self.proxy.clone();
        let is_reload = self.progress.serves();
        self.off_thread(move || match proxy.check(&plan.state) {
            Ok(()) => Ok(plan),
            Err(error) => {
                let mut problem = match &error {
                    ApplyError::Table(error) => plan.problem(error),
                    ApplyError::Bind(error) => plan.problem(error),
                };
                // Nobody tells us when a port becomes free.
                if is_reload && matches!(error, ApplyError::Bind(_)) {
                    problem.message.push_str("; then save the file or send SIGHUP");
                }
                Err(Problems::of(vec![problem], plan.loaded))
            }
        })
        .await?
    }

    /// Makes a plan real. Says what changed; `None` when nothing did.
    pub(super) async fn commit(&mut self, plan: Plan) -> Result<Option<Difference>, Problems> {
        let old = self.state.borrow().clone();
        if !plan.batch.commands.is_empty() {
            let submitted = self.writer.submit(plan.batch.commands, plan.context).await;
            submitted.map_err(|error| self.failed(&error, plan.loaded.watched.clone()))?;
        }
        let new = self.state.borrow().clone();
        // Also when the store had it already and traffic could not follow the last time.
        if self.progress.is_current() {
            return Ok(None);
        }
        let (proxy, state) = (self.proxy.clone(), new.clone());
        let applied = self.off_thread(move || proxy.apply(&state)).await?;
        applied.map_err(|error| self.failed(&error, plan.loaded.watched))?;
        self.progress.serve(new.revision);
        Ok(Some(Difference::between(&old, &new)))
    }

    /// Reads the manifest again and follows it, or changes nothing.
    pub(super) async fn reload(&mut self) -> Result<Applied, Broken> {
        match self.follow().await {
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

    async fn follow(&mut self) -> Result<Applied, Problems> {
        let plan = self.plan().await?;
        let plan = self.check(plan).await?;
        let (watched, warnings) = (plan.loaded.watched.clone(), plan.loaded.warnings.clone());
        Ok(Applied {
            change: self.commit(plan).await?,
            mended: false,
            watched,
            warnings: warnings.into_iter().map(Problem::from).collect(),
        })
    }
}
