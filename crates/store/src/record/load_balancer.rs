//! Load balancers.

use super::value::{Lasting, Text, Word};
use super::{Invalid, Shape};
use model::ec2::ids::{SecurityGroupId, SubnetId};
use model::elb::load_balancer::{
    DesyncMode, ForwardedForMode, LoadBalancer, LoadBalancerAttributes, LogDelivery, Scheme,
};
use model::elb::name::LoadBalancerName;
use model::{LoadBalancerArn, Owner, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoadBalancerV1 {
    arn: Text<LoadBalancerArn>,
    name: Text<LoadBalancerName>,
    scheme: Word<Scheme>,
    dns_name: String,
    created_ms: u64,
    attributes: AttributesV1,
    subnets: Vec<Text<SubnetId>>,
    security_groups: Vec<Text<SecurityGroupId>>,
    owner: Word<Owner>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AttributesV1 {
    idle_timeout_secs: Lasting,
    client_keep_alive_secs: Lasting,
    deletion_protection: bool,
    http2: bool,
    desync: Word<DesyncMode>,
    drop_invalid_header_fields: bool,
    preserve_host_header: bool,
    tls_version_and_cipher_suite: bool,
    xff_client_port: bool,
    xff_mode: Word<ForwardedForMode>,
    access_logs: LogDeliveryV1,
    connection_logs: LogDeliveryV1,
    health_check_logs: LogDeliveryV1,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    waf_fail_open: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    zonal_shift: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogDeliveryV1 {
    enabled: bool,
    bucket: String,
    prefix: String,
}

impl Shape for LoadBalancerV1 {
    type Resource = LoadBalancer;

    fn of(resource: &LoadBalancer) -> Self {
        let LoadBalancer {
            arn,
            name,
            scheme,
            dns_name,
            created,
            attributes,
            subnets,
            security_groups,
            owner,
        } = resource.clone();
        Self {
            arn: Text(arn),
            name: Text(name),
            scheme: Word(scheme),
            dns_name,
            created_ms: created.0,
            attributes: AttributesV1::of(attributes),
            subnets: subnets.into_iter().map(Text).collect(),
            security_groups: security_groups.into_iter().map(Text).collect(),
            owner: Word(owner),
        }
    }

    fn into_resource(self) -> Result<LoadBalancer, Invalid> {
        let attributes = self.attributes.into_attributes();
        attributes.check().map_err(Invalid::because)?;
        Ok(LoadBalancer {
            arn: self.arn.0,
            name: self.name.0,
            scheme: self.scheme.0,
            dns_name: self.dns_name,
            created: Timestamp(self.created_ms),
            attributes,
            subnets: self.subnets.into_iter().map(|it| it.0).collect(),
            security_groups: self.security_groups.into_iter().map(|it| it.0).collect(),
            owner: self.owner.0,
        })
    }
}

impl AttributesV1 {
    fn of(attributes: LoadBalancerAttributes) -> Self {
        let LoadBalancerAttributes {
            idle_timeout,
            client_keep_alive,
            deletion_protection,
            http2,
            desync,
            drop_invalid_header_fields,
            preserve_host_header,
            tls_version_and_cipher_suite,
            xff_client_port,
            xff_mode,
            access_logs,
            connection_logs,
            health_check_logs,
            waf_fail_open,
            zonal_shift,
        } = attributes;
        Self {
            idle_timeout_secs: Lasting(idle_timeout),
            client_keep_alive_secs: Lasting(client_keep_alive),
            deletion_protection,
            http2,
            desync: Word(desync),
            drop_invalid_header_fields,
            preserve_host_header,
            tls_version_and_cipher_suite,
            xff_client_port,
            xff_mode: Word(xff_mode),
            access_logs: LogDeliveryV1::of(access_logs),
            connection_logs: LogDeliveryV1::of(connection_logs),
            health_check_logs: LogDeliveryV1::of(health_check_logs),
            waf_fail_open,
            zonal_shift,
        }
    }

    fn into_attributes(self) -> LoadBalancerAttributes {
        LoadBalancerAttributes {
            idle_timeout: self.idle_timeout_secs.0,
            client_keep_alive: self.client_keep_alive_secs.0,
            deletion_protection: self.deletion_protection,
            http2: self.http2,
            desync: self.desync.0,
            drop_invalid_header_fields: self.drop_invalid_header_fields,
            preserve_host_header: self.preserve_host_header,
            tls_version_and_cipher_suite: self.tls_version_and_cipher_suite,
            xff_client_port: self.xff_client_port,
            xff_mode: self.xff_mode.0,
            access_logs: self.access_logs.into_delivery(),
            connection_logs: self.connection_logs.into_delivery(),
            health_check_logs: self.health_check_logs.into_delivery(),
            waf_fail_open: self.waf_fail_open,
            zonal_shift: self.zonal_shift,
        }
    }
}

impl LogDeliveryV1 {
    fn of(delivery: LogDelivery) -> Self {
        let LogDelivery {
            enabled,
            bucket,
            prefix,
        } = delivery;
        Self {
            enabled,
            bucket,
            prefix,
        }
    }

    fn into_delivery(self) -> LogDelivery {
        LogDelivery {
            enabled: self.enabled,
            bucket: self.bucket,
            prefix: self.prefix,
        }
    }
}
