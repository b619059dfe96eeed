//! The connection log: one line for each connection, and for each handshake that failed. Source: ALB 8.5.

use crate::clock::{Texts, Wall};
use crate::connection::{ConnectionFacts, VerifyStatus};
use crate::line::Fields;

impl ConnectionFacts<'_> {
    /// Says all 13 fields. `at` is when it was established or failed.
    pub(crate) fn say(&self, at: Wall, texts: &mut Texts, fields: &mut impl Fields) {
        let peer = self.peer;
        fields.written("timestamp", |out| texts.iso(at, out));
        let address = peer.address.ip().to_string();
        fields.word("client_ip", address.as_bytes());
        fields.number("client_port", Some(peer.address.port().into()));
        fields.number("listener_port", Some(peer.port.into()));
        fields.word("tls_protocol", self.tls_protocol().as_bytes());
        fields.word("tls_cipher", self.tls_cipher().as_bytes());
        fields.seconds("tls_handshake_latency", self.handshake_latency());
        let certificate = self.client_certificate();
        let subject = certificate.map_or("", |certificate| &certificate.subject);
        fields.text("leaf_client_cert_subject", &[subject.as_bytes()]);
        let validity = certificate.map_or("", |certificate| &certificate.validity);
        fields.word("leaf_client_cert_validity", validity.as_bytes());
        let serial_number = certificate.map_or("", |certificate| &certificate.serial_number);
        fields.word("leaf_client_cert_serial_number", serial_number.as_bytes());
        match self.tls_verify_status() {
            VerifyStatus::ClearText => fields.word("tls_verify_status", b""),
            VerifyStatus::Success => fields.word("tls_verify_status", b"Success"),
            VerifyStatus::Failed(code) => fields.written("tls_verify_status", |out| {
                out.extend_from_slice(b"Failed:");
                out.extend_from_slice(code.as_bytes());
            }),
        }
        fields.written("conn_trace_id", |out| peer.push_trace_id(out));
        fields.word("tls_keyexchange", self.tls_keyexchange().as_bytes());
    }
}
