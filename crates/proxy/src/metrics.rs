//! Counters of traffic, one set per core so that counting is one store, merged when somebody asks. Source: ALB 8.3 for
//! what is counted.

use model::observed::{TargetReport, TargetState};
use model::{LoadBalancerArn, TargetGroupArn};
use observe::{Counter, CounterFamily, Exposition, Gauge, GaugeFamily, Histogram, HistogramFamily};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// All counters of the proxy. They outlive tables: a changed rule does not reset its load balancer's counters.
#[derive(Debug)]
pub(crate) struct Metrics {
    cores: Box<[CoreCounters]>,
    load_balancers: Mutex<BTreeMap<LoadBalancerArn, Arc<LoadBalancerMetrics>>>,
    groups: Mutex<BTreeMap<TargetGroupArn, Arc<GroupMetrics>>>,
}

/// What one core counts for itself.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct CoreCounters {
    pub(crate) connections: Gauge,
    pub(crate) accept_errors: Counter,
    pub(crate) accept_waits: Counter,
    pub(crate) drain_expired: Counter,
    pub(crate) panics: Counter,
}

/// The counters of one load balancer.
#[derive(Debug)]
pub(crate) struct LoadBalancerMetrics {
    resource_id: String,
    cores: Box<[LoadBalancerCounters]>,
}

/// What one core counts for one load balancer. Names follow the CloudWatch metrics.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct LoadBalancerCounters {
    pub(crate) requests: Counter,
    pub(crate) new_connections: Counter,
    pub(crate) tls_negotiation_errors: Counter,
    pub(crate) received_bytes: Counter,
    pub(crate) sent_bytes: Counter,
    pub(crate) rule_evaluations: Counter,
    pub(crate) fixed_responses: Counter,
    pub(crate) redirects: Counter,
    pub(crate) redirect_limit: Counter,
    pub(crate) elb_3xx: Counter,
    pub(crate) elb_4xx: Counter,
    pub(crate) elb_5xx: Counter,
    pub(crate) non_compliant: Counter,
    pub(crate) dropped_invalid_headers: Counter,
    pub(crate) forwarded_invalid_headers: Counter,
    pub(crate) duration: Histogram,
}

/// The counters of one target group.
#[derive(Debug)]
pub(crate) struct GroupMetrics {
    resource_id: String,
    cores: Box<[GroupCounters]>,
}

/// What one core counts for one target group.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct GroupCounters {
    pub(crate) requests: Counter,
    pub(crate) target_2xx: Counter,
    pub(crate) target_3xx: Counter,
    pub(crate) target_4xx: Counter,
    pub(crate) target_5xx: Counter,
    pub(crate) lambda_user_errors: Counter,
    pub(crate) lambda_internal_errors: Counter,
    pub(crate) lambda_processed_bytes: Counter,
    pub(crate) response_time: Histogram,
}

impl LoadBalancerMetrics {
    pub(crate) fn core(&self, core: usize) -> &LoadBalancerCounters {
        &self.cores[core]
    }
}

impl GroupMetrics {
    pub(crate) fn core(&self, core: usize) -> &GroupCounters {
        &self.cores[core]
    }
}

impl GroupCounters {
    /// Counts a status that came from a target.
    pub(crate) fn target_status(&self, status: u16) {
        match status / 100 {
            2 => self.target_2xx.inc(),
            3 => self.target_3xx.inc(),
            4 => self.target_4xx.inc(),
            5 => self.target_5xx.inc(),
            _ => {}
        }
    }
}

fn per_core<T: Default>(cores: usize) -> Box<[T]> {
    (0..cores).map(|_| T::default()).collect()
}

impl Metrics {
    pub(crate) fn new(cores: usize) -> Self {
        Self {
            cores: per_core(cores),
            load_balancers: Mutex::default(),
            groups: Mutex::default(),
        }
    }

    pub(crate) fn core(&self, core: usize) -> &CoreCounters {
        &self.cores[core]
    }

    /// The counters of a load balancer, made at its first table.
    pub(crate) fn load_balancer(&self, arn: &LoadBalancerArn) -> Arc<LoadBalancerMetrics> {
        let mut all = self.load_balancers.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || LoadBalancerMetrics {
            resource_id: arn.resource_id().to_owned(),
            cores: per_core(self.cores.len()),
        };
        all.entry(arn.clone()).or_insert_with(|| Arc::new(fresh())).clone()
    }

    /// The counters of a target group, made at its first table.
    pub(crate) fn group(&self, arn: &TargetGroupArn) -> Arc<GroupMetrics> {
        let mut all = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || GroupMetrics {
            resource_id: arn.resource_id().to_owned(),
            cores: per_core(self.cores.len()),
        };
        all.entry(arn.clone()).or_insert_with(|| Arc::new(fresh())).clone()
    }

    /// Forgets the counters of resources that are gone, so that names cannot pile up.
    pub(crate) fn retain(
        &self,
        load_balancer: impl Fn(&LoadBalancerArn) -> bool,
        group: impl Fn(&TargetGroupArn) -> bool,
    ) {
        self.load_balancers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|arn, _| load_balancer(arn));
        self.groups
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|arn, _| group(arn));
    }

    /// Connections that are open now, over all cores.
    pub(crate) fn connections(&self) -> i64 {
        self.cores.iter().map(|core| core.connections.value()).sum()
    }

    /// Writes everything, merged over cores.
    pub(crate) fn expose(&self, out: &mut Exposition) {
        for core in &self.cores {
            out.gauge(&CONNECTIONS, [], core.connections.value());
            out.counter(&ACCEPT_ERRORS, [], core.accept_errors.value());
            out.counter(&ACCEPT_WAITS, [], core.accept_waits.value());
            out.counter(&DRAIN_EXPIRED, [], core.drain_expired.value());
            out.counter(&PANICS, [], core.panics.value());
        }
        for metrics in self
            .load_balancers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
        {
            let id = metrics.resource_id.as_str();
            for core in &metrics.cores {
                for (family, counter) in [
                    (&REQUESTS, &core.requests),
                    (&NEW_CONNECTIONS, &core.new_connections),
                    (&TLS_ERRORS, &core.tls_negotiation_errors),
                    (&RECEIVED, &core.received_bytes),
                    (&SENT, &core.sent_bytes),
                    (&RULE_EVALUATIONS, &core.rule_evaluations),
                    (&FIXED, &core.fixed_responses),
                    (&REDIRECTS, &core.redirects),
                    (&REDIRECT_LIMIT, &core.redirect_limit),
                    (&NON_COMPLIANT, &core.non_compliant),
                    (&DROPPED_HEADERS, &core.dropped_invalid_headers),
                    (&FORWARDED_HEADERS, &core.forwarded_invalid_headers),
                ] {
                    out.counter(family, [id], counter.value());
                }
                for (class, counter) in [("3xx", &core.elb_3xx), ("4xx", &core.elb_4xx), ("5xx", &core.elb_5xx)] {
                    out.counter(&ELB_CODES, [id, class], counter.value());
                }
                out.histogram(&DURATION, [id], &core.duration.snapshot());
            }
        }
        for metrics in self.groups.lock().unwrap_or_else(PoisonError::into_inner).values() {
            let id = metrics.resource_id.as_str();
            for core in &metrics.cores {
                for (family, counter) in [
                    (&GROUP_REQUESTS, &core.requests),
                    (&LAMBDA_USER, &core.lambda_user_errors),
                    (&LAMBDA_INTERNAL, &core.lambda_internal_errors),
                    (&LAMBDA_BYTES, &core.lambda_processed_bytes),
                ] {
                    out.counter(family, [id], counter.value());
                }
                for (class, counter) in [
                    ("2xx", &core.target_2xx),
                    ("3xx", &core.target_3xx),
                    ("4xx", &core.target_4xx),
                    ("5xx", &core.target_5xx),
                ] {
                    out.counter(&TARGET_CODES, [id, class], counter.value());
                }
                out.histogram(&RESPONSE_TIME, [id], &core.response_time.snapshot());
            }
        }
    }
}

impl LoadBalancerCounters {
    /// Counts one finished request.
    pub(crate) fn finished(&self, elb_status: u16, elb_generated: bool, took: Duration) {
        self.duration.observe(took);
        if elb_generated {
            match elb_status / 100 {
                3 => self.elb_3xx.inc(),
                4 => self.elb_4xx.inc(),
                5 => self.elb_5xx.inc(),
                _ => {}
            }
        }
    }
}

/// Writes how many targets are healthy and how many are not, of target groups that are checked. One that has not been
/// judged yet is neither.
pub(crate) fn expose_hosts(targets: &[TargetReport], out: &mut Exposition) {
    for target in targets {
        let (healthy, unhealthy) = match target.health.state {
            TargetState::Healthy => (1, 0),
            TargetState::Unhealthy => (0, 1),
            TargetState::Initial => (0, 0),
            TargetState::Unused | TargetState::Unavailable => continue,
        };
        let id = target.target_group.resource_id();
        out.gauge(&HEALTHY_HOSTS, [id], healthy);
        out.gauge(&UNHEALTHY_HOSTS, [id], unhealthy);
    }
}

type PerLoadBalancer = CounterFamily<1>;

const CONNECTIONS: GaugeFamily<0> = GaugeFamily::new(
    "albacore_proxy_client_connections",
    "Client connections that are open",
    [],
);
const ACCEPT_ERRORS: CounterFamily<0> = CounterFamily::new(
    "albacore_proxy_accept_errors",
    "Connections that could not be accepted",
    [],
);
const ACCEPT_WAITS: CounterFamily<0> = CounterFamily::new(
    "albacore_proxy_accept_waits",
    "Times accepting waited because all places were taken",
    [],
);
const DRAIN_EXPIRED: CounterFamily<0> = CounterFamily::new(
    "albacore_proxy_drain_expired",
    "Connections cut because draining took too long",
    [],
);
const PANICS: CounterFamily<0> = CounterFamily::new("albacore_proxy_panics", "Connections ended by a panic", []);
const REQUESTS: PerLoadBalancer = CounterFamily::new(
    "albacore_proxy_requests",
    "Requests that were answered or refused",
    ["load_balancer"],
);
const NEW_CONNECTIONS: PerLoadBalancer = CounterFamily::new(
    "albacore_proxy_new_connections",
    "Client connections accepted (NewConnectionCount)",
    ["load_balancer"],
);
const TLS_ERRORS: PerLoadBalancer = CounterFamily::new(
    "albacore_proxy_tls_negotiation_errors",
    "TLS handshakes that failed (ClientTLSNegotiationErrorCount)",
    ["load_balancer"],
);
const RECEIVED: PerLoadBalancer = CounterFamily::new(
    "albacore_proxy_received_bytes",
    "Request bytes including headers",
    ["load_balancer"],
);
const SENT: PerLoadBalancer = CounterFamily::new(
    "albacore_proxy_sent_bytes",
    "Response bytes including headers",
    ["load_balancer"],
);
const RULE_EVALUATIONS: PerLoadBalancer = CounterFamily::new(
    "albacore_proxy_rule_evaluations",
    "Rules evaluated, default rules not counted (RuleEvaluations)",
    ["load_balancer"],
);
const FIXED: PerLoadBalancer = CounterFamily::new(
    "albacore_proxy_fixed_responses",
    "Fixed responses (HTTP_Fixed_Response_Count)",
    ["load_balancer"],
);
const REDIRECTS: PerLoadBalancer = CounterFamily::new(
    "albacore_proxy_redirects",
    "Redirects (HTTP_Redirect_Count)",
    ["load_balancer"],
);
const REDIRECT_LIMIT: PerLoadBalancer = CounterFamily::new(
    "albacore_proxy_redirect_url_limit_exceeded",
    "Redirects whose URL was over 8 K (HTTP_Redirect_Url_Limit_Exceeded_Count)",
    ["load_balancer"],
);
const NON_COMPLIANT: PerLoadBalancer = CounterFamily::new(
    "albacore_proxy_non_compliant_requests",
    "Requests that are not RFC 7230 compliant (DesyncMitigationMode_NonCompliant_Request_Count)",
    ["load_balancer"],
);
const DROPPED_HEADERS: PerLoadBalancer = CounterFamily::new(
    "albacore_proxy_dropped_invalid_header_requests",
    "Requests with invalid header names that were removed (DroppedInvalidHeaderRequestCount)",
    ["load_balancer"],
);
const FORWARDED_HEADERS: PerLoadBalancer = CounterFamily::new(
    "albacore_proxy_forwarded_invalid_header_requests",
    "Requests with invalid header names that were forwarded (ForwardedInvalidHeaderRequestCount)",
    ["load_balancer"],
);
const ELB_CODES: CounterFamily<2> = CounterFamily::new(
    "albacore_proxy_elb_responses",
    "Responses made by the load balancer itself (HTTPCode_ELB_*)",
    ["load_balancer", "class"],
);
const DURATION: HistogramFamily<1> = HistogramFamily::new(
    "albacore_proxy_request_duration_seconds",
    "From the first byte of a request to the end of its answer",
    ["load_balancer"],
);
const GROUP_REQUESTS: CounterFamily<1> = CounterFamily::new(
    "albacore_proxy_target_group_requests",
    "Requests given to a target (RequestCount)",
    ["target_group"],
);
const TARGET_CODES: CounterFamily<2> = CounterFamily::new(
    "albacore_proxy_target_responses",
    "Responses made by targets (HTTPCode_Target_*)",
    ["target_group", "class"],
);
const LAMBDA_USER: CounterFamily<1> = CounterFamily::new(
    "albacore_proxy_lambda_user_errors",
    "Invocations that failed because of the function (LambdaUserError)",
    ["target_group"],
);
const LAMBDA_INTERNAL: CounterFamily<1> = CounterFamily::new(
    "albacore_proxy_lambda_internal_errors",
    "Invocations that failed because of the platform (LambdaInternalError)",
    ["target_group"],
);
const LAMBDA_BYTES: CounterFamily<1> = CounterFamily::new(
    "albacore_proxy_lambda_processed_bytes",
    "Request and response bytes of function targets (LambdaTargetProcessedBytes)",
    ["target_group"],
);
const HEALTHY_HOSTS: GaugeFamily<1> = GaugeFamily::new(
    "albacore_proxy_healthy_hosts",
    "Targets that pass their health checks (HealthyHostCount)",
    ["target_group"],
);
const UNHEALTHY_HOSTS: GaugeFamily<1> = GaugeFamily::new(
    "albacore_proxy_unhealthy_hosts",
    "Targets that fail their health checks (UnHealthyHostCount)",
    ["target_group"],
);
const RESPONSE_TIME: HistogramFamily<1> = HistogramFamily::new(
    "albacore_proxy_target_response_seconds",
    "From the request leaving to the target's answer (TargetResponseTime)",
    ["target_group"],
);
