//! `albacore logs`: what functions wrote, and live what they write.

use crate::cli::Logs;
use crate::client::{Client, escaped};
use crate::output;
use anyhow::{Result, bail};
use serde::Deserialize;
use std::borrow::Cow;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;
use time::OffsetDateTime;

/// An event as the own API shows it.
#[derive(Deserialize)]
struct Event<'a> {
    timestamp: u64,
    #[serde(borrow)]
    function: Cow<'a, str>,
    #[serde(borrow)]
    message: Cow<'a, str>,
}

pub(super) fn run(args: &Logs, json: bool) -> Result<ExitCode> {
    let client = Client::find(&args.server)?;
    let mut out = io::stdout().lock();
    let refused = client.lines(&query(args), |line| {
        let text = match json {
            true => output::escaped_json(line),
            false => Cow::Owned(for_people(line, args)),
        };
        // Whoever read our output has left.
        match out.write_all(&text).and_then(|()| out.flush()) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    })?;
    match refused {
        Some(answer) => bail!(answer.refusal()),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn query(args: &Logs) -> String {
    let mut query = format!("logs?follow={}", args.follow);
    if let Some(function) = &args.function {
        query.push_str(&format!("&function={}", escaped(function)));
    }
    if let Some(since) = args.since {
        query.push_str(&format!("&since={}ms", since.as_millis()));
    }
    if let Some(limit) = args.limit {
        query.push_str(&format!("&limit={limit}"));
    }
    query
}

/// Every line of a message, each with what it begins with.
fn for_people(line: &[u8], args: &Logs) -> Vec<u8> {
    let Ok(event) = serde_json::from_slice::<Event<'_>>(line) else {
        return line.to_vec(); // from another version
    };
    let mut head = String::new();
    if args.timestamps {
        head.push_str(&time_of(event.timestamp));
        head.push(' ');
    }
    if args.function.is_none() {
        head.extend(["[", &event.function, "] "]);
    }
    let message = event.message.trim_end_matches(['\n', '\r']).replace("\r\n", "\n");
    let mut text = String::new();
    for line in message.split(['\n', '\r']) {
        text.extend([&head, line, "\n"]);
    }
    output::for_people(text.as_bytes()).into_owned()
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
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn args(line: &str) -> Logs {
        match Cli::try_parse_from(line.split(' ')).unwrap().command {
            Command::Logs(args) => *args,
            _ => panic!("it is logs"),
        }
    }

    #[test]
    fn flags_become_a_query() {
        assert_eq!(query(&args("albacore logs")), "logs?follow=false");
        assert_eq!(
            query(&args("albacore logs orders -f --since 10m --limit 5")),
            "logs?follow=true&function=orders&since=600000ms&limit=5"
        );
    }

    #[test]
    fn lines_begin_as_asked() {
        let event = br#"{"timestamp":1767323045678,"function":"orders","group":"g","stream":"s","message":"\u001b[1ma\nb\u001b[2J\r\n"}"#;
        for (line, expected) in [
            ("albacore logs", "[orders] \u{1b}[1ma\u{1b}[0m\n[orders] b\u{fffd}[2J\n"),
            ("albacore logs orders", "\u{1b}[1ma\u{1b}[0m\nb\u{fffd}[2J\n"),
            (
                "albacore logs orders --timestamps",
                "2026-01-02T03:04:05.678Z \u{1b}[1ma\u{1b}[0m\n2026-01-02T03:04:05.678Z b\u{fffd}[2J\n",
            ),
        ] {
            let text = for_people(event, &args(line));
            assert_eq!(String::from_utf8(text).unwrap(), expected, "{line}");
        }
    }
}
