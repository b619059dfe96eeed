//! Attributes of target groups that are accepted and do nothing: because of another one, or in albacore altogether.

use super::Walk;
use super::attributes::{APP_COOKIE_DURATION, COOKIE_NAME, LB_COOKIE_DURATION, Places, TYPE};
use model::elb::target_group::{Stickiness, StickinessType, TargetGroupAttributes};

const DNS_COUNT: &str = "target_group_health.dns_failover.minimum_healthy_targets.count";
const DNS_PERCENTAGE: &str = "target_group_health.dns_failover.minimum_healthy_targets.percentage";

/// ALB takes the address of an unhealthy zone out of DNS. Source: ALB 5.6.
const NO_DNS: &str = "albacore takes no address out of DNS; only the metrics HealthyStateDNS and UnhealthyStateDNS \
                      follow it";
const WAF: &str = "waf.http2.traffic_inspection_behavior";
const NO_WAF: &str = "there is no web ACL that would look";
const NOT_STICKY: &str = "`stickiness.enabled` is not `true`";
const NO_LB_COOKIE: &str = "`stickiness.type` is `app_cookie`";
const NO_APP_COOKIE: &str = "`stickiness.type` is not `app_cookie`";

impl Walk<'_> {
    /// A default that is written out is not told: it changes nothing anywhere.
    pub(super) fn warn_of_inert(&mut self, attributes: &TargetGroupAttributes, places: &Places) {
        let (dns, fresh) = (attributes.dns_failover, TargetGroupAttributes::default());
        let of_dns = [
            (DNS_COUNT, (dns.count != fresh.dns_failover.count).then_some(NO_DNS)),
            (
                DNS_PERCENTAGE,
                (dns.percentage != fresh.dns_failover.percentage).then_some(NO_DNS),
            ),
        ];
        let of_waf = (attributes.waf_inspection != fresh.waf_inspection).then_some(NO_WAF);
        let everywhere = of_dns.into_iter().chain([(WAF, of_waf)]);
        for (key, reason) in everywhere.chain(inert_stickiness(&attributes.stickiness)) {
            // What is refused itself has no place.
            if let (Some(reason), Some(Some(spot))) = (reason, places.get(key)) {
                self.report.warning(*spot, format!("`{key}` has no effect: {reason}"));
            }
        }
    }
}

/// Why each key has no effect, where it has none and was changed.
fn inert_stickiness(stickiness: &Stickiness) -> [(&'static str, Option<&'static str>); 4] {
    let fresh = Stickiness::default();
    let by_application = stickiness.stickiness_type == StickinessType::AppCookie;
    let (without_lb_cookie, without_app_cookie) = match (stickiness.enabled, by_application) {
        (false, _) => (Some(NOT_STICKY), Some(NOT_STICKY)),
        (true, true) => (Some(NO_LB_COOKIE), None),
        (true, false) => (None, Some(NO_APP_COOKIE)),
    };
    let of_type = (!stickiness.enabled).then_some(NOT_STICKY);
    [
        (TYPE, of_type.filter(|_| by_application)),
        (
            LB_COOKIE_DURATION,
            without_lb_cookie.filter(|_| stickiness.lb_cookie_duration != fresh.lb_cookie_duration),
        ),
        (
            COOKIE_NAME,
            without_app_cookie.filter(|_| stickiness.app_cookie_name != fresh.app_cookie_name),
        ),
        (
            APP_COOKIE_DURATION,
            without_app_cookie.filter(|_| stickiness.app_cookie_duration != fresh.app_cookie_duration),
        ),
    ]
}
