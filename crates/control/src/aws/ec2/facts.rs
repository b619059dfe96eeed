//! Facts that nobody changes: regions, zones, and what the account is like.

use super::input::dry_read;
use super::select::{Kind, values};
use super::vpcs::ignored_flag;
use crate::aws::error::AwsError;
use crate::aws::query::call::Call;
use crate::aws::query::input::shown;
use model::Tags;
use model::ec2::zone;
use model::limits;
use wire::xml::Xml;

/// Regions that every account has. Others work too; albacore asks nobody for leave.
const REGIONS: [&str; 17] = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

const ZONE: Kind<String> = Kind {
    ids: "ZoneName",
    set: "availabilityZoneInfo",
    unknown: |name| unknown("ZoneName", "availability zone", name),
    id: String::clone,
    tags: |_| Tags::default(),
    filters: &[
        "group-name",
        "message",
        "opt-in-status",
        "region-name",
        "state",
        "zone-id",
        "zone-name",
        "zone-type",
    ],
    value: |call, it, name| match name {
        "group-name" | "region-name" => values([&call.scope.region]),
        "message" => Vec::new(),
        "opt-in-status" => values(["opt-in-not-required"]),
        "state" => values(["available"]),
        "zone-id" => values(zone::id(&call.scope.region, it)),
        "zone-type" => values(["availability-zone"]),
        _ => values([it]),
    },
};

pub(super) fn zones(call: &Call<'_>) -> Result<Xml, AwsError> {
    ignored_flag(call, "AllAvailabilityZones")?;
    let region = &call.scope.region;
    let ids = call.fields.flat_texts("ZoneId")?;
    if let Some(id) = ids.iter().find(|id| zone::with_id(region, id).is_none()) {
        return Err(unknown("ZoneId", "availability zone", id));
    }
    let is_wanted =
        |name: &String| ids.is_empty() || ids.iter().any(|id| zone::with_id(region, id).as_ref() == Some(name));
    let all = zone::names(region).into_iter().filter(is_wanted).collect();
    ZONE.describe(call, all, |xml, name| {
        xml.text("zoneName", name);
        if let Some(id) = zone::id(region, name) {
            xml.text("zoneId", &id);
        }
        xml.text("zoneState", "available");
        xml.value("regionName", region);
        xml.value("groupName", region);
        xml.value("networkBorderGroup", region);
        xml.text("zoneType", "availability-zone");
        xml.text("optInStatus", "opt-in-not-required");
        xml.within("messageSet", |_| {});
    })
}

const REGION: Kind<String> = Kind {
    ids: "RegionName",
    set: "regionInfo",
    unknown: |name| unknown("RegionName", "region", name),
    id: String::clone,
    tags: |_| Tags::default(),
    filters: &["endpoint", "opt-in-status", "region-name"],
    value: |_, it, name| match name {
        "endpoint" => values([endpoint(it)]),
        "opt-in-status" => values(["opt-in-not-required"]),
        _ => values([it]),
    },
};

pub(super) fn regions(call: &Call<'_>) -> Result<Xml, AwsError> {
    ignored_flag(call, "AllRegions")?;
    let own = call.scope.region.to_string();
    let mut all: Vec<String> = REGIONS.map(str::to_owned).into();
    if !all.contains(&own) {
        all.push(own);
    }
    REGION.describe(call, all, |xml, name| {
        xml.text("regionName", name);
        xml.text("regionEndpoint", &endpoint(name));
        xml.text("optInStatus", "opt-in-not-required");
    })
}

fn endpoint(region: &str) -> String {
    format!("ec2.{region}.amazonaws.com")
}

fn unknown(path: &str, what: &str, name: &str) -> AwsError {
    let message = format!("Invalid {what}: [{}] ({path})", shown(name));
    AwsError::new("InvalidParameterValue", message)
}

pub(super) fn account_attributes(call: &Call<'_>) -> Result<Xml, AwsError> {
    let network = call.state.ec2().network(call.scope);
    let groups = limits::SECURITY_GROUPS_PER_LOAD_BALANCER.to_string();
    let all = [
        ("default-vpc", network.default_vpc().vpc.id.to_string()),
        ("max-elastic-ips", "0".to_owned()),
        ("max-instances", "0".to_owned()),
        ("supported-platforms", "VPC".to_owned()),
        ("vpc-max-elastic-ips", "0".to_owned()),
        ("vpc-max-security-groups-per-interface", groups),
    ];
    let names = call.fields.flat_texts("AttributeName")?;
    if let Some(name) = names.iter().find(|name| all.iter().all(|(known, _)| known != *name)) {
        return Err(unknown("AttributeName", "account attribute", name));
    }
    dry_read(call)?;
    let wanted = all.iter().filter(|(name, _)| names.is_empty() || names.contains(name));
    let mut xml = Xml::new();
    xml.items("accountAttributeSet", wanted, |xml, (name, value)| {
        xml.text("attributeName", name);
        xml.items("attributeValueSet", [value], |xml, value| {
            xml.text("attributeValue", value);
        });
    });
    Ok(xml)
}
