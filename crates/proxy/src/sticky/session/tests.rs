use super::*;
use crate::connection::Peer;
use crate::trace::Random;
use http1::{HeadLimits, HeadScanner, RequestHead, ResponseHead, Scan};
use model::{AccountId, Region, ResourceId, Scope};
use std::time::Instant;

const HOUR: Duration = Duration::from_secs(3600);
const WEEK_SECS: u64 = 7 * 86_400;
const CHROME: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";

fn tag(id: u64) -> GroupTag {
    let scope = Scope {
        region: Region::try_from("us-east-1").unwrap(),
        account: AccountId::try_from("123456789012").unwrap(),
    };
    GroupTag::of(&TargetGroupArn::new(&scope, "red", ResourceId(id)))
}

fn key() -> CookieKey {
    CookieKey::new(&[7; 32])
}

fn by_load_balancer() -> Stickiness {
    Stickiness {
        enabled: true,
        lb_cookie_duration: HOUR,
        ..Stickiness::default()
    }
}

fn by_application() -> Stickiness {
    Stickiness {
        enabled: true,
        stickiness_type: StickinessType::AppCookie,
        app_cookie_name: "SESSION".to_owned(),
        app_cookie_duration: HOUR,
        ..Stickiness::default()
    }
}

/// What cookies of a request mean, and what the response of a target sets.
struct Turn {
    bound: Option<Vec<u8>>,
    set: Vec<String>,
}

/// One request with these header lines, answered by `target` with these.
fn turn(stickiness: &Stickiness, group: u64, lines: &str, target: &str, answer: &str, secs: u64, https: bool) -> Turn {
    let bytes = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    let mut head = RequestHead::new();
    head.tokenize(bytes.as_bytes()).unwrap();
    let peer = Peer::new(([127, 0, 0, 1], 1).into(), 80, Instant::now(), &Random::new(1));
    let view = View::new(bytes.as_bytes(), &head, &peer);
    let (mut buffer, now) = (Buffer::new(), Wall::of_secs(secs));
    let asked = Session::read(stickiness, tag(group), &view, &key(), now, &mut buffer);
    let bound = asked.bound.map(<[u8]>::to_vec);
    let bytes = format!("HTTP/1.1 200 OK\r\n{answer}\r\n");
    let mut head = ResponseHead::new();
    let read = head.read(&mut HeadScanner::new(), bytes.as_bytes(), &HeadLimits::ALB);
    assert!(matches!(read, Ok(Scan::Complete { .. })));
    let answered = Answered {
        head: &head,
        bytes: bytes.as_bytes(),
        https,
    };
    let mut set = Vec::new();
    let session = &asked.session;
    session.renew(stickiness, target.as_bytes(), &key(), answered, now, &mut set);
    let line = |(name, value): &HeaderLine<'_>| {
        assert_eq!(&**name, b"Set-Cookie");
        String::from_utf8(value.to_vec()).unwrap()
    };
    Turn {
        bound,
        set: set.iter().map(line).collect(),
    }
}

fn value_of(cookie: &str) -> &str {
    let (pair, _) = cookie.split_once("; ").unwrap();
    pair.split_once('=').unwrap().1
}

/// The cookies of a response as a browser sends them back.
fn returned(turn: &Turn) -> String {
    let pairs: Vec<_> = turn.set.iter().map(|line| line.split_once("; ").unwrap().0).collect();
    format!("Cookie: {}\r\n", pairs.join("; "))
}

fn lb(lines: &str, target: &str, secs: u64) -> Turn {
    turn(&by_load_balancer(), 1, lines, target, "", secs, false)
}

fn app(lines: &str, target: &str, answer: &str, secs: u64) -> Turn {
    turn(&by_application(), 1, lines, target, answer, secs, false)
}

// ALB-B-003: both cookies with the same value
// ALB-B-004: seven days, the path, no Max-Age
// ALB-B-005: SameSite=None; Secure on HTTPS listeners
#[test]
fn the_cookies_of_the_load_balancer() {
    let expires = "; Expires=Thu, 08 Jan 1970 00:00:00 GMT; Path=/";
    for (https, more) in [(false, "; SameSite=None"), (true, "; SameSite=None; Secure")] {
        let set = turn(&by_load_balancer(), 1, "", "t1", "", 0, https).set;
        let value = value_of(&set[0]);
        let expected = [
            format!("AWSALB={value}{expires}"),
            format!("AWSALBCORS={value}{expires}{more}"),
        ];
        assert_eq!(set, expected);
    }
    // A value is never the same twice.
    assert_ne!(value_of(&lb("", "t1", 0).set[0]), value_of(&lb("", "t1", 0).set[0]));
}

// ALB-B-012: a binding older than the configured duration is not honoured
#[test]
fn a_session_ends_after_its_duration_and_is_renewed_by_every_response() {
    let first = lb("", "t1", 1000);
    assert_eq!(first.bound, None);
    let cookies = returned(&first);
    assert_eq!(lb(&cookies, "t1", 1000 + 3600).bound.as_deref(), Some(&b"t1"[..]));
    assert_eq!(lb(&cookies, "t1", 1000 + 3601).bound, None);
    let renewed = returned(&lb(&cookies, "t1", 1000 + 3600));
    assert_eq!(lb(&renewed, "t1", 1000 + 7200).bound.as_deref(), Some(&b"t1"[..]));
}

// ALB-B-008: who was moved stays with the new target
#[test]
fn a_session_follows_the_target_that_answered() {
    let moved = lb(&returned(&lb("", "t1", 0)), "t2", 1);
    assert_eq!(moved.bound.as_deref(), Some(&b"t1"[..]));
    assert_eq!(lb(&returned(&moved), "t2", 2).bound.as_deref(), Some(&b"t2"[..]));
}

// ALB-B-006: when the two disagree, AWSALBCORS decides
#[test]
fn the_cors_cookie_wins() {
    let (one, two) = (lb("", "t1", 0), lb("", "t2", 0));
    let (one, two) = (value_of(&one.set[0]), value_of(&two.set[0]));
    for lines in [
        format!("Cookie: AWSALB={one}; AWSALBCORS={two}\r\n"),
        format!("Cookie: AWSALBCORS={two}\r\nCookie: AWSALB={one}\r\n"),
        format!("Cookie: AWSALBCORS={two}\r\n"),
        format!("Cookie: AWSALB={two}\r\n"),
    ] {
        assert_eq!(lb(&lines, "t2", 0).bound.as_deref(), Some(&b"t2"[..]), "{lines}");
    }
    assert_eq!(
        lb(&format!("Cookie: AWSALB={one}; AWSALBCORS=x\r\n"), "t2", 0).bound,
        None
    );
}

// ALB-B-007: garbage binds to nothing, and the response sets a new cookie
#[test]
fn garbage_binds_to_nothing() {
    let good = lb("", "t1", 0);
    let value = value_of(&good.set[0]);
    let mut changed = value.as_bytes().to_vec();
    changed[20] = if changed[20] == b'A' { b'B' } else { b'A' };
    let other_key = CookieKey::new(&[8; 32]).seal(b"AWSALB", &[FORMAT]).unwrap();
    let encoded = value.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D") + "%20";
    let long = "A".repeat(5000);
    for garbage in [
        "",
        "x",
        "AAAA",
        "\"quoted\"",
        &value[..40],
        &value[1..],
        std::str::from_utf8(&changed).unwrap(),
        &other_key,
        &encoded,
        &long,
    ] {
        let asked = lb(&format!("Cookie: AWSALB={garbage}\r\n"), "t2", 0);
        assert_eq!(asked.bound, None, "{garbage}");
        assert_eq!(lb(&returned(&asked), "t2", 0).bound.as_deref(), Some(&b"t2"[..]));
    }
    assert_eq!(lb(&format!("Cookie: XAWSALB={value}\r\n"), "t1", 0).bound, None);
}

#[test]
fn nothing_is_believed_about_opened_bytes() {
    let entry = |length: u8, reference: &[u8]| {
        let mut plain = vec![FORMAT];
        plain.extend_from_slice(&tag(1).0);
        plain.extend_from_slice(&0_u64.to_be_bytes());
        plain.push(length);
        plain.extend_from_slice(reference);
        plain
    };
    let mut other_format = entry(2, b"t1");
    other_format[0] = 2;
    for (plain, bound) in [
        (entry(2, b"t1"), true),
        (entry(3, b"t1"), false),
        (entry(255, b""), false),
        (entry(2, b"t1")[..10].to_vec(), false),
        (vec![FORMAT], false),
        (Vec::new(), false),
        (other_format, false),
    ] {
        let value = key().seal(b"AWSALB", &plain).unwrap();
        let asked = lb(&format!("Cookie: AWSALB={value}\r\n"), "t2", 0);
        assert_eq!(asked.bound.is_some(), bound, "{plain:?}");
    }
}

#[test]
fn a_client_has_sessions_in_several_groups() {
    let in_group = |group, lines: &str, target, secs| turn(&by_load_balancer(), group, lines, target, "", secs, false);
    let first = in_group(1, "", "t1", 0);
    let second = in_group(2, &returned(&first), "u7", 10);
    assert_eq!(second.bound, None);
    let cookies = returned(&second);
    assert_eq!(in_group(1, &cookies, "t1", 20).bound.as_deref(), Some(&b"t1"[..]));
    assert_eq!(in_group(2, &cookies, "u7", 20).bound.as_deref(), Some(&b"u7"[..]));
    // Each has its own time: answers of the second do not renew the first.
    let mut cookies = cookies;
    for secs in [1800, 3600, 3601] {
        cookies = returned(&in_group(2, &cookies, "u7", secs));
    }
    assert_eq!(in_group(1, &cookies, "t1", 3601).bound, None);
    assert_eq!(in_group(2, &cookies, "u7", 3601).bound.as_deref(), Some(&b"u7"[..]));
    // The ones used last stay, and the value stays small enough for one shard.
    for group in 1..=40 {
        let turn = in_group(group, &cookies, "longest reference of a target, ip", group);
        assert!(value_of(&turn.set[0]).len() <= 1408);
        cookies = returned(&turn);
    }
    for group in 1..=40 {
        let bound = in_group(group, &cookies, "t", 41).bound;
        assert_eq!(bound.is_some(), group > 24, "{group}");
    }
    // What no browser sends any more is not carried on.
    let late = in_group(50, &cookies, "t", 100 + WEEK_SECS);
    assert!(value_of(&late.set[0]).len() < 100);
}

// ALB-B-010: AWSALBAPP-0 only when the target set the configured cookie
// ALB-B-011: without it all four are removed
#[test]
fn an_application_cookie_begins_the_session() {
    let expires = "; Expires=Thu, 08 Jan 1970 00:00:00 GMT; Path=/";
    let removed = |at| format!("AWSALBAPP-{at}=_remove_{expires}");
    for answer in [
        "",
        "Set-Cookie: session=1\r\n",
        "Set-Cookie: OTHER=SESSION=1\r\n",
        "Set-Cookie: a=b; SESSION=1\r\n",
    ] {
        assert_eq!(app("", "t1", answer, 0).set, [0, 1, 2, 3].map(removed), "{answer}");
    }
    for answer in [
        "Set-Cookie: SESSION=1; HttpOnly\r\n",
        "Set-Cookie: a=b\r\nset-cookie: SESSION=\r\n",
    ] {
        let set = app("", "t1", answer, 0).set;
        let first = format!("AWSALBAPP-0={}{expires}", value_of(&set[0]));
        assert_ne!(value_of(&set[0]), "_remove_");
        assert_eq!(set, [first, removed(1), removed(2), removed(3)], "{answer}");
    }
}

#[test]
fn an_application_session_needs_both_cookies_and_goes_on() {
    let first = app("", "t1", "Set-Cookie: SESSION=1\r\n", 0);
    let cookies = returned(&first);
    assert_eq!(
        app(&cookies, "t1", "", 1).bound,
        None,
        "without the application's cookie"
    );
    // Only its name counts.
    let both = format!("{cookies}Cookie: SESSION=another value\r\n");
    let goes_on = app(&both, "t1", "", 3600);
    assert_eq!(goes_on.bound.as_deref(), Some(&b"t1"[..]));
    // The target need not set it again: the session is renewed, and moves when another target answers.
    let moved = app(&format!("{}Cookie: SESSION=1\r\n", returned(&goes_on)), "t2", "", 7200);
    assert_eq!(moved.bound.as_deref(), Some(&b"t1"[..]));
    let stays = app(&format!("{}Cookie: SESSION=1\r\n", returned(&moved)), "t2", "", 7201);
    assert_eq!(stays.bound.as_deref(), Some(&b"t2"[..]));
    // Its duration counts as that of the load balancer's own does.
    let late = app(
        &format!("{}Cookie: SESSION=1\r\n", returned(&stays)),
        "t3",
        "",
        7201 + 3601,
    );
    assert_eq!((late.bound.as_deref(), value_of(&late.set[0])), (None, "_remove_"));
    // A value of one kind is none of the other.
    let value = value_of(&lb("", "t1", 0).set[0]).to_owned();
    let swapped = app(&format!("Cookie: AWSALBAPP-0={value}; SESSION=1\r\n"), "t1", "", 0);
    assert_eq!(swapped.bound, None);
}

#[test]
fn removing_one_application_session_keeps_those_of_other_groups() {
    let in_group = |group, lines: &str, answer| turn(&by_application(), group, lines, "t1", answer, 0, false);
    let first = in_group(1, "", "Set-Cookie: SESSION=1\r\n");
    let other = in_group(2, &returned(&first), "");
    assert_ne!(value_of(&other.set[0]), "_remove_");
    let again = in_group(1, &format!("{}Cookie: SESSION=1\r\n", returned(&other)), "");
    assert_eq!(again.bound.as_deref(), Some(&b"t1"[..]));
}

#[test]
fn application_cookies_for_other_sites() {
    let ask = |lines: &str| app(lines, "t1", "Set-Cookie: SESSION=1\r\n", 0).set;
    let old = CHROME.replace("126.0.0.0", "79.0.3945.130");
    for (agent, origin, cross_site) in [
        (CHROME, true, true),
        (CHROME, false, false),
        (&old, true, false),
        ("Mozilla/5.0 Chromium/80.0", true, true),
        ("Mozilla/5.0 (Macintosh) Version/17.5 Safari/605.1.15", true, false),
        ("Chrome/", true, false),
        ("", true, false),
    ] {
        let origin = if origin { "Origin: https://a.example\r\n" } else { "" };
        let set = ask(&format!("User-Agent: {agent}\r\n{origin}"));
        let ends = set.iter().all(|line| line.ends_with("; Path=/; SameSite=None; Secure"));
        let plain = set.iter().all(|line| line.ends_with("; Path=/"));
        assert_eq!((ends, plain), (cross_site, !cross_site), "{agent}: {set:?}");
    }
}
