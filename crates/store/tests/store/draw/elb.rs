//! Resources of Elastic Load Balancing.

use super::{Draw, NAMES};
use model::ec2::ids::{SecurityGroupId, SubnetId};
use model::elb::action::redirect::{Redirect, RedirectParts, RedirectStatus};
use model::elb::action::{ActionOrder, Actions, Answer, ContentType, FixedResponse, Forward, WeightedTargetGroup};
use model::elb::certificate::{Certificate, CertificateKey};
use model::elb::condition::cidr::Cidr;
use model::elb::condition::pattern::{
    HeaderName, HeaderPattern, HostPattern, Method, PathPattern, QueryPattern, QueryText, RegexPattern,
};
use model::elb::condition::{Alternatives, Condition, Conditions};
use model::elb::health_check::{
    GrpcMatcher, HealthCheck, HealthCheckPath, HealthCheckPort, HealthCheckTiming, HealthThreshold, HttpMatcher,
    Matcher, ServerHealthCheck,
};
use model::elb::listener::{Listener, ListenerAttributes, ListenerProtocol, MutualAuthentication, Tls};
use model::elb::load_balancer::{LoadBalancer, LoadBalancerAttributes, Scheme};
use model::elb::name::{LoadBalancerName, TargetGroupName};
use model::elb::rule::{Rule, RulePriority};
use model::elb::security_policy::SecurityPolicy;
use model::elb::target_group::{
    IpAddressType, LambdaTargets, ProtocolVersion, ServerTargets, ServerType, Target, TargetGroup,
    TargetGroupAttributes, TargetId, TargetKind, TargetProtocol, Zone,
};
use model::elb::transform::{Rewrite, Transforms};
use model::elb::trust_store::{Revocation, TrustStore};
use model::{Secret, Timestamp};
use std::time::Duration;

impl Draw {
    pub(super) fn load_balancer(&mut self) -> LoadBalancer {
        let mut attributes = LoadBalancerAttributes::default();
        let tries = [
            ("idle_timeout.timeout_seconds", "4000"),
            ("client_keep_alive.seconds", "60"),
            ("deletion_protection.enabled", "true"),
            ("routing.http2.enabled", "false"),
            ("routing.http.desync_mitigation_mode", "monitor"),
            ("routing.http.desync_mitigation_mode", "strictest"),
            ("routing.http.xff_header_processing.mode", "remove"),
            ("access_logs.s3.bucket", "logs"),
            ("access_logs.s3.enabled", "true"),
            ("health_check_logs.s3.prefix", "a/ü"),
            ("waf.fail_open.enabled", "true"),
            ("zonal_shift.config.enabled", "true"),
        ];
        for (key, value) in self.some(6, |draw| draw.pick(&tries)) {
            attributes.set(key, value).unwrap();
        }
        if attributes.check().is_err() {
            attributes.access_logs.enabled = false;
        }
        LoadBalancer {
            arn: self.load_balancer_arn(),
            name: LoadBalancerName::try_from(self.pick(&NAMES)).unwrap(),
            scheme: self.pick(&[Scheme::InternetFacing, Scheme::Internal]),
            dns_name: self.text(),
            created: Timestamp(self.number()),
            attributes,
            subnets: self.some(2, |draw| {
                SubnetId::try_from(draw.pick(&["subnet-0a1b2c3d", "subnet-00000001"])).unwrap()
            }),
            security_groups: self.some(2, |draw| {
                SecurityGroupId::try_from(draw.pick(&["sg-0a1b2c3d", "sg-00000001"])).unwrap()
            }),
            owner: self.owner(),
        }
    }

    pub(super) fn listener(&mut self) -> Listener {
        let mut attributes = ListenerAttributes::default();
        let tries = [
            ("routing.http.response.server.enabled", "false"),
            ("routing.http.response.x_frame_options.header_value", "DENY"),
            (
                "routing.http.response.strict_transport_security.header_value",
                "max-age=1",
            ),
            ("routing.http.request.x_amzn_tls_version.header_name", "X-Tls"),
            ("routing.http.request.x_amzn_mtls_clientcert_leaf.header_name", "X-Leaf"),
        ];
        for (key, value) in self.some(4, |draw| draw.pick(&tries)) {
            attributes.set(key, value, true).unwrap();
        }
        Listener {
            arn: self.listener_arn(),
            load_balancer: self.load_balancer_arn(),
            port: self.pick(&[1, 443, u16::MAX]),
            protocol: self
                .maybe(Self::tls)
                .map_or(ListenerProtocol::Http, ListenerProtocol::Https),
            default_rule: self.rule_arn(),
            default_actions: self.actions(),
            attributes,
            owner: self.owner(),
        }
    }

    pub(super) fn tls(&mut self) -> Tls {
        let policies: Vec<_> = SecurityPolicy::all().iter().collect();
        Tls {
            default_certificate: self.certificate_arn(),
            certificates: self.some(2, Self::certificate_arn),
            policy: self.pick(&policies),
            mutual_authentication: match self.below(3) {
                0 => MutualAuthentication::Off,
                1 => MutualAuthentication::Passthrough,
                _ => MutualAuthentication::Verify {
                    trust_store: self.trust_store_arn(),
                    ignore_client_certificate_expiry: self.chance(50),
                    advertise_trust_store_ca_names: self.chance(50),
                },
            },
        }
    }

    pub(super) fn actions(&mut self) -> Actions {
        let answer = match self.below(3) {
            0 => {
                let content_type = self.pick(&ContentType::ALL);
                let body = self.text();
                Answer::FixedResponse(FixedResponse::new(self.pick(&[200, 404, 599]), content_type, &body).unwrap())
            }
            1 => {
                let parts = RedirectParts {
                    protocol: self.pick(&[None, Some("HTTP"), Some("HTTPS")]),
                    host: self.pick(&[None, Some("www.#{host}")]),
                    port: self.pick(&[None, Some("8443")]),
                    path: Some(self.pick(&["/x/#{path}", "/#{host}/#{port}"])),
                    query: self.pick(&[None, Some(""), Some("#{query}&from=#{protocol}")]),
                };
                let status = self.pick(&[RedirectStatus::Found, RedirectStatus::MovedPermanently]);
                Answer::Redirect(Redirect::new(status, &parts).unwrap())
            }
            _ => {
                let mut groups = vec![self.target_group_arn(), self.target_group_arn()];
                groups.dedup();
                let weighted = groups.into_iter().map(|target_group| WeightedTargetGroup {
                    target_group,
                    weight: self.pick(&[0, 1, 999]),
                });
                let weighted = weighted.collect();
                let stickiness = self.maybe(|draw| draw.seconds(1, 604_800));
                let forward = Forward::new(weighted, stickiness).unwrap();
                Answer::Forward(match stickiness.is_none() && self.chance(30) {
                    true => forward.with_stickiness_off(self.seconds(1, 604_800)).unwrap(),
                    false => forward,
                })
            }
        };
        let order = self.pick(&[1, 1, 5, 50_000]);
        let order = ActionOrder::try_from(order).unwrap();
        Actions { answer, order }
    }

    pub(super) fn alternatives<P: for<'a> TryFrom<&'a str>>(&mut self, values: &[&str]) -> Alternatives<P> {
        match self.chance(30) {
            true => Alternatives::Regexes(vec![RegexPattern::try_from("^a(b|c)+\"$").unwrap()]),
            false => Alternatives::Values(vec![P::try_from(self.pick(values)).ok().unwrap()]),
        }
    }

    pub(super) fn conditions(&mut self) -> Conditions {
        let mut conditions = vec![
            Condition::HostHeader(self.alternatives::<HostPattern>(&["*.example.com", "a.b"])),
            Condition::PathPattern(self.alternatives::<PathPattern>(&["/img/*", "/\"'&"])),
            Condition::HttpHeader {
                name: HeaderName::try_from("X-A").unwrap(),
                values: self.alternatives::<HeaderPattern>(&["*x*", "\\ \""]),
            },
            Condition::HttpRequestMethod(vec![Method::try_from("GET").unwrap()]),
            Condition::QueryString(vec![QueryPattern {
                key: self.maybe(|_| QueryText::try_from("k\\*").unwrap()),
                value: QueryText::try_from("v?").unwrap(),
            }]),
            Condition::SourceIp(vec![
                Cidr::try_from(self.pick(&["10.1.2.3/8", "2001:db8::/33"])).unwrap(),
            ]),
        ];
        let first = self.below(conditions.len());
        conditions.rotate_left(first);
        conditions.truncate(1 + self.below(4));
        Conditions::new(conditions).unwrap()
    }

    pub(super) fn rule(&mut self) -> Rule {
        let rewrite = |_: &mut Self| Rewrite::new("^/a/(.*)$", "/$1?\"").unwrap();
        Rule {
            arn: self.rule_arn(),
            listener: self.listener_arn(),
            priority: RulePriority::try_from(self.pick(&[1_i64, 50_000])).unwrap(),
            conditions: self.conditions(),
            transforms: Transforms {
                host: self.maybe(rewrite),
                url: self.maybe(rewrite),
            },
            actions: self.actions(),
            owner: self.owner(),
        }
    }

    pub(super) fn target_group(&mut self) -> TargetGroup {
        TargetGroup {
            arn: self.target_group_arn(),
            name: TargetGroupName::try_from(self.pick(&NAMES)).unwrap(),
            targets: match self.chance(50) {
                true => TargetKind::Lambda(LambdaTargets {
                    function: self.maybe(Self::function_arn),
                    multi_value_headers: self.chance(50),
                    health_check: self.health_check(),
                }),
                false => TargetKind::Servers(self.servers()),
            },
            owner: self.owner(),
        }
    }

    pub(super) fn thresholds(&mut self) -> (HealthThreshold, HealthThreshold) {
        let [healthy, unhealthy] = [self.pick(&[2, 10]), self.pick(&[2, 10])];
        (
            HealthThreshold::healthy(healthy).unwrap(),
            HealthThreshold::unhealthy(unhealthy).unwrap(),
        )
    }

    pub(super) fn health_check(&mut self) -> HealthCheck {
        let (healthy_threshold, unhealthy_threshold) = self.thresholds();
        let interval = self.seconds(5, 120);
        HealthCheck {
            enabled: self.chance(50),
            path: HealthCheckPath::try_from(self.pick(&["/", "/a?b=\"c\""])).unwrap(),
            timing: HealthCheckTiming::of_lambda(interval, interval).unwrap(),
            healthy_threshold,
            unhealthy_threshold,
            matcher: HttpMatcher::try_from(self.pick(&["200", "200,302-304"])).unwrap(),
        }
    }

    pub(super) fn servers(&mut self) -> ServerTargets {
        let protocol_version = self.pick(&[ProtocolVersion::Http1, ProtocolVersion::Http2, ProtocolVersion::Grpc]);
        let target_type = self.pick(&[ServerType::Ip, ServerType::Instance]);
        let ip_address_type = self.pick(&[IpAddressType::Ipv4, IpAddressType::Ipv6]);
        let (healthy_threshold, unhealthy_threshold) = self.thresholds();
        let grpc = protocol_version == ProtocolVersion::Grpc;
        let health_check = ServerHealthCheck {
            protocol: self.pick(&[TargetProtocol::Http, TargetProtocol::Https]),
            port: self.pick(&[HealthCheckPort::TrafficPort, HealthCheckPort::Port(9)]),
            path: HealthCheckPath::try_from("/x").unwrap(),
            timing: HealthCheckTiming::of_servers(self.seconds(6, 300), Duration::from_secs(5)).unwrap(),
            healthy_threshold,
            unhealthy_threshold,
            matcher: match grpc {
                true => Matcher::Grpc(GrpcMatcher::try_from("0,12").unwrap()),
                false => Matcher::Http(HttpMatcher::try_from("200-399").unwrap()),
            },
        };
        let count = self.below(3) as u16;
        ServerTargets {
            target_type,
            protocol: self.pick(&[TargetProtocol::Http, TargetProtocol::Https]),
            protocol_version,
            port: self.pick(&[1, 65_535]),
            vpc: self.optional_vpc(),
            ip_address_type,
            health_check,
            attributes: self.group_attributes(),
            targets: (0..count)
                .map(|at| self.target(target_type, ip_address_type, at))
                .collect(),
        }
    }

    pub(super) fn target(&mut self, target_type: ServerType, family: IpAddressType, at: u16) -> Target {
        let address = match family {
            IpAddressType::Ipv4 => "10.0.0.7".parse().unwrap(),
            IpAddressType::Ipv6 => "fd00::7".parse().unwrap(),
        };
        Target {
            id: match target_type {
                ServerType::Ip => TargetId::Ip(address),
                ServerType::Instance => TargetId::Instance("i-0123abcd".try_into().unwrap()),
            },
            port: 8000 + at,
            address,
            zone: Zone::try_from(self.pick(&["all", "eu-west-1b", "own"])).map_or(Zone::Own, |zone| match zone {
                Zone::Named(name) if &*name == "own" => Zone::Own,
                zone => zone,
            }),
        }
    }

    pub(super) fn group_attributes(&mut self) -> TargetGroupAttributes {
        let mut attributes = TargetGroupAttributes::default();
        let tries = [
            ("deregistration_delay.timeout_seconds", "0"),
            ("load_balancing.algorithm.type", "weighted_random"),
            ("load_balancing.algorithm.type", "least_outstanding_requests"),
            ("slow_start.duration_seconds", "30"),
            ("stickiness.enabled", "true"),
            ("stickiness.type", "app_cookie"),
            ("stickiness.app_cookie.cookie_name", "session"),
            ("stickiness.lb_cookie.duration_seconds", "604800"),
            ("load_balancing.cross_zone.enabled", "true"),
            ("waf.http2.traffic_inspection_behavior", "inspect_after_sufficient_data"),
            ("target_group_health.dns_failover.minimum_healthy_targets.count", "off"),
            (
                "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
                "100",
            ),
        ];
        for (key, value) in self.some(5, |draw| draw.pick(&tries)) {
            attributes.set(key, value).unwrap();
        }
        match attributes.check() {
            Ok(()) => attributes,
            Err(_) => TargetGroupAttributes::default(),
        }
    }

    pub(super) fn certificate(&mut self) -> Certificate {
        Certificate {
            arn: self.certificate_arn(),
            names: self.some(3, Self::text),
            key: self.pick(&[CertificateKey::Rsa(4096), CertificateKey::Ecdsa(256)]),
            not_before: Timestamp(self.number()),
            not_after: Timestamp(u64::MAX),
            chain_pem: self.text().into(),
            private_key_pem: Secret::new(self.text().into()),
            owner: self.owner(),
        }
    }

    pub(super) fn trust_store(&mut self) -> TrustStore {
        let revocation = |draw: &mut Self| Revocation {
            id: draw.number(),
            crl: draw.some(5, |draw| draw.number() as u8).into(),
            entries: draw.number() as u32,
        };
        TrustStore {
            arn: self.trust_store_arn(),
            name: TargetGroupName::try_from(self.pick(&NAMES)).unwrap(),
            bundle_pem: self.text().into(),
            certificates: self.number() as u16,
            revocations: self.some(2, revocation),
            owner: self.owner(),
        }
    }
}
