//! Target groups.

use super::health_check::{HealthCheckV1, ServerHealthCheckV1};
use super::value::{Lasting, Text, Word};
use super::{Invalid, Shape};
use model::ec2::ids::VpcId;
use model::elb::name::TargetGroupName;
use model::elb::target_group::{
    Algorithm, CrossZone, InstanceId, IpAddressType, LambdaTargets, MinimumHealthy, ProtocolVersion, ServerTargets,
    ServerType, Stickiness, StickinessType, Target, TargetGroup, TargetGroupAttributes, TargetId, TargetKind,
    TargetProtocol, WafInspection, Zone,
};
use model::{FunctionArn, Owner, TargetGroupArn};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TargetGroupV1 {
    arn: Text<TargetGroupArn>,
    name: Text<TargetGroupName>,
    targets: TargetsV1,
    owner: Word<Owner>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TargetsV1 {
    Lambda(LambdaTargetsV1),
    Servers(Box<ServerTargetsV1>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LambdaTargetsV1 {
    function: Option<Text<FunctionArn>>,
    multi_value_headers: bool,
    health_check: HealthCheckV1,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerTargetsV1 {
    target_type: Word<ServerType>,
    protocol: Word<TargetProtocol>,
    protocol_version: Word<ProtocolVersion>,
    port: u16,
    vpc: Option<Text<VpcId>>,
    ip_address_type: Word<IpAddressType>,
    health_check: ServerHealthCheckV1,
    attributes: AttributesV1,
    targets: Vec<TargetV1>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AttributesV1 {
    deregistration_delay_secs: Lasting,
    algorithm: Word<Algorithm>,
    anomaly_mitigation: bool,
    cross_zone: Word<CrossZone>,
    slow_start_secs: Option<Lasting>,
    stickiness: StickinessV1,
    dns_failover: MinimumHealthyV1,
    unhealthy_state_routing: MinimumHealthyV1,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    waf_inspection: Option<Word<WafInspection>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StickinessV1 {
    enabled: bool,
    #[serde(rename = "type")]
    stickiness_type: Word<StickinessType>,
    lb_cookie_duration_secs: Lasting,
    app_cookie_name: String,
    app_cookie_duration_secs: Lasting,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MinimumHealthyV1 {
    count: Option<u16>,
    percentage: Option<u8>,
}

/// An instance has an id; what has none is registered by its address.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetV1 {
    instance: Option<String>,
    address: IpAddr,
    port: u16,
    zone: ZoneV1,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ZoneV1 {
    Own,
    Named(String),
    All,
}

impl Shape for TargetGroupV1 {
    type Resource = TargetGroup;

    fn of(resource: &TargetGroup) -> Self {
        let TargetGroup {
            arn,
            name,
            targets,
            owner,
        } = resource.clone();
        Self {
            arn: Text(arn),
            name: Text(name),
            targets: match targets {
                TargetKind::Lambda(lambda) => TargetsV1::Lambda(LambdaTargetsV1::of(lambda)),
                TargetKind::Servers(servers) => TargetsV1::Servers(Box::new(ServerTargetsV1::of(servers))),
            },
            owner: Word(owner),
        }
    }

    fn into_resource(self) -> Result<TargetGroup, Invalid> {
        Ok(TargetGroup {
            arn: self.arn.0,
            name: self.name.0,
            targets: match self.targets {
                TargetsV1::Lambda(lambda) => TargetKind::Lambda(lambda.into_targets()?),
                TargetsV1::Servers(servers) => TargetKind::Servers(servers.into_targets()?),
            },
            owner: self.owner.0,
        })
    }
}

impl LambdaTargetsV1 {
    fn of(targets: LambdaTargets) -> Self {
        let LambdaTargets {
            function,
            multi_value_headers,
            health_check,
        } = targets;
        Self {
            function: function.map(Text),
            multi_value_headers,
            health_check: HealthCheckV1::of(health_check),
        }
    }

    fn into_targets(self) -> Result<LambdaTargets, Invalid> {
        Ok(LambdaTargets {
            function: self.function.map(|it| it.0),
            multi_value_headers: self.multi_value_headers,
            health_check: self.health_check.into_check()?,
        })
    }
}

impl ServerTargetsV1 {
    fn of(servers: ServerTargets) -> Self {
        let ServerTargets {
            target_type,
            protocol,
            protocol_version,
            port,
            vpc,
            ip_address_type,
            health_check,
            attributes,
            targets,
        } = servers;
        Self {
            target_type: Word(target_type),
            protocol: Word(protocol),
            protocol_version: Word(protocol_version),
            port,
            vpc: vpc.map(Text),
            ip_address_type: Word(ip_address_type),
            health_check: ServerHealthCheckV1::of(health_check),
            attributes: AttributesV1::of(attributes),
            targets: targets.into_iter().map(TargetV1::of).collect(),
        }
    }

    fn into_targets(self) -> Result<ServerTargets, Invalid> {
        let targets = self.targets.into_iter().map(TargetV1::into_target);
        let servers = ServerTargets {
            target_type: self.target_type.0,
            protocol: self.protocol.0,
            protocol_version: self.protocol_version.0,
            port: self.port,
            vpc: self.vpc.map(|it| it.0),
            ip_address_type: self.ip_address_type.0,
            health_check: self.health_check.into_check()?,
            attributes: self.attributes.into_attributes(),
            targets: targets.collect::<Result<_, _>>()?,
        };
        servers.check().map_err(Invalid::because)?;
        Ok(servers)
    }
}

impl AttributesV1 {
    fn of(attributes: TargetGroupAttributes) -> Self {
        let TargetGroupAttributes {
            deregistration_delay,
            algorithm,
            anomaly_mitigation,
            cross_zone,
            slow_start,
            stickiness:
                Stickiness {
                    enabled,
                    stickiness_type,
                    lb_cookie_duration,
                    app_cookie_name,
                    app_cookie_duration,
                },
            dns_failover,
            unhealthy_state_routing,
            waf_inspection,
        } = attributes;
        Self {
            deregistration_delay_secs: Lasting(deregistration_delay),
            algorithm: Word(algorithm),
            anomaly_mitigation,
            cross_zone: Word(cross_zone),
            slow_start_secs: slow_start.map(Lasting),
            stickiness: StickinessV1 {
                enabled,
                stickiness_type: Word(stickiness_type),
                lb_cookie_duration_secs: Lasting(lb_cookie_duration),
                app_cookie_name,
                app_cookie_duration_secs: Lasting(app_cookie_duration),
            },
            dns_failover: MinimumHealthyV1::of(dns_failover),
            unhealthy_state_routing: MinimumHealthyV1::of(unhealthy_state_routing),
            waf_inspection: Some(Word(waf_inspection)).filter(|it| it.0 != WafInspection::default()),
        }
    }

    fn into_attributes(self) -> TargetGroupAttributes {
        TargetGroupAttributes {
            deregistration_delay: self.deregistration_delay_secs.0,
            algorithm: self.algorithm.0,
            anomaly_mitigation: self.anomaly_mitigation,
            cross_zone: self.cross_zone.0,
            slow_start: self.slow_start_secs.map(|it| it.0),
            stickiness: Stickiness {
                enabled: self.stickiness.enabled,
                stickiness_type: self.stickiness.stickiness_type.0,
                lb_cookie_duration: self.stickiness.lb_cookie_duration_secs.0,
                app_cookie_name: self.stickiness.app_cookie_name,
                app_cookie_duration: self.stickiness.app_cookie_duration_secs.0,
            },
            dns_failover: self.dns_failover.into_minimum(),
            unhealthy_state_routing: self.unhealthy_state_routing.into_minimum(),
            waf_inspection: self.waf_inspection.map(|it| it.0).unwrap_or_default(),
        }
    }
}

impl MinimumHealthyV1 {
    fn of(minimum: MinimumHealthy) -> Self {
        let MinimumHealthy { count, percentage } = minimum;
        Self { count, percentage }
    }

    fn into_minimum(self) -> MinimumHealthy {
        MinimumHealthy {
            count: self.count,
            percentage: self.percentage,
        }
    }
}

impl TargetV1 {
    fn of(target: Target) -> Self {
        let Target {
            id,
            port,
            address,
            zone,
        } = target;
        Self {
            instance: match id {
                TargetId::Instance(id) => Some(id.to_string()),
                // A target that is registered by its address has that address; `ServerTargets::check` says so.
                TargetId::Ip(_) => None,
            },
            address,
            port,
            zone: match zone {
                Zone::Own => ZoneV1::Own,
                Zone::Named(name) => ZoneV1::Named(name.to_string()),
                Zone::All => ZoneV1::All,
            },
        }
    }

    fn into_target(self) -> Result<Target, Invalid> {
        let instance = self.instance.as_deref().map(InstanceId::try_from);
        let id = instance.transpose().map_err(Invalid::because)?;
        Ok(Target {
            id: id.map_or(TargetId::Ip(self.address), TargetId::Instance),
            port: self.port,
            address: self.address,
            zone: match self.zone {
                ZoneV1::Own => Zone::Own,
                ZoneV1::Named(name) => match Zone::try_from(name.as_str()).map_err(Invalid::because)? {
                    Zone::Named(name) => Zone::Named(name),
                    Zone::Own | Zone::All => return Err(Invalid::because(format_args!("{name:?} names no zone"))),
                },
                ZoneV1::All => Zone::All,
            },
        })
    }
}
