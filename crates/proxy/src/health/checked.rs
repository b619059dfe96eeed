//! What is checked, functions and servers alike: one loop serves both.

use super::function::{Call, CheckedFunction};
use super::judge::{Ended, Health, Thresholds};
use super::log::CheckKind;
use super::server;
use crate::balance::CheckedTarget;
use invoke::Invoker;
use model::observed::TargetState;
use model::{LoadBalancerArn, TargetGroupArn};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

/// A target to check, and how.
#[derive(Clone, Debug)]
pub(super) enum Checked {
    Function(CheckedFunction),
    Server(CheckedTarget),
}

/// What tells targets apart for as long as they are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Function(u64),
    Server(u64),
}

impl Key {
    /// The core that checks it.
    pub(super) fn home(self, cores: usize) -> usize {
        let (Self::Function(serial) | Self::Server(serial)) = self;
        (serial % cores.max(1) as u64) as usize
    }
}

impl Checked {
    pub(super) fn key(&self) -> Key {
        match self {
            Self::Function(function) => Key::Function(function.serial),
            Self::Server(server) => Key::Server(server.target.serial),
        }
    }

    pub(super) fn group(&self) -> &TargetGroupArn {
        match self {
            Self::Function(function) => &function.settings.group,
            Self::Server(server) => &server.settings.group,
        }
    }

    pub(super) fn group_name(&self) -> &str {
        match self {
            Self::Function(function) => &function.settings.group_name,
            Self::Server(server) => &server.settings.group_name,
        }
    }

    /// The load balancer that uses the group. What nobody uses is not checked.
    pub(super) fn load_balancer(&self) -> Option<&LoadBalancerArn> {
        match self {
            Self::Function(function) => Some(&function.settings.load_balancer),
            Self::Server(server) => server.settings.load_balancer.as_ref(),
        }
    }

    /// The address that is asked, or the function's ARN.
    pub(super) fn target_addr(&self) -> String {
        match self {
            Self::Function(function) => function.settings.function.to_string(),
            Self::Server(server) => server.address().to_string(),
        }
    }

    pub(super) fn kind(&self) -> CheckKind {
        match self {
            Self::Function(_) => CheckKind::Lambda,
            Self::Server(server) => server::kind(&server.settings),
        }
    }

    /// From the start of one check to the start of the next.
    pub(super) fn interval(&self) -> Duration {
        match self {
            Self::Function(function) => function.settings.check.timing.interval(),
            Self::Server(server) => server.settings.check.timing.interval(),
        }
    }

    pub(super) fn thresholds(&self) -> Thresholds {
        let (healthy, unhealthy) = match self {
            Self::Function(function) => {
                let check = &function.settings.check;
                (check.healthy_threshold, check.unhealthy_threshold)
            }
            Self::Server(server) => {
                let check = &server.settings.check;
                (check.healthy_threshold, check.unhealthy_threshold)
            }
        };
        Thresholds { healthy, unhealthy }
    }

    /// What is known before the first check.
    pub(super) fn state(&self) -> TargetState {
        match self {
            Self::Function(_) => TargetState::Initial,
            Self::Server(server) => server.state(),
        }
    }

    /// Tells everybody how it is, as far as that is known. While no check has ended that is not an answer: the target still
    /// counts as one that nobody has asked.
    pub(super) fn tell(&self, health: &Health) {
        match self {
            Self::Function(function) => function.set_health(health.report()),
            Self::Server(server) if health.is_known() => server.set_health(health.report()),
            Self::Server(server) => server.begin(health.report()),
        }
    }
}

/// How a check ended, and what is to be done once that has been noted.
pub(super) struct Asked {
    pub(super) ended: Ended,
    /// Says more about what was no pass, for people.
    pub(super) cause: Option<String>,
    pub(super) open: Option<server::Open>,
}

impl Asked {
    pub(super) fn without_connection(ended: Ended, cause: Option<String>) -> Self {
        let open = None;
        Self { ended, cause, open }
    }
}

/// Asks one target, once at a time.
pub(super) struct Asker {
    call: Call,
}

impl Asker {
    pub(super) fn new(invoker: Rc<dyn Invoker>) -> Self {
        Self {
            call: Call::new(invoker),
        }
    }

    /// Asks once. A check that panics is one that was not asked; the next one is.
    pub(super) async fn ask(&mut self, checked: &Checked) -> Asked {
        let asked = match checked {
            Checked::Function(function) => caught(self.call.ask(&function.settings)).await,
            Checked::Server(server) => caught(server::ask(server.address(), &server.settings)).await,
        };
        asked.unwrap_or_else(|| {
            self.call.forget();
            Asked::without_connection(Ended::NotAsked, Some("the check panicked".to_owned()))
        })
    }
}

/// `None` if it panicked.
pub(super) async fn caught<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = Box::pin(future);
    poll_fn(|cx| {
        // What a panic leaves half done is dropped with the future.
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        polled.map_or(Poll::Ready(None), |poll| poll.map(Some))
    })
    .await
}
