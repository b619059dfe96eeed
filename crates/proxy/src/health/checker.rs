//! The checkers of one core: a task for each target that has its home there.

use super::Pools;
use super::checked::{Asked, Asker, Checked, Key, caught};
use super::function::CheckedFunction;
use super::judge::{Ended, Health};
use super::log::{CheckEntry, HealthLog};
use super::rhythm::{Rhythm, Spread};
use super::server;
use super::slots::{Lane, Slots};
use super::trouble::Trouble;
use crate::balance::{CheckedTarget, Groups};
use crate::clock::Wall;
use invoke::Invoker;
use model::observed::{TargetHealth, TargetState};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{debug, info, warn};

/// The running checkers. They end with [`Checkers::stop`], or when their targets are checked no longer.
pub(crate) struct Checkers {
    core: usize,
    cores: usize,
    functions: watch::Receiver<Arc<[CheckedFunction]>>,
    servers: watch::Receiver<Arc<[CheckedTarget]>>,
    slots: Slots,
    tools: Rc<Tools>,
    running: BTreeMap<Key, Running>,
}

/// What every checker of a core uses.
struct Tools {
    invoker: Rc<dyn Invoker>,
    log: Rc<dyn HealthLog>,
    trouble: Trouble,
    spread: Spread,
}

struct Running {
    /// What is checked, and how, as of now.
    checked: watch::Sender<Checked>,
    task: JoinHandle<()>,
}

impl Checkers {
    /// None yet; the first [`Checkers::changed`] is ready at once.
    pub(crate) fn new(
        core: usize,
        (pools, groups): (&Pools, &Groups),
        invoker: Rc<dyn Invoker>,
        log: Rc<dyn HealthLog>,
        (seed, spread): (u64, Duration),
    ) -> Self {
        Self {
            core,
            cores: pools.cores,
            functions: pools.checked(),
            servers: groups.checked(),
            slots: Slots::new(),
            tools: Rc::new(Tools {
                invoker,
                log,
                trouble: Trouble::default(),
                spread: Spread::new(seed, spread),
            }),
            running: BTreeMap::new(),
        }
    }

    /// Waits until other targets are to be checked, or targets otherwise.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn changed(&mut self) {
        tokio::select! {
            Ok(()) = self.functions.changed() => {}
            Ok(()) = self.servers.changed() => {}
            // Nothing is left that could change them.
            else => std::future::pending().await,
        }
    }

    /// Ends the checkers of targets that are no longer checked here, starts those of new ones, and tells the others of
    /// changed settings.
    pub(crate) async fn follow(&mut self) {
        let functions = self.functions.borrow_and_update().clone();
        let servers = self.servers.borrow_and_update().clone();
        let functions = functions.iter().cloned().map(Checked::Function);
        let servers = servers.iter().cloned().map(Checked::Server);
        let mut before = std::mem::take(&mut self.running);
        for checked in functions.chain(servers) {
            let key = checked.key();
            if key.home(self.cores) != self.core {
                continue;
            }
            let running = match before.remove(&key) {
                // One that has ended has panicked.
                Some(running) if !running.task.is_finished() => {
                    running.checked.send_replace(checked);
                    running
                }
                _ => self.start(checked),
            };
            self.running.insert(key, running);
        }
        end(before).await;
    }

    fn start(&mut self, checked: Checked) -> Running {
        let lane = self.slots.lane(checked.group());
        let rhythm = Rhythm::new(Instant::now(), checked.interval(), &self.tools.spread);
        let sender = watch::Sender::new(checked);
        let check = check(sender.subscribe(), self.tools.clone(), lane, rhythm);
        Running {
            checked: sender,
            task: tokio::task::spawn_local(check),
        }
    }

    /// Ends all of them. Invocations that run go on, as they do when a client leaves.
    pub(crate) async fn stop(&mut self) {
        end(std::mem::take(&mut self.running)).await;
    }
}

async fn end(checkers: BTreeMap<Key, Running>) {
    for running in checkers.values() {
        running.task.abort();
    }
    for (_, running) in checkers {
        let _ = running.task.await; // it was cut
    }
}

/// Checks one target for as long as it is let. The interval runs from start to start, however long an answer takes. A
/// check that waits for its place comes later; the ones after it keep the [`Rhythm`].
async fn check(mut checked: watch::Receiver<Checked>, tools: Rc<Tools>, lane: Lane, mut rhythm: Rhythm) {
    let mut asker = Asker::new(tools.invoker.clone());
    let mut health = Health::of(checked.borrow().state());
    checked.borrow_and_update().tell(&health);
    loop {
        tokio::select! {
            biased;
            changed = checked.changed() => {
                if changed.is_err() {
                    return; // it is no longer checked
                }
                let now = checked.borrow_and_update();
                rhythm.follow(Instant::now(), now.interval(), &tools.spread);
                // Of a group that was not used for a moment too short to be noticed here, what is known still holds.
                now.tell(&health);
                continue;
            }
            () = tokio::time::sleep_until(rhythm.due()) => {}
        }
        if !rhythm.is_time(Instant::now(), &tools.spread) {
            continue;
        }
        let Some(_slot) = lane.take().await else { return };
        let now = checked.borrow_and_update().clone();
        let (start, wall) = (Instant::now(), Wall::now());
        rhythm.begin(start, now.interval());
        let asked = asker.ask(&now).await;
        tools.note(&now, &mut health, &asked, (wall, start.elapsed()));
        if let Some(open) = asked.open {
            let _ = caught(server::finish(open)).await; // whatever comes of it
        }
    }
}

impl Tools {
    /// Takes note of a check that has ended.
    fn note(&self, checked: &Checked, health: &mut Health, asked: &Asked, (start, latency): (Wall, Duration)) {
        let target_addr = checked.target_addr();
        let entry = CheckEntry {
            kind: checked.kind(),
            start,
            latency,
            target_addr: &target_addr,
            target_group: checked.group_name(),
            status_code: asked.ended.code(),
            reason_code: asked.ended.reason_code(),
        };
        if let Some(load_balancer) = checked.load_balancer() {
            self.log.entry(load_balancer, &entry);
        }
        debug!(line = %entry, cause = asked.cause, "health check ended");
        if asked.ended == Ended::NotAsked {
            self.trouble.tell(&target_addr, asked.cause.as_deref());
        }
        let before = health.state();
        health.note(asked.ended, checked.thresholds());
        let after = health.report();
        if before != after.state {
            tell(checked, &target_addr, &after, asked.cause.as_deref());
        }
        checked.tell(health);
    }
}

/// A changed state is worth a line; `cause` says more about the check that changed it.
fn tell(checked: &Checked, target_addr: &str, health: &TargetHealth, cause: Option<&str>) {
    let target_group = checked.group();
    if health.state == TargetState::Healthy {
        info!(%target_group, target_addr, "a target became healthy");
        return;
    }
    let (reason, description) = (health.reason, health.description.as_deref());
    match checked {
        Checked::Function(_) => warn!(
            %target_group,
            target_addr,
            reason,
            description,
            cause,
            "a target became unhealthy; a function gets its requests all the same"
        ),
        Checked::Server(_) => {
            warn!(%target_group, target_addr, reason, description, cause, "a target became unhealthy");
        }
    }
}
