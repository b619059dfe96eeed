//! Which users of the host the users of an environment are.
//!
//! Inside, functions run as Lambda's user, and as root there is a second one that is the owner of what is mounted. On the
//! host both are numbers that nobody has. An ordinary user can give away only its own number, so there functions are, on
//! the host, that user.

use crate::sys::{mount, process};
use std::fs;
use std::io;

/// Lambda's user and group. Source: Lambda 3.1.
pub(crate) const USER: u32 = 993;
pub(crate) const GROUP: u32 = 990;

/// Ids from here on are used by nobody, by a convention of service managers (those up to `0x6fff_ffff` are for
/// containers).
const BASE: u32 = 0x7000_0000;
/// How many ids from the base on are given to the inside.
const WIDTH: u32 = 1000;
/// How many of them, from the one after the base on, own the namespaces of environments. They are nobody there.
const OWNERS: u32 = 900;

/// Who is who.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ids {
    /// Root, and the user of functions, are these above the base.
    Range { base: u32 },
    /// The user of functions is the user of albacore.
    Own { user: u32, group: u32, is_root: bool },
}

impl Ids {
    /// What the rights of this process allow.
    pub(crate) fn choose() -> io::Result<Self> {
        let (user, group) = mount::own_user_and_group();
        if user == 0 {
            let users = fs::read_to_string("/proc/self/uid_map")?;
            let groups = fs::read_to_string("/proc/self/gid_map")?;
            if let Some(base) = free_base(&users, &groups) {
                return Ok(Self::Range { base });
            }
        }
        Ok(Self::Own {
            user,
            group,
            is_root: user == 0,
        })
    }

    /// Must the spawner make a user namespace to be allowed to mount?
    pub(crate) fn need_user_namespace(&self) -> bool {
        matches!(self, Self::Own { is_root: false, .. })
    }

    /// A user namespace and a mount namespace for this process, in which its user and group keep their numbers.
    pub(crate) fn enter_user_namespace(&self) -> io::Result<()> {
        let Self::Own { user, group, .. } = self else {
            return Ok(());
        };
        mount::unshare_users_and_mounts()?;
        // An ordinary user may map its group only when no process in there can leave its groups any more.
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
        fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
    }

    /// The content of `uid_map` of an environment.
    pub(crate) fn user_map(&self) -> String {
        match *self {
            Self::Range { base } => format!("0 {base} 1\n{USER} {} 1\n", base + USER),
            Self::Own { user, .. } => format!("{USER} {user} 1\n"),
        }
    }

    /// The content of `gid_map`.
    pub(crate) fn group_map(&self) -> String {
        match *self {
            Self::Range { base } => format!("0 {base} 1\n{GROUP} {} 1\n", base + GROUP),
            Self::Own { group, .. } => format!("{GROUP} {group} 1\n"),
        }
    }

    /// Is there a root inside?
    pub(crate) fn has_root(&self) -> bool {
        matches!(self, Self::Range { .. })
    }

    /// The user and the group that own what is mounted for functions, as the spawner names them.
    pub(crate) fn owner(&self) -> (u32, u32) {
        match *self {
            Self::Range { base } => (base, base),
            Self::Own { user, group, .. } => (user, group),
        }
    }

    /// Who owns the namespaces of the environment that is made as the `made`th, if that is not albacore itself. What the
    /// kernel counts for users it counts for owners, too, and all that one has together is bounded: what one environment uses
    /// up others shall still have, and root above all.
    pub(crate) fn owner_of(&self, made: u32) -> Option<u32> {
        match *self {
            Self::Range { base } => Some(base + 1 + made % OWNERS),
            Self::Own { .. } => None,
        }
    }

    /// The user and the group of functions, as the spawner names them, if they are others than its own.
    pub(crate) fn function(&self) -> Option<(u32, u32)> {
        match *self {
            Self::Range { base } => Some((base + USER, base + GROUP)),
            Self::Own { .. } => None,
        }
    }
}

/// Makes this process, in an environment's namespaces, the root of them, if there is one.
pub(crate) fn become_root(ids: &Ids) -> io::Result<()> {
    if ids.has_root() {
        process::become_user(0, 0)
    } else {
        Ok(())
    }
}

/// The first id that users and groups have free: the usual one, or where fewer ids exist the uppermost ones.
fn free_base(users: &str, groups: &str) -> Option<u32> {
    let has = |map: &str, base: u32| {
        extents(map).any(|(first, count)| {
            u64::from(base) >= u64::from(first)
                && u64::from(base) + u64::from(WIDTH) <= u64::from(first) + u64::from(count)
        })
    };
    let (first, count) = extents(users).max_by_key(|&(first, count)| u64::from(first) + u64::from(count))?;
    // Those below belong to somebody.
    let uppermost = (count > 10 * WIDTH).then(|| first.checked_add(count - WIDTH)).flatten();
    [Some(BASE), uppermost]
        .into_iter()
        .flatten()
        .find(|&base| has(users, base) && has(groups, base))
}

/// `inside outside count`
fn extents(map: &str) -> impl Iterator<Item = (u32, u32)> {
    map.lines().filter_map(|line| {
        let mut numbers = line.split_ascii_whitespace().map(|number| number.parse::<u32>().ok());
        Some((numbers.next()??, numbers.nth(1)??))
    })
}

#[cfg(test)]
mod tests {
    use super::{BASE, Ids, free_base};

    const ALL: &str = "         0          0 4294967295\n";

    #[test]
    fn the_base_is_one_that_exists() {
        for (users, groups, expected) in [
            (ALL, ALL, Some(BASE)),
            ("0 100000 65536\n", "0 100000 65536\n", Some(64536)),
            ("0 1000 1\n1 100000 65536\n", "0 1000 1\n1 100000 65536\n", Some(64537)),
            ("0 1000 1\n", "0 1000 1\n", None),
            ("0 100000 65536\n", "0 100000 100\n", None),
            ("", "", None),
            ("nonsense\n", ALL, None),
        ] {
            assert_eq!(free_base(users, groups), expected, "{users:?}");
        }
    }

    #[test]
    fn maps_name_the_users_of_lambda() {
        let range = Ids::Range { base: 5000 };
        assert_eq!(range.user_map(), "0 5000 1\n993 5993 1\n");
        assert_eq!(range.group_map(), "0 5000 1\n990 5990 1\n");
        let own = Ids::Own {
            user: 7,
            group: 8,
            is_root: false,
        };
        assert_eq!(
            (own.user_map(), own.group_map()),
            ("993 7 1\n".into(), "990 8 1\n".into())
        );
        let owners = [0, 1, 899, 900].map(|made| range.owner_of(made));
        assert_eq!(
            owners,
            [5001, 5002, 5900, 5001].map(Some),
            "neither the root nor the user of functions"
        );
        assert_eq!(own.owner_of(1), None);
        assert_eq!((range.function(), own.function()), (Some((5993, 5990)), None));
    }
}
