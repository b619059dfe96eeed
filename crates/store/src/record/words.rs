//! The words of values that have few: AWS's own where AWS has one. They are part of the format.

use super::value::Words;
use model::Owner;
use model::acm::Validation;
use model::ec2::resource::{Direction, HostnameType, Tenancy};
use model::elb::action::ContentType;
use model::elb::action::redirect::{RedirectProtocol, RedirectStatus};
use model::elb::load_balancer::{DesyncMode, ForwardedForMode, Scheme};
use model::elb::target_group::{
    Algorithm, CrossZone, IpAddressType, ProtocolVersion, ServerType, StickinessType, TargetProtocol, WafInspection,
};
use model::lambda::about::{Architecture, Tracing};
use model::lambda::function::Network;
use model::lambda::logging::{ApplicationLogLevel, SystemLogLevel};
use model::lambda::url::{InvokeMode, UrlAuth};

macro_rules! words {
    ($($name:ident { $($variant:ident = $word:literal),* $(,)? })*) => {$(
        impl Words for $name {
            const WORDS: &'static [(Self, &'static str)] = &[$((Self::$variant, $word)),*];

            fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    )*};
}

words! {
    Tenancy { Default = "default", Dedicated = "dedicated" }
    HostnameType { IpName = "ip-name", ResourceName = "resource-name" }
    Direction { Ingress = "ingress", Egress = "egress" }
    Validation { Dns = "DNS", Email = "EMAIL" }
    Owner { Manifest = "manifest", Api = "api" }
    Architecture { X8664 = "x86_64", Arm64 = "arm64" }
    Tracing { Active = "Active", PassThrough = "PassThrough" }
    Scheme { InternetFacing = "internet-facing", Internal = "internal" }
    DesyncMode { Monitor = "monitor", Defensive = "defensive", Strictest = "strictest" }
    ForwardedForMode { Append = "append", Preserve = "preserve", Remove = "remove" }
    ContentType {
        TextPlain = "text/plain",
        TextCss = "text/css",
        TextHtml = "text/html",
        ApplicationJavascript = "application/javascript",
        ApplicationJson = "application/json",
    }
    RedirectStatus { MovedPermanently = "HTTP_301", Found = "HTTP_302" }
    RedirectProtocol { Same = "#{protocol}", Http = "HTTP", Https = "HTTPS" }
    ServerType { Instance = "instance", Ip = "ip" }
    TargetProtocol { Http = "HTTP", Https = "HTTPS" }
    ProtocolVersion { Http1 = "HTTP1", Http2 = "HTTP2", Grpc = "GRPC" }
    IpAddressType { Ipv4 = "ipv4", Ipv6 = "ipv6" }
    WafInspection { Immediately = "inspect_immediately", AfterSufficientData = "inspect_after_sufficient_data" }
    Algorithm {
        RoundRobin = "round_robin",
        LeastOutstandingRequests = "least_outstanding_requests",
        WeightedRandom = "weighted_random",
    }
    CrossZone { UseLoadBalancerConfiguration = "use_load_balancer_configuration", On = "true", Off = "false" }
    StickinessType { LbCookie = "lb_cookie", AppCookie = "app_cookie" }
    ApplicationLogLevel {
        Trace = "TRACE",
        Debug = "DEBUG",
        Info = "INFO",
        Warn = "WARN",
        Error = "ERROR",
        Fatal = "FATAL",
    }
    SystemLogLevel { Debug = "DEBUG", Info = "INFO", Warn = "WARN" }
    Network {
        None = "none",
        Outbound = "outbound",
        OutboundAndPrivate = "outbound-and-private",
        Host = "host",
    }
    UrlAuth { None = "NONE", AwsIam = "AWS_IAM" }
    InvokeMode { Buffered = "BUFFERED", ResponseStream = "RESPONSE_STREAM" }
}
