//! The attributes of a load balancer as AWS lists them: every key, with its value as text. Source: ALB 1.4.

use super::{DesyncMode, ForwardedForMode, LoadBalancerAttributes, LogDelivery, Scheme};

impl LoadBalancerAttributes {
    /// Every key with its value, by key.
    pub fn list(&self, scheme: Scheme) -> Vec<(&'static str, String)> {
        Self::KEYS.iter().map(|key| (*key, self.value(key, scheme))).collect()
    }

    fn value(&self, key: &str, scheme: Scheme) -> String {
        match key {
            "client_keep_alive.seconds" => self.client_keep_alive.as_secs().to_string(),
            "deletion_protection.enabled" => self.deletion_protection.to_string(),
            "idle_timeout.timeout_seconds" => self.idle_timeout.as_secs().to_string(),
            "ipv6.deny_all_igw_traffic" => (scheme == Scheme::Internal).to_string(),
            "load_balancing.cross_zone.enabled" => "true".to_owned(),
            "routing.http.desync_mitigation_mode" => self.desync.as_str().to_owned(),
            "routing.http.drop_invalid_header_fields.enabled" => self.drop_invalid_header_fields.to_string(),
            "routing.http.preserve_host_header.enabled" => self.preserve_host_header.to_string(),
            "routing.http.x_amzn_tls_version_and_cipher_suite.enabled" => self.tls_version_and_cipher_suite.to_string(),
            "routing.http.xff_client_port.enabled" => self.xff_client_port.to_string(),
            "routing.http.xff_header_processing.mode" => self.xff_mode.as_str().to_owned(),
            "routing.http2.enabled" => self.http2.to_string(),
            "waf.fail_open.enabled" => self.waf_fail_open.to_string(),
            "zonal_shift.config.enabled" => self.zonal_shift.to_string(),
            _ if key.starts_with("access_logs.") => of_delivery(&self.access_logs, key),
            _ if key.starts_with("connection_logs.") => of_delivery(&self.connection_logs, key),
            _ => of_delivery(&self.health_check_logs, key),
        }
    }
}

fn of_delivery(delivery: &LogDelivery, key: &str) -> String {
    if key.ends_with(".bucket") {
        delivery.bucket.clone()
    } else if key.ends_with(".prefix") {
        delivery.prefix.clone()
    } else {
        delivery.enabled.to_string()
    }
}

impl DesyncMode {
    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Monitor => "monitor",
            Self::Defensive => "defensive",
            Self::Strictest => "strictest",
        }
    }
}

impl ForwardedForMode {
    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Preserve => "preserve",
            Self::Remove => "remove",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // ALB-R-012: a fresh load balancer's attributes, every key of them
    #[test]
    fn a_fresh_load_balancer() {
        let listed = LoadBalancerAttributes::default().list(Scheme::InternetFacing);
        assert_eq!(listed.len(), LoadBalancerAttributes::KEYS.len());
        let value = |key: &str| listed.iter().find(|(its_key, _)| *its_key == key).unwrap().1.as_str();
        for (key, expected) in [
            ("idle_timeout.timeout_seconds", "60"),
            ("client_keep_alive.seconds", "3600"),
            ("routing.http2.enabled", "true"),
            ("routing.http.desync_mitigation_mode", "defensive"),
            ("routing.http.xff_header_processing.mode", "append"),
            ("access_logs.s3.enabled", "false"),
            ("access_logs.s3.bucket", ""),
            ("zonal_shift.config.enabled", "false"),
            ("ipv6.deny_all_igw_traffic", "false"),
        ] {
            assert_eq!(value(key), expected, "{key}");
        }
    }

    #[test]
    fn what_is_listed_can_be_set() {
        let mut changed = LoadBalancerAttributes::default();
        for (key, value) in [
            ("idle_timeout.timeout_seconds", "7"),
            ("client_keep_alive.seconds", "61"),
            ("deletion_protection.enabled", "true"),
            ("routing.http2.enabled", "false"),
            ("routing.http.desync_mitigation_mode", "monitor"),
            ("routing.http.drop_invalid_header_fields.enabled", "true"),
            ("routing.http.preserve_host_header.enabled", "true"),
            ("routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "true"),
            ("routing.http.xff_client_port.enabled", "true"),
            ("routing.http.xff_header_processing.mode", "remove"),
            ("access_logs.s3.bucket", "one"),
            ("connection_logs.s3.bucket", "two"),
            ("health_check_logs.s3.prefix", "three"),
            ("health_check_logs.s3.enabled", "true"),
            ("waf.fail_open.enabled", "true"),
            ("zonal_shift.config.enabled", "true"),
        ] {
            changed.set(key, value).unwrap();
        }
        let mut again = LoadBalancerAttributes::default();
        for (key, value) in changed.list(Scheme::InternetFacing) {
            again.set(key, &value).unwrap();
        }
        assert_eq!(again, changed);
    }
}
