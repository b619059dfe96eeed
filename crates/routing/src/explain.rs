//! Why a request matches the rule it matches, in words.

use crate::head::{RequestHead, host_without_port};
use crate::matcher::path::normalise;
use model::arn::RuleArn;
use model::elb::condition::Condition;
use model::elb::rule::RulePriority;

/// How much of a subject is quoted, in bytes.
const QUOTED_BYTES_MAX: usize = 200;
/// How many values of one header are quoted.
const QUOTED_VALUES_MAX: usize = 5;

/// Hears of every rule that is tried, in order; the last step is the match.
pub trait Recorder {
    /// One rule was tried.
    fn record(&mut self, step: Step);
}

impl Recorder for Vec<Step> {
    fn record(&mut self, step: Step) {
        self.push(step);
    }
}

/// One rule that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The rule.
    pub rule: RuleArn,
    /// Its priority; `None` for the default rule.
    pub priority: Option<RulePriority>,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of trying a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All its conditions hold.
    Matched,
    /// A condition does not hold.
    Failed {
        /// Which one, counted from 0 in the order of the rule; those before it hold.
        position: usize,
        /// AWS's name of its field, for example `path-pattern`.
        field: &'static str,
        /// What it asks for and what the request has instead, for people.
        why: String,
    },
}

/// The sentence for a condition that does not hold.
pub(crate) fn why<H: RequestHead>(condition: &Condition, head: &H) -> String {
    format!("{condition}, but {}", seen(condition, head))
}

fn seen<H: RequestHead>(condition: &Condition, head: &H) -> String {
    match condition {
        Condition::HostHeader(_) => match head.host() {
            Some(host) => format!("the host is {}", quote(host_without_port(host))),
            None => "the request has no host".to_owned(),
        },
        Condition::PathPattern(_) => {
            let (sent, normalised) = (head.path(), normalise(head.path()));
            if *normalised == *sent {
                format!("the path is {}", quote(sent))
            } else {
                format!("the path is {} (sent as {})", quote(&normalised), quote(sent))
            }
        }
        Condition::HttpHeader { name, .. } => {
            let lower_name = name.as_str().to_ascii_lowercase();
            let mut values: Vec<_> = head.header_values(&lower_name).take(QUOTED_VALUES_MAX + 1).collect();
            let more = if values.len() > QUOTED_VALUES_MAX {
                " and more"
            } else {
                ""
            };
            values.truncate(QUOTED_VALUES_MAX);
            let quoted = values
                .iter()
                .map(|value| quote(value))
                .collect::<Vec<_>>()
                .join(" and ");
            if quoted.is_empty() {
                format!("the request has no header {name}")
            } else {
                format!("{name} is {quoted}{more}")
            }
        }
        Condition::HttpRequestMethod(_) => format!("the method is {}", quote(head.method())),
        Condition::QueryString(_) => match head.query() {
            Some(query) => format!("the query is {}", quote(query)),
            None => "the request has no query".to_owned(),
        },
        Condition::SourceIp(_) => format!("the client's address is {}", head.source_ip()),
    }
}

/// The subject in quotation marks, escaped and cut.
fn quote(subject: &[u8]) -> String {
    let shown = &subject[..subject.len().min(QUOTED_BYTES_MAX)];
    let cut = if shown.len() < subject.len() { "..." } else { "" };
    format!("\"{}{cut}\"", shown.escape_ascii())
}
