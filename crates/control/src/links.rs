//! Links to what calls cannot carry: packages, certificate bundles, revocation lists. They work for a while, and for nobody
//! who was not given one. AWS has presigned URLs of S3 for this. Source: Lambda 8.5, ALB 9.5.

use crate::own_api::query;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

/// How long a link may be followed: ten minutes.
const LINK_SECS: u64 = 600;
/// Where links lead to.
const PREFIX: &str = "/_albacore/";

/// Makes links, and knows them again.
#[derive(Debug)]
pub(crate) struct Links {
    key: [u8; 32],
    endpoint: SocketAddr,
    url_port: u16,
}

impl Links {
    /// Links are valid until the process ends. Without random numbers there are none.
    pub(crate) fn new(endpoint: SocketAddr, url_port: u16) -> Self {
        let mut key = [0; 32];
        let _ = getrandom::fill(&mut key);
        Self {
            key,
            endpoint,
            url_port,
        }
    }

    /// The port of function URLs: one of their own, or the endpoint's.
    pub(crate) fn url_port(&self) -> u16 {
        self.url_port
    }

    /// A link to what lies at a path of the own API.
    pub(crate) fn to(&self, path: &str) -> String {
        let expires = now_secs() + LINK_SECS;
        let signature = self.signature(path, expires);
        format!(
            "http://{}{PREFIX}{path}?expires={expires}&signature={signature}",
            self.endpoint
        )
    }

    /// Whether a request follows a link that was made here and is still valid.
    pub(crate) fn admits(&self, path: &str, query: Option<&str>) -> bool {
        let parameters: Vec<_> = query::pairs(query.unwrap_or_default()).collect();
        let parameter = |name: &str| {
            let found = parameters.iter().find(|(its_name, _)| its_name == name);
            found.map_or("", |(_, value)| value.as_str())
        };
        let signature = parameter("signature");
        let Ok(expires) = parameter("expires").parse::<u64>() else {
            return false;
        };
        let expected = self.signature(path, expires);
        let differs = expected.len() != signature.len()
            || expected
                .bytes()
                .zip(signature.bytes())
                .fold(0, |sum, (a, b)| sum | (a ^ b))
                != 0;
        !differs && self.key != [0; 32] && now_secs() <= expires
    }

    fn signature(&self, path: &str, expires: u64) -> String {
        let keyed = wire::sigv4::keyed(&self.key, &format!("{path} {expires}"));
        keyed.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn now_secs() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    // ALB-P-030: ten minutes, and no longer
    #[test]
    fn links_are_for_one_thing_and_a_while() {
        let endpoint = SocketAddr::from(([127, 0, 0, 1], 4566));
        let links = Links::new(endpoint, 4566);
        let before = now_secs();
        let link = links.to("packages/a");
        let ten_minutes = before + 600..=now_secs() + 600;
        let query = link
            .strip_prefix("http://127.0.0.1:4566/_albacore/packages/a?")
            .unwrap();
        assert!(links.admits("packages/a", Some(query)));
        assert!(!links.admits("packages/b", Some(query)));
        assert!(!links.admits("packages/a", None));
        let (expires, signature) = query.split_once('&').unwrap();
        let until: u64 = expires.strip_prefix("expires=").unwrap().parse().unwrap();
        assert!(ten_minutes.contains(&until), "{query}");
        let queries = [
            format!("expires=99999999999&{signature}"),
            expires.to_owned(),
            query[..query.len() - 1].to_owned(),
            format!("expires=1&signature={}", links.signature("packages/b", 1)),
        ];
        for query in queries {
            assert!(!links.admits("packages/a", Some(&query)), "{query}");
        }
        assert!(!Links::new(endpoint, 4566).admits("packages/a", Some(query)));
        let past = links.signature("packages/a", 1);
        assert!(!links.admits("packages/a", Some(&format!("expires=1&signature={past}"))));
    }
}
