//! Conditions: an operator, a key of the request, and values. Source: IAM "condition operators".

use super::pattern::{NotReady, Pattern};
use crate::iam::evaluate::{Context, Found, Verdict};
use std::net::IpAddr;

/// One line of a `Condition`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::iam) struct Condition {
    pub(super) operator: Operator,
    /// As written; keys know no case.
    pub(super) key: String,
    /// One of them has to match; with a negative operator none may.
    pub(super) values: Vec<Pattern>,
}

/// `ForAnyValue:StringNotEqualsIfExists`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operator {
    test: Test,
    negative: bool,
    if_exists: bool,
    several: Several,
}

/// How a request's value and a condition's are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    Equals,
    EqualsIgnoreCase,
    Like,
    Number(Order),
    Date(Order),
    Bool,
    Ip,
    Arn,
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What is said of keys with several values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Several {
    One,
    All,
    Any,
}

/// Operators, whether they are negative, and what they compare.
const OPERATORS: [(&str, bool, Test); 27] = [
    ("StringEquals", false, Test::Equals),
    ("StringNotEquals", true, Test::Equals),
    ("StringEqualsIgnoreCase", false, Test::EqualsIgnoreCase),
    ("StringNotEqualsIgnoreCase", true, Test::EqualsIgnoreCase),
    ("StringLike", false, Test::Like),
    ("StringNotLike", true, Test::Like),
    ("NumericEquals", false, Test::Number(Order::Equal)),
    ("NumericNotEquals", true, Test::Number(Order::Equal)),
    ("NumericLessThan", false, Test::Number(Order::Less)),
    ("NumericLessThanEquals", false, Test::Number(Order::LessOrEqual)),
    ("NumericGreaterThan", false, Test::Number(Order::Greater)),
    ("NumericGreaterThanEquals", false, Test::Number(Order::GreaterOrEqual)),
    ("DateEquals", false, Test::Date(Order::Equal)),
    ("DateNotEquals", true, Test::Date(Order::Equal)),
    ("DateLessThan", false, Test::Date(Order::Less)),
    ("DateLessThanEquals", false, Test::Date(Order::LessOrEqual)),
    ("DateGreaterThan", false, Test::Date(Order::Greater)),
    ("DateGreaterThanEquals", false, Test::Date(Order::GreaterOrEqual)),
    ("Bool", false, Test::Bool),
    ("BinaryEquals", false, Test::Equals),
    ("IpAddress", false, Test::Ip),
    ("NotIpAddress", true, Test::Ip),
    ("ArnEquals", false, Test::Arn),
    ("ArnLike", false, Test::Arn),
    ("ArnNotEquals", true, Test::Arn),
    ("ArnNotLike", true, Test::Arn),
    ("Null", false, Test::Null),
];

impl Operator {
    /// `None`: AWS has no such operator.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (several, text) = match text.split_once(':') {
            None => (Several::One, text),
            Some(("ForAllValues", text)) => (Several::All, text),
            Some(("ForAnyValue", text)) => (Several::Any, text),
            Some(_) => return None,
        };
        let (name, if_exists) = match text.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let (_, negative, test) = OPERATORS.into_iter().find(|(its, ..)| *its == name)?;
        let is_null = test == Test::Null;
        (!is_null || (several == Several::One && !if_exists)).then_some(Self {
            test,
            negative,
            if_exists,
            several,
        })
    }

    /// Whether a value can be compared at all. What cannot is refused when the policy is written.
    pub(super) fn takes(self, value: &str) -> bool {
        if value.contains("${") {
            return true;
        }
        match self.test {
            Test::Equals | Test::EqualsIgnoreCase | Test::Like | Test::Arn => true,
            Test::Number(_) => number(value).is_some(),
            Test::Date(_) => date(value).is_some(),
            Test::Bool | Test::Null => boolean(value).is_some(),
            Test::Ip => network(value).is_some(),
        }
    }
}

impl Condition {
    /// Whether it holds of a request.
    pub(in crate::iam) fn holds(&self, context: &Context) -> Verdict {
        let Operator {
            test,
            negative,
            if_exists,
            several,
        } = self.operator;
        let found = match context.value(&self.key) {
            Found::NotKnown => return Verdict::NotKnown,
            Found::Absent => &[][..],
            Found::Values(values) => values,
        };
        if test == Test::Null {
            let is_absent = found.is_empty();
            let wants = |value: &Pattern| boolean(value.as_str()) == Some(is_absent);
            return Verdict::of(self.values.iter().any(wants));
        }
        if found.is_empty() {
            // AWS: what is not there equals nothing, so that only what must not equal holds; of all values of none anything
            // is true, and of any value of none nothing.
            return Verdict::of(match several {
                Several::One => negative || if_exists,
                Several::All => true,
                Several::Any => if_exists,
            });
        }
        let mut is_each = Vec::with_capacity(found.len());
        for value in found {
            match self.is_met_by(value, context) {
                Verdict::NotKnown => return Verdict::NotKnown,
                verdict => is_each.push((verdict == Verdict::Yes) != negative),
            }
        }
        Verdict::of(match several {
            // A key with one value has one; where there are several, one that fits is enough, or spoils it.
            Several::One if negative => is_each.iter().all(|it| *it),
            Several::One | Several::Any => is_each.iter().any(|it| *it),
            Several::All => is_each.iter().all(|it| *it),
        })
    }

    /// Whether one of the condition's values fits to one of the request's.
    fn is_met_by(&self, value: &str, context: &Context) -> Verdict {
        for wanted in &self.values {
            let ready = match wanted.ready(context) {
                Ok(ready) => ready,
                Err(NotReady::Absent) => continue,
                Err(NotReady::NotKnown) => return Verdict::NotKnown,
            };
            let text = ready.text();
            let fits = match self.operator.test {
                Test::Equals => text == value,
                Test::EqualsIgnoreCase => text.to_lowercase() == value.to_lowercase(),
                Test::Like => ready.matches(value),
                Test::Arn => ready.matches_arn(value),
                Test::Bool | Test::Null => boolean(&text).is_some() && boolean(&text) == boolean(value),
                Test::Number(order) => ordered(order, number(value), number(&text)),
                Test::Date(order) => ordered(order, date(value), date(&text)),
                Test::Ip => is_within(value, &text),
            };
            if fits {
                return Verdict::Yes;
            }
        }
        Verdict::No
    }
}

fn ordered<T: PartialOrd>(order: Order, value: Option<T>, wanted: Option<T>) -> bool {
    let (Some(value), Some(wanted)) = (value, wanted) else {
        return false;
    };
    match order {
        Order::Equal => value == wanted,
        Order::Less => value < wanted,
        Order::LessOrEqual => value <= wanted,
        Order::Greater => value > wanted,
        Order::GreaterOrEqual => value >= wanted,
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn number(text: &str) -> Option<f64> {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    text.parse::<f64>().ok().filter(|it| plain && it.is_finite())
}

/// Seconds since the epoch, or `2026-01-31T08:00:00Z`, also with a fraction, a zone, or without the time.
fn date(text: &str) -> Option<f64> {
    if let Some(number) = number(text) {
        return Some(number);
    }
    let (day, time) = match text.split_once('T') {
        Some((day, time)) => (day, time),
        None => (text, "00:00:00Z"),
    };
    let digits = |text: &str, len: usize| {
        let is = text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u32>().ok().filter(|_| is)
    };
    let mut parts = day.split('-');
    let (year, month, of_month) = (
        digits(parts.next()?, 4)?,
        digits(parts.next()?, 2)?,
        digits(parts.next()?, 2)?,
    );
    let is_day = parts.next().is_none() && (1..=12).contains(&month) && (1..=31).contains(&of_month);
    let zone_at = time.find(['Z', '+', '-'])?;
    let (clock, zone) = time.split_at(zone_at);
    let offset = match zone.strip_prefix(['+', '-']) {
        None => (zone == "Z").then_some(0.0)?,
        Some(offset) => {
            let (hours, minutes) = offset.split_once(':')?;
            let secs = f64::from(digits(hours, 2)? * 3600 + digits(minutes, 2)? * 60);
            if zone.starts_with('-') { -secs } else { secs }
        }
    };
    let mut parts = clock.split(':');
    let (hour, minute) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let second = match parts.next() {
        None => 0.0,
        Some(second) => number(second).filter(|it| (0.0..61.0).contains(it))?,
    };
    if !is_day || hour > 23 || minute > 59 || parts.next().is_some() {
        return None;
    }
    let secs = f64::from(hour * 3600 + minute * 60) + second;
    Some(f64::from(days(year, month, of_month)) * 86_400.0 + secs - offset)
}

/// Days since 1970-01-01. Years begin in March, so that a leap day is the last.
fn days(year: u32, month: u32, day: u32) -> i32 {
    let year = i32::try_from(year).unwrap_or(0) - i32::from(month <= 2);
    let shifted = i32::try_from(if month > 2 { month - 3 } else { month + 9 }).unwrap_or(0);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * shifted + 2) / 5 + i32::try_from(day).unwrap_or(0) - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        None => bits,
        Some(length) => length.parse::<u8>().ok().filter(|it| *it <= bits)?,
    };
    Some((address, length))
}

fn is_within(value: &str, wanted: &str) -> bool {
    let (Ok(address), Some((network, length))) = (value.parse::<IpAddr>(), network(wanted)) else {
        return false;
    };
    let bits = |address: IpAddr| match address {
        IpAddr::V4(it) => u128::from(u32::from(it)) << 96,
        IpAddr::V6(it) => u128::from(it),
    };
    let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
    address.is_ipv4() == network.is_ipv4() && (bits(address) ^ bits(network)) & mask == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        let mut context = Context::default();
        context.put("aws:username", "alice");
        context.put("aws:SourceIp", "127.0.0.1");
        context.put("aws:CurrentTime", "2026-01-31T08:00:00Z");
        context.put("aws:EpochTime", "1769846400");
        context.put("aws:SecureTransport", "false");
        context.put("aws:PrincipalArn", "arn:aws:iam::111122223333:user/alice");
        context.put_all("aws:TagKeys", ["team", "cost"]);
        context
    }

    #[track_caller]
    fn check(operator: &str, key: &str, values: &[&str], expected: Verdict) {
        let operator_ = Operator::read(operator).expect(operator);
        let pattern = |value: &&str| {
            assert!(operator_.takes(value), "{operator} {value}");
            Pattern::new((*value).to_owned(), true)
        };
        let condition = Condition {
            operator: operator_,
            key: key.to_owned(),
            values: values.iter().map(pattern).collect(),
        };
        assert_eq!(condition.holds(&context()), expected, "{operator} {key} {values:?}");
    }

    #[test]
    fn operators_compare() {
        use Verdict::{No, Yes};
        for (operator, key, values, expected) in [
            ("StringEquals", "AWS:UserName", &["bob", "alice"][..], Yes),
            ("StringEquals", "aws:username", &["al*"], No),
            ("StringEquals", "aws:username", &["${aws:username}"], Yes),
            ("StringNotEquals", "aws:username", &["bob", "alice"], No),
            ("StringNotEquals", "aws:username", &["bob"], Yes),
            ("StringEqualsIgnoreCase", "aws:username", &["ALICE"], Yes),
            ("StringLike", "aws:username", &["a?i*"], Yes),
            ("StringNotLike", "aws:username", &["a?i*"], No),
            ("NumericLessThan", "aws:EpochTime", &["1769846401"], Yes),
            ("NumericGreaterThanEquals", "aws:EpochTime", &["1769846400"], Yes),
            ("NumericEquals", "aws:EpochTime", &["1"], No),
            ("DateGreaterThan", "aws:CurrentTime", &["2026-01-31"], Yes),
            ("DateGreaterThan", "aws:CurrentTime", &["2026-01-31T08:00:00Z"], No),
            ("DateEquals", "aws:CurrentTime", &["2026-01-31T10:00:00+02:00"], Yes),
            ("DateLessThan", "aws:EpochTime", &["2026-01-31T08:00:00.5Z"], Yes),
            ("Bool", "aws:SecureTransport", &["false"], Yes),
            ("Bool", "aws:SecureTransport", &["True"], No),
            ("IpAddress", "aws:SourceIp", &["10.0.0.0/8", "127.0.0.0/8"], Yes),
            ("IpAddress", "aws:SourceIp", &["::/0"], No),
            ("NotIpAddress", "aws:SourceIp", &["127.0.0.1"], No),
            ("ArnLike", "aws:PrincipalArn", &["arn:aws:iam::*:user/*"], Yes),
            ("ArnEquals", "aws:PrincipalArn", &["arn:aws:iam::*:role/*"], No),
            ("ArnNotLike", "aws:PrincipalArn", &["arn:aws:iam::*:role/*"], Yes),
        ] {
            check(operator, key, values, expected);
        }
    }

    #[test]
    fn what_is_not_there_equals_nothing() {
        use Verdict::{No, NotKnown, Yes};
        let absent = "aws:PrincipalTag/team";
        for (operator, expected) in [
            ("StringEquals", No),
            ("StringNotEquals", Yes),
            ("StringEqualsIfExists", Yes),
            ("ForAllValues:StringEquals", Yes),
            ("ForAnyValue:StringEquals", No),
        ] {
            check(operator, absent, &["x"], expected);
            check(operator, "nobody:knows", &["x"], NotKnown);
        }
        check("Null", absent, &["true"], Yes);
        check("Null", absent, &["false"], No);
        check("Null", "aws:username", &["false"], Yes);
        check("StringEquals", "aws:username", &["${nobody:knows}"], NotKnown);
        check("StringEquals", "aws:username", &["${aws:PrincipalTag/team}"], No);
    }

    #[test]
    fn several_values() {
        use Verdict::{No, Yes};
        for (operator, values, expected) in [
            ("ForAllValues:StringEquals", &["team", "cost", "x"][..], Yes),
            ("ForAllValues:StringEquals", &["team"], No),
            ("ForAnyValue:StringEquals", &["team"], Yes),
            ("ForAnyValue:StringLike", &["x*"], No),
            ("ForAnyValue:StringNotEquals", &["team"], Yes),
            ("ForAllValues:StringNotEquals", &["team"], No),
        ] {
            check(operator, "aws:TagKeys", values, expected);
        }
    }

    #[test]
    fn operators_are_read_strictly() {
        for bad in [
            "",
            "stringequals",
            "StringEqual",
            "For:StringEquals",
            "NullIfExists",
            "ForAnyValue:Null",
        ] {
            assert_eq!(Operator::read(bad), None, "{bad}");
        }
        for (operator, bad) in [
            ("NumericEquals", "x"),
            ("NumericEquals", "inf"),
            ("DateEquals", "2026-13-01"),
            ("DateEquals", "2026-01-01T00:00:00"),
            ("DateEquals", "2026-01-01TÄ0:00Z"),
            ("Bool", "1"),
            ("IpAddress", "127.0.0.0/33"),
            ("IpAddress", "localhost"),
        ] {
            assert!(!Operator::read(operator).unwrap().takes(bad), "{operator} {bad}");
        }
    }
}
