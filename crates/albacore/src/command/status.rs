//! `albacore status`: how the running server is doing.

use crate::cli;
use crate::client::Client;
use crate::output;
use anyhow::{Context, Result, bail};
use control::{Status, TargetStatus};
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
    match &status.state {
        None => line(&mut text, "state", format_args!("not kept")),
        Some(state) => {
            line(&mut text, "state", format_args!("{}", state.path.display()));
            not_written(state.error.as_deref(), &mut text);
        }
    }
    line(&mut text, "endpoint", format_args!("http://{}", status.endpoint));
    line(&mut text, "sandbox", format_args!("{}", status.sandbox));
    line(&mut text, "connections", format_args!("{}", status.connections));
    logs(status, &mut text);
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
    for closed in &status.closed_listeners {
        let _ = write!(text, "\nnot served: {}\n  {}\n", closed.arn, closed.reason);
    }
    for target in &status.targets {
        target_for_people(target, &mut text);
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
        if let Some(url) = &function.url {
            let _ = writeln!(text, "  {url}");
        }
    }
    text
}

/// What is written to the disk, and what could not be.
fn logs(status: &Status, text: &mut String) {
    match &status.access_log {
        None => line(text, "access log", format_args!("off")),
        Some(log) => {
            let (path, written, lost) = (log.path.display(), log.lines_written, log.lines_lost);
            line(
                text,
                "access log",
                format_args!("{path}, {written} lines written, {lost} lost"),
            );
            not_written(log.error.as_deref(), text);
        }
    }
    let delivery = &status.log_delivery;
    let (buckets, lines, objects) = (
        delivery.buckets.display(),
        delivery.lines_written,
        delivery.objects_delivered,
    );
    let (lost, waiting) = (delivery.lines_lost, delivery.waiting_bytes);
    line(
        text,
        "log delivery",
        format_args!(
            "{buckets}, {lines} lines written, {lost} lost, {objects} objects delivered, {waiting} bytes wait"
        ),
    );
    not_written(delivery.spool_error.as_deref(), text);
    not_written(delivery.store_error.as_deref(), text);
    let datapoints = &status.datapoints;
    let (path, written, lost) = (datapoints.path.display(), datapoints.written, datapoints.lost);
    line(
        text,
        "metrics",
        format_args!("{path}, {written} datapoints written, {lost} lost"),
    );
    not_written(datapoints.error.as_deref(), text);
    let logs = &status.log_groups;
    let (path, written, lost) = (logs.path.display(), logs.events_written, logs.events_lost);
    line(
        text,
        "log groups",
        format_args!("{path}, {written} events written, {lost} lost"),
    );
    not_written(logs.error.as_deref(), text);
}

fn not_written(error: Option<&str>, text: &mut String) {
    if let Some(error) = error {
        line(text, "", format_args!("cannot be written: {error}"));
    }
}

fn target_for_people(target: &TargetStatus, text: &mut String) {
    let _ = write!(
        text,
        "\ntarget {} of target group {}\n  {}",
        name_of(target),
        group_name(&target.target_group),
        target.state
    );
    for more in [&target.reason, &target.description].into_iter().flatten() {
        let _ = write!(text, ", {more}");
    }
    text.push('\n');
    let Some(server) = &target.server else {
        return;
    };
    let _ = write!(
        text,
        "  zone {}, checked on port {}, weight {:.2}",
        server.availability_zone, server.health_check_port, server.weight
    );
    if server.anomaly != "normal" {
        let _ = write!(text, ", {}", server.anomaly);
    }
    if server.mitigation_in_effect {
        text.push_str(", mitigated");
    }
    let _ = write!(
        text,
        "\n  requests: {} outstanding, {} so far, {} errors",
        server.outstanding, server.requests, server.errors
    );
    if let Some(mean) = server.mean_response_secs {
        let _ = write!(text, ", {:.1} ms until they are answered", mean * 1000.0);
    }
    text.push('\n');
}

/// The name in a function's ARN; address and port of a server, behind the id of an instance.
fn name_of(target: &TargetStatus) -> String {
    match &target.server {
        Some(server) if server.id != server.address.ip().to_string() => format!("{} ({})", server.id, server.address),
        Some(server) => server.address.to_string(),
        None => last_of(&target.target).to_owned(),
    }
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
    use control::ServerStatus;

    #[track_caller]
    fn check(target: &TargetStatus, expected: &str) {
        let mut text = String::new();
        target_for_people(target, &mut text);
        assert_eq!(text, expected);
    }

    #[test]
    fn a_target_says_how_it_is() {
        let function = TargetStatus {
            target_group: "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/orders/0123456789abcdef"
                .to_owned(),
            target: "arn:aws:lambda:us-east-1:000000000000:function:orders".to_owned(),
            state: "unavailable".to_owned(),
            reason: Some("Target.HealthCheckDisabled".to_owned()),
            description: Some("Health checks are disabled".to_owned()),
            server: None,
        };
        check(
            &function,
            "\ntarget orders of target group orders\n  unavailable, Target.HealthCheckDisabled, Health checks are disabled\n",
        );
        let server = ServerStatus {
            id: "10.0.0.7".to_owned(),
            address: "10.0.0.7:80".parse().unwrap(),
            availability_zone: "us-east-1a".to_owned(),
            health_check_port: 8080,
            outstanding: 2,
            requests: 1000,
            errors: 3,
            weight: 1.0,
            anomaly: "normal".to_owned(),
            mitigation_in_effect: false,
            mean_response_secs: Some(0.01234),
        };
        let healthy = TargetStatus {
            state: "healthy".to_owned(),
            reason: None,
            description: None,
            server: Some(server.clone()),
            ..function
        };
        check(
            &healthy,
            "\ntarget 10.0.0.7:80 of target group orders\n  healthy\n  zone us-east-1a, checked on port 8080, weight 1.00\n  \
             requests: 2 outstanding, 1000 so far, 3 errors, 12.3 ms until they are answered\n",
        );
        let anomalous = ServerStatus {
            id: "i-0123456789abcdef0".to_owned(),
            weight: 0.25,
            anomaly: "anomalous".to_owned(),
            mitigation_in_effect: true,
            mean_response_secs: None,
            ..server
        };
        check(
            &TargetStatus {
                server: Some(anomalous),
                ..healthy
            },
            "\ntarget i-0123456789abcdef0 (10.0.0.7:80) of target group orders\n  healthy\n  zone us-east-1a, checked on port \
             8080, weight 0.25, anomalous, mitigated\n  requests: 2 outstanding, 1000 so far, 3 errors\n",
        );
    }

    #[test]
    fn durations_are_short() {
        for (secs, expected) in [(0, "0 s"), (61, "1 min 1 s"), (7260, "2 h 1 min"), (90_000, "1 d 1 h")] {
            assert_eq!(duration(secs), expected);
        }
    }
}
