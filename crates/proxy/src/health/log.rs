//! The health-check log: one entry per check. Source: ALB 8.6.
//!
//! Left to others: which load balancer keeps such a log, and where its lines go ([`HealthLog`]).

use crate::clock::{Texts, Wall};
use crate::line::{Fields, TextFields};
use model::LoadBalancerArn;
use std::fmt;
use std::time::Duration;

/// Where the entries of one core go. Called on its thread: it must not wait.
pub(crate) trait HealthLog {
    /// Takes the entry of a check that has ended. `load_balancer` is the one that uses the target's group.
    fn entry(&self, load_balancer: &LoadBalancerArn, entry: &CheckEntry<'_>);
}

/// One check.
#[derive(Debug)]
pub(crate) struct CheckEntry<'a> {
    /// How it was asked.
    pub(crate) kind: CheckKind,
    /// When it began.
    pub(crate) start: Wall,
    /// Until its outcome was known.
    pub(crate) latency: Duration,
    /// `ip:port` that was asked, or the function's ARN.
    pub(crate) target_addr: &'a str,
    /// The target group's name.
    pub(crate) target_group: &'a str,
    /// What was received: an HTTP status, or a gRPC one of gRPC groups.
    pub(crate) status_code: Option<u16>,
    /// Why it failed; `None` of a pass.
    pub(crate) reason_code: Option<&'static str>,
}

/// `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CheckKind {
    Http,
    Https,
    /// HTTP/2, with TLS or without.
    H2,
    Grpc,
    Lambda,
}

impl CheckKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::H2 => "h2",
            Self::Grpc => "grpc",
            Self::Lambda => "lambda",
        }
    }
}

impl CheckEntry<'_> {
    /// Says all 8 fields.
    pub(crate) fn say(&self, texts: &mut Texts, fields: &mut impl Fields) {
        fields.word("type", self.kind.as_str().as_bytes());
        fields.written("time", |out| texts.iso(self.start, out));
        fields.nanoseconds("latency", self.latency);
        fields.word("target_addr", self.target_addr.as_bytes());
        fields.word("target_group_id", self.target_group.as_bytes());
        let status = if self.reason_code.is_none() { "PASS" } else { "FAIL" };
        fields.word("status", status.as_bytes());
        fields.number("status_code", self.status_code.map(u64::from));
        fields.word("reason_code", self.reason_code.unwrap_or_default().as_bytes());
    }
}

impl fmt::Display for CheckEntry<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = Vec::new();
        let mut fields = TextFields::new(&mut line);
        self.say(&mut Texts::default(), &mut fields);
        fields.end();
        formatter.write_str(&String::from_utf8_lossy(&line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::JsonFields;

    #[track_caller]
    fn check(entry: &CheckEntry<'_>, line: &str) {
        let mut out = b"kept ".to_vec();
        let mut fields = TextFields::new(&mut out);
        entry.say(&mut Texts::default(), &mut fields);
        fields.end();
        assert_eq!(String::from_utf8(out).unwrap(), format!("kept {line}"));
        assert_eq!(entry.to_string(), line);
    }

    // ALB-G-012: 8 fields, of functions with the ARN
    #[test]
    fn lines() {
        let pass = CheckEntry {
            kind: CheckKind::Http,
            start: Wall::of_secs(1_763_642_699),
            latency: Duration::from_nanos(19_584_011),
            target_addr: "172.31.20.97:80",
            target_group: "web",
            status_code: Some(200),
            reason_code: None,
        };
        check(
            &pass,
            "http 2025-11-20T12:44:59.000000Z 0.019584011 172.31.20.97:80 web PASS 200 -",
        );
        check(
            &CheckEntry {
                kind: CheckKind::Https,
                latency: Duration::from_nanos(1_121_980_746),
                target_addr: "[fd00::7]:443",
                status_code: Some(502),
                reason_code: Some("TargetError"),
                ..pass
            },
            "https 2025-11-20T12:44:59.000000Z 1.121980746 [fd00::7]:443 web FAIL 502 TargetError",
        );
        let arn = "arn:aws:lambda:us-east-1:123456789012:function:f";
        check(
            &CheckEntry {
                kind: CheckKind::Lambda,
                target_addr: arn,
                status_code: None,
                reason_code: Some("TimedOut"),
                latency: Duration::from_secs(30),
                ..pass
            },
            &format!("lambda 2025-11-20T12:44:59.000000Z 30.000000000 {arn} web FAIL - TimedOut"),
        );
        let mut out = Vec::new();
        let mut fields = JsonFields::new(&mut out);
        pass.say(&mut Texts::default(), &mut fields);
        fields.end();
        let document: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let expected = serde_json::json!({
            "type": "http", "time": "2025-11-20T12:44:59.000000Z", "latency": 0.019584011,
            "target_addr": "172.31.20.97:80", "target_group_id": "web", "status": "PASS", "status_code": 200,
            "reason_code": null,
        });
        assert_eq!(document, expected);
        assert_eq!([CheckKind::H2, CheckKind::Grpc].map(CheckKind::as_str), ["h2", "grpc"]);
    }
}
