//! Where one kind of log of one load balancer goes, and what its objects are called.

use super::checks::{account_problem, bucket_problem, load_balancer_problem, prefix_problem, region_problem};
use super::interval::Stamp;
use std::fmt::Write;
use std::net::IpAddr;

/// The logs of a load balancer. Source: ALB 8.1, 8.5, 8.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogKind {
    /// One line per request.
    Access,
    /// One line per connection attempt.
    Connection,
    /// One line per health check.
    HealthCheck,
}

impl LogKind {
    /// What the keys of its load balancer attributes begin with. Source: ALB 1.4.
    #[must_use]
    pub fn attribute(self) -> &'static str {
        match self {
            Self::Access => "access_logs.s3",
            Self::Connection => "connection_logs.s3",
            Self::HealthCheck => "health_check_logs.s3",
        }
    }

    /// What stands before the account in the name of an object. Source: ALB 8.5, 8.6.
    fn name_prefix(self) -> &'static str {
        match self {
            Self::Access => "",
            Self::Connection => "conn_log_",
            Self::HealthCheck => "health_check_log_",
        }
    }

    /// The object that is written when the log is enabled. Source: ALB 8.1.1; the names of the other two are in AWS's
    /// pages on connection logs and health check logs.
    fn test_object(self) -> &'static str {
        match self {
            Self::Access => "ELBAccessLogTestFile",
            Self::Connection => "ELBConnectionLogTestFile",
            Self::HealthCheck => "ELBHealthCheckLogTestFile",
        }
    }
}

/// What a [`Destination`] is made of, as users write it.
#[derive(Clone, Copy, Debug)]
pub struct DestinationFields<'a> {
    /// Which log.
    pub kind: LogKind,
    /// The account of the load balancer, 12 digits.
    pub account: &'a str,
    /// Its region.
    pub region: &'a str,
    /// `app/{name}/{id}`, as at the end of its ARN.
    pub load_balancer: &'a str,
    /// The attribute `.s3.bucket`.
    pub bucket: &'a str,
    /// The attribute `.s3.prefix`; may be empty.
    pub prefix: &'a str,
}

/// Where one kind of log of one load balancer is delivered. Nothing in it leads out of the bucket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    kind: LogKind,
    account: String,
    region: String,
    load_balancer: String,
    bucket: String,
    prefix: String,
}

/// A field of a destination that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {value:?} {problem}")]
pub struct DestinationError {
    /// The field, as users know it: `access_logs.s3.bucket` for example.
    pub field: String,
    /// What it says.
    pub value: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// The place of one object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct ObjectName {
    /// The bucket.
    pub bucket: String,
    /// The key in it, parts separated by slashes.
    pub key: String,
}

impl Destination {
    /// Checks the fields.
    ///
    /// # Errors
    /// The first field that cannot be. Source: ALB 1.4; the naming rules of S3 for buckets.
    pub fn new(fields: &DestinationFields<'_>) -> Result<Self, DestinationError> {
        let attribute = fields.kind.attribute();
        let checks = [
            ("account".to_owned(), fields.account, account_problem(fields.account)),
            ("region".to_owned(), fields.region, region_problem(fields.region)),
            (
                "load balancer".to_owned(),
                fields.load_balancer,
                load_balancer_problem(fields.load_balancer),
            ),
            (
                format!("{attribute}.bucket"),
                fields.bucket,
                bucket_problem(fields.bucket),
            ),
            (
                format!("{attribute}.prefix"),
                fields.prefix,
                prefix_problem(fields.prefix),
            ),
        ];
        for (field, value, problem) in checks {
            if let Some(problem) = problem {
                let value = value.to_owned();
                return Err(DestinationError { field, value, problem });
            }
        }
        Ok(Self {
            kind: fields.kind,
            account: fields.account.to_owned(),
            region: fields.region.to_owned(),
            load_balancer: fields.load_balancer.to_owned(),
            bucket: fields.bucket.to_owned(),
            prefix: fields.prefix.to_owned(),
        })
    }

    /// Which log.
    #[must_use]
    pub fn kind(&self) -> LogKind {
        self.kind
    }

    /// `app/{name}/{id}`.
    #[must_use]
    pub fn load_balancer(&self) -> &str {
        &self.load_balancer
    }

    /// The bucket.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The object of one interval. The day in its key is that of the interval's end. Source: ALB 8.1.1.
    pub(super) fn log_object(&self, end: Stamp, node: IpAddr, random: &str) -> ObjectName {
        let mut key = self.folder();
        let _ = write!(
            key,
            "/elasticloadbalancing/{region}/{day}/{kind}{account}_elasticloadbalancing_{region}_{load_balancer}_{end}_{node}_{random}.log.gz",
            region = self.region,
            day = end.day(),
            kind = self.kind.name_prefix(),
            account = self.account,
            load_balancer = self.load_balancer.replace('/', "."),
        );
        self.object(key)
    }

    /// The object that shows that the bucket takes objects. Source: ALB 8.1.1.
    pub(super) fn test_object(&self) -> ObjectName {
        self.object(format!("{}/{}", self.folder(), self.kind.test_object()))
    }

    /// What stands in the test object (unverified).
    pub(super) fn test_text(&self) -> String {
        format!("Enable {} for ELB: {}", self.kind.attribute(), self.load_balancer)
    }

    fn folder(&self) -> String {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        format!("{}{slash}AWSLogs/{}", self.prefix, self.account)
    }

    fn object(&self, key: String) -> ObjectName {
        ObjectName {
            bucket: self.bucket.clone(),
            key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: DestinationFields<'_> = DestinationFields {
        kind: LogKind::Access,
        account: "123456789012",
        region: "us-east-2",
        load_balancer: "app/my-loadbalancer/1234567890abcdef",
        bucket: "amzn-s3-demo-logging-bucket",
        prefix: "",
    };

    // ALB-G-009: file names follow the documented key pattern. The expected ones are AWS's own examples.
    #[test]
    fn objects_are_called_as_aws_calls_them() {
        let end = Stamp::from_epoch_secs(1_644_968_400); // 2022-02-15 23:40
        let node = IpAddr::from([172, 160, 1, 192]);
        let prefixed = DestinationFields {
            prefix: "logging/prefix",
            ..FIELDS
        };
        let tail = "123456789012_elasticloadbalancing_us-east-2_app.my-loadbalancer.1234567890abcdef_20220215T2340Z_172.160.1.192_20sg8hgm.log.gz";
        let folder = "AWSLogs/123456789012/elasticloadbalancing/us-east-2/2022/02/15";
        for (fields, kind, key) in [
            (FIELDS, LogKind::Access, format!("{folder}/{tail}")),
            (FIELDS, LogKind::Connection, format!("{folder}/conn_log_{tail}")),
            (
                FIELDS,
                LogKind::HealthCheck,
                format!("{folder}/health_check_log_{tail}"),
            ),
            (prefixed, LogKind::Access, format!("logging/prefix/{folder}/{tail}")),
            (
                prefixed,
                LogKind::Connection,
                format!("logging/prefix/{folder}/conn_log_{tail}"),
            ),
        ] {
            let destination = Destination::new(&DestinationFields { kind, ..fields }).unwrap();
            let bucket = FIELDS.bucket.to_owned();
            assert_eq!(
                destination.log_object(end, node, "20sg8hgm"),
                ObjectName { bucket, key }
            );
        }
    }

    #[test]
    fn test_objects_are_called_as_aws_calls_them() {
        for (kind, prefix, key) in [
            (LogKind::Access, "", "AWSLogs/123456789012/ELBAccessLogTestFile"),
            (
                LogKind::Connection,
                "a/b",
                "a/b/AWSLogs/123456789012/ELBConnectionLogTestFile",
            ),
            (
                LogKind::HealthCheck,
                "a",
                "a/AWSLogs/123456789012/ELBHealthCheckLogTestFile",
            ),
        ] {
            let destination = Destination::new(&DestinationFields { kind, prefix, ..FIELDS }).unwrap();
            assert_eq!(destination.test_object().key, key);
        }
    }
}
