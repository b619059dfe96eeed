//! Events as people read them.

use crate::output;
use serde::Deserialize;
use std::borrow::Cow;
use time::OffsetDateTime;

/// An event as the own API shows it.
#[derive(Deserialize)]
pub(super) struct Event<'a> {
    pub(super) timestamp: u64,
    #[serde(borrow)]
    function: Cow<'a, str>,
    #[serde(borrow)]
    message: Cow<'a, str>,
}

/// How they are shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// Each function has its colour.
    pub(super) colour: bool,
    /// Each line says which function wrote it.
    pub(super) names: bool,
    pub(super) timestamps: bool,
}

/// Cyan, green, magenta, yellow, blue, and the bright ones: readable on light and on dark, and none that means an error.
const COLOURS: [u8; 10] = [36, 32, 35, 33, 34, 96, 92, 95, 93, 94];

impl Style {
    /// Every line of a message, each with what it begins with.
    pub(super) fn text(self, event: &Event<'_>) -> Vec<u8> {
        let mut head = String::new();
        if self.timestamps {
            head.push_str(&time_of(event.timestamp));
            head.push(' ');
        }
        let name = String::from_utf8_lossy(&output::for_people(event.function.as_bytes())).into_owned();
        let (begin, end) = match self.colour {
            true => (format!("\u{1b}[{}m", colour_of(&name)), "\u{1b}[0m"),
            false => (String::new(), ""),
        };
        if self.names {
            head.extend([&begin, "[", &name, "]", end, " "]);
        }
        let message = event.message.trim_end_matches(['\n', '\r']).replace("\r\n", "\n");
        let mut text = Vec::new();
        for line in message.split(['\n', '\r']) {
            // What we put before it is ours; what the function wrote may steer nothing.
            text.extend_from_slice(head.as_bytes());
            text.extend_from_slice(&output::for_people(line.as_bytes()));
            text.push(b'\n');
        }
        text
    }
}

/// The same for a name whenever it is asked. FNV-1a, so that it is also the same in the next version.
fn colour_of(name: &str) -> u8 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    let at = usize::try_from(hash % COLOURS.len() as u64).unwrap_or(0);
    COLOURS.get(at).copied().unwrap_or(36)
}

/// `2026-01-02T03:04:05.678Z`; the milliseconds alone where the calendar does not reach.
fn time_of(millis: u64) -> String {
    let Ok(time) = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000) else {
        return millis.to_string();
    };
    let (hour, minute, second, milli) = time.to_hms_milli();
    let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_begin_as_asked() {
        let line = br#"{"timestamp":1767323045678,"function":"orders","group":"g","stream":"s","message":"\u001b[1ma\nb\u001b[2J\r\n"}"#;
        let event: Event<'_> = serde_json::from_slice(line).unwrap();
        let plain = Style {
            colour: false,
            names: false,
            timestamps: false,
        };
        let colour = colour_of("orders");
        for (style, expected) in [
            (plain, "\u{1b}[1ma\u{1b}[0m\nb\u{fffd}[2J\n".to_owned()),
            (
                Style { names: true, ..plain },
                "[orders] \u{1b}[1ma\u{1b}[0m\n[orders] b\u{fffd}[2J\n".to_owned(),
            ),
            (
                Style {
                    timestamps: true,
                    ..plain
                },
                "2026-01-02T03:04:05.678Z \u{1b}[1ma\u{1b}[0m\n2026-01-02T03:04:05.678Z b\u{fffd}[2J\n".to_owned(),
            ),
            (
                Style {
                    colour: true,
                    names: true,
                    ..plain
                },
                format!(
                    "\u{1b}[{colour}m[orders]\u{1b}[0m \u{1b}[1ma\u{1b}[0m\n\u{1b}[{colour}m[orders]\u{1b}[0m b\u{fffd}[2J\n"
                ),
            ),
        ] {
            assert_eq!(String::from_utf8(style.text(&event)).unwrap(), expected, "{style:?}");
        }
    }

    #[test]
    fn functions_have_different_colours() {
        let names = ["orders", "users", "mail", "billing", "search"];
        let colours: std::collections::BTreeSet<_> = names.iter().map(|name| colour_of(name)).collect();
        assert!(colours.len() > 2, "{colours:?}");
    }
}
