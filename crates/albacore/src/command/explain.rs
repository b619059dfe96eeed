//! `albacore explain`: what would happen to a request.

use crate::cli::Explain;
use crate::client::Client;
use crate::command::check::plan_alone;
use crate::output;
use anyhow::{Context, Result, anyhow, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use control::Question;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

/// The largest body, in bytes: more than any target takes, so that the refusal can be explained too.
const BODY_BYTES_MAX: u64 = 2 * 1024 * 1024;

pub(super) fn run(args: &Explain, json: bool) -> Result<ExitCode> {
    let body = body(args.data.as_deref())?;
    let explanation = match &args.file {
        Some(file) => match by_manifest(file, args, body)? {
            Some(explanation) => explanation,
            None => return Ok(ExitCode::FAILURE),
        },
        None => by_server(args, &body)?,
    };
    if json {
        output::print(&explanation);
    } else {
        let explained: Explained =
            serde_json::from_str(&explanation).context("the running albacore is of another version")?;
        output::print(&explained.for_people());
    }
    Ok(ExitCode::SUCCESS)
}

fn body(data: Option<&str>) -> Result<Vec<u8>> {
    let Some(file) = data.and_then(|data| data.strip_prefix('@')) else {
        return Ok(data.unwrap_or_default().as_bytes().to_vec());
    };
    let mut body = Vec::new();
    let opened = File::open(file).with_context(|| format!("cannot open {file}"))?;
    opened
        .take(BODY_BYTES_MAX + 1)
        .read_to_end(&mut body)
        .with_context(|| format!("cannot read {file}"))?;
    if body.len() as u64 > BODY_BYTES_MAX {
        bail!("{file} is over {BODY_BYTES_MAX} bytes, which is more than any target takes");
    }
    Ok(body)
}

/// `None` when the manifest has mistakes, which are printed.
fn by_manifest(file: &Path, args: &Explain, body: Vec<u8>) -> Result<Option<String>> {
    let plan = match plan_alone(file, &args.resources)? {
        Ok(plan) => plan,
        Err(problems) => {
            problems
                .all
                .iter()
                .for_each(|problem| output::error(&problem.to_string()));
            return Ok(None);
        }
    };
    let question = proxy::Question {
        method: args.method.clone(),
        url: args.url.clone(),
        headers: args.headers.clone(),
        body,
        client: args.client,
    };
    let explanation = proxy::explain_state(&plan.state, &question)?;
    Ok(Some(serde_json::to_string(&explanation)?))
}

fn by_server(args: &Explain, body: &[u8]) -> Result<String> {
    let question = Question {
        method: args.method.clone(),
        headers: args.headers.clone(),
        body_base64: STANDARD.encode(body),
        client: args.client,
        ..Question::new(args.url.clone())
    };
    let client = Client::find(&args.server)
        .map_err(|error| anyhow!("{error:#}, or explain without one by --file albacore.yaml"))?;
    let answer = client.post("explain", &serde_json::to_vec(&question)?)?;
    let text = String::from_utf8(answer.body).context("the answer is no text")?;
    if answer.status == 200 {
        return Ok(text);
    }
    let refusal: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    match refusal["error"].as_str() {
        Some(error) => bail!("{error}"),
        None => bail!("the running albacore answered {}", answer.status),
    }
}

/// An explanation, read back from its JSON.
#[derive(Debug, Deserialize)]
struct Explained {
    load_balancer: String,
    protocol: String,
    port: u16,
    classification: Option<String>,
    classification_reason: Option<String>,
    rules: Vec<Rule>,
    action: Action,
}

#[derive(Debug, Deserialize)]
struct Rule {
    priority: String,
    /// Why it does not match; absent for the one that does.
    why: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Action {
    #[serde(rename = "type")]
    kind: String,
    status: Option<u16>,
    /// What is wrong with a refused request.
    why: Option<String>,
    error_reason: Option<String>,
    stickiness_cookie: Option<String>,
    content_type: Option<String>,
    body: Option<String>,
    location: Option<String>,
    transformed_host: Option<String>,
    transformed_uri: Option<String>,
    transform_status: Option<String>,
    #[serde(default)]
    target_groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
struct Group {
    arn: String,
    share: f64,
    #[serde(default)]
    bound_by_cookie: bool,
    function: Option<String>,
    /// Shown as it is: byte for byte what the function gets.
    event: Option<Box<RawValue>>,
    targets: Option<Vec<Target>>,
    /// The head that a server gets.
    request: Option<String>,
    status: Option<u16>,
    error_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Target {
    target: String,
    state: String,
}

impl Explained {
    fn for_people(&self) -> String {
        let mut text = format!(
            "listener {}:{} of load balancer {}\n",
            self.protocol.to_uppercase(),
            self.port,
            self.load_balancer
        );
        if let (Some(class), Some(reason)) = (&self.classification, &self.classification_reason) {
            let _ = writeln!(text, "desync class: {class} ({reason})");
        }
        for rule in &self.rules {
            let name = match rule.priority.as_str() {
                "default" => "default rule".to_owned(),
                priority => format!("rule {priority}"),
            };
            let _ = match &rule.why {
                Some(why) => writeln!(text, "  \u{2717} {name}: {why}"),
                None => writeln!(text, "  \u{2713} {name} matches"),
            };
        }
        self.action.describe(&mut text);
        text
    }
}

impl Action {
    fn describe(&self, text: &mut String) {
        let status = self.status.unwrap_or_default();
        let _ = match self.kind.as_str() {
            "refused" => {
                let why = self.why.as_deref().unwrap_or("no reason is given");
                writeln!(text, "refused before any rule: {status}, {why}")
            }
            "fixed-response" => {
                let (content_type, body) = (self.content_type.as_deref(), self.body.as_deref());
                writeln!(
                    text,
                    "fixed response: {status} {}\n{}",
                    content_type.unwrap_or_default(),
                    body.unwrap_or_default()
                )
            }
            "redirect" => match &self.location {
                Some(location) => writeln!(text, "redirect: {status} {location}"),
                None => writeln!(
                    text,
                    "redirect: its location would be too long, so the answer is {status}"
                ),
            },
            _ => {
                let rewritten = [
                    ("host", &self.transformed_host),
                    ("path and query", &self.transformed_uri),
                ];
                for (what, value) in rewritten
                    .into_iter()
                    .filter_map(|(what, value)| Some((what, value.as_ref()?)))
                {
                    let _ = writeln!(text, "rewritten {what}: {value}");
                }
                if let Some(status) = self
                    .transform_status
                    .as_deref()
                    .filter(|status| !["", "-"].contains(status))
                {
                    let _ = writeln!(text, "transform status: {status}");
                }
                if let Some(cookie) = &self.stickiness_cookie {
                    let _ = writeln!(text, "stickiness cookie: {cookie}");
                }
                if self.status.is_some() {
                    let reason = in_brackets(self.error_reason.as_deref());
                    let _ = writeln!(text, "no target group is chosen; the answer is {status}{reason}");
                }
                self.target_groups.iter().try_for_each(|group| group.describe(text))
            }
        };
    }
}

impl Group {
    fn describe(&self, text: &mut String) -> std::fmt::Result {
        // `arn:...:targetgroup/NAME/ID`
        let name = self.arn.split('/').nth(1).unwrap_or(&self.arn);
        write!(text, "forward to target group {name}")?;
        if self.bound_by_cookie {
            text.push_str(", bound to it by the stickiness cookie");
        } else if self.share < 1.0 {
            write!(text, " for {:.0} % of requests", self.share * 100.0)?;
        }
        if let Some(function) = &self.function {
            write!(text, ", function {}", function.rsplit(':').next().unwrap_or(function))?;
        }
        text.push('\n');
        if let Some(status) = self.status {
            let reason = in_brackets(self.error_reason.as_deref());
            let what = match self.targets {
                Some(_) => "no target gets the request",
                None => "the function is not invoked",
            };
            writeln!(text, "{what}; the answer is {status}{reason}")?;
        }
        for Target { target, state } in self.targets.iter().flatten() {
            writeln!(text, "  target {target} ({state})")?;
        }
        if let Some(request) = &self.request {
            let lines = request.trim_end().replace("\r\n", "\n  ");
            writeln!(text, "request:\n  {lines}")?;
        }
        if let Some(event) = &self.event {
            writeln!(text, "event:\n{}", event.get())?;
        }
        Ok(())
    }
}

fn in_brackets(reason: Option<&str>) -> String {
    reason.map(|reason| format!(" ({reason})")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explanation_is_shown_with_the_exact_event() {
        let json = r#"{"listener":"l","load_balancer":"shop","protocol":"http","port":80,
            "classification":"Acceptable","classification_reason":"SpaceInUri",
            "rules":[{"priority":"10","arn":"r","matched":false,"failed_condition":"path-pattern","why":"/a is not /b"},
                     {"priority":"default","arn":"d","matched":true}],
            "action":{"type":"forward","transform_status":"-","target_groups":[
                {"arn":"arn:aws:elasticloadbalancing:r:1:targetgroup/orders/01","share":0.25,
                 "function":"arn:aws:lambda:r:1:function:orders","event":{"b": 1,"a":"\u00fc"}},
                {"arn":"arn:aws:elasticloadbalancing:r:1:targetgroup/none/02","share":0.75,"status":503}]}}"#;
        let explained: Explained = serde_json::from_str(json).unwrap();
        let expected = "listener HTTP:80 of load balancer shop\ndesync class: Acceptable (SpaceInUri)\n  \u{2717} rule 10: /a is not /b\n  \
            \u{2713} default rule matches\nforward to target group orders for 25 % of requests, function orders\nevent:\n\
            {\"b\": 1,\"a\":\"\\u00fc\"}\nforward to target group none for 75 % of requests\n\
            the function is not invoked; the answer is 503\n";
        assert_eq!(explained.for_people(), expected);
    }

    #[test]
    fn answers_of_the_load_balancer_itself_are_shown() {
        let action = |json: &str| {
            let mut text = String::new();
            serde_json::from_str::<Action>(json).unwrap().describe(&mut text);
            text
        };
        assert_eq!(
            action(r#"{"type":"refused","status":400,"why":"the request has 2 Host headers"}"#),
            "refused before any rule: 400, the request has 2 Host headers\n"
        );
        let redirect = action(r#"{"type":"redirect","status":301,"location":"https://a:443/"}"#);
        assert_eq!(redirect, "redirect: 301 https://a:443/\n");
        let fixed = action(r#"{"type":"fixed-response","status":404,"content_type":"text/plain","body":"no"}"#);
        assert_eq!(fixed, "fixed response: 404 text/plain\nno\n");
    }

    #[test]
    fn what_a_stickiness_cookie_does_is_shown() {
        let forward = |json: &str| {
            let mut text = String::new();
            let json = format!(r#"{{"type":"forward",{json}}}"#);
            serde_json::from_str::<Action>(&json).unwrap().describe(&mut text);
            text
        };
        assert_eq!(
            forward(r#""status":500,"error_reason":"AWSALBTGCookieInvalid","target_groups":[]"#),
            "no target group is chosen; the answer is 500 (AWSALBTGCookieInvalid)\n"
        );
        assert_eq!(
            forward(r#""target_groups":[{"arn":"a:targetgroup/red/01","share":1.0,"bound_by_cookie":true}]"#),
            "forward to target group red, bound to it by the stickiness cookie\n"
        );
        assert_eq!(
            forward(
                r#""stickiness_cookie":"cannot be read","target_groups":[{"arn":"a:targetgroup/red/01","share":0.5}]"#
            ),
            "stickiness cookie: cannot be read\nforward to target group red for 50 % of requests\n"
        );
    }
}
