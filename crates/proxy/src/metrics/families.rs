//! The names of everything that a scrape reads. What CloudWatch calls it stands in the help.

use observe::{CounterFamily, GaugeFamily, HistogramFamily};

/// Labels of a load balancer's families.
pub(super) const LOAD_BALANCER: [&str; 2] = ["load_balancer", "availability_zone"];
/// Labels of a target group's families. A group that no load balancer uses has none.
pub(super) const TARGET_GROUP: [&str; 3] = ["target_group", "load_balancer", "availability_zone"];

type Own = CounterFamily<0>;
type PerLoadBalancer = CounterFamily<2>;
type PerGroup = CounterFamily<3>;
type GroupGauge = GaugeFamily<3>;

pub(super) const CONNECTIONS: GaugeFamily<0> = GaugeFamily::new(
    "albacore_proxy_client_connections",
    "Client connections that are open",
    [],
);
pub(super) const TARGET_CONNECTIONS: GaugeFamily<0> = GaugeFamily::new(
    "albacore_proxy_target_connections",
    "Connections to targets that are open, waiting ones included",
    [],
);
pub(super) const IDLE_TARGET_CONNECTIONS: GaugeFamily<0> = GaugeFamily::new(
    "albacore_proxy_idle_target_connections",
    "Connections to targets that wait for a request",
    [],
);
pub(super) const LENT_BUFFERS: GaugeFamily<0> = GaugeFamily::new(
    "albacore_proxy_lent_buffers",
    "Buffers on the side of targets that are in use",
    [],
);
/// Whoever has a task for traffic holds on to its core.
pub(super) const TASKS: GaugeFamily<0> = GaugeFamily::new(
    "albacore_proxy_tasks",
    "What holds on to traffic threads: connections, streams, and a few tasks that last",
    [],
);
pub(super) const TIMERS: GaugeFamily<0> = GaugeFamily::new("albacore_proxy_timers", "Timers that exist", []);
pub(super) const ACCEPT_ERRORS: Own = CounterFamily::new(
    "albacore_proxy_accept_errors",
    "Connections that could not be accepted",
    [],
);
pub(super) const SECURITY_GROUP_REFUSALS: Own = CounterFamily::new(
    "albacore_proxy_security_group_refusals",
    "Connections and streams that no security group admitted",
    [],
);
pub(super) const ACCEPT_WAITS: Own = CounterFamily::new(
    "albacore_proxy_accept_waits",
    "Times accepting waited because all places were taken",
    [],
);
pub(super) const ACCEPT_REFUSALS: Own = CounterFamily::new(
    "albacore_proxy_accept_refusals",
    "Connections refused because all places had been taken for too long",
    [],
);
pub(super) const DRAIN_EXPIRED: Own = CounterFamily::new(
    "albacore_proxy_drain_expired",
    "Connections cut because draining took too long",
    [],
);
pub(super) const BUSY_POLLS: Own = CounterFamily::new(
    "albacore_proxy_busy_polls",
    "Requests whose target's answer was polled for before the thread slept",
    [],
);
pub(super) const BUSY_POLLS_IN_VAIN: Own = CounterFamily::new(
    "albacore_proxy_busy_polls_in_vain",
    "Those of them whose target did not answer in that time",
    [],
);
pub(super) const PANICS: Own = CounterFamily::new("albacore_proxy_panics", "Connections ended by a panic", []);

pub(super) const REQUESTS: PerLoadBalancer = CounterFamily::new(
    "albacore_proxy_requests",
    "Requests that were answered or refused",
    LOAD_BALANCER,
);
pub(super) const IPV6_REQUESTS: PerLoadBalancer = CounterFamily::new(
    "albacore_proxy_ipv6_requests",
    "Requests over IPv6 (IPv6RequestCount)",
    LOAD_BALANCER,
);
pub(super) const ACTIVE_CONNECTIONS: GaugeFamily<2> = GaugeFamily::new(
    "albacore_proxy_active_connections",
    "Client connections that are open, their handshake behind them (part of ActiveConnectionCount)",
    LOAD_BALANCER,
);
pub(super) const NEW_CONNECTIONS: PerLoadBalancer = CounterFamily::new(
    "albacore_proxy_new_connections",
    "Client connections accepted (part of NewConnectionCount)",
    LOAD_BALANCER,
);
pub(super) const REJECTED_CONNECTIONS: PerLoadBalancer = CounterFamily::new(
    "albacore_proxy_rejected_connections",
    "Client connections refused because all places were taken (RejectedConnectionCount)",
    LOAD_BALANCER,
);
pub(super) const TLS_ERRORS: PerLoadBalancer = CounterFamily::new(
    "albacore_proxy_tls_negotiation_errors",
    "TLS handshakes that failed (ClientTLSNegotiationErrorCount)",
    LOAD_BALANCER,
);
pub(super) const RECEIVED: PerLoadBalancer = CounterFamily::new(
    "albacore_proxy_received_bytes",
    "Request bytes including headers (part of ProcessedBytes)",
    LOAD_BALANCER,
);
pub(super) const SENT: PerLoadBalancer = CounterFamily::new(
    "albacore_proxy_sent_bytes",
    "Response bytes including headers (part of ProcessedBytes)",
    LOAD_BALANCER,
);
pub(super) const IPV6_BYTES: PerLoadBalancer = CounterFamily::new(
    "albacore_proxy_ipv6_processed_bytes",
    "Bytes of clients over IPv6, both ways (IPv6ProcessedBytes)",
    LOAD_BALANCER,
);
pub(super) const RULE_EVALUATIONS: PerLoadBalancer = CounterFamily::new(
    "albacore_proxy_rule_evaluations",
    "Rules evaluated, default rules not counted (RuleEvaluations)",
    LOAD_BALANCER,
);
pub(super) const FIXED: PerLoadBalancer = CounterFamily::new(
    "albacore_proxy_fixed_responses",
    "Fixed responses (HTTP_Fixed_Response_Count)",
    LOAD_BALANCER,
);
pub(super) const REDIRECTS: PerLoadBalancer = CounterFamily::new(
    "albacore_proxy_redirects",
    "Redirects (HTTP_Redirect_Count)",
    LOAD_BALANCER,
);
pub(super) const REDIRECT_LIMIT: PerLoadBalancer = CounterFamily::new(
    "albacore_proxy_redirect_url_limit_exceeded",
    "Redirects whose URL was over 8 K (HTTP_Redirect_Url_Limit_Exceeded_Count)",
    LOAD_BALANCER,
);
pub(super) const NON_COMPLIANT: PerLoadBalancer = CounterFamily::new(
    "albacore_proxy_non_compliant_requests",
    "Requests that are not RFC 7230 compliant (DesyncMitigationMode_NonCompliant_Request_Count)",
    LOAD_BALANCER,
);
pub(super) const DROPPED_HEADERS: PerLoadBalancer = CounterFamily::new(
    "albacore_proxy_dropped_invalid_header_requests",
    "Requests with invalid header names that were removed (DroppedInvalidHeaderRequestCount)",
    LOAD_BALANCER,
);
pub(super) const FORWARDED_HEADERS: PerLoadBalancer = CounterFamily::new(
    "albacore_proxy_forwarded_invalid_header_requests",
    "Requests with invalid header names that were forwarded (ForwardedInvalidHeaderRequestCount)",
    LOAD_BALANCER,
);
pub(super) const ELB_CLASSES: CounterFamily<3> = CounterFamily::new(
    "albacore_proxy_elb_responses",
    "Responses made by the load balancer itself, by class (HTTPCode_ELB_3XX_Count, 4XX, 5XX)",
    ["load_balancer", "availability_zone", "class"],
);
pub(super) const ELB_CODES: CounterFamily<3> = CounterFamily::new(
    "albacore_proxy_elb_error_responses",
    "Errors made by the load balancer itself, by status (HTTPCode_ELB_500_Count, 502, 503, 504)",
    ["load_balancer", "availability_zone", "status"],
);
pub(super) const DURATION: HistogramFamily<2> = HistogramFamily::new(
    "albacore_proxy_request_duration_seconds",
    "From the first byte of a request to the end of its answer",
    LOAD_BALANCER,
);

pub(super) const CONSUMED_UNITS: GaugeFamily<2> = GaugeFamily::new(
    "albacore_proxy_consumed_lcus",
    "Capacity unit-hours used up in the last minute (ConsumedLCUs)",
    LOAD_BALANCER,
);
pub(super) const PEAK_UNITS: GaugeFamily<2> = GaugeFamily::new(
    "albacore_proxy_peak_lcus",
    "Capacity units that the load of the last minute takes (PeakLCUs)",
    LOAD_BALANCER,
);

pub(super) const GROUP_REQUESTS: PerGroup = CounterFamily::new(
    "albacore_proxy_target_group_requests",
    "Requests for which a target was chosen (RequestCount)",
    TARGET_GROUP,
);
pub(super) const REQUESTS_PER_TARGET: GroupGauge = GaugeFamily::new(
    "albacore_proxy_requests_per_target",
    "Requests of the last minute, divided by healthy targets or, without one, registered ones (RequestCountPerTarget)",
    TARGET_GROUP,
);
pub(super) const GRPC_REQUESTS: PerGroup = CounterFamily::new(
    "albacore_proxy_grpc_requests",
    "gRPC requests (GrpcRequestCount)",
    TARGET_GROUP,
);
pub(super) const GROUP_CONNECTIONS: GroupGauge = GaugeFamily::new(
    "albacore_proxy_target_group_connections",
    "Connections to targets that are open, waiting ones included (part of ActiveConnectionCount)",
    TARGET_GROUP,
);
pub(super) const NEW_TARGET_CONNECTIONS: PerGroup = CounterFamily::new(
    "albacore_proxy_new_target_connections",
    "Connections to targets that were opened (part of NewConnectionCount)",
    TARGET_GROUP,
);
pub(super) const TARGET_CONNECTION_ERRORS: PerGroup = CounterFamily::new(
    "albacore_proxy_target_connection_errors",
    "Connections to targets that could not be opened (TargetConnectionErrorCount)",
    TARGET_GROUP,
);
pub(super) const TARGET_TLS_ERRORS: PerGroup = CounterFamily::new(
    "albacore_proxy_target_tls_negotiation_errors",
    "TLS handshakes with targets that failed (TargetTLSNegotiationErrorCount)",
    TARGET_GROUP,
);
pub(super) const UNHEALTHY_ROUTING_REQUESTS: PerGroup = CounterFamily::new(
    "albacore_proxy_unhealthy_routing_requests",
    "Requests whose target was chosen although too few were healthy (UnhealthyRoutingRequestCount)",
    TARGET_GROUP,
);
pub(super) const NON_STICKY: PerGroup = CounterFamily::new(
    "albacore_proxy_non_sticky_requests",
    "Requests whose target was chosen anew although the group is sticky (NonStickyRequestCount)",
    TARGET_GROUP,
);
pub(super) const TARGET_CLASSES: CounterFamily<4> = CounterFamily::new(
    "albacore_proxy_target_responses",
    "Responses made by targets, by class (HTTPCode_Target_2XX_Count, 3XX, 4XX, 5XX)",
    ["target_group", "load_balancer", "availability_zone", "class"],
);
pub(super) const LAMBDA_USER: PerGroup = CounterFamily::new(
    "albacore_proxy_lambda_user_errors",
    "Invocations that failed because of the function (LambdaUserError)",
    TARGET_GROUP,
);
pub(super) const LAMBDA_INTERNAL: PerGroup = CounterFamily::new(
    "albacore_proxy_lambda_internal_errors",
    "Invocations that failed because of the platform (LambdaInternalError)",
    TARGET_GROUP,
);
pub(super) const LAMBDA_BYTES: PerGroup = CounterFamily::new(
    "albacore_proxy_lambda_processed_bytes",
    "Request and response bytes of function targets (LambdaTargetProcessedBytes, part of ProcessedBytes)",
    TARGET_GROUP,
);
pub(super) const RESPONSE_TIME: HistogramFamily<3> = HistogramFamily::new(
    "albacore_proxy_target_response_seconds",
    "From the request leaving to the target's answer (TargetResponseTime)",
    TARGET_GROUP,
);
pub(super) const HEALTHY_HOSTS: GroupGauge = GaugeFamily::new(
    "albacore_proxy_healthy_hosts",
    "Targets that pass their health checks, by their zone (HealthyHostCount)",
    TARGET_GROUP,
);
pub(super) const UNHEALTHY_HOSTS: GroupGauge = GaugeFamily::new(
    "albacore_proxy_unhealthy_hosts",
    "Targets that fail their health checks, by their zone (UnHealthyHostCount)",
    TARGET_GROUP,
);
pub(super) const HEALTHY_ROUTING: GroupGauge = GaugeFamily::new(
    "albacore_proxy_healthy_state_routing",
    "Zones with enough healthy targets to send requests to those only (HealthyStateRouting)",
    TARGET_GROUP,
);
pub(super) const UNHEALTHY_ROUTING: GroupGauge = GaugeFamily::new(
    "albacore_proxy_unhealthy_state_routing",
    "Zones where too few targets are healthy, so that all get requests (UnhealthyStateRouting)",
    TARGET_GROUP,
);
pub(super) const HEALTHY_DNS: GroupGauge = GaugeFamily::new(
    "albacore_proxy_healthy_state_dns",
    "Zones with enough healthy targets to stay in DNS (HealthyStateDNS)",
    TARGET_GROUP,
);
pub(super) const UNHEALTHY_DNS: GroupGauge = GaugeFamily::new(
    "albacore_proxy_unhealthy_state_dns",
    "Zones with too few healthy targets to stay in DNS (UnhealthyStateDNS)",
    TARGET_GROUP,
);
pub(super) const ANOMALOUS: GroupGauge = GaugeFamily::new(
    "albacore_proxy_anomalous_hosts",
    "Targets that fail more than their peers (AnomalousHostCount)",
    TARGET_GROUP,
);
pub(super) const MITIGATED: GroupGauge = GaugeFamily::new(
    "albacore_proxy_mitigated_hosts",
    "Targets that get fewer requests for it (MitigatedHostCount)",
    TARGET_GROUP,
);
