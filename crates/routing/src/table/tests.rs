//! One behaviour each; that the whole table reads rules as they are meant is shown in `tests/plain_reading.rs`.

use super::*;
use crate::testing::{Head, scope};
use model::arn::{ListenerArn, LoadBalancerArn};
use model::elb::action::{Answer, ContentType, FixedResponse, Forward, WeightedTargetGroup};
use model::elb::condition::cidr::Cidr;
use model::elb::condition::pattern::QueryPattern;
use model::elb::condition::{Alternatives, Condition as Written, Conditions};
use model::elb::transform::{Rewrite, Transforms as WrittenTransforms};
use model::ids::{Owner, ResourceId};

fn values<P: for<'a> TryFrom<&'a str, Error: fmt::Debug>>(texts: &[&str]) -> Vec<P> {
    texts.iter().map(|text| P::try_from(text).unwrap()).collect()
}

fn host(texts: &[&str]) -> Written {
    Written::HostHeader(Alternatives::Values(values(texts)))
}

fn path(texts: &[&str]) -> Written {
    Written::PathPattern(Alternatives::Values(values(texts)))
}

fn header(name: &str, texts: &[&str]) -> Written {
    Written::HttpHeader {
        name: name.try_into().unwrap(),
        values: Alternatives::Values(values(texts)),
    }
}

fn method(texts: &[&str]) -> Written {
    Written::HttpRequestMethod(values(texts))
}

fn query(key: Option<&str>, value: &str) -> Written {
    Written::QueryString(vec![QueryPattern {
        key: key.map(|key| key.try_into().unwrap()),
        value: value.try_into().unwrap(),
    }])
}

fn source_ip(blocks: &[&str]) -> Written {
    Written::SourceIp(values::<Cidr>(blocks))
}

fn listener() -> ListenerArn {
    ListenerArn::new(&LoadBalancerArn::new(&scope(), "lb", ResourceId(1)), ResourceId(2))
}

fn actions() -> Actions {
    let response = FixedResponse::new(200, ContentType::TextPlain, "").unwrap();
    Actions::from(Answer::FixedResponse(response))
}

/// A rule whose ARN ends in its priority.
fn rule(priority: i64, conditions: Vec<Written>) -> Rule {
    let id = ResourceId(u64::try_from(priority).unwrap());
    Rule {
        arn: RuleArn::new(&listener(), id),
        listener: listener(),
        priority: RulePriority::try_from(priority).unwrap(),
        conditions: Conditions::new(conditions).unwrap(),
        transforms: WrittenTransforms::default(),
        actions: actions(),
        owner: Owner::Api,
    }
}

fn table(rules: &[Rule]) -> RoutingTable<usize> {
    let default = RuleArn::new(&listener(), ResourceId(0));
    RoutingTable::compile(rules, &default, &actions(), |_| 0).unwrap()
}

/// The priority of the rule that a request matches, 0 for the default; `plan` and `explain` must agree.
fn matched(table: &RoutingTable<usize>, head: &Head) -> u16 {
    let plan = table.plan(head);
    let mut steps = Vec::new();
    let explained = table.explain(head, &mut steps);
    assert_eq!((plan.rule, plan.evaluated), (explained.rule, explained.evaluated));
    assert_eq!(
        steps.last().map(|step| (&step.rule, &step.outcome)),
        Some((plan.rule, &Outcome::Matched))
    );
    plan.priority.map_or(0, RulePriority::number)
}

/// One rule with these conditions matches the first requests and none of the others.
#[track_caller]
fn check(conditions: &[Written], matching: &[Head], other: &[Head]) {
    let table = table(&[rule(1, conditions.to_vec())]);
    for (heads, expected) in [(matching, 1), (other, 0)] {
        for head in heads {
            let what = String::from_utf8_lossy(&head.path);
            assert_eq!(
                matched(&table, head),
                expected,
                "{what} {:?} {conditions:?}",
                head.query
            );
        }
    }
}

fn at(target: &str) -> Head {
    Head::get("h.example", target)
}

fn to(host: &str) -> Head {
    Head::get(host, "/")
}

// ALB-C-001: ascending priority, whatever the order of creation
#[test]
fn the_lowest_priority_wins() {
    let rules = [
        rule(30, vec![path(&["/a*"])]),
        rule(10, vec![path(&["/a/b"])]),
        rule(20, vec![path(&["/a/*"])]),
    ];
    let table = table(&rules);
    for (target, priority) in [("/a/b", 10), ("/a/c", 20), ("/ab", 30), ("/b", 0)] {
        assert_eq!(matched(&table, &at(target)), priority, "{target}");
    }
}

// ALB-C-002: the default rule comes last, without a priority
#[test]
fn the_default_rule_comes_last() {
    let full = table(&[rule(50_000, vec![path(&["*"])])]);
    let plan = full.plan(&at("/x"));
    assert_eq!(
        (plan.priority.map(RulePriority::number), plan.evaluated),
        (Some(50_000), 1)
    );
    let empty = table(&[]);
    let plan = empty.plan(&at("/x"));
    assert_eq!((plan.priority, plan.evaluated), (None, 0));
    assert!(plan.rule.as_str().ends_with("/0000000000000000") && plan.transforms.is_empty());
}

// ALB-G-016: the default rule is not counted
#[test]
fn evaluated_rules_are_counted() {
    let table = table(&[
        rule(1, vec![path(&["/a"])]),
        rule(2, vec![path(&["/b"])]),
        rule(7, vec![path(&["/c"])]),
    ]);
    for (target, evaluated) in [("/a", 1), ("/b", 2), ("/c", 3), ("/d", 3)] {
        assert_eq!(table.plan(&at(target)).evaluated, evaluated, "{target}");
    }
}

// ALB-C-003: values are alternatives, conditions must all hold
#[test]
fn values_are_ored_and_conditions_anded() {
    let conditions = [path(&["/a", "/b"]), host(&["x.example", "y.example"])];
    let request = Head::get;
    check(
        &conditions,
        &[request("x.example", "/a"), request("y.example", "/b")],
        &[request("x.example", "/c"), request("z.example", "/a")],
    );
}

// ALB-C-004: two http-header conditions must both hold
#[test]
fn both_header_conditions_must_hold() {
    check(
        &[header("X-A", &["1"]), header("X-B", &["2"])],
        &[at("/").header("x-b", "2").header("x-a", "1")],
        &[at("/").header("x-a", "1"), at("/").header("x-b", "2"), at("/")],
    );
}

// ALB-C-007: hosts match in any case; the port does not matter
// ALB-C-008: `*.example.com` is not `example.com`
#[test]
fn hosts() {
    check(
        &[host(&["*.EXAMPLE.com"])],
        &[to("a.example.COM"), to("a.b.example.com:8443"), to(".example.com")],
        &[
            to("example.com"),
            to("a.example.com.evil.org"),
            to("aexample.com"),
            to(""),
        ],
    );
    check(
        &[host(&["Shop.example"])],
        &[to("sHOP.example:80")],
        &[to("a.shop.example"), to("shop.exampl")],
    );
    check(&[host(&["www.*"])], &[to("www.a")], &[to("www"), to("a.www.b")]);
    let long = format!("{}.example.com", "a".repeat(300));
    check(&[host(&["*.example.com"])], &[to(&long)], &[to(&long[..300])]);
}

#[test]
fn without_a_host_no_host_condition_holds() {
    let mut head = to("");
    head.host = None;
    check(&[host(&["*.*"])], &[], &[head]);
}

// ALB-C-010: paths are case-sensitive
// ALB-C-011: `/img/*` matches `/img/` and `/img/a/b` but not `/img`
#[test]
fn paths() {
    check(&[path(&["/Img/*"])], &[at("/Img/a")], &[at("/img/a")]);
    check(
        &[path(&["/img/*"])],
        &[at("/img/"), at("/img/a/b")],
        &[at("/img"), at("/imga")],
    );
}

// ALB-C-013: the query is no part of the path
#[test]
fn the_query_is_no_part_of_the_path() {
    check(&[path(&["/a"])], &[at("/a?x=1"), at("/a?")], &[at("/b?/a")]);
    check(&[path(&["*x"])], &[at("/x?y")], &[at("/a?x")]);
}

// ALB-C-014: path conditions see the normalised path
#[test]
fn paths_are_normalised() {
    check(
        &[path(&["/admin/*"])],
        &[
            at("/a/../admin/x"),
            at("//admin//x"),
            at("/%61dmin/x"),
            at("/admin/./x"),
        ],
        &[at("/admin/../x"), at("/admin/%2e%2e/x")],
    );
}

#[test]
fn control_bytes_never_match() {
    let rules = table(&[
        rule(1, vec![path(&["*"])]),
        rule(2, vec![host(&["*.example"])]),
        rule(3, vec![header("x", &["*"])]),
        rule(4, vec![query(None, "*")]),
    ]);
    for byte in ["\0", "\x1f", "\t", "\x7f"] {
        let bad = format!("x{byte}y");
        let head = Head::get(&format!("{bad}.example"), &format!("/{bad}?k={bad}")).header("X", &bad);
        assert_eq!(matched(&rules, &head), 0, "{byte:?}");
    }
    assert_eq!(matched(&rules, &at("/ä")), 1);
}

// ALB-C-015: header names and values match in any case
// ALB-C-016: of a header sent twice, either value may match
#[test]
fn headers() {
    check(
        &[header("X-Custom", &["Val*"])],
        &[
            at("/").header("x-CUSTOM", "vALUE"),
            at("/").header("X-Custom", "other").header("x-custom", "value"),
        ],
        &[
            at("/").header("X-Custom", "a value"),
            at("/").header("X-Other", "value"),
            at("/"),
        ],
    );
}

// ALB-C-019: methods are exact and case-sensitive
#[test]
fn methods() {
    check(
        &[method(&["GET", "PURGE"])],
        &[at("/"), at("/").method("PURGE")],
        &[
            at("/").method("get"),
            at("/").method("GETX"),
            at("/").method("GE"),
            at("/").method(""),
        ],
    );
}

// ALB-C-021: queries match in any case, with and without a key
// ALB-C-022: `\*` is a literal asterisk only
#[test]
fn queries() {
    check(
        &[query(Some("Version"), "v1*")],
        &[at("/?VERSION=V1"), at("/?a=b&version=v1.2")],
        &[at("/?version=v2"), at("/?x=v1"), at("/?v1"), at("/"), at("/?")],
    );
    check(
        &[query(None, "*example*")],
        &[at("/?a=EXAMPLE"), at("/?x&b=an+example")],
        &[at("/?example=1"), at("/?a=%65xample")],
    );
    check(
        &[query(Some("flag"), "*")],
        &[at("/?flag"), at("/?flag="), at("/?flag=1")],
        &[at("/?flags")],
    );
}

#[test]
fn escaped_wildcards_in_queries() {
    check(
        &[query(None, r"a\*b")],
        &[at("/?x=a*b")],
        &[at("/?x=axb"), at(r"/?x=a\*b")],
    );
    check(&[query(Some(r"\?"), r"*")], &[at("/??=1"), at("/??")], &[at("/?x=1")]);
}

// ALB-C-024: the peer's address counts, not X-Forwarded-For
// ALB-C-025: IPv6 blocks
#[test]
fn source_addresses() {
    let outside = || at("/").from("198.51.100.1").header("X-Forwarded-For", "192.0.2.9");
    check(
        &[source_ip(&["192.0.2.0/24"])],
        &[at("/").from("192.0.2.9")],
        &[outside()],
    );
    check(
        &[source_ip(&["10.0.0.0/8", "2001:db8::/32"])],
        &[at("/").from("2001:db8:1::1"), at("/").from("10.1.1.1")],
        &[at("/").from("2001:db9::1"), outside()],
    );
}

// ALB-C-028: regular expressions for host, header and path
#[test]
fn regular_expressions() {
    let regexes = |texts: &[&str]| values(texts);
    check(
        &[Written::HostHeader(Alternatives::Regexes(regexes(&["^api[0-9]\\."])))],
        &[to("API7.example")],
        &[to("x.api7.example"), to("api.example")],
    );
    check(
        &[Written::PathPattern(Alternatives::Regexes(regexes(&[
            "^/v[12]/", "x$",
        ])))],
        &[at("/v1/a"), at("/a/../v2/"), at("/x")],
        &[at("/V1/a"), at("/a/v1/")],
    );
    let header = Written::HttpHeader {
        name: "user-agent".try_into().unwrap(),
        values: Alternatives::Regexes(regexes(&["probe/\\d"])),
    };
    check(
        &[header],
        &[at("/").header("User-Agent", "a Probe/1")],
        &[at("/").header("User-Agent", "probe/x"), at("/")],
    );
}

#[test]
fn a_regular_expression_may_be_too_big() {
    let big = Written::PathPattern(Alternatives::Regexes(values(&["(?:a{999}){999}"])));
    let rules = [rule(1, vec![big])];
    let default = RuleArn::new(&listener(), ResourceId(0));
    let refused = RoutingTable::compile(&rules, &default, &actions(), |_| 0).unwrap_err();
    assert!(matches!(refused, CompileError::RegexTooBig { rule, .. } if rule == rules[0].arn));
}

// ALB-A-029: rewriting does not change which rule matched
#[test]
fn transforms_come_after_the_match() {
    let mut rewriting = rule(2, vec![path(&["/a/*"])]);
    rewriting.transforms.url = Some(Rewrite::new("^/a/", "/b/").unwrap());
    let table = table(&[rule(1, vec![path(&["/b/*"])]), rewriting]);
    let plan = table.plan(&at("/a/x"));
    assert_eq!(plan.priority.map(RulePriority::number), Some(2));
    assert_eq!(plan.transforms.apply(&at("/a/x")).uri.as_deref(), Some(&b"/b/x"[..]));
}

#[test]
fn target_groups_are_resolved() {
    let group = TargetGroupArn::new(&scope(), "g", ResourceId(5));
    let mut forwarding = rule(1, vec![path(&["*"])]);
    let weighted = WeightedTargetGroup {
        target_group: group.clone(),
        weight: 1,
    };
    forwarding.actions.answer = Answer::Forward(Forward::new(vec![weighted], None).unwrap());
    let default = RuleArn::new(&listener(), ResourceId(0));
    let table = RoutingTable::compile([&forwarding], &default, &actions(), |arn| arn.to_string()).unwrap();
    let Action::Forward(forward) = table.plan(&at("/")).action else {
        panic!("a forward action");
    };
    assert_eq!(forward.pick(0), Some(&(group.clone(), group.to_string())));
}

#[test]
fn more_rules_than_bits_in_a_word() {
    let rules: Vec<_> = (1..=200)
        .map(|at| rule(at, vec![path(&[&format!("/{at}/*")])]))
        .collect();
    let table = table(&rules);
    for number in [1, 64, 65, 128, 129, 200] {
        assert_eq!(matched(&table, &at(&format!("/{number}/x"))), number);
    }
    assert_eq!(matched(&table, &at("/201/x")), 0);
}

#[test]
fn explanations_name_the_first_condition_that_failed_as_written() {
    let table = table(&[
        rule(1, vec![header("X-A", &["1"]), path(&["/a"]), method(&["POST"])]),
        rule(2, vec![path(&["/c", "/d"]), method(&["POST"])]),
        rule(3, vec![host(&["x.example"])]),
        rule(4, vec![query(Some("k"), "v"), source_ip(&["10.0.0.0/8"])]),
        rule(5, vec![source_ip(&["10.0.0.0/8"])]),
        rule(6, vec![path(&["/b"])]),
        rule(7, vec![path(&["*"])]),
    ]);
    let head = at("/a/../b?k=v&x").header("x-a", "2").header("X-A", "3\t");
    let mut steps: Vec<Step> = Vec::new();
    assert_eq!(
        table.explain(&head, &mut steps).priority.map(RulePriority::number),
        Some(6)
    );
    let told: Vec<_> = steps
        .iter()
        .map(|step| match &step.outcome {
            Outcome::Matched => "matched".to_owned(),
            Outcome::Failed { position, why, .. } => format!("{position}: {why}"),
        })
        .collect();
    assert_eq!(
        told,
        [
            r#"0: http-header X-A is 1, but X-A is "2" and "3\t""#,
            r#"0: path-pattern is /c or /d, but the path is "/b" (sent as "/a/../b")"#,
            r#"0: host-header is x.example, but the host is "h.example""#,
            "1: source-ip in 10.0.0.0/8, but the client's address is 192.0.2.1",
            "0: source-ip in 10.0.0.0/8, but the client's address is 192.0.2.1",
            "matched",
        ]
    );
}
