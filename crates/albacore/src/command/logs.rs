//! `albacore logs`: what functions wrote, and live what they write.
//!
//! Somebody who follows is kept while servers come and go: `seen` knows what was shown last, so that nothing is lost or
//! shown twice.

mod seen;
mod text;

use crate::cli::Logs;
use crate::client::{Client, escaped};
use crate::output;
use anyhow::{Result, bail};
use seen::Seen;
use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;
use text::{Event, Style};

/// How often a server is looked for that has gone.
const LOOK_INTERVAL: Duration = Duration::from_millis(300);

pub(super) fn run(args: &Logs, json: bool) -> Result<ExitCode> {
    let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
    let mut show = Show {
        style: Style {
            colour: colour && !json,
            names: args.functions.len() != 1,
            timestamps: args.timestamps,
        },
        json,
        seen: Seen::default(),
        left: false,
    };
    // Without a server to begin with there is nothing to follow.
    let mut client = Client::find(&args.server)?;
    let mut begin = Begin::Asked;
    loop {
        match client.lines(&query(args, begin), |line| show.line(line)) {
            Ok(Some(refused)) => bail!(refused.refusal()),
            Ok(None) if !args.follow || show.left => return Ok(ExitCode::SUCCESS),
            Err(error) if !args.follow || begin == Begin::Asked && show.seen.is_new() => return Err(error),
            Ok(None) | Err(_) => {}
        }
        let place = args.server.data_dir.display();
        output::error(&format!(
            "albacore logs: the server on {place} has gone; waiting for the next one (Ctrl-C ends)"
        ));
        client = next_server(args);
        output::error("albacore logs: a server is there again");
        begin = match show.seen.since_ms() {
            Some(millis) => Begin::At(millis),
            None => Begin::Asked,
        };
        show.seen.look_back();
    }
}

/// With what the lines of a server begin.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begin {
    /// With what the command line says.
    Asked,
    /// At this time, in milliseconds since the epoch.
    At(u64),
}

/// Waits for a server that answers.
fn next_server(args: &Logs) -> Client {
    loop {
        // Nothing tells when a server starts. It may be another one, on another port.
        std::thread::park_timeout(LOOK_INTERVAL);
        if let Ok(client) = Client::find(&args.server)
            && client.get("ready").is_ok_and(|answer| answer.status == 200)
        {
            return client;
        }
    }
}

/// Shows lines.
struct Show {
    style: Style,
    json: bool,
    seen: Seen,
    /// Whoever read our output has.
    left: bool,
}

impl Show {
    fn line(&mut self, line: &[u8]) -> ControlFlow<()> {
        let event = serde_json::from_slice::<Event<'_>>(line).ok();
        if let Some(event) = &event
            && !self.seen.is_new_line(event.timestamp, line)
        {
            return ControlFlow::Continue(());
        }
        let text = match (self.json, event) {
            (true, _) => output::escaped_json(line),
            (false, Some(event)) => Cow::Owned(self.style.text(&event)),
            (false, None) => Cow::Borrowed(line), // from another version
        };
        let mut out = io::stdout().lock();
        match out.write_all(&text).and_then(|()| out.flush()) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => {
                self.left = true;
                ControlFlow::Break(())
            }
        }
    }
}

fn query(args: &Logs, begin: Begin) -> String {
    let mut query = format!("logs?follow={}", args.follow);
    for function in &args.functions {
        query.push_str(&format!("&function={}", escaped(function)));
    }
    for (name, value) in [("request_id", &args.request_id), ("level", &args.level)] {
        if let Some(value) = value {
            query.push_str(&format!("&{name}={}", escaped(value)));
        }
    }
    match (begin, args.since) {
        (Begin::At(millis), _) => query.push_str(&format!("&since={millis}")),
        (Begin::Asked, Some(since)) => query.push_str(&format!("&since={}ms", since.as_millis())),
        (Begin::Asked, None) => {}
    }
    if let Some(limit) = args.limit.filter(|_| begin == Begin::Asked) {
        query.push_str(&format!("&limit={limit}"));
    }
    query
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
        let asked = |line: &str| query(&args(line), Begin::Asked);
        assert_eq!(asked("albacore logs"), "logs?follow=false");
        assert_eq!(
            asked("albacore logs orders users -f --since 10m --limit 5 --request-id 1-2 --level warn"),
            "logs?follow=true&function=orders&function=users&request_id=1-2&level=warn&since=600000ms&limit=5"
        );
        assert_eq!(
            query(&args("albacore logs -f --since 10m --limit 5"), Begin::At(7)),
            "logs?follow=true&since=7"
        );
    }
}
