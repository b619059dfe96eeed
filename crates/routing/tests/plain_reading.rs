//! The compiled table says what reading the rules one by one says. The reading here is written from ALB 2.1 and 2.3
//! alone, as plainly as possible, and shares nothing with the crate but the texts of the rules.

#![allow(clippy::unwrap_used)] // Clippy takes the helpers of this file for product code.

use model::arn::{ListenerArn, LoadBalancerArn, RuleArn};
use model::elb::action::{Actions, Answer, ContentType, FixedResponse};
use model::elb::condition::cidr::Cidr;
use model::elb::condition::pattern::QueryPattern;
use model::elb::condition::{Alternatives, Condition, Conditions};
use model::elb::rule::{Rule, RulePriority};
use model::elb::transform::Transforms;
use model::ids::{AccountId, Owner, Region, ResourceId, Scope};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use routing::{Outcome, RequestHead, RoutingTable, Step};
use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::net::IpAddr;

#[derive(Clone, Debug)]
struct Head {
    method: String,
    path: String,
    query: Option<String>,
    host: Option<String>,
    headers: Vec<(String, String)>,
    source_ip: IpAddr,
}

impl RequestHead for Head {
    fn method(&self) -> &[u8] {
        self.method.as_bytes()
    }

    fn path(&self) -> &[u8] {
        self.path.as_bytes()
    }

    fn query(&self) -> Option<&[u8]> {
        self.query.as_deref().map(str::as_bytes)
    }

    fn host(&self) -> Option<&[u8]> {
        self.host.as_deref().map(str::as_bytes)
    }

    fn header_values<'a>(&'a self, lower_name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let named = self
            .headers
            .iter()
            .filter(move |(name, _)| name.eq_ignore_ascii_case(lower_name));
        named.map(|(_, value)| value.as_bytes())
    }

    fn source_ip(&self) -> IpAddr {
        self.source_ip
    }
}

// The plain reading.

/// The first rule, by priority, whose conditions all hold; and for each rule before it, which condition failed first.
fn read<'r>(rules: &'r [Rule], head: &Head) -> (Option<&'r Rule>, Vec<usize>) {
    let by_priority: BTreeMap<u16, &Rule> = rules.iter().map(|rule| (rule.priority.number(), rule)).collect();
    let mut failed = Vec::new();
    for rule in by_priority.into_values() {
        match rule
            .conditions
            .as_slice()
            .iter()
            .position(|condition| !holds(condition, head))
        {
            Some(position) => failed.push(position),
            None => return (Some(rule), failed),
        }
    }
    (None, failed)
}

fn holds(condition: &Condition, head: &Head) -> bool {
    match condition {
        Condition::HostHeader(values) => head.host.as_ref().is_some_and(|host| {
            let name = match host.split_once(':') {
                Some((name, _port)) => name,
                None => host,
            };
            one_of(values, name, true)
        }),
        Condition::PathPattern(values) => one_of(values, &normalised(&head.path), false),
        Condition::HttpHeader { name, values } => {
            let same = |sent: &String| sent.to_lowercase() == name.as_str().to_lowercase();
            head.headers
                .iter()
                .any(|(sent, value)| same(sent) && one_of(values, value, true))
        }
        Condition::HttpRequestMethod(methods) => methods.iter().any(|method| method.as_str() == head.method),
        Condition::QueryString(patterns) => {
            let query = head.query.as_deref().unwrap_or("");
            query.split('&').filter(|piece| !piece.is_empty()).any(|piece| {
                let (key, value) = piece.split_once('=').unwrap_or((piece, ""));
                patterns.iter().any(|pattern| {
                    let key_holds = pattern
                        .key
                        .as_ref()
                        .is_none_or(|wanted| literal_escapes(wanted.as_str(), key));
                    key_holds && literal_escapes(pattern.value.as_str(), value)
                })
            })
        }
        Condition::SourceIp(blocks) => blocks.iter().any(|block| block.contains(head.source_ip)),
    }
}

fn one_of<P: Display>(values: &Alternatives<P>, subject: &str, any_case: bool) -> bool {
    let fold = |text: &str| {
        if any_case {
            text.to_ascii_lowercase()
        } else {
            text.to_owned()
        }
    };
    if subject.chars().any(|c| c.is_ascii_control()) {
        return false;
    }
    match values {
        Alternatives::Values(values) => values
            .iter()
            .any(|value| wild(&tokens(&fold(&value.to_string()), false), fold(subject).as_bytes())),
        Alternatives::Regexes(values) => values.iter().any(|value| {
            // A character is a byte, as for wildcards.
            let flags = if any_case { "(?i-u)" } else { "(?-u)" };
            regex::bytes::Regex::new(&format!("{flags}{value}"))
                .unwrap()
                .is_match(subject.as_bytes())
        }),
    }
}

fn literal_escapes(pattern: &str, subject: &str) -> bool {
    let clean = !subject.chars().any(|c| c.is_ascii_control());
    clean
        && wild(
            &tokens(&pattern.to_lowercase(), true),
            subject.to_lowercase().as_bytes(),
        )
}

#[derive(Clone, Copy, PartialEq)]
enum Token {
    One,
    Run,
    Just(u8),
}

fn tokens(pattern: &str, escapes: bool) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut bytes = pattern.bytes();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        tokens.push(match byte {
            b'*' => Token::Run,
            b'?' => Token::One,
            b'\\' if escapes => match ahead.next() {
                Some(escaped @ (b'*' | b'?' | b'\\')) => {
                    bytes = ahead;
                    Token::Just(escaped)
                }
                _ => Token::Just(b'\\'),
            },
            other => Token::Just(other),
        });
    }
    tokens
}

fn wild(pattern: &[Token], subject: &[u8]) -> bool {
    match pattern {
        [] => subject.is_empty(),
        [Token::Run, rest @ ..] => (0..=subject.len()).any(|taken| wild(rest, &subject[taken..])),
        [Token::One, rest @ ..] => !subject.is_empty() && wild(rest, &subject[1..]),
        [Token::Just(byte), rest @ ..] => subject.first() == Some(byte) && wild(rest, &subject[1..]),
    }
}

fn normalised(path: &str) -> String {
    let Some(inside) = path.strip_prefix('/') else {
        return path.to_owned();
    };
    let mut kept: Vec<String> = Vec::new();
    let segments: Vec<String> = inside.split('/').map(decoded).collect();
    for segment in &segments {
        match segment.as_str() {
            "" | "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other.to_owned()),
        }
    }
    let directory = matches!(segments.last().map(String::as_str), None | Some("" | "." | ".."));
    match (kept.is_empty(), directory) {
        (true, _) => "/".to_owned(),
        (false, true) => format!("/{}/", kept.join("/")),
        (false, false) => format!("/{}", kept.join("/")),
    }
}

fn decoded(segment: &str) -> String {
    let mut pieces = segment.split('%');
    let mut out = pieces.next().unwrap().to_owned();
    for piece in pieces {
        let Some(Ok(code)) = piece.get(..2).map(|digits| u8::from_str_radix(digits, 16)) else {
            return segment.to_owned();
        };
        if piece.starts_with('+') {
            return segment.to_owned();
        }
        let c = char::from(code);
        if c.is_ascii_alphanumeric() || "-._~".contains(c) {
            out.push(c);
        } else {
            out.push('%');
            out.push_str(&piece[..2]);
        }
        out.push_str(&piece[2..]);
    }
    out
}

// Rules and requests, over few words so that they meet.

fn values<P: for<'a> TryFrom<&'a str, Error: Debug> + Debug + Clone>(
    text: impl Strategy<Value = String>,
) -> impl Strategy<Value = Vec<P>> {
    vec(text, 1..3).prop_map(|texts| texts.iter().filter_map(|text| P::try_from(text).ok()).collect())
}

fn alternatives<P: for<'a> TryFrom<&'a str, Error: Debug> + Debug + Clone>(
    text: impl Strategy<Value = String>,
    regexes: &'static [&'static str],
) -> impl Strategy<Value = Alternatives<P>> {
    prop_oneof![
        6 => values(text).prop_map(Alternatives::Values),
        1 => values(select(regexes).prop_map(str::to_owned)).prop_map(Alternatives::Regexes),
    ]
}

/// Some pieces, side by side.
fn pieces(of: &'static [&'static str], count: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    vec(select(of), count).prop_map(|pieces| pieces.concat())
}

fn any_condition() -> impl Strategy<Value = Condition> {
    let host = pieces(&["a", "b", "B", ".", "*.", "?", "*"], 1..4).prop_map(|text| text + ".c");
    let path = prop_oneof![
        pieces(&["a", "b", "/", "*", "?", "."], 1..5),
        pieces(&["a", "b", "/", "/"], 0..4).prop_map(|text| format!("/{text}")),
        pieces(&["a", "b", "/", "/"], 0..4).prop_map(|text| format!("/{text}*")),
    ];
    let value = || pieces(&["a", "A", "b", "*", "?", r"\*", r"\"], 1..4);
    let pattern = (option::of(value()), value()).prop_filter_map("a pattern", |(key, value)| {
        Some(QueryPattern {
            key: key.map(|key| key.as_str().try_into()).transpose().ok()?,
            value: value.as_str().try_into().ok()?,
        })
    });
    prop_oneof![
        4 => alternatives(host, &["^a", r"B\.c$", "a.*b"]).prop_map(Condition::HostHeader),
        6 => alternatives(path, &["^/a", "b$", "a.?b", "^/$"]).prop_map(Condition::PathPattern),
        1 => (select(vec!["X-A", "x-b"]), alternatives(value(), &["^a", "AB"])).prop_map(|(name, values)| {
            Condition::HttpHeader { name: name.try_into().unwrap(), values }
        }),
        1 => values(select(vec!["GET", "POST", "GE"]).prop_map(str::to_owned)).prop_map(Condition::HttpRequestMethod),
        1 => vec(pattern, 1..3).prop_map(Condition::QueryString),
        1 => values::<Cidr>(select(vec!["10.0.0.0/31", "10.0.0.2/32", "::/0", "0.0.0.0/0"]).prop_map(str::to_owned))
            .prop_map(Condition::SourceIp),
    ]
}

fn listener() -> ListenerArn {
    let scope = Scope {
        region: Region::try_from("us-east-1").unwrap(),
        account: AccountId::try_from("000000000000").unwrap(),
    };
    ListenerArn::new(&LoadBalancerArn::new(&scope, "lb", ResourceId(1)), ResourceId(2))
}

fn actions() -> Actions {
    let response = FixedResponse::new(200, ContentType::TextPlain, "").unwrap();
    Actions::from(Answer::FixedResponse(response))
}

/// As many of the conditions as a rule may have.
fn rule(priority: u16, conditions: Vec<Condition>) -> Option<Rule> {
    let mut taken = Vec::new();
    let mut accepted = None;
    for condition in conditions {
        taken.push(condition);
        match Conditions::new(taken.clone()) {
            Ok(conditions) => accepted = Some(conditions),
            Err(_) => drop(taken.pop()),
        }
    }
    Some(Rule {
        arn: RuleArn::new(&listener(), ResourceId(priority.into())),
        listener: listener(),
        priority: RulePriority::try_from(i64::from(priority)).unwrap(),
        conditions: accepted?,
        transforms: Transforms::default(),
        actions: actions(),
        owner: Owner::Api,
    })
}

/// In any order.
fn any_rules() -> impl Strategy<Value = Vec<Rule>> {
    let count = prop_oneof![4 => 0..8_usize, 1 => 60..140_usize];
    let rules = count.prop_flat_map(|count| vec((any::<u16>(), vec(any_condition(), 1..4)), count));
    rules.prop_map(|rules| {
        let rules: BTreeMap<u16, _> = rules
            .into_iter()
            .map(|(key, conditions)| (key % 50_000, conditions))
            .collect();
        let mut rules: Vec<_> = rules
            .into_iter()
            .filter_map(|(key, conditions)| rule(key + 1, conditions))
            .collect();
        rules.sort_by_key(|rule| rule.priority.number().reverse_bits());
        rules
    })
}

fn any_head() -> impl Strategy<Value = Head> {
    let host = pieces(&["a", "b", "A", "."], 0..4).prop_map(|text| text + ".c");
    let host = (host, select(vec!["", "", ":80", ":"])).prop_map(|(name, port)| name + port);
    let path = pieces(
        &[
            "a", "b", "a", "b", "/", "/", "/", ".", "..", "%61", "%2", "%2f", "%2E", "\u{7f}", "ä",
        ],
        0..6,
    );
    let path = prop_oneof![9 => path.prop_map(|path| format!("/{path}")), 1 => Just("*".to_owned())];
    let value = || pieces(&["a", "b", "B", "*", "\\", "\t"], 0..4);
    let query = pieces(&["a", "b", "A", "*", "\\", "=", "&", "?"], 0..6);
    let name = select(vec!["x-a", "X-B", "other"]).prop_map(str::to_owned);
    let address = select(vec!["10.0.0.1", "10.0.0.2", "::1"]).prop_map(|text| text.parse().unwrap());
    let method = select(vec!["GET", "GET", "POST", "get", "GE"]).prop_map(str::to_owned);
    (
        method,
        path,
        option::of(query),
        option::weighted(0.9, host),
        vec((name, value()), 0..3),
        address,
    )
        .prop_map(|(method, path, query, host, headers, source_ip)| Head {
            method,
            path,
            query,
            host,
            headers,
            source_ip,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// The compiled table says what reading the rules one by one says, and explains it the same way.
    #[test]
    fn table_agrees_with_the_plain_reading(rules in any_rules(), heads in vec(any_head(), 20)) {
        let default = RuleArn::new(&listener(), ResourceId(0));
        let table = RoutingTable::compile(&rules, &default, &actions(), |_| ()).unwrap();
        for head in heads {
            let (expected, failed) = read(&rules, &head);
            let plan = table.plan(&head);
            prop_assert_eq!(plan.priority, expected.map(|rule| rule.priority), "{:?}", head);
            prop_assert_eq!(plan.rule, expected.map_or(&default, |rule| &rule.arn));
            let evaluated = failed.len() + usize::from(expected.is_some());
            prop_assert_eq!(usize::try_from(plan.evaluated), Ok(evaluated));

            let mut steps: Vec<Step> = Vec::new();
            let explained = table.explain(&head, &mut steps);
            prop_assert_eq!(explained.rule, plan.rule);
            let positions = steps.iter().filter_map(|step| match step.outcome {
                Outcome::Failed { position, .. } => Some(position),
                Outcome::Matched => None,
            });
            prop_assert_eq!(positions.collect::<Vec<_>>(), failed);
        }
    }
}

/// If requests seldom matched, or always, agreeing would prove little.
#[test]
fn the_generators_meet() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut matched, mut tried) = (0, 0);
    for _ in 0..200 {
        let rules = any_rules().new_tree(&mut runner).unwrap().current();
        let head = any_head().new_tree(&mut runner).unwrap().current();
        tried += 1;
        matched += usize::from(read(&rules, &head).0.is_some());
    }
    assert!((tried / 5..tried * 9 / 10).contains(&matched), "{matched} of {tried}");
}
