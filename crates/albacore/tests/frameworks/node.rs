//! Node.

use crate::checks::{Adapter, COMPLETE, Decoding, check};
use crate::world::World;

/// A header with several values goes into `multiValueHeaders` alone, which ALB ignores in single mode.
const NO_COOKIES: Adapter = Adapter {
    single_mode_cookies: &[],
    ..COMPLETE
};

/// A header with several values keeps the first one in single mode.
const FIRST_COOKIE: Adapter = Adapter {
    single_mode_cookies: &["session=abc"],
    ..COMPLETE
};

// ALB-L-014: the last value. ALB-L-015: arrays of values.
// ALB-L-016: encoded values. ALB-L-047: two cookies. ALB-L-049: ignored
#[test]
fn express_behind_serverless_http() {
    check(&World::node("express_serverless_http"), NO_COOKIES);
}

// ALB-L-014: the last value. ALB-L-015: arrays of values.
// ALB-L-016: encoded values. ALB-L-047: two cookies. ALB-L-050: an image
#[test]
fn express_behind_serverless_express() {
    check(&World::node("express_codegenie"), FIRST_COOKIE);
}

// ALB-L-014: the last value. ALB-L-015: arrays of values.
// ALB-L-016: encoded values. ALB-L-047: two cookies. ALB-L-050: an image
#[test]
fn express_behind_serverless_adapter() {
    // It takes values for decoded, as API Gateway sends them, and encodes them once more.
    let adapter = Adapter {
        query: Decoding::None,
        ..FIRST_COOKIE
    };
    check(&World::node("express_h4ad"), adapter);
}

// ALB-L-014: the last value. ALB-L-015: arrays of values.
// ALB-L-016: encoded values. ALB-L-047: two cookies. ALB-L-049: ignored
#[test]
fn fastify_behind_aws_lambda() {
    // It decodes values with `decodeURIComponent`, which leaves `+` alone.
    let adapter = Adapter {
        query: Decoding::Percent,
        ..NO_COOKIES
    };
    check(&World::node_with("fastify_aws_lambda", "multi"), adapter);
}

// ALB-L-014: the last value. ALB-L-015: arrays of values.
// ALB-L-016: encoded values. ALB-L-047: two cookies. ALB-L-050: an image
#[test]
fn hono() {
    check(&World::node("hono_aws_lambda"), FIRST_COOKIE);
}
