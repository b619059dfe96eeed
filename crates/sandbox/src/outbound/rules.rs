//! The rules of the packet filter, in the language of `nft`.

use super::GATEWAY;
use std::fmt::Write;
use std::net::Ipv4Addr;

/// What names of the router's interfaces begin with: towards enclosures that reach public addresses, and towards those that
/// reach private ones too.
pub(super) const PUBLIC_PREFIX: char = 'f';
pub(super) const PRIVATE_PREFIX: char = 'p';
/// The router's interface towards the host.
pub(super) const UP: &str = "up";

/// Networks of somebody's own. Source: RFC 1918, RFC 6598.
const PRIVATE: [&str; 4] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"];

/// What nobody reaches: this network, loopback, link-local addresses with the metadata services of clouds among them, those
/// for protocols, documentation and measuring, multicast, reserved ones and the broadcast. Source: RFC 6890. The last one
/// is Azure's service for its own machines, which stands outside of all of them.
const NEVER: [&str; 12] = [
    "0.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "168.63.129.16/32",
];

/// How many connections one enclosure may have at once: each takes memory of the kernel's that all share.
const CONNECTIONS_MAX: u32 = 2048;

/// The rules of the router. Refusals are answered, so that a function fails at once and does not wait.
pub(super) fn of_router() -> String {
    let (private, never) = (PRIVATE.join(", "), NEVER.join(", "));
    format!(
        "table inet albacore {{
    set never {{ type ipv4_addr; flags interval; elements = {{ {never} }} }}
    set private {{ type ipv4_addr; flags interval; elements = {{ {private} }} }}
    set connections {{ type ipv4_addr; size 8192; flags dynamic; }}
    chain input {{
        type filter hook input priority 0; policy drop;
        iifname != \"{UP}\" ip daddr {GATEWAY} udp dport 53 accept
        iifname != \"{UP}\" ip daddr {GATEWAY} tcp dport 53 accept
        ct state related accept
        iifname != \"{UP}\" meta nfproto ipv4 reject with icmp type admin-prohibited
    }}
    chain forward {{
        type filter hook forward priority 0; policy drop;
        ct state established,related accept
        iifname \"{UP}\" drop
        meta nfproto != ipv4 drop
        oifname != \"{UP}\" reject with icmp type admin-prohibited
        ip daddr @never reject with icmp type admin-prohibited
        iifname \"{PUBLIC_PREFIX}*\" ip daddr @private reject with icmp type admin-prohibited
        ct state invalid drop
        ct state new add @connections {{ ip saddr ct count over {CONNECTIONS_MAX} }} reject with icmp type admin-prohibited
        iifname {{ \"{PUBLIC_PREFIX}*\", \"{PRIVATE_PREFIX}*\" }} accept
    }}
    chain sources {{
        type nat hook postrouting priority 100;
        oifname \"{UP}\" masquerade
    }}
}}
"
    )
}

/// Those of the host for its interface `name`, whose table is called the same. `router` is the address at the other end.
///
/// What is for the host is dropped before anybody could send it elsewhere, as those do who publish ports of containers.
pub(super) fn of_host(name: &str, router: Ipv4Addr) -> String {
    let mut commands = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        commands,
        "table inet {name} {{
    chain arriving {{
        type filter hook prerouting priority -300; policy accept;
        iifname \"{name}\" meta nfproto != ipv4 drop
        iifname \"{name}\" ip saddr != {router} drop
        iifname \"{name}\" fib daddr type != unicast drop
    }}
    chain input {{
        type filter hook input priority -10; policy accept;
        iifname \"{name}\" ct state != {{ established, related }} drop
    }}
    chain forward {{
        type filter hook forward priority -10; policy accept;
        oifname \"{name}\" ct state != {{ established, related }} drop
        iifname \"{name}\" tcp flags syn tcp option maxseg size set rt mtu
    }}
    chain sources {{
        type nat hook postrouting priority 100;
        ip saddr {router} oifname != \"{name}\" masquerade
    }}
}}
"
    );
    commands
}

/// The first chain in the words of `nft list chains` that forwarded packets go through and that drops them by itself, but
/// for ours.
pub(super) fn barrier_in(listing: &str) -> Option<String> {
    let (mut table, mut chain) = ("", "");
    for line in listing.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("table ") {
            table = rest.trim_end_matches(['{', ' ']);
        } else if let Some(rest) = line.strip_prefix("chain ") {
            chain = rest.trim_end_matches(['{', ' ']);
        } else if line.contains("hook forward") && line.contains("policy drop") && !table.starts_with("inet albacore") {
            return Some(format!("{table} {chain}"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::barrier_in;

    #[test]
    fn a_chain_that_drops_what_is_forwarded_is_found() {
        let docker = "table ip filter {\n\tchain INPUT {\n\t\ttype filter hook input priority filter; policy drop;\n\t}\n\
                      \tchain FORWARD {\n\t\ttype filter hook forward priority filter; policy drop;\n\t}\n}\n";
        assert_eq!(barrier_in(docker).as_deref(), Some("ip filter FORWARD"));
        assert_eq!(barrier_in(&docker.replace("policy drop", "policy accept")), None);
        assert_eq!(barrier_in(&docker.replace("ip filter", "inet albacore0")), None);
        assert_eq!(barrier_in(""), None);
    }
}
