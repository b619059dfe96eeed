//! Which logs of which load balancers are delivered, and where to. Source: ALB 1.4, 8.1.1, 8.5, 8.6.

use model::elb::load_balancer::{LoadBalancer, LogDelivery};
use model::{LoadBalancerArn, Owner, State};
use observe::{
    Delivery, DeliveryHandle, DeliveryMonitor, Destination, DestinationError, DestinationFields, LogKind,
    TestObjectError,
};
use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tracing::warn;

/// The delivery of logs: the proxy says what goes where, its owner ends it.
#[derive(Debug)]
pub struct LogDeliveries {
    /// `None` when it has ended.
    delivery: Mutex<Option<Delivery>>,
    monitor: DeliveryMonitor,
    /// Their buckets need not be there.
    forgiven: Mutex<HashSet<Destination>>,
}

/// The handles that the lines of one load balancer are written with; `None` where nobody wants them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LogHandles {
    pub(crate) access: Option<DeliveryHandle>,
    pub(crate) connection: Option<DeliveryHandle>,
    pub(crate) health_check: Option<DeliveryHandle>,
}

/// The handles of all load balancers that have any.
pub(crate) type AllHandles = BTreeMap<LoadBalancerArn, LogHandles>;

/// Why a log cannot be delivered. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum LogDeliveryError {
    /// An attribute, or what else stands in the names of objects, cannot be.
    #[error("the logs of load balancer {load_balancer} cannot be delivered")]
    Destination {
        /// The load balancer.
        load_balancer: LoadBalancerArn,
        /// The field and what is wrong with it.
        #[source]
        source: DestinationError,
    },
    /// The bucket does not take the test object.
    #[error("the logs of load balancer {load_balancer} cannot be delivered")]
    TestObject {
        /// The load balancer.
        load_balancer: LoadBalancerArn,
        /// The bucket, and what it says.
        #[source]
        source: TestObjectError,
    },
}

impl LogDeliveryError {
    /// Whose logs they are.
    pub fn load_balancer(&self) -> &LoadBalancerArn {
        match self {
            Self::Destination { load_balancer, .. } | Self::TestObject { load_balancer, .. } => load_balancer,
        }
    }
}

impl LogDeliveries {
    /// Takes a delivery over, to the end.
    pub fn new(delivery: Delivery) -> Self {
        Self {
            monitor: delivery.monitor(),
            delivery: Mutex::new(Some(delivery)),
            forgiven: Mutex::default(),
        }
    }

    /// The numbers and the state.
    pub fn monitor(&self) -> &DeliveryMonitor {
        &self.monitor
    }

    /// Finds out whether the buckets of all logs that a state newly wants take objects. Blocks on them.
    pub(crate) fn check(&self, state: &State) -> Result<(), LogDeliveryError> {
        for (load_balancer, destination) in wanted(state)? {
            let tested = match &*self.delivery() {
                Some(delivery) => delivery.write_test_objects(std::slice::from_ref(&destination)),
                None => Ok(()),
            };
            match tested {
                Ok(()) => {}
                Err(error) if self.forgiven().contains(&destination) => {
                    let reason = error.to_string();
                    warn!(%load_balancer, reason, "logs are not delivered until their bucket takes them");
                }
                Err(source) => return Err(LogDeliveryError::TestObject { load_balancer, source }),
            }
        }
        Ok(())
    }

    /// What the AWS API has asked for before need not be had now: its logs are kept until their buckets take them.
    pub(crate) fn forgive(&self, state: &State) {
        let is_by_api = |arn: &LoadBalancerArn| state.load_balancer(arn).is_some_and(|it| it.owner == Owner::Api);
        // One that cannot be is an error when it is checked.
        let all = wanted(state).unwrap_or_default().into_iter();
        let forgiven = all.filter(|(arn, _)| is_by_api(arn)).map(|(_, it)| it);
        *self.forgiven() = forgiven.collect();
    }

    fn forgiven(&self) -> MutexGuard<'_, HashSet<Destination>> {
        self.forgiven.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows a state. Lines that are written with handles of before are delivered all the same.
    pub(crate) fn follow(&self, state: &State) -> Result<AllHandles, LogDeliveryError> {
        let (load_balancers, destinations): (Vec<_>, Vec<_>) = wanted(state)?.into_iter().unzip();
        let mut all = AllHandles::new();
        if let Some(delivery) = &*self.delivery() {
            let handles = delivery.follow(destinations);
            for (load_balancer, handle) in load_balancers.into_iter().zip(handles) {
                let kind = handle.destination().kind();
                *all.entry(load_balancer).or_default().place(kind) = Some(handle);
            }
        }
        Ok(all)
    }

    /// Delivers what there is and ends, within that time. `false` when it took longer: what is left then is delivered by the
    /// next process. Blocks. All senders have to be gone.
    pub fn close(&self, within: Duration) -> bool {
        let delivery = self.delivery().take();
        delivery.is_none_or(|delivery| delivery.shutdown(within))
    }

    fn delivery(&self) -> MutexGuard<'_, Option<Delivery>> {
        self.delivery.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogHandles {
    fn place(&mut self, kind: LogKind) -> &mut Option<DeliveryHandle> {
        match kind {
            LogKind::Access => &mut self.access,
            LogKind::Connection => &mut self.connection,
            LogKind::HealthCheck => &mut self.health_check,
        }
    }
}

/// Where a state wants which logs.
fn wanted(state: &State) -> Result<Vec<(LoadBalancerArn, Destination)>, LogDeliveryError> {
    let mut all = Vec::new();
    for load_balancer in state.load_balancers() {
        let attributes = &load_balancer.attributes;
        for (kind, delivery) in [
            (LogKind::Access, &attributes.access_logs),
            (LogKind::Connection, &attributes.connection_logs),
            (LogKind::HealthCheck, &attributes.health_check_logs),
        ] {
            if delivery.enabled {
                let destination = destination(load_balancer, kind, delivery);
                let destination = destination.map_err(|source| LogDeliveryError::Destination {
                    load_balancer: load_balancer.arn.clone(),
                    source,
                })?;
                all.push((load_balancer.arn.clone(), destination));
            }
        }
    }
    Ok(all)
}

fn destination(
    load_balancer: &LoadBalancer,
    kind: LogKind,
    delivery: &LogDelivery,
) -> Result<Destination, DestinationError> {
    let arn = &load_balancer.arn;
    // `arn:{partition}:elasticloadbalancing:{region}:{account}:loadbalancer/...`
    let mut parts = arn.as_str().split(':').skip(3);
    Destination::new(&DestinationFields {
        kind,
        region: parts.next().unwrap_or_default(),
        account: parts.next().unwrap_or_default(),
        load_balancer: arn.resource_id(),
        bucket: &delivery.bucket,
        prefix: &delivery.prefix,
    })
}
