//! Targets and their health. Source: ALB 3.1, 5.5, 5.7, 9.5.

use super::call::{Call, Plan};
use super::errors;
use super::find;
use super::input::{port, required, required_list, shown};
use super::target_groups::health_check_port;
use crate::aws::error::AwsError;
use model::elb::target_group::{
    InstanceId, LambdaTargets, ServerTargets, ServerType, Target, TargetGroup, TargetId, TargetKind, Zone,
};
use model::observed::{ReportedTarget, ServerReport, TargetHealth, TargetReport};
use model::{Command, FunctionArn, Scope};
use std::net::IpAddr;
use wire::query::Fields;
use wire::xml::Xml;

pub(super) fn register(call: &Call<'_>) -> Result<Plan, AwsError> {
    let group = find::target_group(call, required(&call.fields, "TargetGroupArn")?)?;
    let list = required_list(&call.fields, "Targets")?;
    let target_group = group.arn.clone();
    let command = match &group.targets {
        TargetKind::Servers(servers) => {
            let targets: Result<Vec<_>, _> = list.iter().map(|it| server(call, servers, it)).collect();
            let targets = targets?;
            targets
                .iter()
                .try_for_each(|target| servers.accepts(target))
                .map_err(|refusal| errors::target(&refusal))?;
            Command::RegisterServers { target_group, targets }
        }
        TargetKind::Lambda(lambda) => {
            let function = function_to_register(call, group, lambda, &list)?;
            Command::RegisterFunction(target_group, function)
        }
    };
    Ok(Plan::silent(vec![command]))
}

pub(super) fn deregister(call: &Call<'_>) -> Result<Plan, AwsError> {
    let group = find::target_group(call, required(&call.fields, "TargetGroupArn")?)?;
    let list = required_list(&call.fields, "Targets")?;
    let target_group = group.arn.clone();
    let command = match &group.targets {
        TargetKind::Servers(servers) => {
            let key = |it: &Fields<'_>| {
                zone(call, it)?;
                key(servers, it)
            };
            let targets: Result<Vec<_>, AwsError> = list.iter().map(key).collect();
            Some(Command::DeregisterServers {
                target_group,
                targets: targets?,
            })
        }
        TargetKind::Lambda(lambda) => {
            let mut named = Vec::new();
            for it in &list {
                zone(call, it)?;
                it.text("Port");
                named.push(required(it, "Id")?);
            }
            // One that is not registered is no matter.
            let registered = lambda.function.clone().filter(|it| named.contains(&it.as_str()));
            registered.map(|function| Command::DeregisterFunction(target_group, function))
        }
    };
    Ok(Plan::silent(command.into_iter().collect()))
}

/// A target with its group's port where it has none of its own.
fn server(call: &Call<'_>, servers: &ServerTargets, it: &Fields<'_>) -> Result<Target, AwsError> {
    let (id, port) = key(servers, it)?;
    let address = match &id {
        TargetId::Ip(address) => *address,
        TargetId::Instance(instance) => address_of(call, instance).ok_or_else(|| {
            let message =
                format!("The following targets are not in a running state and cannot be registered: '{instance}'");
            AwsError::new("InvalidTarget", message)
        })?,
    };
    Ok(Target {
        id,
        port,
        address,
        zone: zone(call, it)?,
    })
}

/// An instance is known by the address that the manifest has given it.
fn address_of(call: &Call<'_>, instance: &InstanceId) -> Option<IpAddr> {
    let targets = call.state.target_groups().flat_map(|group| match &group.targets {
        TargetKind::Servers(servers) => servers.targets.as_slice(),
        TargetKind::Lambda(_) => &[],
    });
    let mut targets = targets.filter(|target| target.id == TargetId::Instance(instance.clone()));
    targets.next().map(|target| target.address)
}

fn key(servers: &ServerTargets, it: &Fields<'_>) -> Result<(TargetId, u16), AwsError> {
    let text = required(it, "Id")?;
    let id = match servers.target_type {
        ServerType::Instance => InstanceId::try_from(text).map(TargetId::Instance).ok(),
        ServerType::Ip => text.parse().map(TargetId::Ip).ok(),
    };
    let id = id.ok_or_else(|| {
        let message = match servers.target_type {
            ServerType::Instance => format!("Instance ID '{}' is not valid", shown(text)),
            ServerType::Ip => format!("The IP address '{}' is not a valid IPv4 or IPv6 address", shown(text)),
        };
        AwsError::validation(message)
    })?;
    Ok((id, port(it, "Port")?.unwrap_or(servers.port)))
}

fn zone(call: &Call<'_>, it: &Fields<'_>) -> Result<Zone, AwsError> {
    match it.text("AvailabilityZone") {
        None => Ok(Zone::Own),
        Some(name) if name == call.api.availability_zone => Ok(Zone::Own),
        Some(name) => Zone::try_from(name).map_err(|refusal| errors::target(&refusal)),
    }
}

/// The one function of a call, which its policy lets the load balancer invoke.
fn function_to_register(
    call: &Call<'_>,
    group: &TargetGroup,
    lambda: &LambdaTargets,
    list: &[Fields<'_>],
) -> Result<FunctionArn, AwsError> {
    let [it] = list else {
        let message = format!(
            "A target group with target type 'lambda' takes one target, not {}",
            list.len()
        );
        return Err(AwsError::new("TooManyTargets", message));
    };
    // It is ignored. Source: ALB 3.1.
    it.text("Port");
    if !matches!(it.text("AvailabilityZone"), None | Some("all")) {
        let message = "The availability zone of a function must be 'all'";
        return Err(AwsError::validation(message));
    }
    let text = required(it, "Id")?;
    // A function, or a version or an alias of one, which has a policy of its own. Source: ALB 3.1, Lambda 6.1.
    let function = FunctionArn::try_from(text)
        .map_err(|_| AwsError::validation(format!("'{}' is not a valid function ARN", shown(text))))?;
    if !is_of(text, call.scope) {
        return Err(AwsError::validation(format!(
            "The function '{function}' is of another account or region: a target group's function is of account {} in \
             region {}",
            call.scope.account, call.scope.region
        )));
    }
    if !call.state.is_runnable(&function) {
        let message = format!("The following targets do not exist: '{function}'");
        return Err(AwsError::new("InvalidTarget", message));
    }
    let policy = call.state.function_policy(&function);
    let is_allowed = policy.is_some_and(|policy| policy.allows_load_balancer(&group.arn));
    // The same one again is no matter. Source: ALB 3.1.
    if lambda.function.as_ref() != Some(&function) && !is_allowed {
        let message = format!(
            "elasticloadbalancing principal does not have permission to invoke {function} from target group {}",
            group.arn
        );
        return Err(AwsError::with_status(403, "AccessDenied", message));
    }
    Ok(function)
}

fn is_of(arn: &str, scope: &Scope) -> bool {
    arn.starts_with(&format!(
        "arn:{}:lambda:{}:{}:",
        scope.partition(),
        scope.region,
        scope.account
    ))
}

pub(super) fn describe_health(call: &Call<'_>) -> Result<Xml, AwsError> {
    let group = find::target_group(call, required(&call.fields, "TargetGroupArn")?)?;
    let mut anomalies = false;
    for what in call.fields.texts("Include")? {
        match what {
            "AnomalyDetection" | "All" => anomalies = true,
            other => return Err(super::input::not_in_set("Include", other, &["AnomalyDetection", "All"])),
        }
    }
    let reports: Vec<_> = (call.targets)()
        .into_iter()
        .filter(|it| it.target_group == group.arn)
        .collect();
    let named = call.fields.list("Targets")?;
    let mut xml = Xml::new();
    match &group.targets {
        TargetKind::Servers(servers) => {
            let wanted: Result<Vec<_>, _> = named.iter().map(|it| key(servers, it)).collect();
            servers_health(&mut xml, call, servers, &reports, &wanted?, anomalies);
        }
        TargetKind::Lambda(_) => {
            let wanted: Result<Vec<_>, _> = named
                .iter()
                .map(|it| {
                    it.text("Port");
                    required(it, "Id")
                })
                .collect();
            function_health(&mut xml, &reports, &wanted?);
        }
    }
    Ok(xml)
}

fn servers_health(
    xml: &mut Xml,
    call: &Call<'_>,
    servers: &ServerTargets,
    reports: &[TargetReport],
    wanted: &[(TargetId, u16)],
    anomalies: bool,
) {
    let known = |report: &TargetReport| match &report.target {
        ReportedTarget::Server(server) => Some((server.clone(), report.health.clone())),
        ReportedTarget::Function(_) => None,
    };
    let mut known: Vec<(ServerReport, TargetHealth)> = reports.iter().filter_map(known).collect();
    let is =
        |report: &ServerReport, (id, port): &(TargetId, u16)| report.target.id == *id && report.target.port == *port;
    if !wanted.is_empty() {
        known.retain(|(report, _)| wanted.iter().any(|key| is(report, key)));
    }
    let missing: Vec<_> = wanted
        .iter()
        .filter(|key| !known.iter().any(|(report, _)| is(report, key)))
        .collect();
    xml.within("TargetHealthDescriptions", |xml| {
        for (report, health) in &known {
            xml.within("member", |xml| {
                xml.within("Target", |xml| target(xml, call, &report.target));
                xml.value("HealthCheckPort", report.health_check_port);
                self::health(xml, health);
                if anomalies {
                    anomaly(xml, report);
                }
                no_override(xml);
            });
        }
        for (id, port) in missing {
            xml.within("member", |xml| {
                xml.within("Target", |xml| {
                    xml.value("Id", id);
                    xml.value("Port", port);
                });
                xml.text("HealthCheckPort", &health_check_port(&servers.health_check, *port));
                not_registered(xml);
            });
        }
    });
}

fn target(xml: &mut Xml, call: &Call<'_>, it: &Target) {
    xml.value("Id", &it.id);
    xml.value("Port", it.port);
    // AWS says it of addresses; where an instance is, it knows.
    if let TargetId::Ip(_) = it.id {
        xml.text(
            "AvailabilityZone",
            match &it.zone {
                Zone::Own => &call.api.availability_zone,
                Zone::Named(name) => name,
                Zone::All => "all",
            },
        );
    }
}

fn function_health(xml: &mut Xml, reports: &[TargetReport], wanted: &[&str]) {
    let is_wanted = |id: &str| wanted.is_empty() || wanted.contains(&id);
    let known: Vec<_> = reports
        .iter()
        .map(|report| (report.target.to_string(), &report.health))
        .filter(|(id, _)| is_wanted(id))
        .collect();
    let missing = wanted.iter().filter(|id| !known.iter().any(|(known, _)| known == *id));
    xml.within("TargetHealthDescriptions", |xml| {
        let of = |xml: &mut Xml, id: &str| {
            xml.within("Target", |xml| {
                xml.text("Id", id);
                xml.text("AvailabilityZone", "all");
            });
        };
        for (id, health) in &known {
            xml.within("member", |xml| {
                of(xml, id);
                self::health(xml, health);
            });
        }
        for id in missing {
            xml.within("member", |xml| {
                of(xml, id);
                not_registered(xml);
            });
        }
    });
}

fn health(xml: &mut Xml, it: &TargetHealth) {
    xml.within("TargetHealth", |xml| {
        xml.text("State", it.state.as_str());
        if let Some(reason) = it.reason {
            xml.text("Reason", reason);
        }
        if let Some(description) = &it.description {
            xml.text("Description", description);
        }
    });
}

fn not_registered(xml: &mut Xml) {
    xml.within("TargetHealth", |xml| {
        xml.text("State", "unused");
        xml.text("Reason", "Target.NotRegistered");
        xml.text("Description", "Target is not registered to the target group");
    });
}

fn anomaly(xml: &mut Xml, report: &ServerReport) {
    xml.within("AnomalyDetection", |xml| {
        let result = if report.anomaly.anomalous {
            "anomalous"
        } else {
            "normal"
        };
        xml.text("Result", result);
        let mitigated = if report.anomaly.mitigated { "yes" } else { "no" };
        xml.text("MitigationInEffect", mitigated);
    });
}

/// There is no zonal shift. Source: ALB 1.9.
fn no_override(xml: &mut Xml) {
    xml.within("AdministrativeOverride", |xml| {
        xml.text("State", "no_override");
        xml.text("Reason", "AdministrativeOverride.NoOverride");
        xml.text("Description", "No override is currently active on target");
    });
}
