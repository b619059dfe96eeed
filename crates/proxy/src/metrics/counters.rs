//! What one core counts, and what all cores have counted.

use super::capacity::FREE_EVALUATIONS;
use observe::{Counter, Gauge, Histogram};
use std::time::Duration;

/// Makes the counters of one core, and the plain numbers that those of all cores add up to.
macro_rules! counters {
    (
        $(#[$counters_doc:meta])* $counters:ident,
        $(#[$counts_doc:meta])* $counts:ident,
        { $($(#[$doc:meta])* $name:ident,)* }
        beside { $($(#[$other_doc:meta])* $other:ident: $other_type:ty,)* }
    ) => {
        $(#[$counters_doc])*
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub(crate) struct $counters {
            $($(#[$doc])* pub(crate) $name: Counter,)*
            $($(#[$other_doc])* pub(crate) $other: $other_type,)*
        }

        $(#[$counts_doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(crate) struct $counts {
            $($(#[$doc])* pub(crate) $name: u64,)*
        }

        impl $counts {
            /// What all cores have counted.
            pub(super) fn of(cores: &[$counters]) -> Self {
                cores.iter().fold(Self::default(), |mut sum, core| {
                    sum.add(&Self { $($name: core.$name.value(),)* });
                    sum
                })
            }

            /// Adds what others have counted.
            pub(super) fn add(&mut self, other: &Self) {
                $(self.$name = self.$name.wrapping_add(other.$name);)*
            }

            /// What came since `before`. When a number is less than before, the counters began anew: all of it came since.
            pub(super) fn since(&self, before: &Self) -> Self {
                if $(self.$name < before.$name)||* {
                    return *self;
                }
                Self { $($name: self.$name - before.$name,)* }
            }
        }
    };
}

/// What one core counts for itself.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct CoreCounters {
    pub(crate) connections: Gauge,
    pub(crate) target_connections: Gauge,
    pub(crate) idle_target_connections: Gauge,
    pub(crate) lent_buffers: Gauge,
    pub(crate) timers: Gauge,
    pub(crate) tasks: Gauge,
    pub(crate) accept_errors: Counter,
    pub(crate) accept_waits: Counter,
    pub(crate) accept_refusals: Counter,
    pub(crate) security_group_refusals: Counter,
    pub(crate) drain_expired: Counter,
    pub(crate) busy_polls: Counter,
    pub(crate) busy_polls_in_vain: Counter,
    pub(crate) panics: Counter,
}

counters!(
    /// What one core counts for one load balancer. Names follow the CloudWatch metrics.
    LoadBalancerCounters,
    /// What all cores have counted for one load balancer.
    LoadBalancerCounts,
    {
        /// Requests that were answered or refused, whether a target was chosen or not.
        requests,
        /// Client connections, those whose handshake failed among them.
        new_connections,
        /// Client connections that found no place for too long. They count nowhere else.
        rejected_connections,
        tls_negotiation_errors,
        received_bytes,
        sent_bytes,
        ipv6_requests,
        /// Received and sent.
        ipv6_bytes,
        rule_evaluations,
        /// Those beyond the ten of each request that are free. Source: ALB 8.4.
        charged_rule_evaluations,
        fixed_responses,
        redirects,
        redirect_limit,
        elb_3xx,
        elb_4xx,
        elb_5xx,
        elb_500,
        elb_502,
        elb_503,
        elb_504,
        non_compliant,
        dropped_invalid_headers,
        forwarded_invalid_headers,
    }
    beside {
        /// Client connections that are open.
        active_connections: Gauge,
        duration: Histogram,
    }
);

counters!(
    /// What one core counts for one target group.
    GroupCounters,
    /// What all cores have counted for one target group.
    GroupCounts,
    {
        /// Requests for which a target was chosen.
        requests,
        grpc_requests,
        target_2xx,
        target_3xx,
        target_4xx,
        target_5xx,
        new_target_connections,
        target_connection_errors,
        target_tls_errors,
        unhealthy_routing_requests,
        non_sticky_requests,
        lambda_user_errors,
        lambda_internal_errors,
        lambda_processed_bytes,
    }
    beside {
        /// Connections to targets that are open.
        target_connections: Gauge,
        response_time: Histogram,
    }
);

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
            match elb_status {
                500 => self.elb_500.inc(),
                502 => self.elb_502.inc(),
                503 => self.elb_503.inc(),
                504 => self.elb_504.inc(),
                _ => {}
            }
        }
    }

    /// Counts the rules that a request was held against, the default rule not among them.
    pub(crate) fn evaluated(&self, rules: u32) {
        self.rule_evaluations.add(rules.into());
        if let Some(charged @ 1..) = rules.checked_sub(FREE_EVALUATIONS) {
            self.charged_rule_evaluations.add(charged.into());
        }
    }

    /// Counts bytes from and to a client.
    pub(crate) fn bytes(&self, received: u64, sent: u64, ipv6: bool) {
        self.received_bytes.add(received);
        self.sent_bytes.add(sent);
        if ipv6 {
            self.ipv6_bytes.add(received.wrapping_add(sent));
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_counts_as_what_it_was() {
        let counters = LoadBalancerCounters::default();
        for (status, ours) in [
            (301, true),
            (460, true),
            (502, true),
            (505, true),
            (502, false),
            (200, true),
        ] {
            counters.finished(status, ours, Duration::ZERO);
        }
        counters.evaluated(10);
        counters.evaluated(13);
        counters.bytes(5, 7, false);
        counters.bytes(1, 1, true);
        let expected = LoadBalancerCounts {
            elb_3xx: 1,
            elb_4xx: 1,
            elb_5xx: 2,
            elb_502: 1,
            rule_evaluations: 23,
            charged_rule_evaluations: 3,
            received_bytes: 6,
            sent_bytes: 8,
            ipv6_bytes: 2,
            ..LoadBalancerCounts::default()
        };
        assert_eq!(LoadBalancerCounts::of(&[counters]), expected);
    }
}
