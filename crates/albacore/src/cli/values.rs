//! Values of flags, parsed once.

use model::elb::target_group::Zone;
use model::{AccountId, Region, Secret};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

/// More traffic threads than this is a slip of the finger.
const CORES_MAX: usize = 1024;
/// The longest time that a thread polls.
const BUSY_POLL_MAX: Duration = Duration::from_millis(1);
/// The longest time a flag takes: a day.
const DURATION_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// `LISTENER:SOCKET`: the listener's port and the port of the socket that is opened for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Publish {
    listener: u16,
    socket: u16,
}

impl Publish {
    /// All of them as a map.
    pub(crate) fn map(all: &[Self]) -> anyhow::Result<BTreeMap<u16, u16>> {
        let mut map = BTreeMap::new();
        for publish in all {
            if map.insert(publish.listener, publish.socket).is_some() {
                anyhow::bail!("--publish names listener port {} twice", publish.listener);
            }
        }
        Ok(map)
    }
}

impl FromStr for Publish {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ports = text.split_once(':').and_then(|(listener, socket)| {
            let (listener, socket) = (listener.parse().ok()?, socket.parse().ok()?);
            (listener != 0).then_some(Self { listener, socket })
        });
        ports.ok_or_else(|| "expected LISTENER:SOCKET, two ports, for example 80:8080".to_owned())
    }
}

/// A number and `us`, `ms`, `s`, `m` or `h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = match unit {
        "us" => Duration::from_micros(1),
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        "h" => Duration::from_secs(3600),
        _ => return Err("expected a number and us, ms, s, m or h, for example 30s".to_owned()),
    };
    let duration = number.parse().ok().and_then(|number: u32| unit.checked_mul(number));
    duration
        .filter(|duration| *duration <= DURATION_MAX)
        .ok_or_else(|| "expected at most 24h".to_owned())
}

/// Not longer than a thread may keep its processor from others.
pub(super) fn busy_poll(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    let within = time <= BUSY_POLL_MAX;
    within.then_some(time).ok_or_else(|| "expected at most 1ms".to_owned())
}

pub(super) fn cores(text: &str) -> Result<usize, String> {
    within(text, CORES_MAX)
}

/// Not more than the spawner has processes, with room for those that are parked.
pub(super) fn environments(text: &str) -> Result<usize, String> {
    within(text, 900)
}

pub(super) fn connections(text: &str) -> Result<usize, String> {
    within(text, 10_000_000)
}

/// Bytes, as `256MB`: units of 1024, at least a megabyte.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let unit: usize = match text[digits..].to_ascii_uppercase().as_str() {
        "MB" | "M" | "MIB" => 1 << 20,
        "GB" | "G" | "GIB" => 1 << 30,
        _ => 0,
    };
    let bytes = text[..digits]
        .parse()
        .ok()
        .and_then(|number: usize| number.checked_mul(unit));
    bytes
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "expected a size such as 256MB or 1GB".to_owned())
}

/// How many log events are shown; the own API has the same bound.
pub(super) fn events(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number <= 10_000);
    number.ok_or_else(|| "expected 0 to 10000".to_owned())
}

fn within(text: &str, max: usize) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=max).contains(number));
    number.ok_or_else(|| format!("expected 1 to {max}"))
}

pub(super) fn account(text: &str) -> Result<AccountId, String> {
    AccountId::try_from(text).map_err(|error| error.to_string())
}

/// The id of a key: what can stand in a signature.
pub(super) fn access_key(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    match (1..=128).contains(&text.len()) && text.bytes().all(allowed) {
        true => Ok(text.to_owned()),
        false => Err("expected 1 to 128 letters, digits and underscores".to_owned()),
    }
}

/// The secret of a key.
pub(super) fn secret_key(text: &str) -> Result<Secret<String>, String> {
    match (8..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(Secret::new(text.to_owned())),
        false => Err("expected 8 to 256 visible characters".to_owned()),
    }
}

pub(super) fn region(text: &str) -> Result<Region, String> {
    Region::try_from(text).map_err(|error| error.to_string())
}

/// A zone by name: `all` is none.
pub(super) fn zone(text: &str) -> Result<String, String> {
    match Zone::try_from(text) {
        Ok(Zone::Named(name)) => Ok(name.to_string()),
        Ok(Zone::All | Zone::Own) => Err("expected the name of one zone, for example eu-west-1a".to_owned()),
        Err(refusal) => Err(refusal.to_string()),
    }
}

/// Labels of letters, digits and hyphens. At most 150 characters, so that the name before it finds room.
pub(super) fn dns_suffix(text: &str) -> Result<String, String> {
    let is_label = |label: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if text.len() <= 150 && text.split('.').all(is_label) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("expected a DNS name, for example elb.localhost".to_owned())
    }
}

pub(super) fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.trim().to_owned())),
        _ => Err("expected 'Name: value'".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_published() {
        let map = |texts: &[&str]| Publish::map(&texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>());
        assert_eq!(
            map(&["80:8080", "443:0"]).unwrap(),
            BTreeMap::from([(80, 8080), (443, 0)])
        );
        assert!(
            map(&["80:1", "80:2"])
                .unwrap_err()
                .to_string()
                .contains("port 80 twice")
        );
        for bad in ["", "80", "80:", ":80", "0:80", "80:65536", "80:80:80", "a:b", "-1:80"] {
            assert!(bad.parse::<Publish>().is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("256MB"), Ok(256 << 20));
        assert_eq!(size("1gb"), Ok(1 << 30));
        for bad in ["", "1", "0MB", "MB", "1KB", "-1MB", "99999999999999999999GB", "1.5GB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_have_units() {
        for (text, millis) in [
            ("30s", 30_000),
            ("250ms", 250),
            ("5000us", 5),
            ("2m", 120_000),
            ("24h", 86_400_000),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for bad in ["", "30", "s", "1d", "-1s", "1.5s", "25h", "99999999999s", "1 s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn polling_is_short() {
        assert_eq!(busy_poll("0us"), Ok(Duration::ZERO));
        assert_eq!(busy_poll("1ms"), Ok(Duration::from_millis(1)));
        for bad in ["", "50", "1001us", "1s"] {
            assert!(busy_poll(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn suffixes_are_dns_names() {
        assert_eq!(dns_suffix("ELB.localhost").unwrap(), "elb.localhost");
        for bad in [
            "",
            ".",
            "a..b",
            "-a",
            "a-",
            "a_b",
            "a b",
            &"a".repeat(64),
            &"a.".repeat(90),
        ] {
            assert!(dns_suffix(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn headers_have_a_colon() {
        assert_eq!(header("A: b:c").unwrap(), ("A".to_owned(), "b:c".to_owned()));
        assert_eq!(header("A:").unwrap(), ("A".to_owned(), String::new()));
        assert!(header("A").is_err() && header(": b").is_err());
    }
}
