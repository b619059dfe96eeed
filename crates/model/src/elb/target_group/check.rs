//! What must hold of a target group of servers as a whole. Source: ALB 1.5, 1.6, 5.7, 9.7.

use super::address::{is_allowed, is_of_a_server};
use super::{
    GroupAttributeRefusal, IpAddressType, ProtocolVersion, ServerTargets, ServerType, Target, TargetId, TargetRefusal,
    Zone,
};
use crate::elb::health_check::{HealthCheckPort, HealthCheckRefusal, Matcher};
use crate::limits::TARGETS_PER_TARGET_GROUP;
use std::collections::BTreeSet;

/// Why a target group of servers is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServersRefusal {
    /// Port 0.
    #[error("the port of a target group must be 1 to 65535")]
    Port,
    /// About its health check.
    #[error(transparent)]
    HealthCheck(#[from] HealthCheckRefusal),
    /// About its attributes.
    #[error(transparent)]
    Attributes(#[from] GroupAttributeRefusal),
    /// About one of its targets.
    #[error(transparent)]
    Target(#[from] TargetRefusal),
    /// One target twice. Source: ALB 1.8.
    #[error("target {id} with port {port} stands twice in the target group; id and port together must be unique")]
    Repeated {
        /// Its id.
        id: TargetId,
        /// Its port.
        port: u16,
    },
    /// Too many targets.
    #[error("the target group would have {0} targets; the limit is {TARGETS_PER_TARGET_GROUP}")]
    TooMany(usize),
}

impl ServerTargets {
    /// Whether the group holds together.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn check(&self) -> Result<(), ServersRefusal> {
        if self.port == 0 {
            return Err(ServersRefusal::Port);
        }
        self.check_health_check()?;
        self.attributes.check()?;
        if self.targets.len() > usize::from(TARGETS_PER_TARGET_GROUP) {
            return Err(ServersRefusal::TooMany(self.targets.len()));
        }
        let mut seen = BTreeSet::new();
        for target in &self.targets {
            self.accepts(target)?;
            if !seen.insert((&target.id, target.port)) {
                let (id, port) = (target.id.clone(), target.port);
                return Err(ServersRefusal::Repeated { id, port });
            }
        }
        Ok(())
    }

    fn check_health_check(&self) -> Result<(), HealthCheckRefusal> {
        let check = &self.health_check;
        if check.port == HealthCheckPort::Port(0) {
            return Err(HealthCheckRefusal::Port("0".to_owned()));
        }
        if check.timing.timeout() >= check.timing.interval() {
            return Err(HealthCheckRefusal::TimeoutNotUnderInterval {
                timeout: check.timing.timeout(),
                interval: check.timing.interval(),
            });
        }
        match (&check.matcher, self.protocol_version) {
            (Matcher::Grpc(_), ProtocolVersion::Grpc)
            | (Matcher::Http(_), ProtocolVersion::Http1 | ProtocolVersion::Http2) => Ok(()),
            (_, version) => Err(HealthCheckRefusal::OtherMatcher(version)),
        }
    }

    /// Whether a target by itself fits into the group.
    ///
    /// # Errors
    /// Its port, type, address or zone does not.
    pub fn accepts(&self, target: &Target) -> Result<(), TargetRefusal> {
        let (id, address) = (&target.id, target.address);
        match (id, self.target_type) {
            (TargetId::Ip(registered), ServerType::Ip) if *registered != address => {
                let id = id.clone();
                return Err(TargetRefusal::OtherAddress { id, address });
            }
            (TargetId::Ip(_), ServerType::Ip) | (TargetId::Instance(_), ServerType::Instance) => {}
            (_, expected) => {
                return Err(TargetRefusal::OtherType {
                    id: id.clone(),
                    expected,
                });
            }
        }
        if IpAddressType::of(address) != self.ip_address_type {
            return Err(TargetRefusal::OtherFamily {
                id: id.clone(),
                address,
                expected: self.ip_address_type,
            });
        }
        match id {
            TargetId::Ip(_) if !is_allowed(address) => return Err(TargetRefusal::OutsideRanges(address)),
            TargetId::Instance(id) if !is_of_a_server(address) => {
                let id = id.clone();
                return Err(TargetRefusal::NoServer { id, address });
            }
            TargetId::Ip(_) | TargetId::Instance(_) => {}
        }
        if target.port == 0 {
            return Err(TargetRefusal::Port(id.clone()));
        }
        if target.zone == Zone::All && !self.attributes.cross_zone.is_on() {
            return Err(TargetRefusal::AllZones(id.clone()));
        }
        Ok(())
    }
}
