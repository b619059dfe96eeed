//! Targets of an address family that the machine does not have: refused where they stand, with the fix.

use super::*;
use std::net::IpAddr;

/// Line 3 has a target of each family, line 4 the same as instances.
const BOTH: &str = "instances: { i-0123456789abcdef0: 10.0.0.5, i-0123abcd: fd00::5 }\ntarget_groups:\n\
                    \x20 a: { targets: [10.0.0.5] }\n\
                    \x20 b: { targets: ['[fd00::5]:8080', { id: '::1', port: 1 }] }\n\
                    \x20 c: { targets: [i-0123456789abcdef0] }\n\
                    \x20 d: { targets: [i-0123abcd] }\n";

#[track_caller]
fn check_on(has_way_to: fn(IpAddr) -> bool, expected: &[&str]) {
    let settings = Settings {
        has_way_to,
        ..settings()
    };
    assert_eq!(mistakes_with(BOTH, &settings), expected);
}

#[test]
fn a_family_that_the_machine_does_not_have_is_refused() {
    check_on(
        |address| address.is_ipv4(),
        &[
            "4:18: found the address `fd00::5`: this machine has no IPv6; use an IPv4 address, or switch IPv6 on",
            "4:42: found the address `::1`: this machine has no IPv6; use an IPv4 address, or switch IPv6 on",
            "6:18: found the instance `i-0123abcd` at fd00::5: this machine has no IPv6; use an IPv4 address, or switch IPv6 on",
        ],
    );
    check_on(
        |address| address.is_ipv6(),
        &[
            "3:18: found the address `10.0.0.5`: this machine has no IPv4; use an IPv6 address, or switch IPv4 on",
            "5:18: found the instance `i-0123456789abcdef0` at 10.0.0.5: this machine has no IPv4; use an IPv6 address, or switch IPv4 on",
        ],
    );
}

#[test]
fn half_a_family_will_do() {
    // It has the family, and perhaps a route later.
    check_on(|address| address.is_loopback(), &[]);
    // Odd, but what the targets need is there.
    check_on(
        |address| !address.is_loopback(),
        &["4:42: found the address `::1`: this machine has no IPv6; use an IPv4 address, or switch IPv6 on"],
    );
}
