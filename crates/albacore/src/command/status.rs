//! `albacore status`: how the running server is doing.

use crate::cli;
use crate::client::Client;
use crate::output;
use anyhow::{Context, Result, bail};
use control::Status;
use std::fmt::Write;
use std::process::ExitCode;

pub(super) fn run(args: &cli::Status, json: bool) -> Result<ExitCode> {
    let answer = Client::find(&args.server)?.get("status")?;
    if answer.status != 200 {
        bail!("the running albacore answered {}", answer.status);
    }
    let text = String::from_utf8(answer.body).context("the answer is no text")?;
    if json {
        output::print(&text);
    } else {
        let status = serde_json::from_str(&text).context("the running albacore is of another version")?;
        output::print(&for_people(&status));
    }
    Ok(ExitCode::SUCCESS)
}

fn for_people(status: &Status) -> String {
    let mut text = String::new();
    let ready = match &status.obstacle {
        None => "ready".to_owned(),
        Some(reason) => format!("not ready: {reason}"),
    };
    line(
        &mut text,
        "albacore",
        format_args!("{} (process {}), {ready}", status.version, status.pid),
    );
    line(&mut text, "up for", format_args!("{}", duration(status.uptime_secs)));
    line(
        &mut text,
        "manifest",
        format_args!("{}, revision {}", status.manifest.display(), status.revision),
    );
    line(&mut text, "data", format_args!("{}", status.data_dir.display()));
    line(&mut text, "endpoint", format_args!("http://{}", status.endpoint));
    line(&mut text, "sandbox", format_args!("{}", status.sandbox));
    line(&mut text, "connections", format_args!("{}", status.connections));
    match &status.access_log {
        None => line(&mut text, "access log", format_args!("off")),
        Some(log) => {
            let (path, written, lost) = (log.path.display(), log.lines_written, log.lines_lost);
            line(
                &mut text,
                "access log",
                format_args!("{path}, {written} lines written, {lost} lost"),
            );
            if let Some(error) = &log.error {
                line(&mut text, "", format_args!("cannot be written: {error}"));
            }
        }
    }
    let logs = &status.log_groups;
    let (path, written, lost) = (logs.path.display(), logs.events_written, logs.events_lost);
    line(
        &mut text,
        "log groups",
        format_args!("{path}, {written} events written, {lost} lost"),
    );
    if let Some(error) = &logs.error {
        line(&mut text, "", format_args!("cannot be written: {error}"));
    }
    for load_balancer in &status.load_balancers {
        let _ = write!(
            text,
            "\nload balancer {}\n  {}\n",
            load_balancer.name, load_balancer.dns_name
        );
        for listener in status
            .listeners
            .iter()
            .filter(|listener| listener.load_balancer == load_balancer.name)
        {
            let protocol = listener.protocol.to_uppercase();
            let _ = writeln!(text, "  {protocol}:{}  {}", listener.port, listener.url);
        }
    }
    for target in &status.targets {
        let _ = write!(
            text,
            "\ntarget {} of target group {}\n  {}",
            last_of(&target.target),
            group_name(&target.target_group),
            target.state
        );
        for more in [&target.reason, &target.description].into_iter().flatten() {
            let _ = write!(text, ", {more}");
        }
        text.push('\n');
    }
    for function in &status.functions {
        let _ = write!(
            text,
            "\nfunction {} ({})\n  environments: {} busy, {} idle, {} starting\n  invocations: {}, {} errors, {} throttled\n",
            function.name,
            function.runtime,
            function.busy,
            function.idle,
            function.starting,
            function.invocations,
            function.errors,
            function.throttles
        );
    }
    text
}

fn line(text: &mut String, name: &str, value: std::fmt::Arguments<'_>) {
    let _ = writeln!(text, "{name:<12} {value}"); // writing to a string cannot fail
}

/// The name in a function's ARN.
fn last_of(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

/// The name in the ARN of a target group, which ends in `targetgroup/{name}/{id}`.
fn group_name(arn: &str) -> &str {
    arn.rsplit('/').nth(1).unwrap_or(arn)
}

fn duration(secs: u64) -> String {
    let (days, hours, minutes) = (secs / 86_400, secs / 3600 % 24, secs / 60 % 60);
    match secs {
        0..60 => format!("{secs} s"),
        60..3600 => format!("{minutes} min {} s", secs % 60),
        3600..86_400 => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        for (secs, expected) in [(0, "0 s"), (61, "1 min 1 s"), (7260, "2 h 1 min"), (90_000, "1 d 1 h")] {
            assert_eq!(duration(secs), expected);
        }
    }
}
