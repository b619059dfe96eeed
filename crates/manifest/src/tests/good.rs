//! Manifests that load, and what they become.

use super::*;
use crate::testing::{apply, settings};
use model::elb::condition::Condition;
use model::elb::listener::ListenerProtocol;
use model::elb::load_balancer::Scheme;
use model::elb::target_group::TargetKind;
use model::lambda::function::CodeLocation;
use model::lambda::logging::{ApplicationLogLevel, LogFormat, SystemLogLevel};
use model::lambda::runtime::Runtime;
use model::{State, TargetGroupArn};

const KITCHEN_SINK: &str = r##"
functions:
  orders:
    code: fn
    runtime: provided.al2
    handler: orders.handler
    timeout: 1m30s
    memory: 1GB
    environment: { STAGE: dev, RETRIES: 3, DEBUG: true, RATIO: 1.50, EMPTY: "" }
    concurrency: 10
    provisioned_concurrency: 10
    ephemeral_storage: 2GB
  users: { code: ./run }
target_groups:
  orders: { function: orders, multi_value_headers: true }
  users: { function: users }
  nothing: {}
load_balancers:
  shop:
    scheme: internal
    attributes:
      idle_timeout.timeout_seconds: 5
      routing.http2.enabled: false
      routing.http.desync_mitigation_mode: strictest
    listeners:
      - port: 8080
        protocol: HTTP
        default: { redirect: { protocol: https, port: 8443, status: 301 } }
      - port: 8443
        protocol: https
        certificates:
          - domain: shop.localhost
          - domains: ["*.shop.localhost", 127.0.0.1]
        attributes:
          routing.http.response.server.enabled: false
          routing.http.response.strict_transport_security.header_value: max-age=1
        rules:
          - { priority: 10, path: "/orders*", forward: orders }
          - { priority: 20, host: ["api.*", "*.shop.localhost"], method: [GET, HEAD], forward: { users: 90, orders: 10 } }
          - priority: 30
            source_ip: 192.0.2.0/24
            header: { X-Test: ["a*", b], X-Other: c }
            fixed_response: 404
          - { priority: 40, query: { page: "1", sort: [asc, desc] }, forward: { target_groups: { orders: 1 }, stickiness: 1h } }
          - { priority: 50, query: ["*x*", { key: a, value: b }], redirect: { path: "/new/#{path}", query: "" } }
          - { priority: 60, host_regex: '^a\.b$', path_regex: ['^/x$'], header_regex: { X-Y: ^z }, forward: orders }
          - priority: 70
            conditions:
              - host_header: [a.example]
              - path_pattern: { regex_values: ['^/y'] }
              - http_header: { name: X-A, values: [b] }
              - http_header: { name: X-A, regex_values: ['^c'] }
            forward: { target_groups: orders }
            rewrite_host: { regex: ^a, replace: b }
            rewrite_url: { regex: '^/dp/([A-Za-z0-9]+)/?$', replace: '/product.php?id=$1' }
          - priority: 80
            conditions:
              - http_request_method: GET
              - query_string: [{ value: a }, { key: b, value: c }]
              - source_ip: { values: ["::1/128"] }
            forward: nothing
        default:
          fixed_response: { status: 503, content_type: application/json, body: '{"busy":true}' }
"##;

#[test]
fn everything_the_manifest_can_say_loads() {
    let folder = folder();
    let loaded = folder
        .load(KITCHEN_SINK)
        .unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let warnings: Vec<_> = loaded.warnings.iter().map(|it| &it.message).collect();
    assert_eq!(
        warnings,
        [
            "target group `nothing` has no `function`; requests for it are answered with 503",
            "`stickiness` has no effect with one target group",
        ]
    );
    let watched = ["albacore.yaml", "fn", "run"].map(|name| folder.path(name));
    assert_eq!(loaded.watched, watched);

    let desired = &loaded.desired;
    let orders = &desired.functions[0].it;
    assert_eq!(orders.configuration.runtime, Runtime::ProvidedAl2);
    assert_eq!(orders.configuration.handler, "orders.handler");
    assert_eq!(orders.configuration.timeout.duration().as_secs(), 90);
    assert_eq!(orders.configuration.memory.megabytes(), 1024);
    assert_eq!(orders.configuration.concurrency, Some(10));
    assert_eq!(orders.configuration.provisioned, 10);
    assert_eq!(orders.configuration.ephemeral_storage.megabytes(), 2048);
    let environment: Vec<_> = orders
        .configuration
        .environment
        .variables()
        .iter()
        .map(|(name, value)| format!("{name}={}", value.expose()))
        .collect();
    assert_eq!(
        environment,
        ["DEBUG=true", "EMPTY=", "RATIO=1.50", "RETRIES=3", "STAGE=dev"]
    );
    assert_eq!(orders.code.location, CodeLocation::Folder(folder.path("fn")));
    let users = &desired.functions[1].it;
    assert_eq!(users.configuration.runtime, Runtime::ProvidedAl2023);
    assert_eq!(users.configuration.handler, "bootstrap");
    assert_eq!(users.code.location, CodeLocation::Executable(folder.path("run")));

    let shop = &desired.load_balancers[0].it;
    assert_eq!(shop.scheme, Scheme::Internal);
    assert_eq!(shop.attributes.idle_timeout.as_secs(), 5);
    assert!(shop.dns_name.starts_with("internal-shop-") && shop.dns_name.ends_with(".us-east-1.elb.localhost"));

    let ListenerProtocol::Https(tls) = &desired.listeners[1].it.protocol else {
        panic!("the second listener is HTTPS");
    };
    assert_eq!(tls.policy.name, "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09");
    assert_eq!(tls.certificates.len(), 1);
    let default = desired
        .certificates
        .iter()
        .find(|it| it.it.arn == tls.default_certificate);
    assert_eq!(default.unwrap().it.names, ["shop.localhost"]);
}

// ALB-C-028: regular expressions work for host, header and path
#[test]
fn conditions_are_read_as_written() {
    let folder = folder();
    let loaded = folder.load(KITCHEN_SINK).unwrap();
    let said: Vec<String> = loaded
        .desired
        .rules
        .iter()
        .map(|rule| {
            let conditions = rule.it.conditions.as_slice();
            let said: Vec<String> = conditions.iter().map(Condition::to_string).collect();
            format!("{}: {}", rule.it.priority, said.join("; "))
        })
        .collect();
    assert_eq!(
        said,
        [
            "10: path-pattern is /orders*",
            "20: host-header is api.* or *.shop.localhost; http-request-method is GET or HEAD",
            "30: source-ip in 192.0.2.0/24; http-header X-Test is a* or b; http-header X-Other is c",
            "40: query-string has page=1; query-string has sort=asc or sort=desc",
            "50: query-string has any parameter *x* or a=b",
            "60: host-header matches regex ^a\\.b$; path-pattern matches regex ^/x$; http-header X-Y matches regex ^z",
            "70: host-header is a.example; path-pattern matches regex ^/y; http-header X-A is b; http-header X-A matches regex ^c",
            "80: http-request-method is GET; query-string has any parameter a or b=c; source-ip in ::1/128",
        ]
    );
    let rewriting = &loaded.desired.rules[6].it.transforms;
    assert_eq!(rewriting.host.as_ref().map(|it| it.replace()), Some("b"));
    assert_eq!(
        rewriting.url.as_ref().map(|it| it.replace()),
        Some("/product.php?id=$1")
    );
}

#[test]
fn managed_runtimes_and_zip_files() {
    let folder = folder();
    let text = "
functions:
  orders: { code: ./python, runtime: python3.12, handler: app.handler }
  users: { code: node, runtime: nodejs22.x, handler: src/index.handler }
  packed: { code: code.zip, runtime: python3.13, handler: app.handler }
  custom: { code: ./code.zip, runtime: provided.al2 }
  unnamed: { code: ./code.zip }
  program: { code: run, runtime: provided.al2023 }
";
    let loaded = folder.load(text).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let found: Vec<_> = loaded
        .desired
        .functions
        .iter()
        .map(|it| {
            let configuration = &it.it.configuration;
            (
                configuration.runtime.as_str(),
                configuration.handler.as_str(),
                it.it.code.location.clone(),
            )
        })
        .collect();
    let path = |name: &str| folder.path(name);
    assert_eq!(
        found,
        [
            ("python3.12", "app.handler", CodeLocation::Folder(path("python"))),
            ("nodejs22.x", "src/index.handler", CodeLocation::Folder(path("node"))),
            ("python3.13", "app.handler", CodeLocation::Zip(path("code.zip"))),
            ("provided.al2", "bootstrap", CodeLocation::Zip(path("code.zip"))),
            ("provided.al2023", "bootstrap", CodeLocation::Zip(path("code.zip"))),
            ("provided.al2023", "bootstrap", CodeLocation::Executable(path("run"))),
        ]
    );
}

#[test]
fn layers() {
    let folder = folder();
    folder.put("layer/extensions/a", "");
    let load = |text: &str| {
        let loaded = folder.load(&format!("functions: {{ f: {text} }}"));
        let loaded = loaded.unwrap_or_else(|mistakes| panic!("{mistakes}"));
        loaded.desired.functions[0].it.configuration.clone()
    };
    let configuration = load("{ code: run, layers: [layer, python.zip] }");
    let locations: Vec<_> = configuration
        .layers
        .in_order()
        .iter()
        .map(|it| it.location.clone())
        .collect();
    let expected = [
        CodeLocation::Folder(folder.path("layer")),
        CodeLocation::Zip(folder.path("python.zip")),
    ];
    assert_eq!(locations, expected);
    let revision = || {
        load("{ code: run, layers: [layer] }").layers.in_order()[0]
            .revision
            .clone()
    };
    let before = revision();
    folder.put("layer/extensions/b", "");
    assert_ne!(revision(), before);
    assert!(load("{ code: run, layers: [] }").layers.is_empty());
    // Code without a bootstrap is run by that of a layer.
    for layer in ["fn", "code.zip"] {
        let configuration = load(&format!("{{ code: python, layers: [python.zip, {layer}] }}"));
        assert_eq!(configuration.runtime, Runtime::ProvidedAl2023);
    }
}

#[test]
fn logging() {
    let folder = folder();
    let formats = [
        ("{}", LogFormat::Text, None),
        (
            "{ format: Text, group: /shop/orders }",
            LogFormat::Text,
            Some("/shop/orders"),
        ),
        (
            "{ format: json }",
            LogFormat::Json {
                application_level: ApplicationLogLevel::Info,
                system_level: SystemLogLevel::Info,
            },
            None,
        ),
        (
            "{ format: JSON, application_level: fatal, system_level: WARN }",
            LogFormat::Json {
                application_level: ApplicationLogLevel::Fatal,
                system_level: SystemLogLevel::Warn,
            },
            None,
        ),
    ];
    for (text, format, group) in formats {
        let loaded = folder
            .load(&format!("functions: {{ f: {{ code: run, logging: {text} }} }}"))
            .unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let logging = &loaded.desired.functions[0].it.configuration.logging;
        assert_eq!(logging.format, format, "{text}");
        assert_eq!(logging.group.as_ref().map(|it| it.as_str()), group, "{text}");
    }
}

#[test]
fn the_same_manifest_has_the_same_arns_elsewhere() {
    let arns = || {
        let folder = folder();
        let state = State::default();
        let loaded = folder.load(KITCHEN_SINK).unwrap();
        let state = apply(&state, &loaded.desired.batch(&state).commands);
        let mut arns: Vec<String> = state.rules().map(|it| it.arn.to_string()).collect();
        arns.extend(state.listeners().map(|it| it.arn.to_string()));
        arns.extend(state.certificates().map(|it| it.arn.to_string()));
        arns.extend(state.load_balancers().map(|it| it.dns_name.clone()));
        arns
    };
    assert_eq!(arns(), arns());
}

#[test]
fn aliases_may_stand_for_values() {
    let folder = folder();
    let text = "
functions: { f: { code: run, environment: &env { A: b } }, g: { code: run, environment: *env } }
target_groups: { f: { function: f }, g: { function: g } }
";
    let loaded = folder.load(text).unwrap();
    let groups: Vec<&TargetGroupArn> = loaded
        .desired
        .target_groups
        .iter()
        .map(|it| &it.it.create.arn)
        .collect();
    assert_eq!(groups.len(), 2);
    assert_eq!(
        loaded.desired.functions[0].it.configuration.environment,
        loaded.desired.functions[1].it.configuration.environment
    );
    assert_eq!(settings().dns_suffix, "elb.localhost");
}

#[test]
fn touching_code_gives_a_new_revision() {
    let folder = folder();
    let text = "functions: { f: { code: fn } }";
    let revision = || folder.load(text).unwrap().desired.functions[0].it.code.revision.clone();
    let first = revision();
    assert_eq!(first, revision());
    folder.put("fn/lib/more", "1");
    let second = revision();
    assert_ne!(first, second);
    folder.put("fn/.git/HEAD", "1");
    folder.put("fn/__pycache__/x.pyc", "1");
    assert_eq!(second, revision(), "what is not code does not count");
    folder.put("fn/lib/more", "2");
    assert_ne!(second, revision());
}

/// The example of the design, as printed there.
#[test]
fn the_example_of_the_design() {
    let text = r#"
functions:
  orders:
    runtime: python3.12
    handler: app.handler
    code: ./python            # a folder, a zip, or an executable (then runtime: provided.al2023)
    timeout: 10s
    memory: 256MB
    environment: { STAGE: dev }

target_groups:
  orders: { function: orders, multi_value_headers: true }
  legacy:
    protocol: http
    targets: ["127.0.0.1:9000", "127.0.0.1:9001"]
    health_check: { path: /healthz, interval: 10s }
    stickiness: { type: lb_cookie, duration: 1h }

load_balancers:
  shop:
    listeners:
      - { port: 8080, protocol: http, default: { redirect: { protocol: https, port: 8443 } } }
      - port: 8443
        protocol: https
        certificates: [{ domain: shop.localhost }]        # issued by the local CA; or { certificate: a.pem, private_key: a.key }
        rules:
          - { priority: 10, path: "/orders*", forward: orders }
          - { priority: 20, host: "api.*", method: [GET, HEAD], forward: { legacy: 90, orders: 10 } }
        default: { fixed_response: { status: 404, body: "nothing here" } }
"#;
    let loaded = folder().load(text).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let warnings: Vec<_> = loaded.warnings.iter().map(|it| it.message.as_str()).collect();
    assert_eq!(
        warnings,
        [
            "target group `legacy` has stickiness, and this forward action has none: clients change between its target \
             groups and lose their targets; write `{ target_groups: { .. }, stickiness: 1h }`",
        ]
    );
    let TargetKind::Servers(legacy) = &loaded.desired.target_groups[1].it.create.targets else {
        panic!("a group of servers");
    };
    let sockets: Vec<_> = legacy.targets.iter().map(|it| it.socket().to_string()).collect();
    assert_eq!(sockets, ["127.0.0.1:9000", "127.0.0.1:9001"]);
    assert!(legacy.attributes.stickiness.enabled);
    assert_eq!(legacy.attributes.stickiness.lb_cookie_duration.as_secs(), 3600);
    let state = apply(&State::default(), &loaded.desired.batch(&State::default()).commands);
    assert_eq!(state.rules().count(), 2);
}
