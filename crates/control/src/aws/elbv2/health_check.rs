//! Health checks of target groups: parameters in, elements out. Source: ALB 1.5, 9.3.

use super::errors;
use super::input::{boolean, number, one_of};
use super::target_groups::matcher;
use crate::aws::error::AwsError;
use model::elb::health_check::{
    GrpcMatcher, HealthCheck, HealthCheckPath, HealthCheckPort, HealthCheckRefusal, HealthCheckTiming, HealthThreshold,
    HttpMatcher, Matcher, ServerHealthCheck,
};
use model::elb::target_group::{ServerType, TargetProtocol};
use std::time::Duration;
use wire::query::Fields;
use wire::xml::Xml;

const PROTOCOLS: [(&str, TargetProtocol); 2] = [("HTTP", TargetProtocol::Http), ("HTTPS", TargetProtocol::Https)];

/// Complains of the parameters that break rules of their own.
pub(super) fn complain(fields: &Fields<'_>) -> Result<(), AwsError> {
    one_of(fields, "HealthCheckProtocol", &PROTOCOLS)?;
    Numbers::read(fields).map(drop)
}

/// The check of a group of servers: what is not given stays as it is.
pub(super) fn servers(
    fields: &Fields<'_>,
    existing: &ServerHealthCheck,
    target_type: ServerType,
) -> Result<ServerHealthCheck, AwsError> {
    if boolean(fields, "HealthCheckEnabled")? == Some(false) {
        return Err(AwsError::validation(format!(
            "Health check enabled must be true for target groups with target type '{}'",
            target_type.as_str()
        )));
    }
    let port = fields.text("HealthCheckPort").map(HealthCheckPort::try_from);
    let given = Given::read(fields)?;
    let (interval, timeout) = given.timing(existing.timing);
    let matcher = match fields.structure("Matcher") {
        None => existing.matcher.clone(),
        Some(fields) => match (fields.text("HttpCode"), fields.text("GrpcCode")) {
            (Some(code), None) => Matcher::Http(accepted(HttpMatcher::try_from(code))?),
            (None, Some(code)) => Matcher::Grpc(accepted(GrpcMatcher::try_from(code))?),
            _ => {
                return Err(AwsError::validation(
                    "A matcher must have either 'HttpCode' or 'GrpcCode'",
                ));
            }
        },
    };
    Ok(ServerHealthCheck {
        protocol: one_of(fields, "HealthCheckProtocol", &PROTOCOLS)?.unwrap_or(existing.protocol),
        port: port.map(accepted).transpose()?.unwrap_or(existing.port),
        path: given.path.unwrap_or_else(|| existing.path.clone()),
        timing: accepted(HealthCheckTiming::of_servers(interval, timeout))?,
        healthy_threshold: given.healthy.unwrap_or(existing.healthy_threshold),
        unhealthy_threshold: given.unhealthy.unwrap_or(existing.unhealthy_threshold),
        matcher,
    })
}

/// The same of a group with a function.
pub(super) fn lambda(fields: &Fields<'_>, existing: &HealthCheck) -> Result<HealthCheck, AwsError> {
    for name in ["HealthCheckProtocol", "HealthCheckPort"] {
        if fields.has(name) {
            return Err(AwsError::validation(format!(
                "{name} cannot be specified for target groups with target type 'lambda'"
            )));
        }
    }
    let given = Given::read(fields)?;
    let (interval, timeout) = given.timing(existing.timing);
    let matcher = match fields.structure("Matcher") {
        None => existing.matcher.clone(),
        Some(fields) => match fields.text("HttpCode") {
            Some(code) => accepted(HttpMatcher::try_from(code))?,
            None => return Err(AwsError::validation("A matcher must have 'HttpCode'")),
        },
    };
    Ok(HealthCheck {
        enabled: boolean(fields, "HealthCheckEnabled")?.unwrap_or(existing.enabled),
        path: given.path.unwrap_or_else(|| existing.path.clone()),
        timing: accepted(HealthCheckTiming::of_lambda(interval, timeout))?,
        healthy_threshold: given.healthy.unwrap_or(existing.healthy_threshold),
        unhealthy_threshold: given.unhealthy.unwrap_or(existing.unhealthy_threshold),
        matcher,
    })
}

/// What both kinds of group have.
struct Given {
    interval: Option<Duration>,
    timeout: Option<Duration>,
    healthy: Option<HealthThreshold>,
    unhealthy: Option<HealthThreshold>,
    path: Option<HealthCheckPath>,
}

/// Those of them that are numbers.
struct Numbers {
    interval: Option<i64>,
    timeout: Option<i64>,
    healthy: Option<i64>,
    unhealthy: Option<i64>,
}

impl Numbers {
    fn read(fields: &Fields<'_>) -> Result<Self, AwsError> {
        Ok(Self {
            interval: number(fields, "HealthCheckIntervalSeconds", 5..=300)?,
            timeout: number(fields, "HealthCheckTimeoutSeconds", 2..=120)?,
            healthy: number(fields, "HealthyThresholdCount", 2..=10)?,
            unhealthy: number(fields, "UnhealthyThresholdCount", 2..=10)?,
        })
    }
}

impl Given {
    fn read(fields: &Fields<'_>) -> Result<Self, AwsError> {
        let numbers = Numbers::read(fields)?;
        let secs = |secs: i64| Duration::from_secs(secs.unsigned_abs());
        let path = fields.text("HealthCheckPath").map(HealthCheckPath::try_from);
        Ok(Self {
            interval: numbers.interval.map(secs),
            timeout: numbers.timeout.map(secs),
            healthy: numbers
                .healthy
                .map(|count| accepted(HealthThreshold::healthy(count)))
                .transpose()?,
            unhealthy: numbers
                .unhealthy
                .map(|count| accepted(HealthThreshold::unhealthy(count)))
                .transpose()?,
            path: path.map(accepted).transpose()?,
        })
    }

    fn timing(&self, existing: HealthCheckTiming) -> (Duration, Duration) {
        (
            self.interval.unwrap_or(existing.interval()),
            self.timeout.unwrap_or(existing.timeout()),
        )
    }
}

fn accepted<T>(read: Result<T, HealthCheckRefusal>) -> Result<T, AwsError> {
    read.map_err(|refusal| errors::health_check(&refusal))
}

pub(super) fn of_servers(xml: &mut Xml, it: &ServerHealthCheck) {
    xml.text("HealthCheckProtocol", it.protocol.as_str());
    match it.port {
        HealthCheckPort::TrafficPort => xml.text("HealthCheckPort", "traffic-port"),
        HealthCheckPort::Port(port) => xml.value("HealthCheckPort", port),
    }
    xml.text("HealthCheckEnabled", "true");
    numbers(xml, it.timing, it.healthy_threshold, it.unhealthy_threshold);
    xml.value("HealthCheckPath", &it.path);
    xml.within("Matcher", |xml| matcher(xml, &it.matcher));
}

pub(super) fn of_lambda(xml: &mut Xml, it: &HealthCheck) {
    xml.value("HealthCheckEnabled", it.enabled);
    numbers(xml, it.timing, it.healthy_threshold, it.unhealthy_threshold);
    xml.value("HealthCheckPath", &it.path);
    xml.within("Matcher", |xml| xml.value("HttpCode", &it.matcher));
}

fn numbers(xml: &mut Xml, timing: HealthCheckTiming, healthy: HealthThreshold, unhealthy: HealthThreshold) {
    xml.value("HealthCheckIntervalSeconds", timing.interval().as_secs());
    xml.value("HealthCheckTimeoutSeconds", timing.timeout().as_secs());
    xml.value("HealthyThresholdCount", healthy.count());
    xml.value("UnhealthyThresholdCount", unhealthy.count());
}
