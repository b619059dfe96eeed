use super::*;
use crate::connection::Peer;
use crate::trace::Random;
use http1::RequestHead;
use model::{AccountId, ListenerArn, LoadBalancerArn, Region, ResourceId, Scope};
use std::time::Instant;

const HOUR: Duration = Duration::from_secs(3600);

fn scope() -> Scope {
    Scope {
        region: Region::try_from("us-east-1").unwrap(),
        account: AccountId::try_from("123456789012").unwrap(),
    }
}

fn rule(id: u64) -> RuleArn {
    let load_balancer = LoadBalancerArn::new(&scope(), "shop", ResourceId(1));
    RuleArn::new(&ListenerArn::new(&load_balancer, ResourceId(2)), ResourceId(id))
}

fn group() -> TargetGroupArn {
    TargetGroupArn::new(&scope(), "red", ResourceId(4))
}

fn key() -> CookieKey {
    CookieKey::new(&[7; 32])
}

/// What a client's `Cookie` lines mean for a rule at some moment.
fn bound(key: &CookieKey, lines: &str, rule_id: u64, secs: u64) -> Binding {
    let bytes = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    let mut head = RequestHead::new();
    head.tokenize(bytes.as_bytes()).unwrap();
    let peer = Peer::new(([127, 0, 0, 1], 1).into(), 80, Instant::now(), &Random::new(1));
    let view = View::new(bytes.as_bytes(), &head, &peer);
    binding(&view, key, &rule(rule_id), HOUR, Wall::of_secs(secs))
}

fn cookies(secs: u64) -> Vec<String> {
    let mut lines = Vec::new();
    bind(&key(), &rule(3), &group(), Wall::of_secs(secs), &mut lines);
    let text = |(_, value): HeaderLine<'_>| String::from_utf8(value.into_owned()).unwrap();
    lines.into_iter().map(text).collect()
}

fn value_of(cookie: &str) -> &str {
    let (pair, _) = cookie.split_once("; ").unwrap();
    pair.split_once('=').unwrap().1
}

fn issued(secs: u64) -> String {
    let cookies = cookies(secs);
    assert_eq!(value_of(&cookies[0]), value_of(&cookies[1]));
    value_of(&cookies[0]).to_owned()
}

#[test]
fn a_binding_ends_after_its_duration() {
    let line = format!("Cookie: a=b; AWSALBTG={}; c=d\r\n", issued(1000));
    for secs in [1000, 1000 + 3600] {
        assert_eq!(bound(&key(), &line, 3, secs), Binding::Group(group().to_string()));
    }
    assert_eq!(bound(&key(), &line, 3, 1000 + 3601), Binding::None);
}

#[test]
fn a_binding_is_for_one_rule_and_one_key() {
    let line = format!("Cookie: AWSALBTG={}\r\n", issued(1000));
    assert_eq!(bound(&key(), &line, 9, 1000), Binding::None);
    assert_eq!(bound(&CookieKey::new(&[8; 32]), &line, 3, 1000), Binding::None);
}

#[test]
fn cookies_that_bind_to_nothing() {
    let value = issued(1000);
    let mut changed = value.clone().into_bytes();
    changed[20] ^= 1;
    let changed = String::from_utf8(changed).unwrap();
    for other in [&changed, "", "AAAA", "%", &value[..40]] {
        let expected = if other == "%" { Binding::Invalid } else { Binding::None };
        assert_eq!(
            bound(&key(), &format!("Cookie: AWSALBTG={other}\r\n"), 3, 1000),
            expected
        );
    }
    assert_eq!(
        bound(&key(), &format!("Cookie: XAWSALBTG={value}\r\n"), 3, 1000),
        Binding::None
    );
    assert_eq!(bound(&key(), "", 3, 1000), Binding::None);
}

#[test]
fn the_cors_cookie_wins_on_any_line() {
    let line = format!("Cookie: AWSALBTG=x\r\nCookie: AWSALBTGCORS={}\r\n", issued(1000));
    assert_eq!(bound(&key(), &line, 3, 1000), Binding::Group(group().to_string()));
}

#[test]
fn cookies_live_for_seven_days() {
    let cookies = cookies(0);
    assert!(cookies[0].ends_with("; Expires=Thu, 08 Jan 1970 00:00:00 GMT; Path=/"));
    assert!(cookies[1].ends_with("; Expires=Thu, 08 Jan 1970 00:00:00 GMT; Path=/; SameSite=None; Secure"));
    // A value is never the same twice.
    assert_ne!(issued(0), issued(0));
}
