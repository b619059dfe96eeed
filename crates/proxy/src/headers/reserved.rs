//! Header names that only we may use: what targets believe because it comes from the load balancer. Source: ALB 6.5,
//! "spoofing".
//!
//! A target group belongs to one load balancer, but to any of its listeners. A target that believes
//! `X-Amzn-Mtls-Clientcert-Subject` on one of them would believe it on the listener for clear text too. Therefore the names
//! are taken from every client's request on every listener, whether or not this listener asks for certificates, and a name
//! that one listener renames to is reserved on all listeners of the load balancer. (AWS says this of HTTPS listeners
//! (unverified) and nothing of the others; who chains load balancers cannot pass these headers through the second one.)
//!
//! CGI and what took over its ways (WSGI, Rack, PHP) make one name of `X-Amzn-Mtls-Clientcert` and `X_Amzn_Mtls.Clientcert`;
//! so do we.

use model::elb::listener::{ClientCertificateHeaders, ListenerAttributes};

pub(crate) const SERIAL_NUMBER: &str = "X-Amzn-Mtls-Clientcert-Serial-Number";
pub(crate) const ISSUER: &str = "X-Amzn-Mtls-Clientcert-Issuer";
pub(crate) const SUBJECT: &str = "X-Amzn-Mtls-Clientcert-Subject";
pub(crate) const VALIDITY: &str = "X-Amzn-Mtls-Clientcert-Validity";
pub(crate) const LEAF: &str = "X-Amzn-Mtls-Clientcert-Leaf";
pub(crate) const CHAIN: &str = "X-Amzn-Mtls-Clientcert";
pub(crate) const TLS_VERSION: &str = "X-Amzn-Tls-Version";
pub(crate) const TLS_CIPHER_SUITE: &str = "X-Amzn-Tls-Cipher-Suite";

/// The names that are reserved on all listeners of a load balancer.
#[derive(Debug)]
pub(crate) struct ReservedNames {
    /// In the form of [`plain`].
    names: Vec<Vec<u8>>,
    /// One bit for each length that a name has; the last one for all longer ones. Most headers are done with by this.
    lengths: u64,
}

impl ReservedNames {
    /// `tls_headers` says whether targets are told version and cipher suite.
    pub(crate) fn new<'a>(tls_headers: bool, listeners: impl Iterator<Item = &'a ListenerAttributes>) -> Self {
        let mut reserved = Self {
            names: Vec::new(),
            lengths: 0,
        };
        for name in [SERIAL_NUMBER, ISSUER, SUBJECT, VALIDITY, LEAF, CHAIN] {
            reserved.add(name);
        }
        if tls_headers {
            reserved.add(TLS_VERSION);
            reserved.add(TLS_CIPHER_SUITE);
        }
        for attributes in listeners {
            let ClientCertificateHeaders {
                serial_number,
                issuer,
                subject,
                validity,
                leaf,
                chain,
            } = &attributes.client_certificate_headers;
            let renamed = [serial_number, issuer, subject, validity, leaf, chain];
            renamed.into_iter().flatten().for_each(|name| reserved.add(name));
            if tls_headers {
                let renamed = [&attributes.tls_version_header, &attributes.tls_cipher_suite_header];
                renamed.into_iter().flatten().for_each(|name| reserved.add(name));
            }
        }
        reserved
    }

    fn add(&mut self, name: &str) {
        let name: Vec<u8> = name.bytes().map(plain).collect();
        self.lengths |= bit(name.len());
        if !self.names.contains(&name) {
            self.names.push(name);
        }
    }

    /// Whether a header of this name is taken out of a client's request.
    #[inline]
    pub(crate) fn has(&self, name: &[u8]) -> bool {
        self.lengths & bit(name.len()) != 0 && self.is_one(name)
    }

    fn is_one(&self, name: &[u8]) -> bool {
        self.names.iter().any(|known| {
            known.len() == name.len() && known.iter().zip(name).all(|(known, byte)| *known == plain(*byte))
        })
    }
}

fn bit(length: usize) -> u64 {
    1 << length.min(63)
}

/// Lower case; whatever is neither letter nor digit is a hyphen.
fn plain(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' | b'0'..=b'9' => byte,
        b'A'..=b'Z' => byte.to_ascii_lowercase(),
        _ => b'-',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renaming(name: &str) -> ListenerAttributes {
        let mut attributes = ListenerAttributes::default();
        let key = "routing.http.request.x_amzn_mtls_clientcert_subject.header_name";
        attributes.set(key, name, true).unwrap();
        let key = "routing.http.request.x_amzn_tls_version.header_name";
        attributes.set(key, "X-Spoken", true).unwrap();
        attributes
    }

    #[test]
    fn every_spelling_of_a_name_is_reserved() {
        let long = "X-".repeat(50);
        let attributes = [renaming("X-Who"), renaming(&long)];
        let reserved = ReservedNames::new(false, attributes.iter());
        for name in [
            "X-Amzn-Mtls-Clientcert",
            "x-amzn-mtls-clientcert-leaf",
            "X_AMZN_MTLS_CLIENTCERT_SUBJECT",
            "x-amzn-mtls_clientcert.issuer",
            "x amzn mtls clientcert validity",
            "X-Amzn-Mtls-Clientcert-Serial-Number",
            "x_who",
            &long,
        ] {
            assert!(reserved.has(name.as_bytes()), "{name}");
        }
        for name in [
            "",
            "X-Amzn-Trace-Id",
            "X-Amzn-Mtls-Clientcert-Leafs",
            "X-Amzn-Tls-Version",
            "X-Why",
            "X-Spoken",
        ] {
            assert!(!reserved.has(name.as_bytes()), "{name}");
        }
        assert!(!reserved.has("X-".repeat(51).as_bytes()));
    }

    #[test]
    fn tls_headers_are_reserved_where_they_are_sent() {
        let reserved = ReservedNames::new(true, [renaming("X-Who")].iter());
        for name in ["X-Amzn-Tls-Version", "x_amzn_tls_cipher_suite", "X-SPOKEN"] {
            assert!(reserved.has(name.as_bytes()), "{name}");
        }
    }
}
