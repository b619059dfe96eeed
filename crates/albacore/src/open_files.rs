//! What the limit of open files admits. Each client, each connection to a target and the endpoint take descriptors, and none
//! of them may take all: a client whose request finds no descriptor for its target is worse off than one that is refused.

use rustix::process::{Resource, getrlimit};

/// Descriptors of the process itself: logs, the spawner, the store, health checks.
const OWN: usize = 64;
/// Connections to the endpoint where nobody says how many; the default of [`control::Limits`].
pub(crate) const ENDPOINT: usize = 128;
/// Sockets and events of one traffic thread.
const CORE: usize = 16;
/// Connections that one traffic thread refuses at a time; the default of [`proxy::Limits`].
const REFUSALS: usize = 64;
/// What one execution environment has open here: the listeners of its Runtime API and of its door to the AWS APIs, the
/// connection of its runtime, and what it writes by: standard output, standard error, its log.
const ENVIRONMENT: usize = 6;
/// Connections through one such door; what [`control::DOOR_CONNECTIONS_MAX`] says.
const DOOR: usize = 16;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) cores: usize,
    pub(crate) client_connections: usize,
    pub(crate) idle_target_connections: usize,
    pub(crate) environments: usize,
    pub(crate) endpoint_connections: usize,
}

/// How many of each there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shares {
    pub(crate) client_connections: usize,
    pub(crate) idle_target_connections: usize,
    /// Of each traffic thread.
    pub(crate) refusals: usize,
    pub(crate) endpoint_connections: usize,
    /// Numbers of descriptors that connections to targets may have lie below. The kernel gives the lowest free one, so the
    /// others are left for the endpoint, health checks and logs whatever requests do.
    pub(crate) target_descriptors: usize,
    /// Execution environments of functions.
    pub(crate) environments: usize,
}

/// Shares out `open_files`; `None` is unlimited.
///
/// ```text
/// reserve   up to half       the process itself, refusals, the endpoint, and environments with all that they may open, which
///                            have a quarter at most; its last part is kept from targets too
/// idle      1/8 of the rest  connections to targets that wait for another request, and more where clients leave more
/// clients   7/16             their places
/// targets   7/16             a request in progress needs one: as many as there are clients
/// ```
///
/// A client of HTTP/2 may ask for more than one target at once. What then finds no descriptor is answered 503. Where a
/// quarter is too little for all environments, there are as many as it is enough for if each has one connection to its door.
pub(crate) fn shares(open_files: Option<usize>, wanted: Wanted) -> Shares {
    let Some(open_files) = open_files else {
        return Shares {
            client_connections: wanted.client_connections,
            idle_target_connections: wanted.idle_target_connections,
            refusals: REFUSALS,
            endpoint_connections: wanted.endpoint_connections,
            target_descriptors: usize::MAX,
            environments: wanted.environments,
        };
    };
    let of_environments = of_environments(wanted).min(open_files / 4);
    let rest = open_files - (reserve(wanted) + of_environments).min(open_files / 2);
    let client_connections = wanted.client_connections.min((rest - rest / 8) / 2).max(1);
    let kept = (open_files / 8).min(wanted.endpoint_connections + OWN / 2);
    Shares {
        client_connections,
        idle_target_connections: wanted
            .idle_target_connections
            .min(rest.saturating_sub(2 * client_connections)),
        refusals: (rest / 8 / wanted.cores.max(1)).clamp(1, REFUSALS),
        endpoint_connections: (kept * 4 / 5).clamp(1, wanted.endpoint_connections),
        target_descriptors: open_files - kept,
        environments: wanted.environments.min(of_environments / (ENVIRONMENT + 1)).max(1),
    }
}

/// What to tell people when the limit admits fewer clients than are asked for.
pub(crate) fn warning(open_files: Option<usize>, wanted: Wanted) -> Option<String> {
    let admitted = shares(open_files, wanted).client_connections;
    let (open_files, asked, needed) = (open_files?, wanted.client_connections, needed(wanted));
    (admitted < asked).then(|| {
        format!(
            "{open_files} open files are enough for {admitted} client connections, not for the {asked} of \
             --connections-max: raise the hard limit (`ulimit -n {needed}`, with systemd `LimitNOFILE={needed}`) or lower \
             --connections-max; further clients are refused"
        )
    })
}

/// The soft and the hard limit of this process; `None` is unlimited.
pub(crate) fn limits() -> [Option<usize>; 2] {
    let limits = getrlimit(Resource::Nofile);
    [limits.current, limits.maximum].map(|limit| limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)))
}

/// How many open files admit as many clients as are asked for.
fn needed(wanted: Wanted) -> usize {
    let rest = wanted
        .client_connections
        .saturating_mul(16)
        .div_ceil(7)
        .saturating_add(2);
    rest.saturating_add((reserve(wanted) + of_environments(wanted)).min(rest))
}

fn of_environments(wanted: Wanted) -> usize {
    wanted.environments.saturating_mul(ENVIRONMENT + DOOR)
}

fn reserve(wanted: Wanted) -> usize {
    OWN + wanted.endpoint_connections + wanted.cores * (CORE + REFUSALS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(cores: usize) -> Wanted {
        Wanted {
            cores,
            client_connections: 100_000,
            idle_target_connections: 10_000,
            environments: 256,
            endpoint_connections: ENDPOINT,
        }
    }

    #[test]
    fn clients_and_their_targets_fit_beside_everything_else() {
        for open_files in [2, 16, 64, 120, 256, 1024, 4096, 20_000, 524_288, usize::MAX] {
            for cores in [1, 2, 16, 128] {
                let shares = shares(Some(open_files), wanted(cores));
                let used = 2 * shares.client_connections + shares.idle_target_connections;
                assert!(
                    used <= open_files - reserve(wanted(cores)).min(open_files / 2) + 1,
                    "{open_files}, {cores}: {shares:?}"
                );
                assert!(
                    shares.environments * (ENVIRONMENT + 1) <= (open_files / 4).max(ENVIRONMENT + 1),
                    "{open_files}, {cores}: {shares:?}"
                );
                assert!(shares.client_connections > 0 && shares.refusals > 0 && shares.endpoint_connections > 0);
                assert!(shares.target_descriptors <= open_files);
            }
        }
    }

    #[test]
    fn shares_of_limits_that_machines_have() {
        let of = |open_files, cores| {
            let shares = shares(open_files, wanted(cores));
            (
                shares.client_connections,
                shares.idle_target_connections,
                shares.refusals,
                shares.endpoint_connections,
                shares.environments,
            )
        };
        assert_eq!(of(Some(120), 1), (26, 8, 7, 12, 4));
        assert_eq!(of(Some(1024), 2), (224, 64, 32, 102, 36));
        assert_eq!(of(Some(4096), 2), (1190, 340, 64, 128, 146));
        assert_eq!(of(Some(20_000), 2), (6408, 1832, 64, 128, 256));
        assert_eq!(of(Some(524_288), 8), (100_000, 10_000, 64, 128, 256));
        assert_eq!(of(None, 8), (100_000, 10_000, 64, 128, 256));
    }

    #[test]
    fn what_clients_leave_is_for_idle_connections() {
        let few = Wanted {
            client_connections: 1000,
            ..wanted(2)
        };
        let shares = shares(Some(20_000), few);
        assert_eq!(
            (shares.client_connections, shares.idle_target_connections),
            (1000, 10_000)
        );
    }

    #[test]
    fn the_defaults_are_those_of_the_rooms() {
        assert_eq!(proxy::Limits::default().refusals_max, REFUSALS);
        assert_eq!(control::Limits::default().connections_max, ENDPOINT);
        assert_eq!(control::DOOR_CONNECTIONS_MAX, DOOR);
        assert_eq!(functions::DESCRIPTORS_PER_ENVIRONMENT, ENVIRONMENT);
    }

    #[test]
    fn a_limit_that_is_too_low_is_told_with_one_that_is_not() {
        for cores in [1, 2, 128] {
            for client_connections in [1, 10, 1000, 100_000, 10_000_000] {
                let wanted = Wanted {
                    client_connections,
                    ..wanted(cores)
                };
                let needed = needed(wanted);
                assert_eq!(warning(Some(needed), wanted), None);
                assert_eq!(shares(Some(needed), wanted).client_connections, client_connections);
            }
        }
        let told = warning(Some(20_000), wanted(2)).unwrap();
        assert!(
            told.starts_with("20000 open files are enough for 6408 client connections"),
            "{told}"
        );
        assert!(told.contains("`ulimit -n 234558`"), "{told}");
        assert_eq!(warning(None, wanted(2)), None);
    }
}
