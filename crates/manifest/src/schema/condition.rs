//! The conditions of a rule: the short keys, and `conditions` with AWS's own structure.

use super::Walk;
use super::regex::{Case, compiles};
use crate::mistake::{Report, Spot};
use crate::reader::{Fields, NotBuilt, accepted, fields, list, mapping, one_or_more, text, wrong};
use crate::yaml::{Node, Value};
use model::elb::condition::pattern::{
    HeaderName, HeaderPattern, HostPattern, PathPattern, PatternRefusal, QueryPattern, QueryText, RegexPattern,
};
use model::elb::condition::{Alternatives, Condition, Conditions, ConditionsRefusal};

/// The keys of a rule that are conditions.
pub(super) const CONDITIONS: [&str; 10] = [
    "host",
    "host_regex",
    "path",
    "path_regex",
    "method",
    "source_ip",
    "header",
    "header_regex",
    "query",
    "conditions",
];

/// The kinds of `conditions`, in AWS's words.
const KINDS: [&str; 6] = [
    "host_header",
    "path_pattern",
    "http_header",
    "http_request_method",
    "query_string",
    "source_ip",
];

const NO_REGEX: NotBuilt = &[(
    "regex_values",
    "only host_header, path_pattern and http_header take regular expressions; expected `values`",
)];

/// Conditions with their places, and whether all of them could be read.
struct Found {
    conditions: Vec<(Spot, Condition)>,
    complete: bool,
}

impl Found {
    fn add(&mut self, spot: Spot, condition: Option<Condition>) {
        match condition {
            Some(condition) => self.conditions.push((spot, condition)),
            None => self.complete = false,
        }
    }
}

impl Walk<'_> {
    /// All conditions of a rule; `None` when something is wrong with them.
    pub(super) fn conditions(&mut self, rule: &Fields<'_>) -> Option<Conditions> {
        let report = &mut self.report;
        let mut found = Found {
            conditions: Vec::new(),
            complete: true,
        };
        for (key, node) in rule.present(&CONDITIONS) {
            let before = report.reported();
            match key.text.as_str() {
                "host" => found.add(key.spot, values(report, node, "host").map(host)),
                "host_regex" => found.add(
                    key.spot,
                    regexes(report, node, Case::Ignored)
                        .map(Alternatives::Regexes)
                        .map(Condition::HostHeader),
                ),
                "path" => found.add(key.spot, values(report, node, "path").map(path)),
                "path_regex" => found.add(
                    key.spot,
                    regexes(report, node, Case::Kept)
                        .map(Alternatives::Regexes)
                        .map(Condition::PathPattern),
                ),
                "method" => found.add(
                    key.spot,
                    values(report, node, "method").map(Condition::HttpRequestMethod),
                ),
                "source_ip" => found.add(key.spot, source_ip(report, node)),
                "header" | "header_regex" => headers(report, node, key.text == "header_regex", &mut found),
                "query" => short_query(report, key.spot, node, &mut found),
                _ => long_form(report, node, &mut found),
            }
            if report.reported() > before {
                found.complete = false;
            }
        }
        // What is missing may be what is wrong, or misspelt.
        if found.conditions.is_empty() && !(found.complete && rule.all_known) {
            return None;
        }
        all(report, rule.spot, found.conditions).filter(|_| found.complete)
    }
}

/// Checks what holds for all conditions of a rule together, as far as they could be read.
fn all(report: &mut Report, rule: Spot, mut found: Vec<(Spot, Condition)>) -> Option<Conditions> {
    /// One rule cannot mean more of them.
    const REPEATED_MAX: usize = 16;
    let before = report.reported();
    for _ in 0..REPEATED_MAX {
        let checked = Conditions::new(found.iter().map(|(_, condition)| condition.clone()).collect());
        // The second of its kind is left out, so that the limits are judged all the same.
        let second = match &checked {
            Err(ConditionsRefusal::Repeated(field)) => {
                let same = found.iter().enumerate().filter(|(_, (_, it))| it.field() == *field);
                same.map(|(at, _)| at).nth(1)
            }
            _ => None,
        };
        let spot = second.map_or(rule, |at| found.remove(at).0);
        let accepted = accepted(report, spot, checked);
        if second.is_none() {
            return accepted.filter(|_| report.reported() == before);
        }
    }
    None
}

fn host(values: Vec<HostPattern>) -> Condition {
    Condition::HostHeader(Alternatives::Values(values))
}

fn path(values: Vec<PathPattern>) -> Condition {
    Condition::PathPattern(Alternatives::Values(values))
}

fn regexes(report: &mut Report, node: &Node, case: Case) -> Option<Vec<RegexPattern>> {
    let regex = |report: &mut Report, node: &Node| {
        let regex: RegexPattern = value(report, node, "regular expression")?;
        compiles(report, node.spot, regex.as_str(), case).then_some(regex)
    };
    read_all(report, node, "regular expression", regex)
}

fn source_ip(report: &mut Report, node: &Node) -> Option<Condition> {
    values(report, node, "address range such as 192.0.2.0/24").map(Condition::SourceIp)
}

/// One value or a list of alternatives; each that is refused is a mistake at its place.
fn values<'n, P>(report: &mut Report, node: &'n Node, what: &str) -> Option<Vec<P>>
where
    P: TryFrom<&'n str, Error = PatternRefusal>,
{
    read_all(report, node, what, |report, node| value(report, node, what))
}

/// What of the values is good, for the limits over a rule; `None` when nothing is.
fn read_all<'n, P>(
    report: &mut Report,
    node: &'n Node,
    what: &str,
    read: impl Fn(&mut Report, &'n Node) -> Option<P>,
) -> Option<Vec<P>> {
    let nodes = one_or_more(report, node, what);
    let good: Vec<P> = nodes.into_iter().filter_map(|node| read(report, node)).collect();
    (!good.is_empty()).then_some(good)
}

fn value<'n, P>(report: &mut Report, node: &'n Node, what: &str) -> Option<P>
where
    P: TryFrom<&'n str, Error = PatternRefusal>,
{
    let text = text(report, node, &format!("a {what}"))?;
    accepted(report, node.spot, P::try_from(text))
}

/// `header: { Name: value or list }`: one condition a name.
fn headers(report: &mut Report, node: &Node, regex: bool, found: &mut Found) {
    let Some(entries) = mapping(report, node, "headers by name") else {
        return;
    };
    if entries.is_empty() {
        wrong::<()>(report, node, "at least one header");
    }
    for (key, node) in entries {
        let name = accepted(report, key.spot, HeaderName::try_from(key.text.as_str()));
        let values = if regex {
            regexes(report, node, Case::Ignored).map(Alternatives::Regexes)
        } else {
            values(report, node, "header value").map(Alternatives::Values)
        };
        let condition = name
            .zip(values)
            .map(|(name, values)| Condition::HttpHeader { name, values });
        found.add(key.spot, condition);
    }
}

/// `query: { key: value or list }`: one condition a key. `query: [..]` and `query: "*x*"`: one condition.
fn short_query(report: &mut Report, spot: Spot, node: &Node, found: &mut Found) {
    let Value::Map(entries) = &node.value else {
        found.add(spot, query_items(report, node));
        return;
    };
    if entries.is_empty() {
        wrong::<()>(report, node, "at least one query parameter");
    }
    for (key, node) in entries {
        let name = accepted(report, key.spot, QueryText::try_from(key.text.as_str()));
        let values: Option<Vec<QueryText>> = values(report, node, "query value");
        let condition = name.zip(values).map(|(name, values)| {
            let pattern = |value| QueryPattern {
                key: Some(name.clone()),
                value,
            };
            Condition::QueryString(values.into_iter().map(pattern).collect())
        });
        found.add(key.spot, condition);
    }
}

/// Alternatives of one query-string condition: texts, or mappings of `key` (optional) and `value`.
fn query_items(report: &mut Report, node: &Node) -> Option<Condition> {
    read_all(report, node, "query value", query_item).map(Condition::QueryString)
}

fn query_item(report: &mut Report, node: &Node) -> Option<QueryPattern> {
    if !matches!(node.value, Value::Map(_)) {
        return value(report, node, "query value").map(|value| QueryPattern { key: None, value });
    }
    let fields = fields(report, node, "a query parameter", &["key", "value"], &[])?;
    let key = match fields.get("key") {
        Some(node) => value(report, node, "query key").map(Some),
        None => Some(None),
    };
    let value = fields
        .require(report, "value", "the value to compare with")
        .and_then(|node| value(report, node, "query value"));
    Some(QueryPattern {
        key: key?,
        value: value?,
    })
}

/// `conditions: [ { host_header: .. }, .. ]`
fn long_form(report: &mut Report, node: &Node, found: &mut Found) {
    for item in list(report, node, "conditions").unwrap_or_default() {
        let Some(fields) = fields(report, item, "a condition", &KINDS, &[]) else {
            continue;
        };
        let kinds = fields.present(&KINDS);
        if let Some((second, _)) = kinds.get(1) {
            let message = format!(
                "found `{}` beside `{}`; expected one condition an entry",
                second.text, kinds[0].0.text
            );
            report.mistake(second.spot, message);
        } else if kinds.is_empty() {
            let message = format!(
                "found a condition without a kind; expected one of `{}`",
                KINDS.join("`, `")
            );
            report.mistake(item.spot, message);
        }
        for (kind, node) in kinds {
            let condition = match kind.text.as_str() {
                "host_header" => alternatives(report, node, "host", Case::Ignored).map(Condition::HostHeader),
                "path_pattern" => alternatives(report, node, "path", Case::Kept).map(Condition::PathPattern),
                "http_header" => long_header(report, node),
                "http_request_method" => plain_values(report, node)
                    .and_then(|node| values(report, node, "method"))
                    .map(Condition::HttpRequestMethod),
                "query_string" => plain_values(report, node).and_then(|node| query_items(report, node)),
                _ => plain_values(report, node).and_then(|node| source_ip(report, node)),
            };
            found.add(kind.spot, condition);
        }
    }
}

/// A value, a list, `{ values: .. }` or `{ regex_values: .. }`.
fn alternatives<'n, P>(report: &mut Report, node: &'n Node, what: &str, case: Case) -> Option<Alternatives<P>>
where
    P: TryFrom<&'n str, Error = PatternRefusal>,
{
    if !matches!(node.value, Value::Map(_)) {
        return values(report, node, what).map(Alternatives::Values);
    }
    let fields = fields(report, node, "a condition", &["values", "regex_values"], &[])?;
    values_or_regexes(report, &fields, what, case)
}

fn values_or_regexes<'n, P>(report: &mut Report, fields: &Fields<'n>, what: &str, case: Case) -> Option<Alternatives<P>>
where
    P: TryFrom<&'n str, Error = PatternRefusal>,
{
    match (fields.get("values"), fields.entry("regex_values")) {
        (Some(node), None) => values(report, node, what).map(Alternatives::Values),
        (None, Some((_, node))) => regexes(report, node, case).map(Alternatives::Regexes),
        (Some(_), Some((key, _))) => {
            report.mistake(key.spot, "found `regex_values` beside `values`; expected one of them");
            None
        }
        (None, None) => {
            report.mistake(
                fields.spot,
                "found a condition without values; expected `values` or `regex_values`",
            );
            None
        }
    }
}

/// A value, a list or `{ values: .. }`, of a condition that knows no regular expressions.
fn plain_values<'n>(report: &mut Report, node: &'n Node) -> Option<&'n Node> {
    // A query parameter is a mapping too, and may stand alone.
    let is_values = |entries: &[(crate::yaml::Key, _)]| {
        entries.is_empty()
            || entries
                .iter()
                .any(|(key, _)| key.text == "values" || key.text == "regex_values")
    };
    match &node.value {
        Value::Map(entries) if is_values(entries) => {
            let fields = fields(report, node, "a condition", &["values"], NO_REGEX)?;
            if fields.get("regex_values").is_some() {
                return None;
            }
            fields.require(report, "values", "the values to compare with")
        }
        _ => Some(node),
    }
}

fn long_header(report: &mut Report, node: &Node) -> Option<Condition> {
    let fields = fields(
        report,
        node,
        "a header condition",
        &["name", "values", "regex_values"],
        &[],
    )?;
    let name = fields
        .require(report, "name", "the name of a header")
        .and_then(|node| value::<HeaderName>(report, node, "header name"));
    let values = values_or_regexes::<HeaderPattern>(report, &fields, "header value", Case::Ignored);
    Some(Condition::HttpHeader {
        name: name?,
        values: values?,
    })
}
