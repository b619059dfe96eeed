//! Python.

use crate::checks::{Adapter, COMPLETE, Decoding, check};
use crate::world::World;

// ALB-L-014: the last value. ALB-L-015: arrays of values.
// ALB-L-016: encoded values. ALB-L-047: two cookies. ALB-L-050: an image
#[test]
fn starlette_behind_mangum() {
    // Of a header with two values it makes two names that differ in case, so that both arrive in single mode too.
    check(&World::python("starlette_mangum"), COMPLETE);
}

// ALB-L-014: the last value. ALB-L-015: arrays of values.
// ALB-L-016: encoded values. ALB-L-047: two cookies. ALB-L-050: an image
#[test]
fn flask_behind_serverless_wsgi() {
    // As mangum does it.
    check(&World::python("flask_serverless_wsgi"), COMPLETE);
}

/// In single mode its answer is a map from names to values, in which the last value stays.
const APIG_WSGI: Adapter = Adapter {
    single_mode_cookies: &["theme=dark"],
    ..COMPLETE
};

// ALB-L-014: the last value. ALB-L-015: arrays of values.
// ALB-L-016: encoded values. ALB-L-047: two cookies. ALB-L-050: an image
#[test]
fn flask_behind_apig_wsgi() {
    check(&World::python("flask_apig_wsgi"), APIG_WSGI);
}

// ALB-L-014: the last value. ALB-L-015: arrays of values.
// ALB-L-016: encoded values. ALB-L-047: two cookies. ALB-L-050: an image
#[test]
fn bottle_behind_apig_wsgi() {
    check(&World::python("bottle_apig_wsgi"), APIG_WSGI);
}

/// It decodes the query string only if it is told to, and then with `unquote`, which leaves `+` alone; paths it matches
/// as they come; with one cookie of many in single mode goes a warning that the load balancer's setting should change.
const POWERTOOLS: Adapter = Adapter {
    single_mode_cookies: &["theme=dark"],
    query: Decoding::Percent,
    path: Decoding::None,
};

// ALB-L-014: the last value. ALB-L-015: arrays of values.
// ALB-L-016: encoded values. ALB-L-047: two cookies. ALB-L-050: an image
#[test]
fn powertools() {
    check(&World::python("powertools_alb"), POWERTOOLS);
}
